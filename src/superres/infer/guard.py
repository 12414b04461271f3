"""What is wrong with a network's answer, told from the numbers alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def fault(tiles_NCHW: NDArray[np.float32], answers_NCHW: NDArray[np.float32]) -> str | None:
    """Return what is wrong with the answers in words, or None if nothing is.

    Args:
        tiles_NCHW: What the network was given, (N, C, h, w).
        answers_NCHW: What it answered, (N, C, s*h, s*w).
    """
    for tile, answer in zip(tiles_NCHW, answers_NCHW, strict=True):
        low, high = answer.min(), answer.max()  # either is NaN if any value is
        if np.isnan(low):
            return "NaN"
        if np.isinf(low) or np.isinf(high):
            return "Inf"
        if low == high and tile.min() != tile.max():
            return f"one constant, {low:g}, for an input that varies"
    return None
