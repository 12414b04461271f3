"""Structural similarity index (SSIM).

Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from error
visibility to structural similarity", 2004, with the constants and the window of that paper.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from superres.errors import ArgumentError
from superres.metrics.protocol import PEAK, Protocol, comparable

WINDOW = 11
_C1 = (0.01 * PEAK) ** 2
_C2 = (0.03 * PEAK) ** 2
_GAUSSIAN = [math.exp(-((i - WINDOW // 2) ** 2) / (2.0 * 1.5**2)) for i in range(WINDOW)]
_WEIGHTS = [value / sum(_GAUSSIAN) for value in _GAUSSIAN]
_STRIP = 64  # rows at a time, so that the maps stay in the cache


def ssim(
    restored: NDArray[np.generic], truth: NDArray[np.generic], *, protocol: Protocol | None = None
) -> float:
    """Return the mean structural similarity over all positions where the 11×11 window fits.

    Args:
        restored: (H, W), (H, W, 1) or (H, W, 3) of uint8, uint16, or float32 in [0, 1].
        truth: The same shape and dtype.
        protocol: How they are compared; None is `Protocol()`: luma, no border, 8 bits. With
            `rgb` it is the mean over the three channels.

    Returns:
        -1 to 1; 1 where the pictures are identical under the protocol.

    Raises:
        ArgumentError: The pictures cannot be compared (see `protocol.comparable`), or the border
            leaves less than a window.
    """
    a, b = comparable(restored, truth, protocol or Protocol())
    height, width = a.shape[0] - WINDOW + 1, a.shape[1] - WINDOW + 1
    if height < 1 or width < 1:
        raise ArgumentError(
            f"SSIM needs {WINDOW}×{WINDOW} px, the border leaves {a.shape[0]}×{a.shape[1]}",
            "compare larger pictures, or use a smaller border",
        )
    total = 0.0
    for top in range(0, height, _STRIP):
        rows = slice(top, min(top + _STRIP, height) + WINDOW - 1)
        total += float(_similarity(a[rows], b[rows]).sum())
    return total / (height * width * a.shape[2])


def _similarity(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the map of similarity where the window fits, for each channel."""
    mean_a, mean_b = _blur(a), _blur(b)
    variance_a = _blur(a * a) - mean_a * mean_a
    variance_b = _blur(b * b) - mean_b * mean_b
    covariance = _blur(a * b) - mean_a * mean_b
    brightness = (2.0 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    structure = (2.0 * covariance + _C2) / (variance_a + variance_b + _C2)
    return brightness * structure


def _blur(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average (h, w, C) under the window, which gives (h - 10, w - 10, C)."""
    height, width = x.shape[0] - WINDOW + 1, x.shape[1] - WINDOW + 1
    tall = np.zeros((height, *x.shape[1:]))
    for offset, weight in enumerate(_WEIGHTS):
        tall += weight * x[offset : offset + height]
    blurred = np.zeros((height, width, x.shape[2]))
    for offset, weight in enumerate(_WEIGHTS):
        blurred += weight * tall[:, offset : offset + width]
    return blurred
