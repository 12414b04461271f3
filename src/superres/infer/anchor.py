"""Anchoring of a network's answer to its input: flat areas, equal channels and local means.

A network's answer is an estimate, but a part of it is known exactly. Where the input is flat, the
answer is that very colour; where the input's channels are equal, the answer's are; and the means of
areas some `REACH` input pixels wide are the input's. The first two hold to the last bit. The third
is one step of back-projection (Irani and Peleg, 1991) on what is coarser than `REACH`: the answer's
block means minus the input, smoothed, are subtracted from the answer. So a network's offset goes,
and fine noise of the input does not come back.

All of this depends on the picture's rows alone, and not on the tiles that its answer was made of.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from superres.frame import Unit
from superres.images.kernels import mirrored
from superres.infer.row_buffer import RowBuffer

Mask = NDArray[np.bool_]

REACH = 7  # input px from a pixel to the farthest that its local mean depends on
_DOUBLINGS = 3  # of a box of one pixel; two of the box that results have that reach
_AREA = 2  # input px to each side that are alike where the answer is wholly known
_LEAST = 2.0**-18  # of unit pixels: a quarter of a step of 16 bits


def anchored_rows(
    small: Iterable[Unit],
    large: Iterable[Unit],
    *,
    size: tuple[int, int],
    scale: int,
    clamped: bool,
) -> Iterator[Unit]:
    """Anchor an answer that comes in blocks of rows, which are changed in place.

    Args:
        small: (h, W, C) unit pixels from top to bottom, what the network was given.
        large: (scale * h, scale * W, C) from top to bottom, its answer; blocks of whole input rows.
        size: (H, W) of the input.
        scale: How much larger the answer is.
        clamped: Whether the answer will be clamped to [0, 1]. The local means are then those after
            clamping.

    Yields:
        The blocks of `large`, anchored, about `2 * REACH` input rows after they came.

    Raises:
        ArgumentError: The rows of `small` are not those of a picture of that size.
    """
    height = size[0]
    raw, centred = deque[_Strip](), deque[_Strip]()
    errors, overflows = _Rows(height), _Rows(height)
    known: _Known | None = None

    def settled(known: _Known) -> Generator[Unit]:
        """Finish the strips whose surroundings are there."""
        while raw and errors.reach(raw[0].stop + REACH + 1):
            strip = raw.popleft()
            _subtract(strip, errors, scale)
            errors.forget(strip.stop - REACH - 1)
            if clamped:
                overflows.append(known.shared(_overflow(strip.planes, scale), strip.start))
            centred.append(strip)
        while centred and (not clamped or overflows.reach(centred[0].stop + REACH + 1)):
            strip = centred.popleft()
            if clamped:
                _subtract(strip, overflows, scale)
                overflows.forget(strip.stop - REACH - 1)
            known.put_into(strip, scale)
            known.forget(strip.stop)
            yield strip.planes.transpose(1, 2, 0)

    for block in large:
        known = known or _Known(small, size, block.shape[2])
        planes = block.transpose(2, 0, 1)
        start = errors.stop
        stop = start + len(block) // scale
        error = _block_means(planes, scale) - known.input(start, stop)
        errors.append(known.shared(error, start))
        raw.append(_Strip(start, stop, planes))
        yield from settled(known)


def anchored(small: Unit, large: Unit, *, clamped: bool) -> Unit:
    """Anchor the answer to a whole frame; see `anchored_rows`.

    Args:
        small: (H, W, C) unit pixels, what the network was given.
        large: (s*H, s*W, C), its answer, changed in place.
        clamped: Whether the answer will be clamped to [0, 1].
    """
    (height, width), scale = small.shape[:2], len(large) // len(small)
    (result,) = anchored_rows(
        (small,), (large,), size=(height, width), scale=scale, clamped=clamped
    )
    return result


@dataclass(frozen=True, slots=True)
class _Strip:
    """Rows of the answer on their way.

    Attributes:
        start: The first input row that they answer for.
        stop: One past the last.
        planes: (C, scale * (stop - start), scale * W) pixels.
    """

    start: int
    stop: int
    planes: Unit


@dataclass(slots=True)
class _Rows:
    """Rows of planes (C, h, W) by their numbers; beyond the first and the last it is mirrored.

    Attributes:
        height: Rows of the whole picture.
        first: Number of the first row that is held.
        stop: One past the last.
    """

    height: int
    first: int = 0
    stop: int = 0
    _held: list[Unit] = field(default_factory=list[Unit])

    def append(self, rows: Unit) -> None:
        """Add the rows that follow."""
        self._held.append(rows)
        self.stop += rows.shape[1]

    def reach(self, stop: int) -> bool:
        """Return whether the rows above `stop` are there, as far as there are any."""
        return self.stop >= min(stop, self.height)

    def window(self, start: int, stop: int) -> Unit:
        """Return rows start..stop, some of which may lie beyond the picture."""
        if len(self._held) > 1:
            self._held = [np.concatenate(self._held, axis=1)]
        if start >= 0 and stop <= self.height:
            return self._held[0][:, start - self.first : stop - self.first]
        return self._held[0][:, mirrored(np.arange(start, stop), self.height) - self.first]

    def forget(self, before: int) -> None:
        """Let rows above `before` go."""
        if before > self.first:
            self._held = [self.window(before, self.stop)]
            self.first = before


class _Known:
    """What the rows of an input say exactly of its answer; they are read as far as needed.

    Args:
        small: (h, W, C) unit pixels from top to bottom.
        size: (H, W) of the picture.
        channels: C.
    """

    def __init__(self, small: Iterable[Unit], size: tuple[int, int], channels: int) -> None:
        height, width = size
        self._source = RowBuffer(small, height=height, width=width, channels=channels)
        self._input = _Rows(height)
        # (1, h, W) from 0 to 1, where the answer is wholly known; and what `shared` multiplies by.
        self._flat, self._equal, self._shares = (_Rows(height) for _ in range(3))

    def input(self, start: int, stop: int) -> Unit:
        """Return rows of the input, (C, stop - start, W)."""
        last = min(stop, self._input.height)
        if self._input.stop < last:
            rows = self._source.take(self._input.stop, last)
            self._input.append(np.ascontiguousarray(rows.transpose(2, 0, 1)))
        return self._input.window(start, stop)

    def shared(self, errors: Unit, start: int) -> Unit:
        """Weigh errors so that none is smoothed into flat areas, which have none, and is lost.

        With m the part of a pixel that is unknown and S the smoothing, which is symmetric, the sum
        of `m * S(e * m / S(m))` is that of `e * m`. This returns `e * m / S(m)`.

        Args:
            errors: (C, h, W) rows, changed in place.
            start: The number of the first.
        """
        first, stop = self._shares.stop, start + errors.shape[1]
        if first < stop:
            self._weigh(stop + REACH)
            unknown = 1.0 - self._flat.window(first - REACH, stop + REACH)
            shares = unknown[:, REACH:-REACH]
            if unknown.min() < 1.0:
                shares = shares / np.maximum(_smoothed(unknown), _LEAST)
            self._shares.append(shares)
        equal = self._equal.window(start, stop)
        if len(errors) > 1 and equal.any():  # there the channels will be one
            errors += equal * (errors.mean(0, keepdims=True) - errors)
        errors *= self._shares.window(start, stop)
        return errors

    def put_into(self, strip: _Strip, scale: int) -> None:
        """Make a strip's channels equal where the input's are, and its flat areas the input's."""
        count = len(strip.planes)
        equal = self._equal.window(strip.start, strip.stop)
        if count > 1 and equal.any():
            weights = equal.repeat(scale, axis=2)
            for row in range(scale):
                planes = strip.planes[:, row::scale]
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
        """Let go what no row of the answer from `before` on needs."""
        for rows in (self._input, self._flat, self._equal, self._shares):
            rows.forget(before - REACH - _AREA)

    def _weigh(self, stop: int) -> None:
        """Find flat areas and equal channels in the rows above `stop`."""
        start, stop = self._flat.stop, min(stop, self._flat.height)
        if start < stop:
            rows = self.input(start - _AREA, stop + _AREA)
            self._flat.append(_weights(_flat(rows)))
            self._equal.append(_weights(_shrunk((rows[1:] == rows[:-1]).all(0))))


def _flat(rows: Unit) -> Mask:
    """Return where (C, h, W) is one colour in each pixel and its eight neighbours, (h, W)."""
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
    """Return where (h, W) is set in each pixel and all of its neighbours."""
    wide = mask.copy()
    wide[:, 1:] &= mask[:, :-1]
    wide[:, :-1] &= mask[:, 1:]
    tall = wide.copy()
    tall[1:] &= wide[:-1]
    tall[:-1] &= wide[1:]
    return tall


def _weights(mask: Mask) -> Unit:
    """Return 1 where a mask and its surroundings are set, half where the pixel alone is."""
    inner = slice(_AREA, -_AREA)
    return (mask[None, inner] * np.float32(0.5)) + _shrunk(mask)[None, inner] * np.float32(0.5)


def _blend(planes: Unit, known: Unit, weights: Unit) -> None:
    """Move planes (C, h, w) towards what is known, all the way where the weight is 1."""
    planes += weights * (known - planes)
    np.copyto(planes, known, where=weights == 1.0)


def _block_means(planes: Unit, scale: int) -> Unit:
    """Return the means of blocks of scale x scale px: (C, s*h, s*w) to (C, h, w)."""
    rows = _summed([planes[:, row::scale] for row in range(scale)])
    total = _summed([rows[..., column::scale] for column in range(scale)])
    total *= np.float32(scale**-2)
    return total


def _summed(parts: list[Unit]) -> Unit:
    """Add arrays of one shape: several times faster than numpy's sum over a short axis."""
    total = parts[0].copy()
    for part in parts[1:]:
        total += part
    return total


def _overflow(planes: Unit, scale: int) -> Unit:
    """Return how far clamping to [0, 1] changes the means of blocks, (C, h, w)."""
    count, height, width = planes.shape
    if planes.min() >= 0.0 and planes.max() <= 1.0:
        return np.zeros((count, height // scale, width // scale), np.float32)
    return _block_means(planes.clip(0.0, 1.0) - planes, scale)


def _smoothed(rows: Unit) -> Unit:
    """Smooth (C, h + 2 * REACH, W) to (C, h, W) by a triangle; columns are mirrored."""
    tall = _boxed(rows.swapaxes(1, 2)).swapaxes(1, 2)
    return _boxed(tall[..., mirrored(_across(tall, REACH), tall.shape[2])])


def _boxed(columns: Unit) -> Unit:
    """Return the means over the last axis by two boxes, one after the other."""
    for _ in range(2):
        for doubling in range(_DOUBLINGS):
            step = 2**doubling
            columns = columns[..., :-step] + columns[..., step:]
    columns *= np.float32(4.0**-_DOUBLINGS)
    return columns


def _across(rows: Unit, margin: int) -> NDArray[np.int64]:
    """Return the numbers of columns, with some more to each side."""
    return np.arange(-margin, rows.shape[2] + margin, dtype=np.int64)


def _subtract(strip: _Strip, errors: _Rows, scale: int) -> None:
    """Subtract the smoothed errors, interpolated linearly between the input's pixels."""
    rows = errors.window(strip.start - 1 - REACH, strip.stop + 1 + REACH)
    if max(rows.max(), -rows.min()) < _LEAST:
        return
    smooth = _smoothed(rows)
    smooth = smooth[..., mirrored(_across(smooth, 1), smooth.shape[2])]
    wide = np.empty((*smooth.shape[:2], smooth.shape[2] - 2, scale), np.float32)
    slopes = np.diff(smooth, axis=2)
    for column in range(scale):
        offset = (column + 0.5) / scale - 0.5
        slope = slopes[..., :-1] if offset < 0 else slopes[..., 1:]
        wide[..., column] = smooth[..., 1:-1] + np.float32(offset) * slope
    for plane, tall in zip(strip.planes, wide.reshape(*smooth.shape[:2], -1), strict=True):
        here, slopes = tall[1:-1], np.diff(tall, axis=0)
        part = np.empty_like(here)
        for row in range(scale):
            offset = (row + 0.5) / scale - 0.5
            slope = slopes[:-1] if offset < 0 else slopes[1:]
            np.multiply(slope, np.float32(offset), out=part)
            part += here
            plane[row::scale] -= part
