"""Anchoring of a network's output to its input: flat areas, equal channels and local means.

A network's output is an estimate, but a part of it is known exactly. Where the input is flat, the
output is the same colour; where the input's channels are equal, so are the output's; and the means
of areas about `2 * CELL` input pixels wide are the input's. The first two hold to the last bit. The
third is one step of back-projection (Irani and Peleg, 1991) on scales coarser than a cell: the
output's block means minus the input are averaged at the nodes of a grid, interpolated between the
nodes, and subtracted. This removes a network's offset without adding the input's fine noise.

All of this depends on the picture's rows only, not on the tiles of its output.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from superres.errors import ArgumentError
from superres.frame import Pixels, Unit
from superres.images.strips import CELL, COLOURS, Bench, Block, Finished, HostBench, Known, Strip

Mask = NDArray[np.bool_]

REACH = 6 * CELL
"""How far an anchored pixel depends on its input beyond the network's halo, in input pixels."""

_AREA = 2  # input px to each side that are alike where the answer is wholly known
_MOST_FOR_CLAMPING = 2.0**-4  # the few pixels that are not clamped cannot make up for all others
_AGAIN = 2.0**-10  # a quarter of an 8-bit step: worse estimates are followed by a second round
_FRAME_BYTES = 2**21  # of a strip of a whole frame

# The height of a strip in output rows, and its pieces, which must be read one after the other.
Rows = tuple[int, Iterator[Finished]]


def anchored(
    blocks: Iterable[Block], bench: Bench, *, size: tuple[int, int], clamped: bool | None
) -> Iterator[Rows]:
    """Anchor a network's output to its input.

    Args:
        blocks: The picture's rows from top to bottom: whole cells of `CELL` input rows, and the
            rest at the end.
        bench: Does the work on the output, where it lies.
        size: (H, W) of the input.
        clamped: Whether the output will be clamped to [0, 1]. The local means are then those after
            clamping. None leaves the output as it is.

    Yields:
        The rows of each block, anchored, delayed by up to `6 * CELL` input rows and a block. They
        must be read before the next ones are requested.

    Raises:
        ArgumentError: The blocks are not of whole cells.
    """
    known, start = _Known(size[0]), 0
    anchor: _Anchor | None = None
    strips = deque[Strip]()  # whose surroundings are not all known
    for block in blocks:
        strip, start = Strip(start, block, bench.scale), start + block.small.shape[1]
        if strip.start % CELL:
            raise ArgumentError(
                f"a block of rows begins at row {strip.start} of the picture",
                f"cut blocks at multiples of {CELL} rows",
            )
        if clamped is None:
            yield bench.scale * (strip.stop - strip.start), bench.finished(strip)
            continue
        known.append(block.pixels)
        anchor = anchor or _Anchor(size, len(block.small), bench, clamped=clamped)
        strips.append(strip)
        while strips and known.reaches(strips[0].stop):
            waiting = strips.popleft()
            waiting.known = known.take(waiting.start, waiting.stop)
            for done in anchor.through(waiting):
                yield bench.scale * (done.stop - done.start), bench.finished(done)


class _Anchor:
    """The corrections of a picture's local means.

    Args:
        size: (H, W) of the input.
        channels: C.
        bench: Does the work on the output.
        clamped: Whether the output will be clamped to [0, 1].
    """

    def __init__(
        self, size: tuple[int, int], channels: int, bench: Bench, *, clamped: bool
    ) -> None:
        self._bench, self._clamped = bench, clamped
        # Of all errors; of those after clamping; and twice of what was not expected of the latter.
        self._plain, self._bounded, *self._again = [_Correction(size, channels) for _ in range(4)]
        self._queues = [deque[Strip]() for _ in range(3)]

    def through(self, strip: Strip) -> Iterator[Strip]:
        """Add the next strip; yield those that can be corrected now."""
        plain, bounded = self._bench.measure(strip, clamped=self._clamped)
        self._plain.add(*plain)
        self._bounded.add(*bounded)
        first, *others = self._queues
        first.append(strip)
        while first and self._plain.surrounds(first[0].stop):
            strip = first.popleft()
            strip.nodes, _ = self._plain.take(strip.start, strip.stop)
            if not self._clamped:
                yield strip
                continue
            bounded, weights = self._bounded.take(strip.start, strip.stop, strip.nodes)
            extra, left = _limited(bounded - strip.nodes, weights, strip)
            strip.nodes += extra
            self._look_again(strip, strip.nodes, left, 0)
        for number, (one, queue) in enumerate(zip(self._again, others, strict=True), 1):
            while queue and one.surrounds(queue[0].stop):
                strip = queue.popleft()
                step, left = _limited(*one.take(strip.start, strip.stop), strip)
                assert strip.nodes is not None
                strip.nodes = strip.nodes + step
                if number == len(self._again):
                    yield strip
                else:
                    self._look_again(strip, step, left, number)

    def _look_again(self, strip: Strip, step: Unit, left: Unit, number: int) -> None:
        """Add a strip, corrected by a step that left some errors, to a further correction."""
        weights, errors = self._bench.surplus(strip, step, _AGAIN)
        self._again[number].add(weights, errors + left)
        self._queues[number + 1].append(strip)


def _limited(step: Unit, weights: Unit, strip: Strip) -> tuple[Unit, Unit]:
    """Limit a step of the correction at the nodes of a strip; return it and the errors it leaves.

    The latter, weighted as sums at nodes are, leave out the nodes shared with the strip before.
    """
    limited = step.clip(-_MOST_FOR_CLAMPING, _MOST_FOR_CLAMPING)
    left = weights * (step - limited)
    if strip.start:
        left[:, 0] = 0
    return limited, left


def anchor_frame(small: Unit, large: Unit, *, clamped: bool) -> Unit:
    """Anchor the output for a whole frame; see `anchored`.

    Args:
        small: (H, W, C) unit pixels, the network's input.
        large: (s*H, s*W, C), its output, changed in place; fastest if planar in memory.
        clamped: Whether the output will be clamped to [0, 1].
    """
    (height, width), scale = small.shape[:2], len(large) // len(small)
    before, after = small.transpose(2, 0, 1), large.transpose(2, 0, 1)
    at_once = CELL * max(1, _FRAME_BYTES // (CELL * scale * after[:, :1].nbytes))
    blocks = (
        Block(
            small[top : top + at_once],
            before[:, top : top + at_once],
            (after[:, scale * top : scale * (top + at_once)],),
        )
        for top in range(0, height, at_once)
    )
    done = 0
    for count, pieces in anchored(blocks, HostBench(scale), size=(height, width), clamped=clamped):
        for rows, columns, pixels in pieces:
            after[:, done : done + count][:, rows, columns] = pixels
        done += count
    return large


class _Correction:
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

    def take(self, start: int, stop: int, default: Unit | None = None) -> tuple[Unit, Unit]:
        """Return the correction at the nodes around a strip's cells; drop those above its last.

        Args:
            start: First row of the strip.
            stop: One past its last.
            default: The correction where all weights are 0; None is 0.

        Returns:
            (C, cells + 1, nodes), to be subtracted, once interpolated, and the weights there.
        """
        first, last = start // CELL, (stop - 1) // CELL + 1
        errors, weights = (sums.rows(first, last + 1) for sums in (self._errors, self._weights))
        means = np.zeros_like(errors) if default is None else default.copy()
        np.divide(errors, weights, out=means, where=weights > 0)
        for sums in (self._errors, self._weights):
            sums.forget(stop // CELL)
        return means, weights


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


class _Known:
    """Finds what an input's rows determine exactly of the output.

    Args:
        height: Rows of the picture.
    """

    def __init__(self, height: int) -> None:
        self._height = height
        self._rows: Pixels | None = None  # (h, W, C) from `_first` on
        self._first = 0

    def append(self, rows: Pixels) -> None:
        """Append the input's next rows, (h, W, C)."""
        self._rows = rows if self._rows is None else np.concatenate([self._rows, rows])

    def reaches(self, stop: int) -> bool:
        """Return whether all is here that the rows above `stop` depend on."""
        have = 0 if self._rows is None else len(self._rows)
        return self._first + have >= min(stop + _AREA, self._height)

    def take(self, start: int, stop: int) -> Known:
        """Return what is known of rows; drop those that later ones do not depend on."""
        assert self._rows is not None
        top = max(0, start - _AREA)
        rows = self._rows[top - self._first : stop + _AREA - self._first].transpose(2, 0, 1)
        inner = slice(start - top, stop - top)
        kept = max(0, stop - _AREA)
        self._rows, self._first = self._rows[kept - self._first :], kept
        return Known(_weights(_flat(rows), inner), _weights(_equal(rows[:COLOURS]), inner))


def _flat(rows: Pixels) -> Mask:
    """Return the mask (h, W) of pixels of (C, h, W) that equal their eight neighbours."""
    mask = np.ones(rows.shape[1:], np.bool_)
    for plane in map(np.ascontiguousarray, rows):
        beside, above = plane[:, 1:] == plane[:, :-1], plane[1:] == plane[:-1]
        wide = np.ones_like(mask)
        wide[:, 1:] &= beside
        wide[:, :-1] &= beside
        mask &= wide
        mask[1:] &= wide[:-1] & above
        mask[:-1] &= wide[1:] & above
        if not mask.any():  # as in most pictures, which one channel shows
            break
    return mask


def _equal(colours: Pixels) -> Mask:
    """Return the mask (h, W) of pixels of (C, h, W) whose colours are equal, in an area."""
    if len(colours) == 1:
        return np.zeros(colours.shape[1:], np.bool_)
    mask = np.ones(colours.shape[1:], np.bool_)
    for before, after in itertools.pairwise(map(np.ascontiguousarray, colours)):
        mask = mask & _shrunk(before == after)
        if not mask.any():
            break
    return mask


def _shrunk(mask: Mask) -> Mask:
    """Return a mask (h, W) eroded by one pixel."""
    wide = mask.copy()
    wide[:, 1:] &= mask[:, :-1]
    wide[:, :-1] &= mask[:, 1:]
    tall = wide.copy()
    tall[1:] &= wide[:-1]
    tall[:-1] &= wide[1:]
    return tall


def _weights(mask: Mask, inner: slice) -> Unit | None:
    """Return weights (1, h, W) of inner rows: 1 where a mask is set in a pixel and its neighbours.

    The weight is half where it is set in the pixel only, and 0 where it is not; None if everywhere.
    """
    if not mask[inner].any():
        return None
    weights = mask[None, inner].astype(np.float32)
    weights += _shrunk(mask)[None, inner]
    return weights * np.float32(0.5)
