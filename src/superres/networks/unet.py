"""U-Net: down by pooling, up by deconvolution, with skips at each size; for teaching.

After Ronneberger et al., MICCAI 2015, arXiv:1505.04597, in the role of a generator (Isola et al.,
CVPR 2017, arXiv:1611.07004). Tutorials feed it a picture of one fixed size, upscaled beforehand.
Here it takes a small picture, pads its convolutions, has no normalisation, and a pixel shuffle
upscales its residual, which is added to bicubic upsampling. Its large receptive field is not worth
its cost at this task: networks without pooling do better for the same work.
"""

from __future__ import annotations

from itertools import chain

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from superres.layers import receptive_field
from superres.layers.bicubic_upsample import BicubicUpsample
from superres.layers.config import NetworkConfig
from superres.layers.deconvolution import deconvolution
from superres.layers.initialisation import QUIET, init_rectified


class UnetConfig(NetworkConfig):
    """Shape of a U-Net.

    Attributes:
        features: Channels at the input's size; each pooling doubles them.
        depth: Poolings by two.
    """

    features: int = 32
    depth: int = Field(default=3, ge=1, le=6)

    @property
    def multiple_of(self) -> int:
        """Every pooling halves the size."""
        return 2**self.depth

    @property
    def halo(self) -> int:
        """The path through the bottom: two convolutions at each size, down and up."""
        down = (receptive_field.convolution(2), receptive_field.pooling(2)) * self.depth
        up = (receptive_field.deconvolution(2, 2), receptive_field.convolution(2)) * self.depth
        path = (
            *down,
            receptive_field.convolution(2),
            *up,
            receptive_field.convolution(1),
            receptive_field.repetition(self.scale),
        )
        return receptive_field.halo(path, scale=self.scale, multiple_of=self.multiple_of)

    def build(self) -> Unet:
        """Return the network with initial weights."""
        return Unet(self)


class _TwoConvolutions(nn.Sequential):
    def __init__(self, features_in: int, features: int) -> None:
        widths = (features_in, features)
        layers = ((nn.Conv2d(width, features, 3, padding=1), nn.ReLU()) for width in widths)
        super().__init__(*chain.from_iterable(layers))


class Unet(nn.Module):
    """The network; see the module's docstring."""

    def __init__(self, config: UnetConfig) -> None:
        super().__init__()
        channels, scale = config.channels, config.scale
        widths = [config.features * 2**level for level in range(config.depth + 1)]
        self.scale = scale
        self.enlarge = BicubicUpsample(channels, scale)
        self.down = nn.ModuleList(map(_TwoConvolutions, [channels, *widths[:-2]], widths[:-1]))
        self.bottom = _TwoConvolutions(widths[-2], widths[-1])
        self.widen = nn.ModuleList(
            deconvolution(2 * width, width, kernel=2, factor=2) for width in reversed(widths[:-1])
        )
        self.up = nn.ModuleList(
            _TwoConvolutions(2 * width, width) for width in reversed(widths[:-1])
        )
        self.tail = nn.Conv2d(config.features, channels * scale**2, 3, padding=1)
        init_rectified(self)
        init_rectified(self.tail, gain=QUIET)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Upscale (B, C, H, W) in [0, 1] to (B, C, scale*H, scale*W), unclamped.

        H and W are multiples of 2**depth.
        """
        f_BFHW = x_BCHW
        carried: list[Tensor] = []
        for extract in self.down:
            carried.append(extract(f_BFHW))
            f_BFHW = functional.max_pool2d(carried[-1], 2)
        f_BFHW = self.bottom(f_BFHW)
        for widen, merge, across_BFHW in zip(self.widen, self.up, reversed(carried), strict=True):
            f_BFHW = merge(torch.cat((across_BFHW, widen(f_BFHW)), 1))
        residual_BCHW = functional.pixel_shuffle(self.tail(f_BFHW), self.scale)
        return self.enlarge(x_BCHW) + residual_BCHW
