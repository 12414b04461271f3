"""LapSRN: a pyramid that doubles the picture at each level and adds learnt detail.

Lai et al., CVPR 2017, arXiv:1704.03915. As in the authors' code, features are upscaled by 3x3 and
the picture by 4x4 transposed convolutions, the latter learnt and initially bilinear. Departs from
it: RGB, where the paper trains luma alone, so that each colour is upscaled by its own kernel; ten
convolutions per level also at scale 8, where the paper has five.
"""

from __future__ import annotations

from itertools import chain

import torch
from pydantic import Field
from torch import Tensor, nn

from superres.layers import receptive_field
from superres.layers.config import NetworkConfig, check_network_scale
from superres.layers.deconvolution import deconvolution
from superres.layers.initialisation import QUIET, init_rectified
from superres.layers.scale_steps import scale_steps

_SLOPE = 0.2  # of all rectifiers below 0
_KERNEL, _PICTURE_KERNEL = 3, 4


class LapsrnConfig(NetworkConfig):
    """Shape of a LapSRN; `scale` is that of the last level.

    Attributes:
        features: Channels between the layers.
        depth: Convolutions of a level before its features are upscaled.
    """

    features: int = 64
    depth: int = Field(default=10, ge=1)

    @property
    def halo(self) -> int:
        """The first convolution, every level's, and the last level's detail."""
        level = (receptive_field.convolution(self.depth), receptive_field.deconvolution(_KERNEL, 2))
        path = (
            receptive_field.convolution(1),
            *chain.from_iterable(level for _ in scale_steps(self.scale)),
            receptive_field.convolution(1),
        )
        return receptive_field.halo(path, scale=self.scale)

    def build(self) -> Lapsrn:
        """Return the network with initial weights.

        Raises:
            ArgumentError: The scale is not 2, 4 or 8.
        """
        check_network_scale("lapsrn", self.scale, (2, 4, 8))
        return Lapsrn(self)


class _Level(nn.Module):
    """Doubles features and picture, and adds detail from the features to the picture."""

    def __init__(self, config: LapsrnConfig) -> None:
        super().__init__()
        channels, features = config.channels, config.features
        layers = (
            (nn.Conv2d(features, features, 3, padding=1), nn.LeakyReLU(_SLOPE))
            for _ in range(config.depth)
        )
        self.extract = nn.Sequential(
            *chain.from_iterable(layers),
            deconvolution(features, features, kernel=_KERNEL, factor=2),
            nn.LeakyReLU(_SLOPE),
        )
        self.detail = nn.Conv2d(features, channels, 3, padding=1)
        self.enlarge = nn.ConvTranspose2d(
            channels, channels, _PICTURE_KERNEL, stride=2, padding=1, groups=channels, bias=False
        )

    def forward(self, f_BFHW: Tensor, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        f_BFHW = self.extract(f_BFHW)
        return f_BFHW, self.enlarge(x_BCHW) + self.detail(f_BFHW)


class Lapsrn(nn.Module):
    """The network; see the module's docstring."""

    def __init__(self, config: LapsrnConfig) -> None:
        super().__init__()
        self.head = nn.Sequential(
            nn.Conv2d(config.channels, config.features, 3, padding=1), nn.LeakyReLU(_SLOPE)
        )
        levels = [_Level(config) for _ in scale_steps(config.scale)]
        self.levels = nn.ModuleList(levels)
        init_rectified(self, slope=_SLOPE)
        for level in levels:
            init_rectified(level.detail, gain=QUIET)
            with torch.no_grad():
                level.enlarge.weight.copy_(_bilinear())

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Upscale (B, C, H, W) in [0, 1] to (B, C, scale*H, scale*W), unclamped."""
        return self.outputs(x_BCHW)[-1]

    def outputs(self, x_BCHW: Tensor) -> tuple[Tensor, ...]:
        """Return the picture of each level: 2, 4, ... and finally scale times as large."""
        f_BFHW = self.head(x_BCHW)
        pictures: list[Tensor] = []
        for level in self.levels:
            f_BFHW, x_BCHW = level(f_BFHW, x_BCHW)
            pictures.append(x_BCHW)
        return tuple(pictures)


def _bilinear() -> Tensor:
    """Return the (4, 4) weights of an input pixel in the output pixels."""
    axis = torch.tensor([0.25, 0.75, 0.75, 0.25])
    return torch.outer(axis, axis)
