"""Bicubic upsampling inside a network, for networks that refine an upscaled picture."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_RADIUS = 2  # a cubic at any sub-pixel phase touches at most two neighbours on each side


def bicubic_radius(phase: int, scale: int) -> tuple[int, int]:
    """Return how many input pixels before and after its own an output pixel depends on.

    Args:
        phase: Its index among the `scale` output pixels of its input pixel, from 0.
        scale: Output size over input size.
    """
    offset = 2 * phase + 1 - scale  # of its centre from the input pixel's, in 1/(2 scale)
    if offset == 0:
        return 0, 0
    return (2, 1) if offset < 0 else (1, 2)


class BicubicUpsample(nn.Module):
    """Keys' cubic (a = -0.5, TASSP 1981) with clamped borders, as one fixed convolution per phase.

    It has no weights of its own, so a state dict does not carry it.
    """

    kernel: Tensor

    def __init__(self, channels: int, scale: int) -> None:
        super().__init__()
        self.channels = channels
        self.scale = scale
        self.register_buffer("kernel", _phase_kernels(scale).repeat(channels, 1, 1, 1), False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Upscale (B, C, H, W) to (B, C, scale*H, scale*W)."""
        padded_BCHW = functional.pad(x_BCHW, (_RADIUS,) * 4, mode="replicate")
        phases_BCHW = functional.conv2d(padded_BCHW, self.kernel, groups=self.channels)
        return functional.pixel_shuffle(phases_BCHW, self.scale)


def _phase_kernels(scale: int) -> Tensor:
    """Return (scale**2, 1, 5, 5): the weights of each output pixel in one input pixel."""
    centres = (torch.arange(scale, dtype=torch.float64) + 0.5) / scale - 0.5
    taps = torch.arange(-_RADIUS, _RADIUS + 1, dtype=torch.float64)
    axis = keys_cubic(centres[:, None] - taps[None, :])
    axis = axis / axis.sum(1, keepdim=True)
    grid = torch.einsum("yi,xj->yxij", axis, axis)
    return grid.reshape(scale**2, 1, 2 * _RADIUS + 1, 2 * _RADIUS + 1).float()


def keys_cubic(distance: Tensor) -> Tensor:
    """Return Keys' cubic convolution kernel at a distance in input pixels."""
    d = distance.abs()
    near = 1.5 * d**3 - 2.5 * d**2 + 1.0
    far = -0.5 * d**3 + 2.5 * d**2 - 4.0 * d + 2.0
    return torch.where(d <= 1, near, torch.where(d < 2, far, torch.zeros_like(d)))
