"""Coarse correction of a picture's local means, from block errors, at the nodes of a grid.

An error is distributed among the four nodes around its pixel, by the weights of linear
interpolation. So the quotients of two such sums, of errors and of weights, once interpolated and
weighted, add up to the sum of the errors: for every picture, up to its borders.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache

import numpy as np

from superres.frame import Unit

CELL = 8  # px from node to node

# Weights of a cell's pixels at the nodes before and after them: (CELL, 2).
_AFTER = (np.arange(CELL, dtype=np.float32) + np.float32(0.5)) / np.float32(CELL)
PARTS = np.stack([1 - _AFTER, _AFTER], axis=1)


class CoarseCorrection:
    """A correction of the local means, from strips of rows as they come.

    Args:
        size: (H, W) of the input.
        channels: C.
    """

    def __init__(self, size: tuple[int, int], channels: int) -> None:
        self._errors, self._weights = NodeSums(size, channels), NodeSums(size, channels)

    def add(self, weights: Unit, errors: Unit) -> None:
        """Add the next rows of cells.

        Args:
            weights: The `node_sums` of their pixels' weights, which are from 0 to 1.
            errors: Those of their weighted errors, the excess of their means.
        """
        self._weights.add(weights)
        self._errors.add(errors)

    def surrounds(self, stop: int) -> bool:
        """Return whether the nodes around all pixels above row `stop` are complete."""
        return self._errors.surround(stop)

    def take(self, start: int, stop: int, default: Unit | None = None) -> Unit:
        """Return the correction at the nodes around a strip's cells; drop those above its last.

        Args:
            start: First row of the strip.
            stop: One past its last.
            default: The correction where all weights are 0; None is 0.

        Returns:
            (C, cells + 1, nodes), to be subtracted, once interpolated.
        """
        first, last = start // CELL, (stop - 1) // CELL + 1
        errors, weights = (sums.rows(first, last + 1) for sums in (self._errors, self._weights))
        means = np.zeros_like(errors) if default is None else default.copy()
        np.divide(errors, weights, out=means, where=weights > 0)
        for sums in (self._errors, self._weights):
            sums.forget(stop // CELL)
        return means


class NodeSums:
    """Sums of a picture's pixels at the nodes of a grid, from rows as they come.

    Args:
        size: (H, W) of the picture.
        channels: C.
    """

    def __init__(self, size: tuple[int, int], channels: int) -> None:
        self._cells = math.ceil(size[0] / CELL)
        self._nodes = np.zeros((channels, 1, math.ceil(size[1] / CELL) + 1), np.float32)
        self._first = 0  # row of nodes that `_nodes` begins with
        self._done = 0  # rows of cells that are summed

    def add(self, sums: Unit) -> None:
        """Add the `node_sums` of the next rows of cells, (C or 1, cells + 1, nodes)."""
        before, count = self._nodes, self._nodes.shape[1]
        self._nodes = np.empty(
            (len(before), count + sums.shape[1] - 1, before.shape[2]), np.float32
        )
        self._nodes[:, :count] = before
        self._nodes[:, count:] = sums[:, 1:]
        self._nodes[:, count - 1] += sums[:, 0]  # shared with the rows before
        self._done += sums.shape[1] - 1

    def surround(self, stop: int) -> bool:
        """Return whether the nodes around all pixels above row `stop` are complete."""
        return self._done >= min((stop - 1) // CELL + 2, self._cells)

    def rows(self, start: int, stop: int) -> Unit:
        """Return the sums of rows of nodes, (C, stop - start, nodes)."""
        return self._nodes[:, start - self._first : stop - self._first]

    def forget(self, before: int) -> None:
        """Drop the rows of nodes above `before`."""
        self._nodes = self._nodes[:, before - self._first :]
        self._first = before


def node_sums(values: Unit | float, height: int, width: int) -> Unit:
    """Return the sums of rows of cells at the nodes around them.

    Args:
        values: (C or 1, height, width), or one number for all of them.
        height: The rows.
        width: The picture's.

    Returns:
        (C or 1, cells + 1, nodes).
    """
    down, across = math.ceil(height / CELL), math.ceil(width / CELL)
    if not isinstance(values, np.ndarray):
        nodes = np.multiply.outer(_at_nodes(height), _at_nodes(width))
        return np.float32(values) * nodes[None]
    below, right = down * CELL - height, across * CELL - width
    if below or right:
        values = np.pad(values, ((0, 0), (0, below), (0, right)))
    # First of rows, which leaves a quarter to be summed in pieces of a row.
    rows = PARTS.T @ values.reshape(-1, down, CELL, across * CELL)
    cells = (rows.reshape(-1, CELL) @ PARTS).reshape(-1, down, 2, across, 2)
    sums = np.zeros((len(values), down + 1, across + 1), np.float32)
    for lower in (0, 1):
        for later in (0, 1):
            corner = sums[:, lower : lower + down, later : later + across]
            corner += cells[:, :, lower, :, later]
    return sums


@lru_cache(64)
def _at_nodes(length: int) -> Unit:
    """Return the sums of ones along an axis of `length` pixels at its nodes."""
    cells = math.ceil(length / CELL)
    ones = np.zeros(cells * CELL, np.float32)
    ones[:length] = 1
    parts, nodes = ones.reshape(cells, CELL) @ PARTS, np.zeros(cells + 1, np.float32)
    nodes[:-1] = parts[:, 0]
    nodes[1:] += parts[:, 1]
    return nodes


@cache
def ramp(scale: int) -> Unit:
    """Return the weights of a cell's output pixels at the nodes before and after them."""
    after = (np.arange(scale * CELL, dtype=np.float32) + np.float32(0.5)) / (scale * CELL)
    return np.stack([1 - after, after], axis=1).astype(np.float32)


def interpolated(wide: Unit, scale: int, out: Unit) -> Unit:
    """Interpolate rows of nodes at the output's rows.

    Args:
        wide: (C, cells + 1, w) nodes, interpolated along the columns by `widened`.
        scale: The output's size over the input's.
        out: (C, h, w) contiguous, receives the values: of whole cells, or of a part of one.
    """
    between = ramp(scale)[: out.shape[1]]
    above_and_below = np.stack((wide[:, :-1], wide[:, 1:]), axis=2)
    cells = out.reshape(len(out), -1, len(between), out.shape[2])
    np.matmul(between, above_and_below, out=cells)
    return out


def widened(nodes: Unit, width: int, scale: int) -> Unit:
    """Interpolate (C, n, nodes) linearly at the output's columns, (C, n, width)."""
    pairs = np.stack([nodes[..., :-1], nodes[..., 1:]], axis=-1)
    between = pairs @ ramp(scale).T
    return between.reshape(*nodes.shape[:2], -1)[..., :width]
