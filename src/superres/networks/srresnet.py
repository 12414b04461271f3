"""SRResNet: residual blocks with normalisation at the small size; SRGAN's generator.

Ledig et al., CVPR 2017, arXiv:1609.04802. Departs from it: the output's range is [0, 1], the
paper's [-1, 1]; convolutions before a normalisation have no bias, which it would cancel.
`msrresnet` is the widely used modification without normalisation.
"""

from __future__ import annotations

from itertools import chain

from torch import Tensor, nn

from superres.layers import receptive_field
from superres.layers.config import NetworkConfig
from superres.layers.scale_steps import scale_steps

_OUTER = 9  # kernel size of the first and the last convolution


class SrresnetConfig(NetworkConfig):
    """Shape of an SRResNet.

    Attributes:
        features: Channels of the body.
        blocks: Residual blocks of two convolutions.
    """

    features: int = 64
    blocks: int = 16

    @property
    def halo(self) -> int:
        """The first convolution, the body's, one before each pixel shuffle, the last."""
        enlarge = (
            (receptive_field.convolution(1), receptive_field.repetition(factor))
            for factor in scale_steps(self.scale)
        )
        path = (
            receptive_field.convolution(_OUTER // 2 + 2 * self.blocks + 1),
            *chain.from_iterable(enlarge),
            receptive_field.convolution(_OUTER // 2),
        )
        return receptive_field.halo(path, scale=self.scale)

    def build(self) -> Srresnet:
        """Return the network with initial weights."""
        return Srresnet(self)


class _ResidualBlock(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(features, features, 3, padding=1, bias=False),
            nn.BatchNorm2d(features),
            nn.PReLU(features),
            nn.Conv2d(features, features, 3, padding=1, bias=False),
            nn.BatchNorm2d(features),
        )

    def forward(self, f_BFHW: Tensor) -> Tensor:
        return f_BFHW + self.body(f_BFHW)


class Srresnet(nn.Module):
    """The network; see the module's docstring."""

    def __init__(self, config: SrresnetConfig) -> None:
        super().__init__()
        channels, features = config.channels, config.features
        self.head = nn.Sequential(
            nn.Conv2d(channels, features, _OUTER, padding=_OUTER // 2), nn.PReLU(features)
        )
        self.body = nn.Sequential(
            *(_ResidualBlock(features) for _ in range(config.blocks)),
            nn.Conv2d(features, features, 3, padding=1, bias=False),
            nn.BatchNorm2d(features),
        )
        enlarge = (
            (
                nn.Conv2d(features, features * factor**2, 3, padding=1),
                nn.PixelShuffle(factor),
                nn.PReLU(features),
            )
            for factor in scale_steps(config.scale)
        )
        self.tail = nn.Sequential(
            *chain.from_iterable(enlarge),
            nn.Conv2d(features, channels, _OUTER, padding=_OUTER // 2),
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Upscale (B, C, H, W) in [0, 1] to (B, C, scale*H, scale*W), unclamped."""
        f_BFHW = self.head(x_BCHW)
        return self.tail(f_BFHW + self.body(f_BFHW))
