"""Metadata of a picture file: what it carries besides pixels, made true of another size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pyvips

from superres.metadata.exif import exif_dpi, settle_exif
from superres.metadata.iptc import unwrap_iptc
from superres.metadata.tags import TagError
from superres.metadata.xmp import NOT_TEXT, settle_xmp

MM_PER_INCH = 25.4
KEEP_FLAGS = {"exif": 1, "xmp": 2, "iptc": 4, "icc": 8}  # libvips' flags of what a saver writes
_ICC_HEADER_BYTES = 128


@dataclass(frozen=True, slots=True)
class Animation:
    """How frames are shown.

    Attributes:
        delays_ms: How long each frame is shown.
        loop: How often all of them are; 0 for ever.
    """

    delays_ms: tuple[int, ...]
    loop: int = 0


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a picture file carries besides pixels.

    Attributes:
        icc: The ICC profile of the pixels.
        exif: The EXIF block, from its II or MM on; its orientation is 1, its thumbnail is gone.
        xmp: The XMP packet in UTF-8; its orientation is 1.
        dpi: Horizontal and vertical pixels per inch.
        iptc: The IPTC record, bare; JPEG and TIFF alone hold it.
        animation: How the planes are shown, one after the other; None where they are not frames.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    iptc: bytes | None = None
    animation: Animation | None = None


def collect_metadata(
    image: pyvips.Image,
    *,
    icc: bytes | None,
    exif: bytes | None,
    xmp: bytes | None,
    dpi: tuple[float, float] | None,
    iptc: bytes | None,
) -> tuple[Metadata, tuple[str, ...]]:
    """Gather what libvips read of a file and what was read beside it.

    Args:
        image: The opened file.
        icc: The profile of the pixels after conversion.
        exif: The EXIF block as the file holds it.
        xmp: The XMP packet, if it was found without libvips.
        dpi: The resolution, if it was found without libvips.
        iptc: The IPTC record, if it was found without libvips.

    Returns:
        The metadata, true of the upright picture, and notes on what was damaged.
    """
    notes: list[str] = []
    if exif is not None:
        try:
            exif = settle_exif(exif)
            dpi = dpi or exif_dpi(exif)
        except TagError as error:
            notes.append(f"EXIF is damaged ({error}) and not kept")
            exif = None
    if dpi is None and image.get_typeof("resolution-unit"):
        dpi = image.xres * MM_PER_INCH, image.yres * MM_PER_INCH
    xmp, iptc = xmp or blob(image, "xmp-data"), iptc or blob(image, "iptc-data")
    settled = settle_xmp(xmp) if xmp else None
    if xmp and settled is None:
        notes.append(NOT_TEXT)
    if blob(image, "gainmap-data"):
        notes.append("the HDR gain map is not kept")
    return Metadata(
        icc=icc,
        exif=exif,
        xmp=settled,
        dpi=_clean_dpi(dpi),
        iptc=iptc and unwrap_iptc(iptc),
    ), tuple(notes)


def blob(image: pyvips.Image, field: str) -> bytes | None:
    """Return the bytes of a field that libvips read, None if there is none."""
    if not image.get_typeof(field):
        return None
    value: object = image.get(field)
    return value if isinstance(value, bytes) and value else None


def set_blob(image: pyvips.Image, field: str, data: bytes) -> None:
    """Attach bytes to an image under one of libvips' field names."""
    # pyvips takes bytes for fields of the blob type; its stubs leave them out.
    image.set_type(pyvips.GValue.blob_type, field, cast("Any", data))


def profile_of(image: pyvips.Image) -> bytes | None:
    """Return an image's ICC profile without the padding that some programs leave behind it."""
    icc = blob(image, "icc-profile-data")
    return icc[: int.from_bytes(icc[:4], "big")] if icc and icc_space(icc) else icc


def icc_space(icc: bytes) -> str:
    """Return which colours an ICC profile is for ("RGB", "GRAY", "CMYK"); "" if it is damaged."""
    stated_bytes = int.from_bytes(icc[:4], "big")
    if icc[36:40] != b"acsp" or not _ICC_HEADER_BYTES < stated_bytes <= len(icc):
        return ""
    return icc[16:20].decode("ascii", errors="replace").strip()


def _clean_dpi(dpi: tuple[float, float] | None) -> tuple[float, float] | None:
    """Undo the rounding of formats that count pixels per metre or per centimetre."""
    if dpi is None or not (0 < dpi[0] < 1e6 and 0 < dpi[1] < 1e6):
        return None
    across, down = (round(x) if abs(x - round(x)) < 0.013 else x for x in dpi)
    return float(across), float(down)
