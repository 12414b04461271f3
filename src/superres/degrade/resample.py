"""Fast approximate resizing of a batch.

Single precision, and several times faster than `downscale`; as there, pixel centres lie at
half-integers, so no picture shifts. Nearest-neighbour is left out, as in Real-ESRGAN: downscaling
by an even factor, it would shift the picture by half a pixel.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

ResizeKernel = Literal["area", "bilinear", "bicubic", "bilinear_aliased", "bicubic_aliased"]


def resample(x_BCHW: Tensor, size: tuple[int, int], kernel: ResizeKernel) -> Tensor:
    """Resize (B, C, H, W) to (B, C, *size); bicubic kernels overshoot and are not clipped.

    Args:
        x_BCHW: The batch, floating.
        size: (height, width).
        kernel: `area` averages the area of a pixel. The others are widened for downscaling,
            except `aliased` ones, which turn fine detail into coarse stripes and steps.
    """
    height, width = x_BCHW.shape[2:]
    if (height, width) == size:
        return x_BCHW
    if kernel == "area":
        # torch's own takes only whole pixels, which distorts pictures at non-integer ratios.
        down_hH, right_wW = _area(height, size[0], x_BCHW), _area(width, size[1], x_BCHW)
        return down_hH @ x_BCHW @ right_wW.T
    name, _, aliased = kernel.partition("_")
    return functional.interpolate(x_BCHW, size, mode=name, antialias=not aliased)


def _area(in_length: int, out_length: int, like: Tensor) -> Tensor:
    """Return the fraction of each output pixel covered by each input pixel, (out, in)."""
    ends = torch.arange(out_length + 1, device=like.device, dtype=torch.float64)
    ends *= in_length / out_length
    pixels = torch.arange(in_length, device=like.device)
    covered = torch.minimum(ends[1:, None], pixels + 1) - torch.maximum(ends[:-1, None], pixels)
    return (covered.clamp(min=0.0) * (out_length / in_length)).to(like.dtype)
