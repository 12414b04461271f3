"""EXIF and IPTC in TIFF files, stored as tags among the picture's own.

libvips ignores EXIF tags and writes only a quarter of IPTC, so both are read from the file and
added to the finished one here.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable
from typing import BinaryIO

from superres.metadata.exif import EXIF_POINTER, GPS_POINTER
from superres.metadata.tags import (
    LONG,
    LONG8,
    UNDEFINED,
    Field,
    Header,
    TagError,
    add_to_first_directory,
    point_header,
    read_directory,
    read_field,
    read_header,
    read_numbers,
    read_value,
    write_directory,
)

DESCRIPTION, PHOTOSHOP = 0x010E, 0x8649
_INTEROPERABILITY_POINTER, _IPTC = 0xA005, 0x83BB
# Tags of the main directory that describe the picture: camera, software, time, people, Windows'
# titles. The others describe the storage of pixels, and are valid for one file only.
_CAMERA_AND_PEOPLE = (0x010D, DESCRIPTION, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x013C, 0x8298)
DESCRIPTIVE = (*_CAMERA_AND_PEOPLE, 0x011D, 0x4746, 0x4749, *range(0x9C9B, 0x9CA0))
# Descriptions that define the layout of the file's pixels; at another size they break it.
_STRUCTURAL_DESCRIPTIONS = (b'{"shape"', b"shape=", b"ImageJ=", b"SCIFIO=", b"<?xml", b"<OME")
_LITTLE = struct.pack("<2sHI", b"II", 42, 0)


def exif_of_tiff(stream: BinaryIO) -> tuple[bytes | None, bool]:
    """Collect the EXIF tags of a TIFF's first picture.

    Args:
        stream: The file.

    Returns:
        An EXIF block, or None if there are no such tags; and whether a description was left out
        because it defines the layout of the file's pixels.

    Raises:
        TagError: The file's directories are damaged.
    """
    header = read_header(stream)
    block = io.BytesIO(_LITTLE)
    target = read_header(block)
    slots = read_directory(stream, header, header.first).slots
    fields = _copy(stream, header, DESCRIPTIVE)
    structural = DESCRIPTION in fields and fields[DESCRIPTION].data.lstrip().startswith(
        _STRUCTURAL_DESCRIPTIONS
    )
    if structural:
        del fields[DESCRIPTION]
    for pointer in (EXIF_POINTER, GPS_POINTER):
        at = read_numbers(stream, header, slots.get(pointer))
        if at:
            fields[pointer] = _copy_directory(stream, header, int(at[0]), block, target)
    if not fields:
        return None, structural
    point_header(block, target, write_directory(block, target, fields))
    return block.getvalue(), structural


def iptc_of_tiff(stream: BinaryIO) -> bytes | None:
    """Return the IPTC record of a TIFF's first picture; None if there is none.

    Raises:
        TagError: The file's directory is damaged.
    """
    header = read_header(stream)
    slot = read_directory(stream, header, header.first).slots.get(_IPTC)
    return read_value(stream, slot) if slot else None


def add_to_tiff(
    stream: BinaryIO, *, exif: bytes | None, iptc: bytes | None, photoshop: bytes | None = None
) -> None:
    """Add an EXIF block's tags, an IPTC record and Photoshop's resources to a finished TIFF.

    Args:
        stream: The file, open for reading and writing.
        exif: The block.
        iptc: The record, bare.
        photoshop: The resources.

    Raises:
        TagError: The block is damaged, or the file has no room below 4 GB.
    """
    target = read_header(stream)
    fields: dict[int, Field] = {}
    if exif:
        block = io.BytesIO(exif)
        source = read_header(block)
        slots = read_directory(block, source, source.first).slots
        fields = _copy(block, source, DESCRIPTIVE, target.order)
        for pointer in (EXIF_POINTER, GPS_POINTER):
            at = read_numbers(block, source, slots.get(pointer))
            if at:
                fields[pointer] = _copy_directory(block, source, int(at[0]), stream, target)
    if iptc:
        fields[_IPTC] = Field(UNDEFINED, len(iptc), iptc)
    if photoshop:
        fields[PHOTOSHOP] = Field(UNDEFINED, len(photoshop), photoshop)
    add_to_first_directory(stream, target, fields)


def _copy(
    stream: BinaryIO, header: Header, tags: Iterable[int], order: str = "<"
) -> dict[int, Field]:
    """Read the given tags that the first directory has."""
    slots = read_directory(stream, header, header.first).slots
    return {tag: read_field(stream, header, slots[tag], order) for tag in tags if tag in slots}


def _copy_directory(
    stream: BinaryIO,
    header: Header,
    at: int,
    target_stream: BinaryIO,
    target: Header,
    *,
    innermost: bool = False,
) -> Field:
    """Copy a directory and any that it points to; return the field that points to the copy."""
    slots = read_directory(stream, header, at).slots
    fields = {
        tag: read_field(stream, header, slot, target.order)
        for tag, slot in slots.items()
        if tag != _INTEROPERABILITY_POINTER
    }
    inner = read_numbers(stream, header, slots.get(_INTEROPERABILITY_POINTER))
    if inner and not innermost:  # a hostile file could point a directory at itself
        fields[_INTEROPERABILITY_POINTER] = _copy_directory(
            stream, header, int(inner[0]), target_stream, target, innermost=True
        )
    if not fields:
        raise TagError("an EXIF directory has no readable tag")
    offset = write_directory(target_stream, target, fields)
    return Field(LONG8 if target.big else LONG, 1, struct.pack(target.offset_code, offset))
