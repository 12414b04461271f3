"""VGG-style discriminator: strided convolutions, two dense layers, a score for each picture.

Ledig et al., CVPR 2017, arXiv:1609.04802 (SRGAN); Wang et al., ECCV Workshops 2018,
arXiv:1809.00219 (ESRGAN), the source of the kernel of 4 that halves, the dense layer of 100 and
the maximum of 512 channels. Departs from them: spectral norms (arXiv:1802.05957) instead of batch
normalisation, so that a score does not depend on the rest of the batch; the number of
halvings follows from the picture's size (4 for SRGAN's 96 px, 5 for ESRGAN's 128, 6 for 256).
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from superres.errors import ArgumentError
from superres.networks.spectral import spectral_conv

_SLOPE = 0.2  # of the leaky rectifiers
_HIDDEN = 100
_WIDEST = 8  # times `features`
_SMALL_PX = 8  # smaller edges are not halved further


class VggDiscriminatorConfig(BaseModel):
    """Shape of the network.

    Attributes:
        channels: Channels of the pictures.
        edge: Height and width of the pictures, in pixels; the network takes no other size.
        features: Channels at full size; they double with each halving, up to eight times as many.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    channels: int = Field(default=3, ge=1, le=3)
    edge: int = Field(default=128, ge=32, le=1024)
    features: int = Field(default=64, ge=1)

    def build(self) -> VggDiscriminator:
        """Return the network with initial weights."""
        return VggDiscriminator(self)


class VggDiscriminator(nn.Module):
    """The network; see the module's docstring."""

    def __init__(self, config: VggDiscriminatorConfig) -> None:
        super().__init__()
        self.edge = config.edge
        width, small_edge = config.features, config.edge // 2
        layers: list[nn.Module] = [
            nn.Conv2d(config.channels, width, 3, padding=1),
            nn.LeakyReLU(_SLOPE),
            spectral_conv(width, width, 4, stride=2),
            nn.LeakyReLU(_SLOPE),
        ]
        while small_edge >= _SMALL_PX:
            wider = min(2 * width, _WIDEST * config.features)
            layers += [
                spectral_conv(width, wider, 3),
                nn.LeakyReLU(_SLOPE),
                spectral_conv(wider, wider, 4, stride=2),
                nn.LeakyReLU(_SLOPE),
            ]
            width, small_edge = wider, small_edge // 2
        self.body = nn.Sequential(*layers)
        self.hidden = nn.Linear(width * small_edge**2, _HIDDEN)
        self.verdict = nn.Linear(_HIDDEN, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return a logit for each picture, (B, 1): above 0 where it looks real.

        Args:
            x_BCHW: (B, C, edge, edge) in [0, 1].

        Raises:
            ArgumentError: The pictures have another size.
        """
        if x_BCHW.shape[-2:] != (self.edge, self.edge):
            raise ArgumentError(
                f"this discriminator takes pictures of {self.edge}×{self.edge} px, "
                f"got {x_BCHW.shape[-2]}×{x_BCHW.shape[-1]}",
                "build it for the patch size, or take the one named unet",
            )
        f_BN = self.body(x_BCHW).flatten(1)
        return self.verdict(functional.leaky_relu(self.hidden(f_BN), _SLOPE))
