"""Peak signal-to-noise ratio (PSNR)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from superres.metrics.protocol import PEAK, Protocol, comparable


def psnr(
    restored: NDArray[np.generic], truth: NDArray[np.generic], *, protocol: Protocol | None = None
) -> float:
    """Return the peak signal-to-noise ratio in dB: 10 log10(255² / mean squared error).

    Args:
        restored: (H, W), (H, W, 1) or (H, W, 3) of uint8, uint16, or float32 in [0, 1].
        truth: The same shape and dtype.
        protocol: How they are compared; None is `Protocol()`: luma, no border, 8 bits.

    Returns:
        dB; infinity where the pictures are identical under the protocol.

    Raises:
        ArgumentError: The pictures cannot be compared; see `protocol.comparable`.
    """
    a, b = comparable(restored, truth, protocol or Protocol())
    error = float(np.mean(np.square(a - b)))
    return 10.0 * math.log10(PEAK**2 / error) if error > 0.0 else math.inf
