"""Check of a finished file: the metadata that it should carry is read back."""

from __future__ import annotations

import io
from typing import Protocol

from superres.containers.exif_in_tiff import DESCRIPTIVE
from superres.metadata.colour_space import Cicp
from superres.metadata.exif import EXIF_POINTER, GPS_POINTER
from superres.metadata.header import Metadata
from superres.metadata.tags import TagError, read_directory, read_header, read_numbers


class Carrying(Protocol):
    """Findings of a format's reader; every reader has some of these."""

    @property
    def exif(self) -> bytes | None:
        """The EXIF block."""
        ...

    @property
    def xmp(self) -> bytes | None:
        """The XMP packet."""
        ...

    @property
    def icc(self) -> bytes | None:
        """The ICC profile."""
        ...


def not_found(held: Metadata, found: Carrying) -> tuple[str, ...]:
    """List the metadata that a finished file should carry and does not.

    Args:
        held: What it should carry.
        found: What its own reader finds in it; what the reader does not look for is not checked.
    """
    iptc: bytes | None = getattr(found, "iptc", None)
    photoshop: bytes | None = getattr(found, "photoshop", None)
    comments: tuple[bytes, ...] = getattr(found, "comments", ())
    cicp: Cicp | None = getattr(found, "cicp", None)
    block = (found.exif or b"").removeprefix(b"Exif\0\0")
    as_tags = bool(getattr(found, "has_tags", False))
    checks = {
        "EXIF": not held.exif
        or (_tags(held.exif) <= _tags(block) if as_tags else block.startswith(held.exif)),
        "XMP": not held.xmp or (found.xmp or b"").rstrip(b" ") == held.xmp.rstrip(b" "),
        "ICC profile": not held.icc or found.icc == held.icc,
        "IPTC": not held.iptc or iptc == held.iptc,
        "Photoshop's resources": not held.photoshop or held.photoshop in (photoshop or b""),
        "comments": not held.comments or b"".join(comments) == b"".join(held.comments),
        "code points of colour": not held.cicp
        or (cicp is not None and _codes(cicp) == _codes(held.cicp)),
    }
    lost = [name for name, is_there in checks.items() if not is_there]
    return (f"not kept: {', '.join(lost)} (not found in the finished file)",) if lost else ()


def _tags(block: bytes) -> set[tuple[int, int]]:
    """Return the tags of a block that a TIFF can hold, with the directories' pointers."""
    stream = io.BytesIO(block)
    found: set[tuple[int, int]] = set()
    try:
        header = read_header(stream)
        slots = read_directory(stream, header, header.first).slots
        found |= {(0, tag) for tag in slots if tag in DESCRIPTIVE}
        for pointer in (EXIF_POINTER, GPS_POINTER):
            for at in read_numbers(stream, header, slots.get(pointer)):
                inner = read_directory(stream, header, int(at)).slots
                found |= {(pointer, tag) for tag in inner}
    except TagError:
        return found
    return found


def _codes(cicp: Cicp) -> tuple[int, int]:
    return cicp.primaries, cicp.transfer
