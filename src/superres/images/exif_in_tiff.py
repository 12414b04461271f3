"""EXIF in TIFF files, where it is no block but tags among the picture's own: out and in.

libvips leaves these tags alone, so they are read from the file and added to the finished one.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable
from typing import BinaryIO

from superres.images.exif import EXIF_POINTER, GPS_POINTER
from superres.images.tags import (
    LONG,
    LONG8,
    Field,
    Header,
    TagError,
    add_to_first_directory,
    point_header,
    read_directory,
    read_field,
    read_header,
    read_numbers,
    write_directory,
)

DESCRIPTION = 0x010E
_INTEROPERABILITY_POINTER = 0xA005
# Tags of the main directory that describe the picture: camera, software, time, people, Windows'
# titles. The others say how pixels are stored, and are true of one file alone.
_CAMERA_AND_PEOPLE = (DESCRIPTION, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x013C, 0x8298)
_DESCRIPTIVE = (*_CAMERA_AND_PEOPLE, 0x4746, 0x4749, *range(0x9C9B, 0x9CA0))
# Descriptions by which programs lay out the file's pixels; at another size they break it.
_STRUCTURAL_DESCRIPTIONS = (b'{"shape"', b"shape=", b"ImageJ=", b"SCIFIO=", b"<?xml", b"<OME")
_LITTLE = struct.pack("<2sHI", b"II", 42, 0)


def exif_of_tiff(stream: BinaryIO) -> tuple[bytes | None, bool]:
    """Collect the tags of a TIFF's first picture that EXIF has a place for.

    Args:
        stream: The file.

    Returns:
        An EXIF block, None if there are no such tags; and whether a description was left out
        because it lays out the file's pixels for some program.

    Raises:
        TagError: The file's directories are damaged.
    """
    header = read_header(stream)
    block = io.BytesIO(_LITTLE)
    target = read_header(block)
    slots = read_directory(stream, header, header.first).slots
    fields = _copy(stream, header, _DESCRIPTIVE)
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


def add_exif_to_tiff(stream: BinaryIO, exif: bytes) -> None:
    """Give a finished TIFF the tags of an EXIF block.

    Args:
        stream: The file, open for reading and writing.
        exif: The block.

    Raises:
        TagError: The block is damaged, or the file has no room below 4 GB.
    """
    block = io.BytesIO(exif)
    source, target = read_header(block), read_header(stream)
    slots = read_directory(block, source, source.first).slots
    fields = _copy(block, source, _DESCRIPTIVE, target.order)
    for pointer in (EXIF_POINTER, GPS_POINTER):
        at = read_numbers(block, source, slots.get(pointer))
        if at:
            fields[pointer] = _copy_directory(block, source, int(at[0]), stream, target)
    add_to_first_directory(stream, target, fields)


def _copy(
    stream: BinaryIO, header: Header, tags: Iterable[int], order: str = "<"
) -> dict[int, Field]:
    """Read those of the tags that the first directory has."""
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
    """Copy a directory and the one it may point to; return the field that points to the copy."""
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
