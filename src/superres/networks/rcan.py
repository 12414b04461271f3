"""RCAN: groups of residual blocks with channel attention over the whole frame.

Zhang et al., ECCV 2018, arXiv:1807.02758. Module names follow the authors' checkpoints, which hold
the mean colour as weights too; here it is a constant, and pixels are in [0, 1], not up to 255.
Departs from the paper as some of the community's checkpoints do: no mean colour, and an input that
is folded, pixels into channels, so that the body runs at a half or a quarter of its edge.

No halo makes tiles equal the whole frame: each of the 200 blocks pools over all its input pixels.
Pooled over a tile, the weights of channels reflect its content, as they did a patch's in training,
which is no worse (Chu et al., ECCV 2022, arXiv:2112.04491). The halo bounds what the convolutions
miss beyond the tile. They reach some 400 px, but with untrained weights what they miss is less than
the differences of the means (3e-4 of the range) 16 px from a cut.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from superres.layers.config import NetworkConfig
from superres.layers.scale_steps import scale_steps

_DIV2K_MEAN = (0.4488, 0.4371, 0.4040)
_ENOUGH = 32  # the halo, in input pixels
_OPEN = 0.1  # initial bias before a rectifier of few channels, or small means would leave it dead


class RcanConfig(NetworkConfig):
    """Shape of an RCAN; the defaults are the paper's.

    Attributes:
        features: Channels of the body.
        groups: Groups of blocks, each with its own skip.
        blocks: Blocks of two convolutions in a group.
        reduction: Channels over those that the weighing goes through.
        centred: Whether DIV2K's mean colour is taken off before the network, and added after it.
        fold: Edge of the squares of input pixels that are moved into channels; the tail upscales by
            as much more.
    """

    features: int = 64
    groups: int = 10
    blocks: int = 20
    reduction: int = 16
    centred: bool = True
    fold: int = Field(default=1, ge=1, le=8)

    @property
    def multiple_of(self) -> int:
        """What is folded has to be whole."""
        return self.fold

    @property
    def halo(self) -> int:
        """What is enough in practice; see the module's docstring."""
        return _ENOUGH * self.fold

    @property
    def exact_halo(self) -> bool:
        """False: pooling sees the whole frame."""
        return False

    def build(self) -> Rcan:
        """Return the network with initial weights."""
        return Rcan(self)


class _ChannelAttention(nn.Module):
    """Weights each channel between 0 and 1 by the means of all."""

    def __init__(self, features: int, reduction: int) -> None:
        super().__init__()
        narrow = nn.Conv2d(features, max(1, features // reduction), 1)
        widen = nn.Conv2d(narrow.out_channels, features, 1)
        self.conv_du = nn.Sequential(narrow, nn.ReLU(), widen, nn.Sigmoid())
        nn.init.constant_(torch.as_tensor(narrow.bias), _OPEN)

    def forward(self, f_BFHW: Tensor) -> Tensor:
        return f_BFHW * self.conv_du(f_BFHW.mean((2, 3), keepdim=True))


class _Residual(nn.Module):
    """Adds its body's output to its input; used for blocks and groups."""

    def __init__(self, *body: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)

    def forward(self, f_BFHW: Tensor) -> Tensor:
        return f_BFHW + self.body(f_BFHW)


def _block(config: RcanConfig) -> _Residual:
    return _Residual(
        nn.Conv2d(config.features, config.features, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(config.features, config.features, 3, padding=1),
        _ChannelAttention(config.features, config.reduction),
    )


def _group(config: RcanConfig) -> _Residual:
    blocks = (_block(config) for _ in range(config.blocks))
    return _Residual(*blocks, nn.Conv2d(config.features, config.features, 3, padding=1))


class Rcan(nn.Module):
    """The network; see the module's docstring."""

    mean: Tensor

    def __init__(self, config: RcanConfig) -> None:
        super().__init__()
        features, channels = config.features, config.channels
        mean = _DIV2K_MEAN if channels == 3 else (sum(_DIV2K_MEAN) / 3,) * channels
        mean = mean if config.centred else (0.0,) * channels
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        # A sequence of one: the authors' names begin with head.0.
        first = nn.Conv2d(channels * config.fold**2, features, 3, padding=1)
        folding = [nn.PixelUnshuffle(config.fold)] if config.fold > 1 else []
        self.head = nn.Sequential(*folding, first)
        groups = (_group(config) for _ in range(config.groups))
        self.body = nn.Sequential(*groups, nn.Conv2d(features, features, 3, padding=1))
        enlarge: list[nn.Module] = []
        for factor in scale_steps(config.scale * config.fold):
            expand = nn.Conv2d(features, features * factor**2, 3, padding=1)
            enlarge += [expand, nn.PixelShuffle(factor)]
        last = nn.Conv2d(features, channels, 3, padding=1)
        self.tail = nn.Sequential(nn.Sequential(*enlarge), last)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Upscale (B, C, H, W) in [0, 1] to (B, C, scale*H, scale*W), unclamped.

        H and W are multiples of the config's `multiple_of`.
        """
        f_BFHW = self.head(x_BCHW - self.mean)
        f_BFHW = f_BFHW + self.body(f_BFHW)
        return self.tail(f_BFHW) + self.mean
