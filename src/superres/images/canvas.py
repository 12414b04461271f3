"""Canvas protocol: where pixels lie beside a network, and the work on them there.

A runtime on a device with memory of its own has a canvas there, so that only whole numbers cross to
the host and back. All others share the host's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from superres.frame import Pixels, Unit, Values, from_unit, to_planes
from superres.images.anchor import anchored
from superres.images.strips import Block, HostBench

Planes = Unit  # (C, H, W) or (N, C, h, w) in the canvas's own type, which has numpy's slices


@dataclass(frozen=True, slots=True)
class Result:
    """What the rows made of a network's output are.

    Attributes:
        values: What their numbers mean.
        size: (H, W) of the input.
        scale: The output's size over the input's.
        channels: How many of the output's channels they have.
        clamped: See `images.anchor.anchored`.
    """

    values: Values
    size: tuple[int, int]
    scale: int
    channels: int
    clamped: bool | None


class Canvas(Protocol):
    """The pixels of pictures in progress, on the host or on a device.

    Attributes:
        block_bytes: The size of the output's blocks that are the fastest to work on.
    """

    block_bytes: int

    def planes(self, rows: Pixels, values: Values) -> Planes:
        """Return rows (h, W, C) of a picture as planes of unit pixels, (C, h, W)."""
        ...

    def stacked(self, tiles: Sequence[Planes]) -> Planes:
        """Return tiles (C, h, w) as one contiguous batch, (N, C, h, w)."""
        ...

    def joined(self, parts: Sequence[Planes], axis: int) -> Planes:
        """Return arrays joined along an axis, in new memory."""
        ...

    def flipped(self, tiles: Planes) -> Planes:
        """Return tiles (N, C, h, w) mirrored from left to right."""
        ...

    def turned(self, tiles: Planes, turns: int) -> Planes:
        """Return tiles (N, C, h, w) after counterclockwise quarter turns, contiguous."""
        ...

    def finished(self, blocks: Iterable[Block], result: Result) -> Iterator[Pixels]:
        """Anchor a network's output and yield it as rows of a picture.

        Args:
            blocks: See `images.anchor.anchored`.
            result: What the rows are.

        Yields:
            (s*h, s*W, channels) from top to bottom: floats unclamped and planar in memory, whole
            numbers clamped and rounded.
        """
        ...


class HostCanvas:
    """The canvas of numpy."""

    block_bytes = 4 * 2**20

    def planes(self, rows: Pixels, values: Values) -> Planes:
        """Return rows of a picture as planes; see `Canvas.planes`."""
        return to_planes(rows, values)

    def stacked(self, tiles: Sequence[Planes]) -> Planes:
        """Return tiles as one contiguous batch."""
        return np.stack(tiles)

    def joined(self, parts: Sequence[Planes], axis: int) -> Planes:
        """Return arrays joined along an axis."""
        return np.concatenate(parts, axis)

    def flipped(self, tiles: Planes) -> Planes:
        """Return tiles mirrored from left to right."""
        return np.ascontiguousarray(tiles[..., ::-1])

    def turned(self, tiles: Planes, turns: int) -> Planes:
        """Return tiles after quarter turns."""
        return np.ascontiguousarray(np.rot90(tiles, turns, (2, 3)))

    def finished(self, blocks: Iterable[Block], result: Result) -> Iterator[Pixels]:
        """Anchor a network's output and yield it as rows; see `Canvas.finished`."""
        bench, values = HostBench(result.scale), result.values
        width = result.scale * result.size[1]
        for height, pieces in anchored(blocks, bench, size=result.size, clamped=result.clamped):
            made = _empty((height, width, result.channels), values)
            for rows, columns, planes in pieces:
                unit = planes[: result.channels].transpose(1, 2, 0)
                from_unit(unit, values, out=made[rows, columns])
            yield made


def _empty(shape: tuple[int, int, int], values: Values) -> Pixels:
    """Return memory for pixels: interleaved for whole numbers, planar for floats."""
    if values.whole:
        return np.empty(shape, values.dtype)
    return np.empty((shape[2], *shape[:2]), values.dtype).transpose(1, 2, 0)


HOST = HostCanvas()
