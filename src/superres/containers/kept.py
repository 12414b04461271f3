"""Check of a finished file: the metadata that it should carry is read back."""

from __future__ import annotations

import io

from superres.containers.exif_in_tiff import DESCRIPTIVE
from superres.metadata.blocks import Blocks
from superres.metadata.colour_space import Cicp
from superres.metadata.exif import EXIF_POINTER, GPS_POINTER
from superres.metadata.header import Metadata
from superres.metadata.tags import TagError, read_directory, read_header, read_numbers


def not_found(held: Metadata, found: Blocks, *, as_tags: bool = False) -> tuple[str, ...]:
    """List the metadata that a finished file should carry and does not.

    Args:
        held: What it should carry.
        found: What its own reader finds in it.
        as_tags: Whether EXIF is in the file's own tags, and was collected into a block.
    """
    cicp = found.cicp
    block = (found.exif or b"").removeprefix(b"Exif\0\0")
    checks = {
        "EXIF": not held.exif
        or (_tags(held.exif) <= _tags(block) if as_tags else block.startswith(held.exif)),
        "XMP": not held.xmp or (found.xmp or b"").rstrip(b" ") == held.xmp.rstrip(b" "),
        "ICC profile": not held.icc or found.icc == held.icc,
        "IPTC": not held.iptc or found.iptc == held.iptc,
        "Photoshop's resources": not held.photoshop or held.photoshop in (found.photoshop or b""),
        "comments": not held.comments or b"".join(found.comments) == b"".join(held.comments),
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
