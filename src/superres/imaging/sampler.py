"""Cubic sampler: interpolation between the pixels of a plane, and its transpose."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Single precision, except matrices. Any, because numpy's stubs lose the width of an array that is
# combined with a Python number.
Floats = NDArray[np.floating[Any]]
Plane = Floats  # (h, w)
Planes = Floats  # (C, h, w) unit pixels
Places = Floats  # (2, h, w): the row and column of each pixel
Matrix = Floats  # (3, 3), double precision

_TAPS = 4
_PIECE = 1 << 15  # positions at a time, so that intermediate values stay in the cache


def keys(x: Floats) -> Floats:
    """Return Keys' cubic of distances: a = -0.5, 1 at 0, 0 from 2 on (R. G. Keys, 1981)."""
    d = np.abs(x.astype(np.float64))
    near = (1.5 * d - 2.5) * d * d + 1.0
    far = ((-0.5 * d + 2.5) * d - 4.0) * d + 2.0
    return np.where(d <= 1.0, near, np.where(d < 2.0, far, 0.0))


class Sampler:
    """Positions on a plane, with the weights of the 4 x 4 values around each.

    Positions beyond the plane are moved to its edge; `inside` marks those that were not.

    Args:
        places: (2, h, w) rows and columns in pixels of the plane, whose first pixel is at 0.
        shape: (height, width) of the plane, at least 4 x 4.
    """

    def __init__(self, places: Places, shape: tuple[int, int]) -> None:
        self.shape = shape
        self.size = (places.shape[1], places.shape[2])
        flat = places.reshape(2, -1)
        top, self._rows = _taps(flat[0], shape[0])
        left, self._columns = _taps(flat[1], shape[1])
        self._first = top * shape[1] + left

    def gather(self, plane: Plane) -> Plane:
        """Return the (h, w) values of a plane at the positions."""
        source, result = plane.reshape(-1), np.empty(len(self._first), np.float32)
        for piece in self._pieces():
            first, total = self._first[piece], np.zeros(1, np.float32)
            for row in range(_TAPS):
                line = np.zeros(1, np.float32)
                for column in range(_TAPS):
                    values = source.take(first + (row * self.shape[1] + column))
                    line = line + values * self._columns[column, piece]
                total = total + line * self._rows[row, piece]
            result[piece] = total
        return result.reshape(self.size)

    def scatter(self, values: Plane, plane: Plane) -> None:
        """Add (h, w) values to a plane at the positions: the transpose of `gather`."""
        target, source = plane.reshape(-1), values.reshape(-1)
        for piece in self._pieces():
            first = self._first[piece]
            for row in range(_TAPS):
                line = source[piece] * self._rows[row, piece]
                for column in range(_TAPS):
                    index = first + (row * self.shape[1] + column)
                    np.add.at(target, index, line * self._columns[column, piece])

    def _pieces(self) -> list[slice]:
        return [slice(start, start + _PIECE) for start in range(0, len(self._first), _PIECE)]


def _taps(places: Floats, length: int) -> tuple[NDArray[np.intp], Floats]:
    """Return the first of the four samples around each position, and their weights (4, n)."""
    kept = np.clip(places, 0.0, length - 1.0)
    near = np.minimum(kept.astype(np.intp), length - 2)
    t = kept - near
    t2, t3 = t * t, t * t * t
    # Keys' cubic, written out for the four distances 1 + t, t, 1 - t and 2 - t
    weights = np.empty((_TAPS, len(kept)), np.float32)
    weights[0] = -0.5 * t3 + t2 - 0.5 * t
    weights[1] = 1.5 * t3 - 2.5 * t2 + 1.0
    weights[2] = -1.5 * t3 + 2.0 * t2 + 0.5 * t
    weights[3] = 0.5 * t3 - 0.5 * t2
    # Beyond the edge the last sample repeats: its weights move inwards.
    low, high = near == 0, near == length - 2
    if low.any():
        a, b, c, d = weights[:, low]
        weights[:, low] = a + b, c, d, np.zeros_like(d)
    if high.any():
        a, b, c, d = weights[:, high]
        weights[:, high] = np.zeros_like(a), a, b, c + d
    return np.clip(near - 1, 0, length - _TAPS), weights


def inside(places: Places, shape: tuple[int, int], margin: float) -> NDArray[np.bool_]:
    """Return which positions are on a plane, at least `margin` px inside its outermost centres."""
    rows, columns = places
    within = (rows >= margin) & (rows <= shape[0] - 1 - margin)
    return within & (columns >= margin) & (columns <= shape[1] - 1 - margin)
