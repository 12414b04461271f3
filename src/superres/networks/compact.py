"""SRVGGNetCompact: plain convolutions at the small size, one pixel shuffle, nearest skip.

Wang et al., ICCV Workshops 2021, arXiv:2107.10833: the small networks that Real-ESRGAN released
after the paper. Module names follow its checkpoints. Departs from it: initial weights are rotations
of each pixel's features, because without skips torch's default ones let a signal vanish within 32
layers.
"""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn import functional

from superres.layers.config import NetworkConfig
from superres.layers.initialisation import QUIET, init_delta_orthogonal, init_rectified

_SLOPE = 0.25  # initial value of the learnt PReLU slopes


class CompactConfig(NetworkConfig):
    """Shape of an SRVGGNetCompact; the default is realesr-general-x4v3's.

    Attributes:
        features: Channels of the body.
        convolutions: Convolutions of the body between the first and the last; 16 in the models
            for animation.
    """

    features: int = 64
    convolutions: int = 32

    @property
    def halo(self) -> int:
        """One pixel for each convolution."""
        return self.convolutions + 2

    def build(self) -> Compact:
        """Return the network with initial weights."""
        return Compact(self)


class Compact(nn.Module):
    """The network; see the module's docstring."""

    repeated: Tensor

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        features, channels, phases = config.features, config.channels, config.scale**2
        self.scale = config.scale
        first = nn.Conv2d(channels, features, 3, padding=1)
        inner = [nn.Conv2d(features, features, 3, padding=1) for _ in range(config.convolutions)]
        last = nn.Conv2d(features, channels * phases, 3, padding=1)
        rectified = ((layer, nn.PReLU(features, _SLOPE)) for layer in (first, *inner))
        self.body = nn.Sequential(*chain.from_iterable(rectified), last)
        repeated = torch.arange(channels).repeat_interleave(phases)
        self.register_buffer("repeated", repeated, persistent=False)
        init_rectified(first, slope=_SLOPE)
        init_delta_orthogonal(inner, slope=_SLOPE)
        init_rectified(last, gain=QUIET)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Upscale (B, C, H, W) in [0, 1] to (B, C, scale*H, scale*W), unclamped."""
        # The input's pixels are added before the shuffle, by a gather that stays in fp32 when
        # convolutions run in bf16; the result is that of nearest upsampling after it.
        repeated_BCHW = x_BCHW.index_select(1, self.repeated)
        return functional.pixel_shuffle(self.body(x_BCHW) + repeated_BCHW, self.scale)
