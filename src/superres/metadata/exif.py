"""EXIF blocks: kept byte for byte, except for the tags that upscaling would make untrue.

Orientation (it is applied to the pixels), the thumbnail, the picture's size and its resolution.
Everything is changed in place, so makers' notes stay readable. A block here begins with TIFF's
II or MM; the "Exif" mark that JPEG and WebP put in front of it is removed on reading.
"""

from __future__ import annotations

import io
import struct

from superres.metadata.tags import (
    LONG,
    RATIONAL,
    SHORT,
    Field,
    Header,
    Slot,
    TagError,
    add_to_first_directory,
    point_header,
    read_directory,
    read_header,
    read_numbers,
    write_directory,
)

ORIENTATION, EXIF_POINTER, GPS_POINTER = 0x0112, 0x8769, 0x8825
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
_MOST_LONG = 2**32 - 1
_MARK = b"Exif\0\0"
_WIDTH_TAGS = {"picture": 0x0100, "exif": 0xA002}
_HEIGHT_TAGS = {"picture": 0x0101, "exif": 0xA003}
_THUMBNAIL, _THUMBNAIL_BYTES = 0x0201, 0x0202
_INCHES_PER_UNIT = {2: 1.0, 3: 2.54}  # ResolutionUnit: inch, centimetre
_EMPTY = struct.pack("<2sHI", b"II", 42, 0)


def settle_exif(exif: bytes) -> bytes:
    """Return the block with orientation 1 and without its thumbnail.

    Args:
        exif: A block as a file holds it, with or without the "Exif" mark.

    Raises:
        TagError: It is not an EXIF block, or its first directory is damaged.
    """
    block = bytearray(exif.removeprefix(_MARK))
    stream = io.BytesIO(block)
    header = read_header(stream)
    directory = read_directory(stream, header, header.first)
    _put_number(block, header, directory.slots.get(ORIENTATION), 1)
    if directory.next:
        block[directory.next_at : directory.next_at + header.cell_bytes] = bytes(header.cell_bytes)
        try:
            thumbnail = read_directory(stream, header, directory.next).slots
            start = read_numbers(stream, header, thumbnail.get(_THUMBNAIL))
            size = read_numbers(stream, header, thumbnail.get(_THUMBNAIL_BYTES))
        except TagError:
            return bytes(block)  # damaged thumbnails are common, and nothing points there any more
        if start and size:
            _erase(block, int(start[0]), int(size[0]))
    return bytes(block)


def fit_exif(exif: bytes, *, height: int, width: int, dpi: tuple[float, float] | None) -> bytes:
    """Return the block with the size and resolution of the picture that it will be part of.

    Sizes are changed where the block has them; a resolution is added if it has none.

    Args:
        exif: A block, settled.
        height: Pixels.
        width: Pixels.
        dpi: Horizontal and vertical pixels per inch; None leaves what is there.

    Raises:
        TagError: The block is damaged.
    """
    block = bytearray(exif.removeprefix(_MARK))
    stream = io.BytesIO(block)
    header = read_header(stream)
    picture = read_directory(stream, header, header.first).slots
    tables = {"picture": picture}
    pointer = read_numbers(stream, header, picture.get(EXIF_POINTER))
    if pointer:
        tables["exif"] = read_directory(stream, header, int(pointer[0])).slots
    for name, slots in tables.items():
        _put_number(block, header, slots.get(_WIDTH_TAGS[name]), width)
        _put_number(block, header, slots.get(_HEIGHT_TAGS[name]), height)
    if dpi is None or dpi == exif_dpi(exif):
        return bytes(block)
    return _with_resolution(block, header, picture, dpi)


def new_exif(dpi: tuple[float, float]) -> bytes:
    """Return a block that holds a resolution alone, for formats with no other place for it."""
    stream = io.BytesIO(_EMPTY)
    header = read_header(stream)
    at = write_directory(stream, header, resolution_fields(header, dpi))
    point_header(stream, header, at)
    return stream.getvalue()


def exif_dpi(exif: bytes) -> tuple[float, float] | None:
    """Return the horizontal and vertical pixels per inch that a block states, or None.

    Raises:
        TagError: It is not an EXIF block, or its first directory is damaged.
    """
    stream = io.BytesIO(exif.removeprefix(_MARK))
    header = read_header(stream)
    slots = read_directory(stream, header, header.first).slots
    across = read_numbers(stream, header, slots.get(X_RESOLUTION))
    down = read_numbers(stream, header, slots.get(Y_RESOLUTION))
    unit = read_numbers(stream, header, slots.get(RESOLUTION_UNIT)) or (2,)
    inches = _INCHES_PER_UNIT.get(int(unit[0]))
    if not (across and down and inches and across[0] > 0 and down[0] > 0):
        return None
    return across[0] * inches, down[0] * inches


def exif_orientation(exif: bytes | None) -> int:
    """Return the orientation tag's value; 1 without a readable block or tag."""
    if exif is None:
        return 1
    stream = io.BytesIO(exif.removeprefix(_MARK))
    try:
        header = read_header(stream)
        slots = read_directory(stream, header, header.first).slots
        return int((read_numbers(stream, header, slots.get(ORIENTATION)) or (1,))[0])
    except TagError:
        return 1


def resolution_fields(header: Header, dpi: tuple[float, float]) -> dict[int, Field]:
    """Return the three tags that state a resolution in pixels per inch."""

    def rational(value: float) -> Field:
        below = 1 if value == round(value) else min(10_000, int(_MOST_LONG // value))
        parts = (round(value * below), below)
        return Field(RATIONAL, 1, struct.pack(header.order + "II", *parts))

    unit = Field(SHORT, 1, struct.pack(header.order + "H", 2))
    return {
        X_RESOLUTION: rational(dpi[0]),
        Y_RESOLUTION: rational(dpi[1]),
        RESOLUTION_UNIT: unit,
    }


def _with_resolution(
    block: bytearray, header: Header, slots: dict[int, Slot], dpi: tuple[float, float]
) -> bytes:
    """Overwrite the tags of the resolution if all are present; else add them."""
    fields = resolution_fields(header, dpi)
    there = {tag: slots[tag] for tag in fields if tag in slots}
    if len(there) == len(fields) and all(
        (slot.kind, slot.count) == (fields[tag].kind, 1) for tag, slot in there.items()
    ):
        for tag, slot in there.items():
            block[slot.value_at : slot.value_at + slot.size] = fields[tag].data
        return bytes(block)
    stream = io.BytesIO(bytes(block))
    add_to_first_directory(stream, header, fields)
    return stream.getvalue()


def _put_number(block: bytearray, header: Header, slot: Slot | None, value: int) -> None:
    """Overwrite a tag of one short or long, if it is there; a long takes a short's whole cell."""
    if slot is None or slot.count != 1 or slot.kind not in (SHORT, LONG):
        return
    kind = LONG if value > 0xFFFF else slot.kind
    number = struct.pack(header.order + ("I" if kind == LONG else "H"), value)
    block[slot.entry_at + 2 : slot.entry_at + 4] = struct.pack(header.order + "H", kind)
    block[slot.value_at : slot.value_at + 4] = number.ljust(4, b"\0")


def _erase(block: bytearray, start: int, size: int) -> None:
    """Remove a thumbnail's bytes: cut them off if they come last, else make them zeros."""
    end = min(start + size, len(block))
    if not 0 <= start < end:
        return
    if end == len(block):
        del block[start:]
    else:
        block[start:end] = bytes(end - start)
