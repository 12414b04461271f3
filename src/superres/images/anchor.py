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
from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from superres.errors import ArgumentError
from superres.frame import Unit
from superres.images.coarse_correction import CELL, CoarseCorrection, node_sums
from superres.images.strips import Block, Piece, Strip, Workbench

Mask = NDArray[np.bool_]

REACH = 6 * CELL
"""How far an anchored pixel depends on its input beyond the network's halo, in input pixels."""

_COLOURS = 3  # channels; a fourth is alpha
_AREA = 2  # input px to each side that are alike where the answer is wholly known
_MOST_FOR_CLAMPING = 2.0**-4  # the few pixels that are not clamped cannot make up for all others
_AGAIN = 2.0**-10  # a quarter of an 8-bit step: worse estimates are followed by a second round
_FRAME_BYTES = 2**21  # of a strip of a whole frame

# The height of a strip in output rows, and its pieces from top to bottom and from left to right:
# each with its rows and columns in the strip, and pixels that the next piece overwrites.
Rows = tuple[int, Iterator[tuple[slice, slice, Unit]]]


def anchored(
    blocks: Iterable[Block], *, size: tuple[int, int], scale: int, clamped: bool | None
) -> Iterator[Rows]:
    """Anchor a network's output to its input.

    Args:
        blocks: The picture's rows from top to bottom: whole cells of `CELL` input rows, and the
            rest at the end.
        size: (H, W) of the input.
        scale: The output's size over the input's.
        clamped: Whether the output will be clamped to [0, 1]. The local means are then those after
            clamping. None leaves the output as it is.

    Yields:
        The rows of each block, anchored, delayed by up to `6 * CELL` input rows and a block. They
        must be read before the next ones are requested.

    Raises:
        ArgumentError: The blocks are not of whole cells.
    """
    known, bench, start = _Known(size, scale), Workbench(scale), 0
    anchor: _Anchor | None = None
    strips = deque[Strip]()  # whose surroundings are not all known
    for block in blocks:
        strip, start = Strip(start, block, scale), start + block.small.shape[1]
        if strip.start % CELL:
            raise ArgumentError(
                f"a block of rows begins at row {strip.start} of the picture",
                f"cut blocks at multiples of {CELL} rows",
            )
        if clamped is None:
            yield _rows(strip, bench, None, scale)
            continue
        known.append(block.small)
        anchor = anchor or _Anchor(size, len(block.small), known, bench, clamped=clamped)
        strips.append(strip)
        while strips and known.reaches(strips[0].stop):
            for strip in anchor.through(strips.popleft()):
                yield _rows(strip, bench, known, scale)
                known.forget(strip.stop)


class _Anchor:
    """The corrections of a picture's local means.

    Args:
        size: (H, W) of the input.
        channels: C.
        known: What is known of the output.
        bench: Where strips are worked on.
        clamped: Whether the output will be clamped to [0, 1].
    """

    def __init__(
        self,
        size: tuple[int, int],
        channels: int,
        known: _Known,
        bench: Workbench,
        *,
        clamped: bool,
    ) -> None:
        self._width = size[1]
        self._known, self._bench, self._clamped = known, bench, clamped
        # Of all errors; of those after clamping; and twice of what was not expected of the latter.
        self._plain, self._bounded = (
            CoarseCorrection(size, channels),
            CoarseCorrection(size, channels),
        )
        self._again = [CoarseCorrection(size, channels) for _ in range(2)]
        self._queues = [deque[Strip]() for _ in range(3)]

    def through(self, strip: Strip) -> Iterator[Strip]:
        """Add the next strip; yield those that can be corrected now."""
        unknown = self._known.unknown(strip)
        self._bench.measure(strip, clamped=self._clamped)
        errors = self._known.equalised(strip)
        weights, sums = self._sums(strip, unknown), self._sums(strip, unknown * errors)
        self._plain.add(weights, sums)
        if self._clamped:
            if strip.free is not None and strip.excess is not None:
                weights = self._sums(strip, unknown * strip.free)
                sums = self._sums(strip, unknown * (errors + strip.excess))
            self._bounded.add(weights, sums)
        first, *others = self._queues
        first.append(strip)
        while first and self._plain.surrounds(first[0].stop):
            strip = first.popleft()
            strip.nodes = self._plain.take(strip.start, strip.stop)
            if not self._clamped:
                yield strip
                continue
            extra = self._bounded.take(strip.start, strip.stop, strip.nodes) - strip.nodes
            strip.nodes += extra.clip(-_MOST_FOR_CLAMPING, _MOST_FOR_CLAMPING)
            self._look_again(strip, strip.nodes, 0)
        for number, (one, queue) in enumerate(zip(self._again, others, strict=True), 1):
            while queue and one.surrounds(queue[0].stop):
                strip = queue.popleft()
                step = one.take(strip.start, strip.stop)
                step = step.clip(-_MOST_FOR_CLAMPING, _MOST_FOR_CLAMPING)
                assert strip.nodes is not None
                strip.nodes = strip.nodes + step
                if number == len(self._again):
                    yield strip
                else:
                    self._look_again(strip, step, number)

    def _look_again(self, strip: Strip, step: Unit, number: int) -> None:
        """Add a strip, corrected by a step, to a further correction."""
        unknown = self._known.unknown(strip)
        surplus = self._bench.surplus(strip, step, _AGAIN)
        errors = 0.0 if surplus is None else unknown * surplus
        weights = unknown if strip.free is None else unknown * strip.free
        self._again[number].add(self._sums(strip, weights), self._sums(strip, errors))
        self._queues[number + 1].append(strip)

    def _sums(self, strip: Strip, values: Unit | float) -> Unit:
        return node_sums(values, strip.stop - strip.start, self._width)


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
        Block(before[:, top : top + at_once], (after[:, scale * top : scale * (top + at_once)],))
        for top in range(0, height, at_once)
    )
    done = 0
    for count, pieces in anchored(blocks, size=(height, width), scale=scale, clamped=clamped):
        for rows, columns, pixels in pieces:
            after[:, done : done + count][:, rows, columns] = pixels
        done += count
    return large


def _rows(strip: Strip, bench: Workbench, known: _Known | None, scale: int) -> Rows:
    """Return the finished rows of a strip."""

    def pieces() -> Iterator[tuple[slice, slice, Unit]]:
        for piece, pixels in bench.corrected(strip):
            if known:
                known.put_into(strip, piece, pixels)
            rows, columns = (
                slice(scale * one.start, scale * one.stop) for one in (piece.rows, piece.columns)
            )
            yield rows, columns, pixels

    return scale * (strip.stop - strip.start), pieces()


class _Rows:
    """Rows of planes (C, h, W) by number, as they came.

    Attributes:
        stop: One past the last.
    """

    def __init__(self) -> None:
        self.stop = 0
        self._held = deque[tuple[int, Unit]]()  # with the number of their first row

    def append(self, rows: Unit) -> None:
        """Append the next rows."""
        self._held.append((self.stop, rows))
        self.stop += rows.shape[1]

    def window(self, start: int, stop: int) -> Unit:
        """Return rows start..stop, as far as they exist: a view, if they came together."""
        parts = [
            rows[:, max(0, start - first) : stop - first]
            for first, rows in self._held
            if first < stop and first + rows.shape[1] > start
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def forget(self, before: int) -> None:
        """Drop rows above `before`, as far as they came together."""
        while self._held and self._held[0][0] + self._held[0][1].shape[1] <= before:
            self._held.popleft()


class _Known:
    """What an input's rows determine exactly of the output.

    Args:
        size: (H, W) of the picture.
        scale: The output's size over the input's.
    """

    def __init__(self, size: tuple[int, int], scale: int) -> None:
        self._height = size[0]
        self._scale = scale
        self._input = _Rows()
        # (1, h, W): 1 where the output is fully known, half next to that, and else 0.
        self._flat, self._equal = _Rows(), _Rows()

    @property
    def stop(self) -> int:
        """One past the last row that is here."""
        return self._input.stop

    def append(self, rows: Unit) -> None:
        """Append the input's next rows, (C, h, W)."""
        self._input.append(rows)

    def reaches(self, stop: int) -> bool:
        """Return whether all is here that the rows above `stop` depend on."""
        return self.stop >= min(stop + _AREA, self._height)

    def unknown(self, strip: Strip) -> Unit | float:
        """Return the weight of each pixel's unknown part of the output, (1, h, W), or of all."""
        self._weigh(strip.stop)
        flat = self._flat.window(strip.start, strip.stop)
        return 1.0 - flat if flat.any() else 1.0

    def equalised(self, strip: Strip) -> Unit:
        """Return a strip's errors, one for all colours where they will be made equal."""
        errors = strip.errors
        equal, colours = self._equal.window(strip.start, strip.stop), errors[:_COLOURS]
        if len(colours) > 1 and equal.any():
            colours += equal * (colours.mean(0, keepdims=True) - colours)
        return errors

    def put_into(self, strip: Strip, piece: Piece, pixels: Unit) -> None:
        """Make channels equal where the input's are, and flat areas the input's."""
        start, stop = strip.start + piece.rows.start, strip.start + piece.rows.stop
        count, scale = min(len(pixels), _COLOURS), self._scale
        equal = self._equal.window(start, stop)[..., piece.columns]
        if count > 1 and equal.any():
            weights = equal.repeat(scale, axis=2)
            for row in range(scale):
                planes = pixels[:count, row::scale]
                grey = np.add.reduce(planes, keepdims=True)
                grey *= np.float32(1 / count)
                _blend(planes, grey, weights)
        flat = self._flat.window(start, stop)[..., piece.columns]
        if flat.any():
            weights = flat.repeat(scale, axis=2)
            known = self._input.window(start, stop)[..., piece.columns].repeat(scale, axis=2)
            for row in range(scale):
                _blend(pixels[:, row::scale], known, weights)

    def forget(self, before: int) -> None:
        """Drop what no output row from `before` on needs."""
        self._input.forget(before - _AREA)
        self._flat.forget(before)
        self._equal.forget(before)

    def _weigh(self, stop: int) -> None:
        """Find flat areas and equal channels in the rows above `stop`."""
        start = self._flat.stop
        if start < stop:
            rows = self._input.window(start - _AREA, stop + _AREA)
            inner = slice(min(start, _AREA), min(start, _AREA) + stop - start)
            self._flat.append(_weights(_flat(rows), inner))
            self._equal.append(_weights(_equal(rows[:_COLOURS]), inner))


def _flat(rows: Unit) -> Mask:
    """Return the mask (h, W) of pixels of (C, h, W) that equal their eight neighbours."""
    mask = np.ones(rows.shape[1:], np.bool_)
    for plane in rows[::-1]:
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


def _equal(colours: Unit) -> Mask:
    """Return the mask (h, W) of pixels of (C, h, W) whose colours are equal, in an area."""
    mask = np.ones(colours.shape[1:], np.bool_)
    for before, after in itertools.pairwise(colours):
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


def _weights(mask: Mask, inner: slice) -> Unit:
    """Return weights (1, h, W) of inner rows: 1 where a mask is set in a pixel and its neighbours.

    The weight is half where it is set in the pixel only, and 0 where it is not.
    """
    weights = mask[None, inner].astype(np.float32)
    weights += _shrunk(mask)[None, inner]
    return weights * np.float32(0.5)


def _blend(planes: Unit, known: Unit, weights: Unit) -> None:
    """Blend planes (C, h, w) with known ones, which replace them where the weight is 1."""
    planes += weights * (known - planes)
    np.copyto(planes, known, where=weights == 1.0)
