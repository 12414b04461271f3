"""Fast approximate resizing of a batch.

Single precision, and several times faster than `downscale`; as there, pixel centres lie at
half-integers, so no picture shifts. Nearest-neighbour is left out, as in Real-ESRGAN: downscaling
by an even factor, it would shift the picture by half a pixel.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from superres.degrade.ragged import exact_dtype, upload

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
        return _by_area(x_BCHW, size)
    name, _, aliased = kernel.partition("_")
    return functional.interpolate(x_BCHW, size, mode=name, antialias=not aliased)


def _by_area(x_BCHW: Tensor, size: tuple[int, int]) -> Tensor:
    """Average areas, by matrix products; torch's own kernel would distort at non-integer ratios."""
    batch, channels, height, width = x_BCHW.shape
    double = x_BCHW.dtype == torch.float64 or exact_dtype(x_BCHW.device) == torch.float64
    areas = (_area(height, size[0]), _area(width, size[1]).T)
    down_hH, right_Ww = (
        upload(area if double else area.astype(np.float32), x_BCHW.device) for area in areas
    )
    lines_nW = x_BCHW.to(down_hH.dtype).reshape(-1, width)
    wide_nHw = (lines_nW @ right_Ww).view(batch * channels, height, size[1])
    result_nhw = torch.bmm(down_hH.expand(batch * channels, -1, -1), wide_nHw)
    return result_nhw.view(batch, channels, *size).to(x_BCHW.dtype)


def _area(in_length: int, out_length: int) -> NDArray[np.float64]:
    """Return the fraction of each output pixel covered by each input pixel, (out, in)."""
    ends = np.arange(out_length + 1) * (in_length / out_length)
    pixels = np.arange(in_length)
    covered = np.minimum(ends[1:, None], pixels + 1) - np.maximum(ends[:-1, None], pixels)
    return np.clip(covered, 0.0, None) * (out_length / in_length)
