"""Metadata of a picture file: what it carries besides pixels, updated to another size."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pyvips

from superres.metadata.blocks import Blocks
from superres.metadata.exif import exif_dpi, settle_exif
from superres.metadata.geometry import Change
from superres.metadata.iptc import unwrap_iptc
from superres.metadata.photoshop import settle_resources
from superres.metadata.tags import TagError
from superres.metadata.xmp import NOT_TEXT, settle_xmp, unturned

MM_PER_INCH = 25.4
KEEP_FLAGS = {"exif": 1, "xmp": 2, "iptc": 4, "icc": 8}  # libvips' flags for what a saver writes
_ICC_HEADER_BYTES = 128


@dataclass(frozen=True, slots=True)
class Animation:
    """Timing of an animation.

    Attributes:
        delays_ms: Duration of each frame.
        loop: Number of repetitions; 0 for endless.
    """

    delays_ms: tuple[int, ...]
    loop: int = 0


@dataclass(frozen=True, slots=True)
class Metadata(Blocks):
    """Metadata of a picture: blocks that are valid for its upright pixels.

    EXIF begins with II or MM and has no thumbnail, XMP is in UTF-8, both have the orientation 1.
    The profile is built from numbers if a file describes its colours so, and Photoshop's resources
    have no IPTC.

    Attributes:
        size: (height, width) that positions in pixels refer to; None if unknown.
        animation: How the planes are shown, one after the other; None if they are not frames.
    """

    size: tuple[int, int] | None = field(default=None, compare=False)
    animation: Animation | None = None


def collect_metadata(
    image: pyvips.Image, found: Blocks, change: Change
) -> tuple[Metadata, tuple[str, ...]]:
    """Merge what libvips read of a file with what was read separately.

    Args:
        image: The opened file.
        found: The blocks as the file holds them, None where libvips' are used; the profile and code
            points are those of the pixels after conversion.
        change: How the pixels are turned and converted.

    Returns:
        The metadata, valid for the upright picture, and notes on damage.
    """
    notes: list[str] = []
    exif, dpi = found.exif, found.dpi
    if dpi is None and image.get_typeof("resolution-unit"):
        dpi = image.xres * MM_PER_INCH, image.yres * MM_PER_INCH
    if dpi and change.swaps:
        dpi = dpi[1], dpi[0]
    if exif is not None:
        try:
            exif = settle_exif(exif, change)
            dpi = (found.dpi and dpi) or exif_dpi(exif) or dpi
        except TagError as error:
            notes.append(f"EXIF is damaged ({error}) and not kept")
            exif = None
    xmp, iptc = found.xmp or blob(image, "xmp-data"), found.iptc or blob(image, "iptc-data")
    settled = settle_xmp(xmp, change) if xmp else None
    if xmp and settled is None:
        notes.append(NOT_TEXT)
    if settled:
        notes += unturned(settle_xmp(xmp or b"") or b"", change)
    photoshop, lost = settle_resources(found.photoshop or b"", change)
    if lost:
        notes.append(f"not kept: {', '.join(lost)}")
    return Metadata(
        icc=found.icc,
        exif=exif,
        xmp=settled,
        dpi=_clean_dpi(dpi),
        iptc=iptc and unwrap_iptc(iptc),
        photoshop=photoshop or None,
        comments=found.comments,
        cicp=found.cicp,
        size=change.after,
    ), tuple(notes)


def blob(image: pyvips.Image, field: str) -> bytes | None:
    """Return the bytes of a field that libvips read; None if there is none."""
    if not image.get_typeof(field):
        return None
    value: object = image.get(field)
    return value if isinstance(value, bytes) and value else None


def set_blob(image: pyvips.Image, field: str, data: bytes) -> None:
    """Attach bytes to an image under one of libvips' field names."""
    # pyvips takes bytes for fields of the blob type; its stubs leave them out.
    image.set_type(pyvips.GValue.blob_type, field, cast("Any", data))


def profile_of(image: pyvips.Image) -> bytes | None:
    """Return an image's ICC profile without the padding that some programs append."""
    icc = blob(image, "icc-profile-data")
    return icc[: int.from_bytes(icc[:4], "big")] if icc and icc_space(icc) else icc


def icc_space(icc: bytes) -> str:
    """Return the colour space of an ICC profile ("RGB", "GRAY", "CMYK"); "" if damaged."""
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
