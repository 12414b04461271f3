"""Nodata pixels: filled for networks, and marked again in the result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from superres.frame import Unit
from superres.images.bleed import bleed, bleed_rows
from superres.images.row_stream import RowStream

Valid = NDArray[np.bool_]


def fill_nodata(blocks: Iterable[Unit], radius: int) -> Iterator[Unit]:
    """Spread values into pixels without one, as `bleed` does under transparent pixels.

    Args:
        blocks: (h, W, C) unit pixels from top to bottom, NaN where there is no value. Each channel
            has its own gaps.
        radius: Distance in pixels; deeper pixels of a gap become 0.

    Yields:
        (h', W, C) without NaN.
    """
    return bleed_rows(blocks, radius, _filled)


def valid_rows(
    blocks: Iterable[Unit], in_size: tuple[int, int], out_size: tuple[int, int]
) -> Iterator[Valid]:
    """Upscale the mask of pixels with a value: each output pixel takes its centre's input pixel.

    Args:
        blocks: (h, W, C) unit pixels from top to bottom, NaN where there is no value.
        in_size: (height, width) of the whole input.
        out_size: (height, width) of the whole output.

    Yields:
        (h', width, C) blocks from top to bottom.
    """
    rows, columns = (_nearest(n, m) for n, m in zip(in_size, out_size, strict=True))
    first = done = 0
    for block in blocks:
        last = first + len(block)
        stop = int(np.searchsorted(rows, last))
        if stop > done:
            yield ~np.isnan(block[rows[done:stop] - first][:, columns])
        first, done = last, stop


def mark_nodata(blocks: Iterable[Unit], valid: Iterable[Valid]) -> Iterator[Unit]:
    """Write NaN where there is no value; the two streams may have blocks of any heights."""
    rows = RowStream(valid)
    for block in blocks:
        yield np.where(rows.take(len(block)), block, np.float32(np.nan))


def _filled(pixels: Unit, radius: int) -> Unit:
    """Fill the gaps of each channel."""
    missing = np.isnan(pixels)
    if not missing.any():
        return pixels
    filled = np.where(missing, np.float32(0.0), pixels)
    for channel in np.nonzero(missing.any((0, 1)))[0]:
        known = (~missing[..., channel]).astype(np.float32)
        pair = np.stack((filled[..., channel], known), axis=2)
        filled[..., channel] = bleed(pair, radius)[..., 0]
    return filled


def _nearest(in_length: int, out_length: int) -> NDArray[np.intp]:
    """Return the index of the input sample at the centre of each output sample."""
    centres = (np.arange(out_length) + 0.5) * (in_length / out_length)
    return np.minimum(centres.astype(np.intp), in_length - 1)
