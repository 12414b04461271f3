"""DRRN: residual units that share their two convolutions, at the large size, over bicubic.

Tai et al., CVPR 2017, "Image Super-Resolution via Deep Recursive Residual Network", B1U9. As in
the paper, normalisation and rectifier come before each convolution, every unit adds its branch to
the block's first features, and normalisations are not shared, as each application sees different
statistics. Departs from it: RGB, where the paper trains luma alone; one scale per network, where
the paper mixes three; the upsampling is part of the network; the last layer is initialised near
zero.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from superres.layers import receptive_field
from superres.layers.bicubic_upsample import BicubicUpsample
from superres.layers.config import NetworkConfig
from superres.layers.initialisation import QUIET, init_rectified


class DrrnConfig(NetworkConfig):
    """Shape of a DRRN, in the paper's letters: B and U.

    Attributes:
        features: Channels of the body.
        blocks: Recursive blocks (B).
        units: Residual units in a block (U).
    """

    features: int = 128
    blocks: int = Field(default=1, ge=1)
    units: int = Field(default=9, ge=1)

    @property
    def halo(self) -> int:
        """One output pixel for each convolution on the path, and the bicubic kernel's radius."""
        depth = self.blocks * (1 + 2 * self.units) + 1
        path = (receptive_field.bicubic(self.scale), receptive_field.convolution(depth))
        return receptive_field.halo(path, scale=self.scale)

    def build(self) -> Drrn:
        """Return the network with initial weights."""
        return Drrn(self)


class _Normalised(nn.Sequential):
    """Normalisation and rectifier, which precede each convolution."""

    def __init__(self, features: int) -> None:
        super().__init__(nn.BatchNorm2d(features), nn.ReLU())


class _RecursiveBlock(nn.Module):
    def __init__(self, channels: int, features: int, units: int) -> None:
        super().__init__()
        self.head = nn.Sequential(
            _Normalised(channels), nn.Conv2d(channels, features, 3, padding=1)
        )
        self.first = nn.Conv2d(features, features, 3, padding=1)
        self.second = nn.Conv2d(features, features, 3, padding=1)
        self.before_first = nn.ModuleList(_Normalised(features) for _ in range(units))
        self.before_second = nn.ModuleList(_Normalised(features) for _ in range(units))

    def forward(self, f_BFHW: Tensor) -> Tensor:
        begun_BFHW = self.head(f_BFHW)
        f_BFHW = begun_BFHW
        for before_first, before_second in zip(self.before_first, self.before_second, strict=True):
            branch_BFHW = self.first(before_first(f_BFHW))
            f_BFHW = begun_BFHW + self.second(before_second(branch_BFHW))
        return f_BFHW


class Drrn(nn.Module):
    """The network; see the module's docstring."""

    def __init__(self, config: DrrnConfig) -> None:
        super().__init__()
        channels, features = config.channels, config.features
        widths = [channels, *[features] * (config.blocks - 1)]
        self.enlarge = BicubicUpsample(channels, config.scale)
        self.body = nn.Sequential(*(_RecursiveBlock(w, features, config.units) for w in widths))
        self.before_tail = _Normalised(features)
        self.tail = nn.Conv2d(features, channels, 3, padding=1)
        init_rectified(self)
        init_rectified(self.tail, gain=QUIET)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Upscale (B, C, H, W) in [0, 1] to (B, C, scale*H, scale*W), unclamped."""
        large_BCHW = self.enlarge(x_BCHW)
        return large_BCHW + self.tail(self.before_tail(self.body(large_BCHW)))
