"""Ends of opacity: fully transparent and fully opaque pixels stay so when upscaled.

Networks and resizing overshoot near the edges of an alpha channel, and a transparent background
with traces of opacity is not transparent. A pixel at one of the two ends keeps it, except in
corners whose three neighbours all have another opacity: an edge cuts off such a corner. So straight
edges of a mask stay in place, and slanted ones become smooth.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from superres.frame import Unit

Indices = NDArray[np.int64]


def keep_ends(
    small: Iterable[Unit], large: Iterable[Unit], *, size: tuple[int, int], target: tuple[int, int]
) -> Iterator[Unit]:
    """Keep the ends of an upscaled alpha channel.

    Args:
        small: (h, W, 1) opacity in [0, 1] from top to bottom.
        large: (h', W', 1) the same upscaled, changed in place.
        size: (H, W) of the small channel.
        target: (H', W') of the large one. If it is smaller along an axis, its pixels mix several
            opacities and are only clamped.

    Yields:
        The blocks of `large`, in [0, 1].
    """
    if min(target[0] - size[0], target[1] - size[1]) < 0:
        yield from (block.clip(0.0, 1.0) for block in large)
        return
    own_row, near_row = _origins(size[0], target[0])
    own_column, near_column = _origins(size[1], target[1])
    source = iter(small)
    held = np.empty((0, size[1], 1), np.float32)
    first = done = 0  # rows: the first one held, and those of `large` that are finished
    for block in large:
        own, near = (rows[done : done + len(block)] for rows in (own_row, near_row))
        done += len(block)
        start, stop = min(own[0], near[0]), max(own[-1], near[-1]) + 1
        held, first = held[start - first :], start
        while first + len(held) < stop:
            held = np.concatenate([held, next(source)])
        alpha = held[: stop - start, :, 0]
        block.clip(0.0, 1.0, out=block)
        for end in (0.0, 1.0):
            other = alpha != end
            if other.all():
                continue
            beside, above = other[own - start], other[near - start]
            cut = beside[:, near_column] & above[:, own_column] & above[:, near_column]
            block[~(cut | beside[:, own_column]), 0] = end
        yield block


def _origins(length: int, target: int) -> tuple[Indices, Indices]:
    """Return the positions of output pixels' centres along one axis of the input.

    Returns:
        The pixel that contains each, and that pixel's neighbour on the nearer side; at the ends of
        the axis the pixel itself.
    """
    twice = 2 * np.arange(target, dtype=np.int64) + 1  # centres, in halves of an output pixel
    own = twice * length // (2 * target)
    side = np.where(twice * length > (2 * own + 1) * target, 1, -1)
    return own, np.clip(own + side, 0, length - 1)
