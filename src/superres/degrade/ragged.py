"""Ragged batches: samples of various sizes in one tensor, so that a step runs once for all.

Each sample lies at the top left of its canvas (C, H, W); what lies beyond its size has no meaning
and is never read. Sizes are known on the host, so nothing here waits for the device.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Sizes = NDArray[np.int64]  # (B, 2), height and width of each sample
Edge = Literal["mirror", "repeat"]


def upload(values: NDArray[np.generic], device: torch.device) -> Tensor:
    """Return an array as a tensor on a device, without waiting for the device."""
    host = torch.from_numpy(np.ascontiguousarray(values))
    if device.type == "cpu":
        return host
    if device.type != "cuda":
        return host.to(device)
    return host.pin_memory().to(device, non_blocking=True)


def exact_dtype(device: torch.device) -> torch.dtype:
    """Return the dtype of matrix products whose results are rounded to whole numbers.

    Training may allow TF32 products on a GPU, for the whole process: 10 bits of mantissa would
    move the rounding of pixels and of JPEG's coefficients. Double precision has no such mode.
    """
    return torch.float64 if device.type == "cuda" else torch.float32


def extended(
    x_BCHW: Tensor, sizes_B2: Sizes | None, *, before: int, size: tuple[int, int], edge: Edge
) -> Tensor:
    """Return canvases of another size, each filled from its own sample.

    Args:
        x_BCHW: (B, C, H, W).
        sizes_B2: Sizes of the samples; None if each fills its canvas.
        before: Rows and columns to add at the top left.
        size: (height, width) of the new canvases.
        edge: Pixels beyond a sample mirror it about its last row and column, as often as needed,
            or repeat these.

    Returns:
        (B, C, *size).
    """
    batch, channels, height, width = x_BCHW.shape
    after = (size[0] - before - height, size[1] - before - width)
    if sizes_B2 is None:
        if not (before or any(after)):
            return x_BCHW
        most = (height - 1, width - 1)  # torch mirrors only once
        fits = edge == "repeat" or all(
            max(before, a) <= m for a, m in zip(after, most, strict=True)
        )
        if min(after) >= 0 and fits:
            mode = "reflect" if edge == "mirror" else "replicate"
            return functional.pad(x_BCHW, (before, after[1], before, after[0]), mode=mode)
        sizes_B2 = np.array([[height, width]] * batch)
    rows_BH, columns_BW = (
        _inside(np.arange(-before, size[axis] - before), sizes_B2[:, axis, None], edge)
        for axis in (0, 1)
    )
    starts_BH1 = upload((rows_BH * width)[:, :, None], x_BCHW.device)
    index_BHW = starts_BH1 + upload(columns_BW[:, None], x_BCHW.device)
    index_BCn = index_BHW.view(batch, 1, -1).expand(-1, channels, -1)
    return x_BCHW.reshape(batch, channels, -1).gather(2, index_BCn).view(batch, channels, *size)


def _inside(
    places: NDArray[np.int64], lengths_B1: NDArray[np.int64], edge: Edge
) -> NDArray[np.int64]:
    """Return (B, n) places between 0 and each length."""
    last_B1 = lengths_B1 - 1
    if edge == "repeat":
        return np.clip(places, 0, last_B1)
    period_B1 = np.maximum(2 * last_B1, 1)
    turned_Bn = places % period_B1
    return np.minimum(np.minimum(turned_Bn, period_B1 - turned_Bn), last_B1)
