"""Strips of a network's output, worked on in pieces that stay in the processor's cache.

The output stays where the network wrote it, in tiles. It is read piece by piece into memory that is
used again for the next one, so that no intermediate result of a picture's size is ever written.

One file, as a reader follows a strip from its block through the bench to the sums at its nodes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from superres.frame import Pixels, Unit

Numbers = NDArray[Any]  # float32 or uint8

COLOURS = 3  # channels; a fourth is alpha
CELL = 8  # px from node to node

# Weights of a cell's pixels at the nodes before and after them: (CELL, 2).
_AFTER = (np.arange(CELL, dtype=np.float32) + np.float32(0.5)) / np.float32(CELL)
PARTS = np.stack([1 - _AFTER, _AFTER], axis=1)

_PIECE_BYTES = 2**19
_LEAST = 2.0**-15  # of unit pixels, 1/128 of an 8-bit step: less is not corrected


@dataclass(frozen=True, slots=True)
class Block:
    """The same rows before and after a network.

    Attributes:
        pixels: (h, W, C) of the picture.
        small: (C, h, W) the same as unit pixels, the network's input. It and `large` may lie on a
            device whose bench does the work; then they are its own arrays.
        large: Its output from left to right, in parts (C, scale * h, scale * w) of whole input
            columns.
    """

    pixels: Pixels
    small: Unit
    large: tuple[Unit, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What rows of the input determine exactly of the output, each (1, h, W); None is nothing.

    Attributes:
        flat: 1 where the output is the input's colour, half next to that, and else 0.
        equal: Likewise, where its colours are equal.
    """

    flat: Unit | None
    equal: Unit | None


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a strip: whole rows of cells, or one that is cut off by the picture's end.

    Attributes:
        cells: Its rows of cells in the strip.
        rows: Input rows in the strip.
        columns: Input columns in the picture.
        pixels: (C, scale * rows, scale * columns) of the output.
    """

    cells: slice
    rows: slice
    columns: slice
    pixels: Unit


class Strip:
    """Rows of the output in progress: whole rows of cells, except at the picture's end.

    Args:
        start: Their first input row.
        block: The rows.
        scale: The output's size over the input's.

    Attributes:
        start: Their first input row.
        stop: One past the last.
        small: (C, h, W) the input.
        large: The output; see `Block`.
        known: What its input determines.
        nodes: (C, cells + 1, nodes) what is to be subtracted; None is nothing.
        extremes: The lowest and highest value of each piece; empty if clamping does not matter.
        free: (C, h, W) the fraction of each block of scale x scale px that will not be clamped,
            when last looked at; None is all.
        excess: (C, h, W) how much each block's mean grows by clamping, likewise; None is nothing.
        coarse: (cells, cells) mask of cells to look at once more; None is all.
    """

    def __init__(self, start: int, block: Block, scale: int) -> None:
        self.small = block.small
        self.start, self.stop = start, start + block.small.shape[1]
        self.large = block.large
        self._scale = scale
        self.known = Known(None, None)
        self.nodes: Unit | None = None
        self.extremes: list[tuple[np.float32, np.float32]] = []
        self.free: Unit | None = None
        self.excess: Unit | None = None
        self.coarse: NDArray[np.bool_] | None = None

    @cached_property
    def pieces(self) -> list[Piece]:
        """All of it, from top to bottom and from left to right."""
        return list(_cut(self.large, self.small.shape[1], self._scale))

    def look_closer(self, step: Unit, least: float) -> NDArray[np.bool_]:
        """Return the mask of cells to look at once more, after a step of the correction."""
        sizes = np.abs(step).max(0)
        sizes = np.maximum(sizes[:-1], sizes[1:])
        cells = np.maximum(sizes[:, :-1], sizes[:, 1:]) >= least
        cells = self.coarse = cells if self.coarse is None else cells & self.coarse
        return cells

    def sums(self, weights: Unit | float, errors: Unit | float) -> Sums:
        """Return the sums at nodes of weights and weighted errors, (C or 1, h, W) or one number."""
        _, height, width = self.small.shape
        if self.known.flat is not None:
            unknown = 1.0 - self.known.flat
            weights, errors = unknown * weights, unknown * errors
        return node_sums(weights, height, width), node_sums(errors, height, width)


Sums = tuple[Unit, Unit]  # (C or 1, cells + 1, nodes) of weights and of weighted errors

# Rows and columns in a strip, and their pixels (C, h, w), which the next ones overwrite.
Finished = tuple[slice, slice, Unit]


class Bench(Protocol):
    """Does the work on strips where they lie; one for each picture in progress.

    What crosses to the caller are sums at nodes, few numbers.
    """

    scale: int

    def measure(self, strip: Strip, *, clamped: bool) -> tuple[Sums, Sums]:
        """Measure a strip's errors, the means of its blocks of scale x scale px minus the input.

        Where channels will be made equal, they are one number for all of them.

        Args:
            strip: The strip.
            clamped: Whether it will be clamped to [0, 1].

        Returns:
            The sums, and those after clamping, if so.
        """
        ...

    def surplus(self, strip: Strip, step: Unit, least: float) -> Sums:
        """Look at clamping once more after a step of the correction.

        With a step c, a block's mean was expected to change by f c, where f is its free fraction.

        Args:
            strip: The strip, corrected by the step.
            step: (C, cells + 1, nodes) the step at the nodes.
            least: Cells with smaller steps were expected well enough, now and later.

        Returns:
            The sums of how much larger the means are than expected.
        """
        ...

    def finished(self, strip: Strip) -> Iterator[Finished]:
        """Yield the pieces of a strip, corrected and with what is known."""
        ...


class HostBench:
    """The bench of numpy, which reads pieces into memory that is used again.

    Args:
        scale: The output's size over the input's.
    """

    def __init__(self, scale: int) -> None:
        self.scale = scale
        self._factor = np.float32(scale**-2)
        self._held: dict[str, Numbers] = {}

    def measure(self, strip: Strip, *, clamped: bool) -> tuple[Sums, Sums]:
        """Measure a strip's errors; see `Bench.measure`."""
        errors = self._take("errors", strip.small.shape)
        for piece in strip.pieces:
            place = np.s_[:, piece.rows, piece.columns]
            own = np.multiply(self._sums(piece.pixels, "sums"), self._factor, out=errors[place])
            own -= strip.small[place]
            if not clamped:
                continue
            low, high = piece.pixels.min(), piece.pixels.max()
            strip.extremes.append((low, high))
            if low < 0 or high > 1:
                if strip.free is None or strip.excess is None:
                    strip.free, strip.excess = np.ones_like(errors), np.zeros_like(errors)
                self._clamping(piece.pixels, strip.free[place], strip.excess[place])
        if strip.known.equal is not None:
            colours = errors[:COLOURS]
            colours += strip.known.equal * (colours.mean(0, keepdims=True) - colours)
        plain = strip.sums(1.0, errors)
        if strip.free is None or strip.excess is None:
            return plain, plain
        errors += strip.excess
        return plain, strip.sums(strip.free, errors)

    def surplus(self, strip: Strip, step: Unit, least: float) -> Sums:
        """Look at clamping once more; see `Bench.surplus`."""
        cells = strip.look_closer(step, least)
        nodes, (_, height, width) = strip.nodes, strip.small.shape
        if nodes is None or not cells.any():
            return strip.sums(1.0 if strip.free is None else strip.free, 0.0)
        mask = cells.repeat(CELL, axis=0)[:height].repeat(CELL, axis=1)[:, :width]
        wide, least_change, most_change = self._wide(strip), nodes.min(), nodes.max()
        free, excess = np.ones_like(strip.small), np.zeros_like(strip.small)
        for piece, (low, high) in zip(strip.pieces, strip.extremes, strict=True):
            place = np.s_[:, piece.rows, piece.columns]
            if mask[place[1:]].any() and (low < most_change or high > 1 + least_change):
                self._clamping(self._corrected(piece, wide), free[place], excess[place])
        if strip.free is None or strip.excess is None:
            strip.free, strip.excess = np.ones_like(free), np.zeros_like(excess)
        change = np.empty((len(nodes), len(cells) * CELL, width), np.float32)
        interpolated(widened(step, width, 1), 1, change)
        surplus = excess - strip.excess
        surplus -= (1 - strip.free) * change[:, :height]
        surplus *= mask
        np.copyto(strip.free, free, where=mask)
        np.copyto(strip.excess, excess, where=mask)
        return strip.sums(strip.free, surplus)

    def finished(self, strip: Strip) -> Iterator[Finished]:
        """Yield the pieces of a strip; see `Bench.finished`."""
        wide, scale = self._wide(strip), self.scale
        for piece in strip.pieces:
            pixels = self._corrected(piece, wide)
            self._put_known(strip, piece, pixels)
            rows, columns = (
                slice(scale * one.start, scale * one.stop) for one in (piece.rows, piece.columns)
            )
            yield rows, columns, pixels

    def _put_known(self, strip: Strip, piece: Piece, pixels: Unit) -> None:
        """Make channels equal where the input's are, and flat areas the input's."""
        known = strip.known
        count, scale, place = min(len(pixels), COLOURS), self.scale, (piece.rows, piece.columns)
        if known.equal is not None and (equal := known.equal[:, *place]).any():
            weights = equal.repeat(scale, axis=2)
            for row in range(scale):
                planes = pixels[:count, row::scale]
                grey = np.add.reduce(planes, keepdims=True)
                grey *= np.float32(1 / count)
                _blend(planes, grey, weights)
        if known.flat is not None and (flat := known.flat[:, *place]).any():
            weights, colour = flat.repeat(scale, axis=2), strip.small[:, *place].repeat(scale, 2)
            for row in range(scale):
                _blend(pixels[:, row::scale], colour, weights)

    def _clamping(self, pixels: Unit, free: Unit, excess: Unit) -> None:
        """Measure the effect of clamping to [0, 1] on blocks of scale x scale px.

        Args:
            pixels: (C, scale * h, scale * w).
            free: (C, h, w) receives the unclamped fraction of each.
            excess: Likewise, receives the change of its mean.
        """
        change = np.clip(pixels, 0.0, 1.0, out=self._take("change", pixels.shape))
        change -= pixels  # exactly 0 where nothing is clamped
        same = np.equal(change, 0.0, out=self._take("same", pixels.shape, np.bool_))
        # Bytes hold the count of a block's pixels up to a scale of 15, and are the fastest.
        counted: Numbers = same.view(np.uint8) if self.scale < 16 else same.astype(np.float32)
        np.multiply(self._sums(counted, "counts"), self._factor, out=free)
        np.multiply(self._sums(change, "sums"), self._factor, out=excess)

    def _wide(self, strip: Strip) -> Unit | None:
        """Return a strip's correction at the output's columns, (C, cells + 1, W)."""
        if strip.nodes is None or np.abs(strip.nodes).max() < _LEAST:
            return None
        return widened(strip.nodes, self.scale * strip.small.shape[2], self.scale)

    def _corrected(self, piece: Piece, wide: Unit | None) -> Unit:
        """Return a piece's pixels corrected, in memory of our own."""
        pixels = self._take("pixels", piece.pixels.shape)
        if wide is None:
            np.copyto(pixels, piece.pixels)
            return pixels
        first, width = self.scale * piece.columns.start, pixels.shape[2]
        nodes = wide[:, piece.cells.start : piece.cells.stop + 1, first : first + width]
        return np.subtract(piece.pixels, interpolated(nodes, self.scale, pixels), out=pixels)

    def _sums(self, planes: Numbers, name: str) -> Numbers:
        """Return the sums of blocks of scale x scale px: (C, s*h, s*w) to (C, h, w), same dtype."""
        scale, (channels, height, width) = self.scale, planes.shape
        if scale == 1:
            return planes
        rows = self._take(f"rows of {name}", (channels, height // scale, width), planes.dtype)
        sums = self._take(name, (channels, height // scale, width // scale), planes.dtype)
        _add([planes[:, row::scale] for row in range(scale)], rows)
        return _add([rows[..., column::scale] for column in range(scale)], sums)

    def _take(
        self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any] | type = np.float32
    ) -> Numbers:
        """Return memory of a shape; what it held before is overwritten."""
        count, held = math.prod(shape), self._held.get(name)
        if held is None or held.size < count:
            held = self._held[name] = np.empty(count, dtype)
        return held[:count].reshape(shape)


def _blend(planes: Unit, known: Unit, weights: Unit) -> None:
    """Blend planes (C, h, w) with known ones, which replace them where the weight is 1."""
    planes += weights * (known - planes)
    np.copyto(planes, known, where=weights == 1.0)


def _add(parts: list[Numbers], total: Numbers) -> Numbers:
    """Add arrays of one shape: several times faster than numpy's sum over a short axis."""
    np.add(parts[0], parts[1], out=total)
    for part in parts[2:]:
        total += part
    return total


def _cut(parts: tuple[Unit, ...], height: int, scale: int) -> Iterator[Piece]:
    """Cut the parts of rows into pieces."""
    widest = max(part.shape[2] for part in parts) // scale
    column_bytes = parts[0].shape[0] * CELL * scale**2 * parts[0].itemsize  # of a row of cells
    most = max(1, _PIECE_BYTES // column_bytes)  # columns
    at_once = max(1, most // widest)  # rows of cells
    whole = height // CELL
    stops = [*range(at_once, whole, at_once), *([whole] if whole else []), -(-height // CELL)]
    for first_cell, stop_cell in itertools.pairwise(dict.fromkeys((0, *stops))):
        cells = slice(first_cell, stop_cell)
        rows, left = slice(CELL * first_cell, min(CELL * stop_cell, height)), 0
        for part in parts:
            width = part.shape[2] // scale
            count = -(-width // most)
            for n in range(count):
                first, last = (width * k // count for k in (n, n + 1))
                inside = slice(scale * first, scale * last)
                pixels = part[:, scale * rows.start : scale * rows.stop, inside]
                yield Piece(cells, rows, slice(left + first, left + last), pixels)
            left += width


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
