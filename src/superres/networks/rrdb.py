"""RRDBNet: residual-in-residual dense blocks, then nearest upsampling steps with convolutions.

Wang et al., ECCV Workshops 2018, arXiv:1809.00219 (ESRGAN); Wang et al., ICCV Workshops 2021,
arXiv:2107.10833 (Real-ESRGAN), the source of the scales 2 and 1: the input's pixels are moved
into channels, and the network of scale 4 does the rest. Module names follow Real-ESRGAN's
checkpoints. Departs from them: scale 3 is one step by 3, as in the community's checkpoints; up to
four doublings (x16). `plus` are the two further paths in each dense block of ESRGAN+ (Rakotonirina
and Rasoanaivo, ICASSP 2020, arXiv:2001.08073), whose noise in training is left out.

The full receptive field (349 px with 23 blocks) would leave no room for tiles, so the halo of deep
networks is limited to 32 px. Each block adds a fifth of its output, each dense block in it a fifth
again, and distant pixels act only through many of them: in untrained networks, also with gains up
to five times as large, the output 12 px from a cut differs by less than 1e-6. Real-ESRGAN's own
tiles overlap by 10 px.
"""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from superres.layers.config import NetworkConfig, check_network_scale
from superres.layers.initialisation import init_rectified
from superres.layers.receptive_field import convolution, halo, pooling, repetition

_SLOPE = 0.2  # of the leaky rectifiers
_BRANCH = 0.2  # factor on the branches of dense blocks and of blocks of three
_DENSE = 5  # convolutions of a dense block
_START = 0.1  # gain of their initial weights, as in ESRGAN
_ENOUGH = 32  # limit of the halo, in pixels of the body


class RrdbConfig(NetworkConfig):
    """Shape of an RRDBNet; the defaults are ESRGAN's and Real-ESRGAN's, 6 blocks its anime model.

    Attributes:
        features: Channels between blocks.
        growth: Channels that each convolution of a dense block adds.
        blocks: Blocks of three dense blocks each.
        doublings: Upsampling steps by 2 after the body. The input is made smaller by what they do
            beyond the scale: 2 doublings at scale 2 are Real-ESRGAN's x2, 1 is the community's.
            Scale 3 ignores it.
        plus: Whether dense blocks have ESRGAN+'s further paths.
    """

    features: int = 64
    growth: int = 32
    blocks: int = 23
    doublings: int = Field(default=2, ge=0, le=4)
    plus: bool = False

    @property
    def scale_steps(self) -> tuple[int, ...]:
        """The factors of the upsampling steps after the body."""
        return (3,) if self.scale == 3 else (2,) * self.doublings

    @property
    def multiple_of(self) -> int:
        """Edge of the squares of input pixels that are moved into channels."""
        return max(1, math.prod(self.scale_steps) // self.scale)

    @property
    def reach(self) -> int:
        """The receptive field's true radius, in input pixels."""
        ups = [
            layer for factor in self.scale_steps for layer in (repetition(factor), convolution(1))
        ]
        body = convolution(1 + 3 * _DENSE * self.blocks + 1)
        layers = [pooling(self.multiple_of), body, *ups, convolution(2)]
        return halo(layers, scale=self.scale, multiple_of=self.multiple_of)

    @property
    def halo(self) -> int:
        """The radius, limited as the module's docstring explains."""
        return min(self.reach, _ENOUGH * self.multiple_of)

    @property
    def exact_halo(self) -> bool:
        """Whether the halo is the whole radius."""
        return self.halo == self.reach

    def build(self) -> Rrdb:
        """Return the network with initial weights.

        Raises:
            ArgumentError: The scale is neither 3 nor a power of two within the doublings.
        """
        reached = sorted({3, *(2**n for n in range(self.doublings + 1))})
        check_network_scale(f"rrdb with {self.doublings} doublings", self.scale, tuple(reached))
        return Rrdb(self)


class _DenseBlock(nn.Module):
    """Five convolutions, each of which sees what all before it made.

    With `plus`, the input goes to the second convolution's answer through a 1x1, and that answer to
    the fourth's.
    """

    def __init__(self, features: int, growth: int, *, plus: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, growth, 3, padding=1)
        self.conv2 = nn.Conv2d(features + growth, growth, 3, padding=1)
        self.conv3 = nn.Conv2d(features + 2 * growth, growth, 3, padding=1)
        self.conv4 = nn.Conv2d(features + 3 * growth, growth, 3, padding=1)
        self.conv5 = nn.Conv2d(features + 4 * growth, features, 3, padding=1)
        self.conv1x1 = nn.Conv2d(features, growth, 1, bias=False) if plus else None
        init_rectified(self, slope=_SLOPE, gain=_START)

    def forward(self, f_BFHW: Tensor) -> Tensor:
        seen_BFHW = f_BFHW
        second_BGHW: Tensor | None = None
        for number, grow in enumerate((self.conv1, self.conv2, self.conv3, self.conv4), 1):
            grown_BGHW = functional.leaky_relu(grow(seen_BFHW), _SLOPE)
            if self.conv1x1 is not None and number == 2:
                grown_BGHW = second_BGHW = grown_BGHW + self.conv1x1(f_BFHW)
            elif second_BGHW is not None and number == 4:
                grown_BGHW = grown_BGHW + second_BGHW
            seen_BFHW = torch.cat((seen_BFHW, grown_BGHW), 1)
        return f_BFHW + _BRANCH * self.conv5(seen_BFHW)


class _Block(nn.Module):
    def __init__(self, features: int, growth: int, *, plus: bool) -> None:
        super().__init__()
        self.rdb1 = _DenseBlock(features, growth, plus=plus)
        self.rdb2 = _DenseBlock(features, growth, plus=plus)
        self.rdb3 = _DenseBlock(features, growth, plus=plus)

    def forward(self, f_BFHW: Tensor) -> Tensor:
        return f_BFHW + _BRANCH * self.rdb3(self.rdb2(self.rdb1(f_BFHW)))


class Rrdb(nn.Module):
    """The network; see the module's docstring."""

    def __init__(self, config: RrdbConfig) -> None:
        super().__init__()
        features, fold = config.features, config.multiple_of
        self.fold = fold
        self.scale_steps = config.scale_steps
        self.conv_first = nn.Conv2d(config.channels * fold**2, features, 3, padding=1)
        blocks = (_Block(features, config.growth, plus=config.plus) for _ in range(config.blocks))
        self.body = nn.Sequential(*blocks)
        self.conv_body = nn.Conv2d(features, features, 3, padding=1)
        for number in range(1, len(config.scale_steps) + 1):
            self.add_module(f"conv_up{number}", nn.Conv2d(features, features, 3, padding=1))
        self.conv_hr = nn.Conv2d(features, features, 3, padding=1)
        self.conv_last = nn.Conv2d(features, config.channels, 3, padding=1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Upscale (B, C, H, W) in [0, 1] to (B, C, scale*H, scale*W), unclamped.

        H and W are multiples of the config's `multiple_of`.
        """
        if self.fold > 1:
            x_BCHW = functional.pixel_unshuffle(x_BCHW, self.fold)
        f_BFHW = self.conv_first(x_BCHW)
        f_BFHW = f_BFHW + self.conv_body(self.body(f_BFHW))
        for number, factor in enumerate(self.scale_steps, 1):
            f_BFHW = functional.interpolate(f_BFHW, scale_factor=factor, mode="nearest")
            f_BFHW = functional.leaky_relu(self.get_submodule(f"conv_up{number}")(f_BFHW), _SLOPE)
        return self.conv_last(functional.leaky_relu(self.conv_hr(f_BFHW), _SLOPE))
