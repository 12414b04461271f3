"""Pixels converted to what a format can hold, with notes on the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superres.errors import OutputError
from superres.formats.format import Holding
from superres.frame import Bands, Values, from_unit, to_unit
from superres.metadata.picture import Header, Notes

_WORDS: dict[str, str] = {"uint8": "8-bit", "uint16": "16-bit", "float32": "32-bit float"}


def held_header(holding: Holding, title: str, header: Header) -> tuple[Header, Notes]:
    """Return the header of the pixels passed to the format, and notes on what is lost.

    Raises:
        OutputError: The format cannot hold a picture of this size, these bands or planes.
    """
    _check_size(holding, title, header)
    bands, bands_notes = _held_bands(holding, title, header.bands)
    values, values_notes = _held_values(holding, title, header.values)
    return replace(header, bands=bands, values=values), (*bands_notes, *values_notes)


def held_pixels(block: NDArray[Any], values: Values, *, bands: Bands, held: Values) -> NDArray[Any]:
    """Convert a block to the form that is passed to the format.

    Args:
        block: (h, width, channels).
        values: What its numbers mean.
        bands: Bands for the format; without alpha, colours are composited on white.
        held: Values for the format.
    """
    if block.shape[2] != bands.channels:
        unit = _known(to_unit(block, values), held)
        alpha = np.clip(unit[..., -1:], 0.0, 1.0)
        on_white = unit[..., :-1] * alpha + (1.0 - alpha)
        return from_unit(on_white.astype(np.float32, copy=False), held)
    if values == held:
        return block
    return from_unit(_known(to_unit(block, values), held), held)


def _check_size(holding: Holding, title: str, header: Header) -> None:
    if max(header.height, header.width) > holding.longest_edge:
        raise OutputError(
            f"{title} holds at most {holding.longest_edge} px an edge, "
            f"the picture has {header.height} x {header.width} (height x width)",
            "write PNG or TIFF, which have no such limit",
        )
    is_animated = holding.frames and header.metadata.animation is not None
    if header.planes > 1 and not holding.planes and not is_animated:
        if header.metadata.animation:
            raise OutputError(
                f"{title} as written here holds one picture, got {header.planes} frames",
                "write WebP (.webp), PNG (.png) or GIF (.gif), which hold animations",
            )
        raise OutputError(
            f"{title} as written here holds one picture, got {header.planes} planes",
            "write each plane as a file of its own",
        )


def _held_bands(holding: Holding, title: str, bands: Bands) -> tuple[Bands, Notes]:
    """Return the channels passed to the format, and notes on the others."""
    if bands.colour == "bands" and not holding.bands:
        raise OutputError(
            f"{title} as written here holds grey or RGB pictures, this one has {bands.count} bands",
            "choose a format that holds bands, or write each band as a grey picture",
        )
    notes: list[str] = []
    if bands.alpha and not holding.alpha:
        notes.append(f"alpha composited on white: {title} does not hold alpha")
    if bands.colour == "grey" and not holding.grey:
        notes.append(f"grey written as RGB: {title} as written here does not hold grey")
    return replace(bands, alpha=bands.alpha and holding.alpha), tuple(notes)


def _held_values(holding: Holding, title: str, values: Values) -> tuple[Values, Notes]:
    """Return the meaning of the numbers passed to the format, and notes on what is lost."""
    dtype = _held_dtype(holding, values)
    if holding.ranges and dtype == values.dtype:
        return values, ()
    held, notes = Values.of(dtype), list[str]()
    bits = holding.wide_bits if held.dtype == "uint16" else np.dtype(dtype).itemsize * 8
    if not _is_enough(held, bits, values):
        clamped = ", clamped to [0, 1]" if held.whole and not values.whole else ""
        what, kept = (_WORDS.get(x.dtype, x.dtype) for x in (values, held))
        kept = f"{bits}-bit" if held.whole else kept
        notes.append(f"{what} reduced to {kept}{clamped}: {title} holds no more")
    elif values.dtype != held.dtype or (values.black, values.white) != (held.black, held.white):
        notes.append(
            f"{values.black:g} to {values.white:g} of {values.dtype} written as {held.black:g} to "
            f"{held.white:g} of {held.dtype}: {title} as written here holds no other range"
        )
    if values.nodata is not None:
        mark = "black" if held.whole else "NaN"
        notes.append(f"pixels without a value written as {mark}: {title} has no mark for them")
    return held, tuple(notes)


def _held_dtype(holding: Holding, values: Values) -> str:
    """Return the dtype itself if supported, else the smallest that holds as much, or the last."""
    if values.dtype in holding.dtypes:
        return values.dtype
    enough = [dtype for dtype in holding.dtypes if _is_enough(Values.of(dtype), 64, values)]
    return (enough or holding.dtypes)[0 if enough else -1]


def _is_enough(held: Values, bits: int, values: Values) -> bool:
    """Return whether numbers of a dtype, with `bits` bits kept, distinguish all values."""
    if not values.whole:
        return not held.whole and np.dtype(held.dtype).itemsize >= np.dtype(values.dtype).itemsize
    steps = values.white - values.black
    if not held.whole:
        return steps < 2.0 ** (np.finfo(held.dtype).nmant + 1)
    return steps <= min(held.white - held.black, 2.0**bits - 1)


def _known(unit: NDArray[np.float32], held: Values) -> NDArray[np.float32]:
    """Return unit pixels with black for missing values, if these cannot be marked."""
    if held.whole and held.nodata is None:
        return np.nan_to_num(unit, nan=0.0, posinf=np.inf, neginf=-np.inf)
    return unit
