"""U-Net discriminator with spectral norms: a score for each pixel.

Wang et al., ICCV Workshops 2021, arXiv:2107.10833 (Real-ESRGAN). Departs from its release: sizes
that are not a multiple of 8 are upscaled to the size of the features they are added to.
"""

from __future__ import annotations

import itertools

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from superres.networks.spectral import spectral_conv

_SLOPE = 0.2  # of the leaky rectifiers
_DEPTH = 3  # times that the picture is halved


class UnetDiscriminatorConfig(BaseModel):
    """Shape of the network.

    Attributes:
        channels: Channels of the pictures.
        edge: Edge of the pictures in training, in pixels; any larger size also works.
        features: Channels at full size; they double with each halving.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    channels: int = Field(default=3, ge=1, le=3)
    edge: int = Field(default=256, ge=2**_DEPTH)
    features: int = Field(default=64, ge=1)

    def build(self) -> UnetDiscriminator:
        """Return the network with initial weights."""
        return UnetDiscriminator(self)


class UnetDiscriminator(nn.Module):
    """The network; see the module's docstring."""

    def __init__(self, config: UnetDiscriminatorConfig) -> None:
        super().__init__()
        features = config.features
        widths = [features * 2**depth for depth in range(_DEPTH + 1)]
        pairs = list(itertools.pairwise(widths))
        self.head = nn.Conv2d(config.channels, features, 3, padding=1)
        self.down = nn.ModuleList(
            spectral_conv(wide, deep, 4, stride=2, bias=False) for wide, deep in pairs
        )
        self.up = nn.ModuleList(
            spectral_conv(deep, wide, 3, bias=False) for wide, deep in reversed(pairs)
        )
        self.refine = nn.ModuleList(
            spectral_conv(features, features, 3, bias=False) for _ in range(2)
        )
        self.tail = nn.Conv2d(features, 1, 3, padding=1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return a logit for each pixel, (B, 1, H, W): above 0 where it looks real.

        Args:
            x_BCHW: (B, C, H, W) in [0, 1], H and W at least 8.
        """
        f_BFHW = functional.leaky_relu(self.head(x_BCHW), _SLOPE)
        skips: list[Tensor] = []
        for halve in self.down:
            skips.append(f_BFHW)
            f_BFHW = functional.leaky_relu(halve(f_BFHW), _SLOPE)
        for merge in self.up:
            skip_BFHW = skips.pop()
            size = skip_BFHW.shape[-2:]
            f_BFHW = functional.interpolate(f_BFHW, size, mode="bilinear", align_corners=False)
            f_BFHW = functional.leaky_relu(merge(f_BFHW), _SLOPE) + skip_BFHW
        for refine in self.refine:
            f_BFHW = functional.leaky_relu(refine(f_BFHW), _SLOPE)
        return self.tail(f_BFHW)
