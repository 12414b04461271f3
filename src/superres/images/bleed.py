"""Colour under transparent pixels, bled from visible neighbours to avoid fringes.

Encoders leave any colour there, mostly black. A network or a kernel that crosses the edge would
mix it into visible pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from superres.frame import Unit

_NEIGHBOURS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]


def bleed(pixels: Unit, radius: int) -> Unit:
    """Spread visible colour into fully transparent pixels, one pixel further each round.

    Args:
        pixels: (H, W, C) unit pixels, alpha as the last channel.
        radius: Distance in pixels; beyond that, colour is unchanged.

    Returns:
        The same shape; alpha and the colour of pixels with any opacity are unchanged.
    """
    known = pixels[..., -1] > 0
    if known.all() or not known.any():
        return pixels
    result = pixels.copy()
    colour = result[..., :-1]
    for _ in range(radius):
        rows, columns = np.nonzero(_beside(known) & ~known)
        if not len(rows):
            break
        colour[rows, columns] = _mean_of_known(colour, known, rows, columns)
        known[rows, columns] = True
    return result


def bleed_rows(
    blocks: Iterable[Unit], radius: int, spread: Callable[[Unit, int], Unit] = bleed
) -> Iterator[Unit]:
    """Apply `bleed` to a picture in blocks of rows, with the same result.

    Args:
        blocks: (h, W, C) unit pixels from top to bottom.
        radius: See `bleed`; as many rows are held back.
        spread: The operation on rows with all rows within the radius: `bleed`, or another of no
            larger radius.
    """
    window: Unit | None = None  # rows that later blocks still need, and those not yet yielded
    given = 0  # rows of the window that were already yielded
    for block in blocks:
        window = block if window is None else np.concatenate((window, block))
        ready = len(window) - radius
        if ready > given:
            yield spread(window, radius)[given:ready]
            dropped = max(0, ready - radius)
            window, given = window[dropped:], ready - dropped
    if window is not None and given < len(window):
        yield spread(window, radius)[given:]


def _beside(known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask of pixels that touch a known one, by edge or corner."""
    height, width = known.shape
    padded = np.pad(known, 1)
    beside = np.zeros_like(known)
    for dy, dx in _NEIGHBOURS:
        beside |= padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
    return beside


def _mean_of_known(
    colour: Unit, known: NDArray[np.bool_], rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> Unit:
    """Return the mean colour of the known neighbours of some pixels; each has at least one."""
    height, width = known.shape
    total = np.zeros((len(rows), colour.shape[2]), np.float32)
    count = np.zeros((len(rows), 1), np.float32)
    for dy, dx in _NEIGHBOURS:
        y, x = rows + dy, columns + dx
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
        weight = (inside & known[y, x]).astype(np.float32)[:, None]
        total += weight * colour[y, x]
        count += weight
    return total / count
