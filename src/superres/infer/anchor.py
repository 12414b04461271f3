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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from superres.errors import ArgumentError
from superres.frame import Unit
from superres.images.coarse_correction import CELL, CoarseCorrection, Strip

Mask = NDArray[np.bool_]
Number = TypeVar("Number", np.float32, np.uint8)

REACH = 6 * CELL
"""How far an anchored pixel depends on its input beyond the network's halo, in input pixels."""

_COLOURS = 3  # channels; a fourth is alpha
_AREA = 2  # input px to each side that are alike where the answer is wholly known
_MOST_FOR_CLAMPING = 2.0**-4  # the few pixels that are not clamped cannot make up for all others
_AGAIN = 2.0**-9  # half a step: larger corrections for clamping are followed by a second round


def anchored_rows(
    small: Iterable[Unit],
    large: Iterable[Unit],
    *,
    size: tuple[int, int],
    scale: int,
    clamped: bool,
) -> Iterator[Unit]:
    """Anchor an output that comes in blocks of rows, which are changed in place.

    Args:
        small: (h, W, C) unit pixels from top to bottom, the network's input.
        large: (scale * h, scale * W, C) from top to bottom, its output: blocks of whole input rows,
            fastest if planar in memory.
        size: (H, W) of the input.
        scale: The output's size over the input's.
        clamped: Whether the output will be clamped to [0, 1]. The local means are then those after
            clamping.

    Yields:
        The blocks of `large`, anchored, delayed by up to `6 * CELL` input rows.

    Raises:
        ArgumentError: The rows of `small` are not those of a picture of that size.
    """
    blocks = iter(large)
    first = next(blocks)
    known = _Known(small, size, first.shape[2])
    limits = (np.inf, _MOST_FOR_CLAMPING, _MOST_FOR_CLAMPING)[: 3 if clamped else 1]
    passes = [CoarseCorrection(size, limit) for limit in limits]
    stop = 0
    for block in itertools.chain((first,), blocks):
        start, stop = stop, stop + len(block) // scale
        strip = Strip(start, stop, block.transpose(2, 0, 1))
        errors = known.errors(_block_means(strip.planes, scale), start)
        unknown = known.unknown(start, stop)
        passes[0].add(strip, unknown, unknown * errors)
        for number, one in enumerate(passes, 1):
            for strip, corrections in one.correct(scale):
                if number < len(passes):
                    unknown = known.unknown(strip.start, strip.stop)
                    free, errors = _clamping(strip, scale, corrections)
                    passes[number].add(strip, unknown * free, unknown * errors)
                    continue
                known.put_into(strip, scale)
                known.forget(strip.stop)
                yield strip.planes.transpose(1, 2, 0)


def anchored(small: Unit, large: Unit, *, clamped: bool) -> Unit:
    """Anchor the output for a whole frame; see `anchored_rows`.

    Args:
        small: (H, W, C) unit pixels, the network's input.
        large: (s*H, s*W, C), its output, changed in place.
        clamped: Whether the output will be clamped to [0, 1].
    """
    (height, width), scale = small.shape[:2], len(large) // len(small)
    (result,) = anchored_rows(
        (small,), (large,), size=(height, width), scale=scale, clamped=clamped
    )
    return result


@dataclass(slots=True)
class _Rows:
    """Rows of planes (C, h, W) by number.

    Attributes:
        height: Rows of the whole picture.
        first: Number of the first buffered row.
        stop: One past the last.
    """

    height: int
    first: int = 0
    stop: int = 0
    _held: list[Unit] = field(default_factory=list[Unit])

    def append(self, rows: Unit) -> None:
        """Append the next rows."""
        self._held.append(rows)
        self.stop += rows.shape[1]

    def window(self, start: int, stop: int) -> Unit:
        """Return rows start..stop, as far as they exist."""
        if len(self._held) > 1:
            self._held = [np.concatenate(self._held, axis=1)]
        return self._held[0][:, max(0, start) - self.first : stop - self.first]

    def forget(self, before: int) -> None:
        """Drop the rows above `before`."""
        if before > self.first:
            self._held = [self.window(before, self.stop)]
            self.first = before


class _Known:
    """What an input's rows determine exactly of the output; they are read as far as needed.

    Args:
        small: (h, W, C) unit pixels from top to bottom.
        size: (H, W) of the picture.
        channels: C.
    """

    def __init__(self, small: Iterable[Unit], size: tuple[int, int], channels: int) -> None:
        self._source = iter(small)
        self._shape = (size[1], channels)
        self._input = _Rows(size[0])
        # (1, h, W): 1 where the output is fully known, half next to that, and else 0.
        self._flat, self._equal = _Rows(size[0]), _Rows(size[0])

    def unknown(self, start: int, stop: int) -> Unit:
        """Return the weight of each pixel's unknown part of the output, (1, stop - start, W)."""
        self._weigh(stop)
        return 1.0 - self._flat.window(start, stop)

    def errors(self, means: Unit, start: int) -> Unit:
        """Return the output's block means, (C, h, W), minus the input.

        Where channels will be made equal, this is one number for all of them.
        """
        stop = start + means.shape[1]
        self._weigh(stop)
        errors = means - self._rows(start, stop)
        equal, colours = self._equal.window(start, stop), errors[:_COLOURS]
        if len(colours) > 1 and equal.any():
            colours += equal * (colours.mean(0, keepdims=True) - colours)
        return errors

    def put_into(self, strip: Strip, scale: int) -> None:
        """Make a strip's channels equal where the input's are, and its flat areas the input's."""
        count = min(len(strip.planes), _COLOURS)
        equal = self._equal.window(strip.start, strip.stop)
        if count > 1 and equal.any():
            weights = equal.repeat(scale, axis=2)
            for row in range(scale):
                planes = strip.planes[:count, row::scale]
                grey = np.add.reduce(planes, keepdims=True)
                grey *= np.float32(1 / count)
                _blend(planes, grey, weights)
        flat = self._flat.window(strip.start, strip.stop)
        if flat.any():
            weights = flat.repeat(scale, axis=2)
            rows = self._input.window(strip.start, strip.stop).repeat(scale, axis=2)
            for row in range(scale):
                _blend(strip.planes[:, row::scale], rows, weights)

    def forget(self, before: int) -> None:
        """Drop what no output row from `before` on needs."""
        self._input.forget(before - _AREA)
        self._flat.forget(before)
        self._equal.forget(before)

    def _rows(self, start: int, stop: int) -> Unit:
        """Return rows of the input, (C, stop - start, W), as far as they exist."""
        while self._input.stop < min(stop, self._input.height):
            rows = next(self._source, None)
            if rows is None or rows.shape[1:] != self._shape:
                raise ArgumentError(
                    f"the picture should have {self._input.height} rows of {self._shape}, after "
                    f"{self._input.stop} came {'none' if rows is None else rows.shape[1:]}",
                    "pass blocks that hold every row once",
                )
            self._input.append(np.ascontiguousarray(rows.transpose(2, 0, 1)))
        return self._input.window(start, stop)

    def _weigh(self, stop: int) -> None:
        """Find flat areas and equal channels in the rows above `stop`."""
        start = self._flat.stop
        if start < stop:
            rows = self._rows(start - _AREA, stop + _AREA)
            inner = slice(min(start, _AREA), min(start, _AREA) + stop - start)
            self._flat.append(_weights(_flat(rows), inner))
            colours = rows[:_COLOURS]
            equal = (colours[1:] == colours[:-1]).all(0)
            self._equal.append(_weights(_shrunk(equal), inner))


def _flat(rows: Unit) -> Mask:
    """Return the mask (h, W) of pixels of (C, h, W) that equal their eight neighbours."""
    mask = np.ones(rows.shape[1:], np.bool_)
    beside = (rows[..., 1:] == rows[..., :-1]).all(0)
    mask[:, 1:] &= beside
    mask[:, :-1] &= beside
    above = (rows[:, 1:] == rows[:, :-1]).all(0)
    tall = mask.copy()
    tall[1:] &= mask[:-1] & above
    tall[:-1] &= mask[1:] & above
    return tall


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


def _block_means(planes: Unit, scale: int) -> Unit:
    """Return the means of blocks of scale x scale px: (C, s*h, s*w) to (C, h, w)."""
    total = _block_sums(planes, scale)
    total *= np.float32(scale**-2)
    return total


def _block_sums(planes: NDArray[Number], scale: int) -> NDArray[Number]:
    """Return the sums of blocks of scale x scale px, of the same dtype."""
    rows = _summed([planes[:, row::scale] for row in range(scale)])
    return _summed([rows[..., column::scale] for column in range(scale)])


def _summed(parts: list[NDArray[Number]]) -> NDArray[Number]:
    """Add arrays of one shape: several times faster than numpy's sum over a short axis."""
    total = parts[0].copy()
    for part in parts[1:]:
        np.add(total, part, out=total)
    return total


def _clamping(strip: Strip, scale: int, corrections: Unit) -> tuple[Unit, Unit]:
    """Return the effect of clamping to [0, 1] on a strip's blocks of scale x scale px.

    After the first round, only in rows with clamped pixels and corrections that were not small.

    Returns:
        (C, h, W) the unclamped fraction of each, and the change of its mean.
    """
    planes = strip.planes
    shape = (len(planes), strip.stop - strip.start, planes.shape[2] // scale)
    free, change = np.ones(shape, np.float32), np.zeros(shape, np.float32)
    if strip.clamped is None:
        rows = strip.clamped = _clamped_rows(planes, scale)
    else:
        rows = strip.clamped & (corrections > _AGAIN)
    if rows.any():
        if strip.means is None:
            strip.means = _block_means(planes, scale)
        (found,) = rows.nonzero()
        span = slice(int(found[0]), int(found[-1]) + 1)
        part, mask = planes[:, scale * span.start : scale * span.stop], rows[span, None]
        kept = part.clip(0.0, 1.0)
        # Bytes hold the count of a block's pixels up to a scale of 15, and are four times as fast.
        same = (kept == part).view(np.uint8)
        whole = _block_sums(same if scale < 16 else same.astype(np.float32), scale)
        np.copyto(free[:, span], whole * np.float32(scale**-2), where=mask)
        means = _block_means(kept, scale)
        np.copyto(change[:, span], means - strip.means[:, span], where=mask)
    return free, change


def _clamped_rows(planes: Unit, scale: int) -> Mask:
    """Return the mask (h,) of input rows whose output will be clamped to [0, 1] somewhere."""
    low, high = planes.min((0, 2)), planes.max((0, 2))
    return ((low < 0.0) | (high > 1.0)).reshape(-1, scale).any(1)
