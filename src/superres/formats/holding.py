"""What a format can hold of a picture, and words for what it cannot."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from superres.formats.output_format import OutputFormat
from superres.frame import Bands, Values, from_unit, to_unit
from superres.metadata.exif import fit_exif, new_exif, settle_exif
from superres.metadata.header import Metadata, icc_space
from superres.metadata.iptc import MAX_JPEG_IPTC_BYTES
from superres.metadata.tags import TagError
from superres.metadata.xmp import NOT_TEXT, fit_xmp, settle_xmp
from superres.vips.levels import placed_high
from superres.vips.profile import fit_profile
from superres.vips.reserved import MAX_RESERVED_BYTES

_MAX_JPEG_XMP_BYTES = 60_000  # libvips drops more without a word; a segment would hold 65,502
_DPI_IN_EXIF = ("jpeg", "webp", "avif")  # as libvips writes them; the others have a place of it
_WORDS: dict[str, str] = {"uint8": "8-bit", "uint16": "16-bit", "float32": "32-bit float"}

Notes = tuple[str, ...]


def held_layout(kind: OutputFormat, bands: Bands) -> tuple[Bands, Notes]:
    """Return the channels that are handed to the encoder, and notes on the others."""
    notes: list[str] = []
    if bands.alpha and not kind.alpha:
        notes.append(f"alpha laid on white: {kind.title} holds none")
    if bands.colour == "grey" and not kind.grey:
        notes.append(f"grey written as RGB: {kind.title} as written here holds no grey")
    return Bands(bands.colour, bands.count, bands.alpha and kind.alpha), tuple(notes)


def held_values(kind: OutputFormat, values: Values) -> tuple[Values, int, Notes]:
    """Return what is handed to the encoder, the bits a sample that the file keeps, and notes."""
    dtype = values.dtype
    held = dtype if dtype in kind.dtypes else kind.dtypes[-1]
    bits = 32 if held == "float32" else 8 if held == "uint8" else kind.wide_bits
    if held == dtype and (held != "uint16" or bits == 16):
        return Values.of(held), bits, ()
    clamped = ", clamped to [0, 1]" if not values.whole else ""
    lost = f"{_WORDS.get(dtype, dtype)} reduced to {bits}-bit{clamped}: {kind.title} holds no more"
    return Values.of(held), bits, (lost,)


def held_metadata(
    kind: OutputFormat, metadata: Metadata, bands: Bands, *, height: int, width: int
) -> tuple[Metadata, Notes]:
    """Return what the format can hold, made true of this size, and notes on the rest."""
    icc, icc_notes = _held_icc(kind, metadata.icc, bands)
    exif, exif_notes = _held_exif(kind, metadata, height, width)
    xmp, xmp_notes = _held_xmp(kind, metadata.xmp, height, width)
    iptc, notes = metadata.iptc, [*icc_notes, *exif_notes, *xmp_notes]
    if iptc and not kind.iptc:
        notes.append(f"IPTC is not kept: {kind.title} holds none")
        iptc = None
    if iptc and kind.name == "jpeg" and len(iptc) > MAX_JPEG_IPTC_BYTES:
        notes.append(f"IPTC of {len(iptc):,} bytes is not kept: {MAX_JPEG_IPTC_BYTES:,} fit")
        iptc = None
    return Metadata(icc=icc, exif=exif, xmp=xmp, dpi=metadata.dpi, iptc=iptc), tuple(notes)


def held_pixels(block: NDArray[Any], *, bands: Bands, values: Values, bits: int) -> NDArray[Any]:
    """Turn a block into what is handed to the encoder.

    Args:
        block: (h, width, channels) of any depth.
        bands: What the encoder takes; a missing alpha is laid on white.
        values: What the encoder takes.
        bits: Bits of each sample that the file keeps.
    """
    if block.shape[2] != bands.channels:
        unit = to_unit(block)
        alpha = np.clip(unit[..., -1:], 0.0, 1.0)
        on_white = unit[..., :-1] * alpha + (1.0 - alpha)
        block = from_unit(on_white.astype(np.float32, copy=False), values)
    elif block.dtype.name != values.dtype:
        block = from_unit(to_unit(block), values)
    if 8 < bits < 16:
        block = placed_high(block, bits)
    return block


def _held_icc(kind: OutputFormat, icc: bytes | None, bands: Bands) -> tuple[bytes | None, Notes]:
    """Return the profile if it is for the colours that the file will hold."""
    written = "RGB" if bands.colour == "rgb" or not kind.grey else "GRAY"
    if icc is None:
        return None, ()
    if icc_space(icc) != written:
        return None, (
            f"the ICC profile is not for {written} pixels, as {kind.title} holds, and not kept",
        )
    fitted = fit_profile(icc, png=kind.name == "png", grey=written == "GRAY")
    lost = f"the ICC profile is damaged, or of a kind that {kind.title} does not take, and not kept"
    return fitted, () if fitted else (lost,)


def _held_xmp(
    kind: OutputFormat, xmp: bytes | None, height: int, width: int
) -> tuple[bytes | None, Notes]:
    """Return the packet with true sizes, if it is text that the format has room for."""
    if not xmp:
        return None, ()
    settled = settle_xmp(xmp)
    if settled is None:
        return None, (NOT_TEXT,)
    fitted = fit_xmp(settled, height=height, width=width)
    if kind.name == "jpeg" and len(fitted) > _MAX_JPEG_XMP_BYTES:
        return None, (
            f"XMP of {len(fitted):,} bytes is not kept: {_MAX_JPEG_XMP_BYTES:,} fit into a JPEG",
        )
    return fitted, ()


def _held_exif(
    kind: OutputFormat, metadata: Metadata, height: int, width: int
) -> tuple[bytes | None, Notes]:
    """Return the EXIF block with true sizes and resolution; a new one if only EXIF can say it."""
    exif, dpi, notes = metadata.exif, metadata.dpi, ()
    if exif:
        try:
            exif = fit_exif(settle_exif(exif), height=height, width=width, dpi=dpi)
        except TagError as error:
            exif, notes = None, (f"EXIF is damaged ({error}) and not kept",)
    if exif and kind.name != "tiff" and len(exif) > MAX_RESERVED_BYTES:
        notes = (f"EXIF of {len(exif):,} bytes is not kept: {MAX_RESERVED_BYTES:,} fit",)
        exif = None
    if exif is None and dpi and kind.name in _DPI_IN_EXIF:
        exif = new_exif(dpi)
    return exif, notes
