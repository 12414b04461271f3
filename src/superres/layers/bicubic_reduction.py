"""Bicubic downscaling inside a network."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from superres.layers.bicubic_upsample import keys_cubic


class BicubicReduction(nn.Module):
    """MATLAB's antialiased bicubic by an integer factor, with clamped borders, as one convolution.

    It has no weights of its own, so a state dict does not carry it.
    """

    kernel: Tensor

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        taps = 4 * scale - scale % 2  # symmetric about the centre of a small pixel
        axis = keys_cubic((torch.arange(taps, dtype=torch.float64) - (taps - 1) / 2) / scale)
        axis = axis / axis.sum()
        self.padding = (taps - scale) // 2
        self.register_buffer("kernel", torch.outer(axis, axis)[None, None].float(), False)

    def forward(self, x_BChw: Tensor) -> Tensor:
        """Reduce (B, C, scale*H, scale*W) to (B, C, H, W)."""
        batch, channels = x_BChw.shape[:2]
        planes_N1hw = x_BChw.flatten(0, 1)[:, None]
        padded_N1hw = functional.pad(planes_N1hw, (self.padding,) * 4, mode="replicate")
        small_N1HW = functional.conv2d(padded_N1hw, self.kernel, stride=self.scale)
        return small_N1HW.view(batch, channels, *small_N1HW.shape[2:])
