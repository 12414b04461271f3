"""Sums of pixels at the nodes of a grid, and the interpolation between nodes.

A pixel's value goes to the four nodes around it, to each in the part that linear interpolation
would take from it. So what is interpolated between the quotients of two such sums has, weighted by
the pixels of the second, the sum of the first: for every picture, up to its borders.
"""

from __future__ import annotations

import math

import numpy as np

from superres.frame import Unit

CELL = 8  # px from node to node

# The parts of a cell's pixels that the nodes before and after them take: (CELL, 2).
_AFTER = (np.arange(CELL, dtype=np.float32) + np.float32(0.5)) / np.float32(CELL)
_PARTS = np.stack([1 - _AFTER, _AFTER], axis=1)


class NodeSums:
    """Sums of a picture's pixels at the nodes of a grid, from rows as they come.

    Args:
        size: (H, W) of the picture.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._height = size[0]
        self._cells = math.ceil(size[0] / CELL)
        self._across: list[Unit] = []  # (C, h, nodes) rows that do not fill a row of cells yet
        self._rows: dict[int, Unit] = {}  # (C, nodes) of each row of nodes
        self._done = 0  # rows of cells that are summed

    def add(self, values: Unit) -> None:
        """Add the rows (C, h, W) that follow."""
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
        """Let rows of nodes above `before` go."""
        for node in [node for node in self._rows if node < before]:
            del self._rows[node]


def widened(nodes: Unit, width: int, scale: int) -> Unit:
    """Interpolate (C, n, nodes) linearly at the output's columns, (C, n, width)."""
    columns = CELL * scale
    after = (np.arange(columns, dtype=np.float32) + np.float32(0.5)) / np.float32(columns)
    pairs = np.stack([nodes[..., :-1], nodes[..., 1:]], axis=-1)
    between = (pairs @ np.stack([1 - after, after])).astype(np.float32, copy=False)
    return between.reshape(*nodes.shape[:2], -1)[..., :width]
