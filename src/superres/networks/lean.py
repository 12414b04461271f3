"""Lean: our default network, plain residual blocks at the small size and one pixel shuffle.

Every convolution is 3x3 with a multiple of 32 channels, because that is what matrix units (AMX,
tensor cores) run at full speed; there is no normalisation, attention or concatenation, which cost
memory traffic (docs/networks.md has the measurements). The head repeats each input pixel scale x
scale times and the network learns the difference, as in Du et al., CVPR Workshops 2021,
arXiv:2105.10288; the blocks are EDSR's (Lim et al., CVPR Workshops 2017, arXiv:1707.02921).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from superres.layers.config import NetworkConfig


class LeanConfig(NetworkConfig):
    """Shape of a Lean network.

    Attributes:
        features: Channels of the body; a multiple of 32 runs fastest.
        blocks: Residual blocks of two convolutions.
    """

    features: int = 64
    blocks: int = 8

    @property
    def halo(self) -> int:
        """One pixel for each 3x3 convolution on the longest path: head, body, tail."""
        return 2 * self.blocks + 2

    def build(self) -> Lean:
        """Return the network with initial weights."""
        return Lean(self)


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(x))), initialised near the identity, which saves warm-up."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(features, features, 3, padding=1)
        self.second = nn.Conv2d(features, features, 3, padding=1)
        with torch.no_grad():
            self.second.weight.mul_(0.1)

    def forward(self, f_BFHW: Tensor) -> Tensor:
        """Refine (B, F, H, W), same shape out."""
        return f_BFHW + self.second(functional.relu(self.first(f_BFHW)))


class Lean(nn.Module):
    """The network; see the module's docstring."""

    repeated: Tensor

    def __init__(self, config: LeanConfig) -> None:
        super().__init__()
        self.scale = config.scale
        self.head = nn.Conv2d(config.channels, config.features, 3, padding=1)
        self.body = nn.Sequential(*(ResidualBlock(config.features) for _ in range(config.blocks)))
        self.tail = nn.Conv2d(config.features, config.channels * config.scale**2, 3, padding=1)
        repeated = torch.arange(config.channels).repeat_interleave(config.scale**2)
        self.register_buffer("repeated", repeated, persistent=False)
        with torch.no_grad():
            self.tail.weight.mul_(0.1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Upscale (B, C, H, W) in [0, 1] to (B, C, scale*H, scale*W), unclamped."""
        f_BFHW = self.head(x_BCHW)
        f_BFHW = f_BFHW + self.body(f_BFHW)
        # A gather, not a convolution: it stays in fp32 when convolutions run in bf16, so that the
        # picture itself is never rounded to bf16's 8 bits; only the learnt difference is.
        repeated_BCHW = x_BCHW.index_select(1, self.repeated)
        return functional.pixel_shuffle(self.tail(f_BFHW) + repeated_BCHW, self.scale)
