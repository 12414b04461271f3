"""What is done to whole planes before they are compared: blurs, slopes, sizes, detail."""

from __future__ import annotations

import numpy as np

from superres.burst.sample import Floats, Plane
from superres.images.resize import resize


def blurred(plane: Plane, sigma: float) -> Plane:
    """Return a plane under a Gaussian; beyond its edge it is mirrored.

    Args:
        plane: (H, W).
        sigma: In pixels, above 0.
    """
    reach = int(np.ceil(3.0 * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    return _along_rows(_along_rows(plane, weights).T, weights).T


def slopes(plane: Plane) -> tuple[Plane, Plane]:
    """Return the central differences of a plane along its rows and columns, per pixel."""
    return _slope(plane), _slope(plane.T).T


def halved(plane: Plane) -> Plane:
    """Return a plane at half its size, rounded up, without aliasing."""
    return resize(plane, scale=0.5).astype(np.float32)


def detail(plane: Plane) -> Plane:
    """Return what is neither brightness nor noise nor aliasing: structures of 3 to 12 pixels."""
    return without_brightness(blurred(plane, 1.0))


def without_brightness(plane: Plane) -> Plane:
    """Return a plane without what varies over more than about 12 pixels."""
    return plane - blurred(plane, 4.0)


def _along_rows(plane: Plane, weights: Floats) -> Plane:
    """Return a plane filtered along its first axis."""
    reach, length = len(weights) // 2, len(plane)
    index = np.arange(-reach, length + reach) % (2 * length)
    padded = plane[np.minimum(index, 2 * length - 1 - index)]
    result = np.zeros_like(plane)
    for offset, weight in enumerate(weights):
        result += weight * padded[offset : offset + length]
    return result


def _slope(plane: Plane) -> Plane:
    """Return the central differences along the first axis, one-sided at the ends."""
    if len(plane) < 2:
        return np.zeros_like(plane)
    result = np.empty_like(plane)
    result[1:-1] = 0.5 * (plane[2:] - plane[:-2])
    result[0], result[-1] = plane[1] - plane[0], plane[-1] - plane[-2]
    return result
