"""Filters of whole planes before a comparison: blur, gradients, halving, detail."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from superres.images.kernels import mirrored
from superres.images.resize import resize
from superres.imaging.sampler import Plane


def blurred(plane: Plane, sigma: float) -> Plane:
    """Return a plane blurred by a Gaussian, mirrored beyond its edges.

    Args:
        plane: (H, W).
        sigma: In pixels, above 0.
    """
    reach = int(np.ceil(3.0 * sigma))
    weights = np.exp(-0.5 * (np.arange(reach + 1) / sigma) ** 2)
    weights = (weights / (2.0 * weights.sum() - weights[0])).astype(np.float32)
    height, width = plane.shape
    padded = plane[_around(height, reach)]
    tall = weights[0] * plane
    for off in range(1, reach + 1):
        above, below = padded[reach - off :][:height], padded[reach + off :][:height]
        tall += weights[off] * (above + below)
    padded = tall[:, _around(width, reach)]
    result = weights[0] * tall
    for off in range(1, reach + 1):
        left, right = padded[:, reach - off :][:, :width], padded[:, reach + off :][:, :width]
        result += weights[off] * (left + right)
    return result


def slopes(plane: Plane) -> tuple[Plane, Plane]:
    """Return the central differences of a plane along its rows and columns, per pixel."""
    return _slope(plane), _slope(plane.T).T


def halved(plane: Plane) -> Plane:
    """Return a plane at half its size, rounded up, without aliasing."""
    return resize(plane, scale=0.5).astype(np.float32)


def detail(plane: Plane) -> Plane:
    """Return structures of 3 to 12 pixels, without brightness, noise and aliasing."""
    return without_brightness(blurred(plane, 1.0))


def without_brightness(plane: Plane) -> Plane:
    """Return a plane without variations over more than about 12 pixels."""
    return plane - blurred(plane, 4.0)


def _around(length: int, reach: int) -> NDArray[np.int64]:
    """Return the indices of an axis, with `reach` mirrored samples beyond each end."""
    return mirrored(np.arange(-reach, length + reach), length)


def _slope(plane: Plane) -> Plane:
    """Return the central differences along the first axis, one-sided at the ends."""
    if len(plane) < 2:
        return np.zeros_like(plane)
    result = np.empty_like(plane)
    result[1:-1] = 0.5 * (plane[2:] - plane[:-2])
    result[0], result[-1] = plane[1] - plane[0], plane[-1] - plane[-2]
    return result
