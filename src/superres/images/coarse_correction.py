"""Coarse correction of a picture's local means, from block errors, at the nodes of a grid.

An error is distributed among the four nodes around its pixel, by the weights of linear
interpolation. So the quotients of two such sums, of errors and of weights, once interpolated and
weighted, add up to the sum of the errors: for every picture, up to its borders.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from superres.frame import Unit

Mask = NDArray[np.bool_]

CELL = 8  # px from node to node
_LEAST = 2.0**-15  # of unit pixels, 1/128 of an 8-bit step: less is not corrected

# Weights of a cell's pixels at the nodes before and after them: (CELL, 2).
_AFTER = (np.arange(CELL, dtype=np.float32) + np.float32(0.5)) / np.float32(CELL)
_PARTS = np.stack([1 - _AFTER, _AFTER], axis=1)


@dataclass(slots=True)
class Strip:
    """Rows of the output in progress.

    Attributes:
        start: Their first input row.
        stop: One past the last.
        planes: (C, scale * (stop - start), scale * W) pixels.
        clamped: (h,) mask of input rows with pixels to be clamped, set by the first correction.
        means: (C, h, W) block means after that and before clamping, if any row is clamped.
    """

    start: int
    stop: int
    planes: Unit
    clamped: Mask | None = None
    means: Unit | None = None


class CoarseCorrection:
    """One correction of the local means, strip by strip.

    Args:
        size: (H, W) of the input.
        limit: The largest correction.
    """

    def __init__(self, size: tuple[int, int], limit: float) -> None:
        self._limit = np.float32(limit)
        self._errors, self._weights = NodeSums(size), NodeSums(size)
        self._waiting = deque[Strip]()

    def add(self, strip: Strip, weights: Unit, errors: Unit) -> None:
        """Add the next strip, with the weights of its pixels and its errors.

        Args:
            strip: The strip.
            weights: (C or 1, h, W) from 0 to 1.
            errors: (C, h, W) the excess of its block means.
        """
        self._waiting.append(strip)
        self._weights.add(weights)
        self._errors.add(errors)

    def correct(self, scale: int) -> Iterator[tuple[Strip, Unit]]:
        """Correct strips with complete surroundings; yield them and each row's largest (h,)."""
        while self._waiting and self._errors.surround(self._waiting[0].stop):
            strip = self._waiting.popleft()
            yield strip, self._subtract(strip, scale)
            for sums in (self._errors, self._weights):
                sums.forget(strip.stop // CELL)

    def _subtract(self, strip: Strip, scale: int) -> Unit:
        """Subtract the nodes' mean errors, interpolated; return each row's largest."""
        cells = range(strip.start // CELL, (strip.stop - 1) // CELL + 1)
        errors, weights = (
            sums.rows(cells.start, cells.stop + 1) for sums in (self._errors, self._weights)
        )
        means = np.divide(errors, weights, out=np.zeros_like(errors), where=weights > 0)
        np.clip(means, -self._limit, self._limit, out=means)
        nodes = np.abs(means).max((0, 2))
        largest = np.maximum(nodes[:-1], nodes[1:])  # of each row of cells
        of_rows = largest.repeat(CELL)[strip.start % CELL :][: strip.stop - strip.start]
        if largest.max() < _LEAST:
            return of_rows
        wide = widened(means, strip.planes.shape[2], scale)
        after = (np.arange(scale * CELL, dtype=np.float32) + np.float32(0.5)) / (scale * CELL)
        between = np.stack([1 - after, after], axis=1).astype(np.float32)
        for n, cell in enumerate(cells):
            if largest[n] < _LEAST:
                continue
            top = scale * (CELL * cell - strip.start)  # the cell's first row among the strip's
            first, last = max(0, -top), min(scale * CELL, strip.planes.shape[1] - top)
            rows = strip.planes[:, top + first : top + last]
            rows -= np.matmul(between[first:last], wide[:, n : n + 2])
        return of_rows


class NodeSums:
    """Sums of a picture's pixels at the nodes of a grid, from rows as they come.

    Args:
        size: (H, W) of the picture.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._height = size[0]
        self._cells = math.ceil(size[0] / CELL)
        self._across: list[Unit] = []  # (C, h, nodes) rows of an incomplete row of cells
        self._rows: dict[int, Unit] = {}  # (C, nodes) of each row of nodes
        self._done = 0  # rows of cells that are summed

    def add(self, values: Unit) -> None:
        """Add the next rows (C, h, W)."""
        count, height, width = values.shape
        cells = math.ceil(width / CELL)
        if width % CELL:
            values = np.pad(values, ((0, 0), (0, 0), (0, cells * CELL - width)))
        parts = (values.reshape(-1, CELL) @ _PARTS).reshape(count, height, cells, 2)
        across = np.zeros((count, height, cells + 1), np.float32)
        across[..., :-1] = parts[..., 0]
        across[..., 1:] += parts[..., 1]
        self._across.append(across)
        waiting = np.concatenate(self._across, axis=1)
        while waiting.shape[1] >= min(CELL, self._height - self._done * CELL) > 0:
            cell, waiting = waiting[:, :CELL], waiting[:, CELL:]
            for after in (0, 1):
                parts_of_rows = _PARTS[: cell.shape[1], after, None]
                row = (cell * parts_of_rows).sum(1)
                node = self._done + after
                self._rows[node] = row if node not in self._rows else self._rows[node] + row
            self._done += 1
        self._across = [waiting]

    def surround(self, stop: int) -> bool:
        """Return whether the nodes around all pixels above row `stop` are complete."""
        return self._done >= min((stop - 1) // CELL + 2, self._cells)

    def rows(self, start: int, stop: int) -> Unit:
        """Return the sums of rows of nodes, (C, stop - start, nodes)."""
        return np.stack([self._rows[node] for node in range(start, stop)], axis=1)

    def forget(self, before: int) -> None:
        """Drop the rows of nodes above `before`."""
        for node in [node for node in self._rows if node < before]:
            del self._rows[node]


def widened(nodes: Unit, width: int, scale: int) -> Unit:
    """Interpolate (C, n, nodes) linearly at the output's columns, (C, n, width)."""
    columns = CELL * scale
    after = (np.arange(columns, dtype=np.float32) + np.float32(0.5)) / np.float32(columns)
    pairs = np.stack([nodes[..., :-1], nodes[..., 1:]], axis=-1)
    between = (pairs @ np.stack([1 - after, after])).astype(np.float32, copy=False)
    return between.reshape(*nodes.shape[:2], -1)[..., :width]
