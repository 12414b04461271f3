"""Correction of values that libvips shifts or rounds down, so that white stays white."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def full_range(pixels: NDArray[Any], bits: int) -> NDArray[Any]:
    """Stretch 10 or 12 bits, which libvips shifts to the top of 16, to 0 to 65535.

    Args:
        pixels: uint16 whose lowest bits are all zero.
        bits: Number of used bits.
    """
    values = pixels.astype(np.uint32) >> (16 - bits)
    largest = 2**bits - 1
    return ((values * 65535 + largest // 2) // largest).astype(np.uint16)


def placed_high(pixels: NDArray[Any], bits: int) -> NDArray[Any]:
    """Reduce uint16 to its top `bits` bits, rounded, so that libvips cuts off only zeros."""
    largest = 2**bits - 1
    values = (pixels.astype(np.uint32) * largest + 32767) // 65535
    return (values << (16 - bits)).astype(np.uint16)


def nearest_straight(pixels: NDArray[Any]) -> NDArray[Any]:
    """Round colours to nearest that libvips divided by alpha and rounded down.

    Only one stored product rounds down to a given value, so it is recovered and divided again.

    Args:
        pixels: (h, W, C) of uint8 or uint16 with alpha last.
    """
    white = int(np.iinfo(pixels.dtype).max)
    colour, alpha = pixels[..., :-1].astype(np.uint64), pixels[..., -1:].astype(np.uint64)
    product = (colour * alpha + (white - 1)) // white
    straight = (product * (2 * white) + alpha) // np.maximum(alpha * 2, 1)
    corrected = pixels.copy()
    corrected[..., :-1] = np.where(alpha > 0, np.minimum(straight, white), colour)
    return corrected
