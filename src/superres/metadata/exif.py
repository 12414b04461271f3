"""EXIF blocks: kept byte for byte, except for the tags that upscaling would invalidate.

`geometry` lists them. Everything is changed in place, so maker notes stay readable. A block here
begins with TIFF's II or MM; the "Exif" marker that JPEG and WebP put before it is removed on
reading.
"""

from __future__ import annotations

import io
import struct
from contextlib import suppress
from fractions import Fraction

from superres.metadata.geometry import Change, Kind, kind_of, turned_area
from superres.metadata.tags import (
    ASCII,
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
    read_value,
    write_directory,
)

ORIENTATION, EXIF_POINTER, GPS_POINTER = 0x0112, 0x8769, 0x8825
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
_MOST_LONG = 2**32 - 1
_MARK = b"Exif\0\0"
_INTEROPERABILITY_POINTER, _INTEROPERABILITY_INDEX, _COLOUR_SPACE = 0xA005, 0x0001, 0xA001
_THUMBNAIL, _THUMBNAIL_BYTES = 0x0201, 0x0202
_INCHES_PER_UNIT = {2: 1.0, 3: 2.54}  # ResolutionUnit: inch, centimetre
_EMPTY = struct.pack("<2sHI", b"II", 42, 0)


def settle_exif(exif: bytes, change: Change | None = None) -> bytes:
    """Return the block with orientation 1 and without its thumbnail.

    Args:
        exif: A block as a file holds it, with or without the "Exif" marker.
        change: How the pixels were turned, so that positions are turned too; None for unturned
            pixels.

    Raises:
        TagError: It is not an EXIF block, or its first directory is damaged.
    """
    block = bytearray(exif.removeprefix(_MARK))
    stream = io.BytesIO(block)
    header = read_header(stream)
    directory = read_directory(stream, header, header.first)
    _put_number(block, header, directory.slots.get(ORIENTATION), 1)
    if change:
        _apply(block, header, change)
    if directory.next:
        block[directory.next_at : directory.next_at + header.cell_bytes] = bytes(header.cell_bytes)
        try:
            thumbnail = read_directory(stream, header, directory.next).slots
            start = read_numbers(stream, header, thumbnail.get(_THUMBNAIL))
            size = read_numbers(stream, header, thumbnail.get(_THUMBNAIL_BYTES))
        except TagError:
            return bytes(block)  # damaged thumbnails are common, and nothing points to it any more
        if start and size:
            _erase(block, int(start[0]), int(size[0]))
    return bytes(block)


def fit_exif(
    exif: bytes,
    *,
    height: int,
    width: int,
    dpi: tuple[float, float] | None,
    before: tuple[int, int] | None = None,
) -> bytes:
    """Return the block with the size and resolution of its new picture.

    Sizes are changed where the block has them; a missing resolution is added.

    Args:
        exif: A block, settled.
        height: Pixels.
        width: Pixels.
        dpi: Horizontal and vertical pixels per inch; None leaves the block's own.
        before: (height, width) that its positions in pixels refer to; None leaves them.

    Raises:
        TagError: The block is damaged.
    """
    block = bytearray(exif.removeprefix(_MARK))
    stream = io.BytesIO(block)
    header = read_header(stream)
    tables = _tables(block, header)
    for slots in tables:
        for tag, slot in slots.items():
            kind = kind_of("EXIF", tag)
            if kind in ("width", "height"):
                _put_number(block, header, slot, width if kind == "width" else height)
    if before:
        _apply(block, header, Change(before, (height, width)))
    if dpi is None or dpi == exif_dpi(exif):
        return bytes(block)
    return _with_resolution(block, header, tables[0], dpi)


def new_exif(dpi: tuple[float, float]) -> bytes:
    """Return a block with only a resolution, for formats with no other place for it."""
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


def exif_orientation(exif: bytes | None) -> int | None:
    """Return the orientation that a block states, 1 to 8; None without a readable one."""
    if exif is None:
        return None
    stream = io.BytesIO(exif.removeprefix(_MARK))
    try:
        header = read_header(stream)
        slots = read_directory(stream, header, header.first).slots
        found = read_numbers(stream, header, slots.get(ORIENTATION)) or (0,)
    except TagError:
        return None
    return int(found[0]) if found[0] in range(1, 9) else None


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


def _tables(block: bytearray, header: Header) -> list[dict[int, Slot]]:
    """Return the slots of the main, EXIF and interoperability directories.

    Raises:
        TagError: The main or the EXIF directory is damaged.
    """
    stream = io.BytesIO(block)
    tables = [read_directory(stream, header, header.first).slots]
    pointer = read_numbers(stream, header, tables[0].get(EXIF_POINTER))
    if pointer:
        tables.append(read_directory(stream, header, int(pointer[0])).slots)
        inner = read_numbers(stream, header, tables[1].get(_INTEROPERABILITY_POINTER))
        with suppress(TagError):  # it only states a colour space, and damaged ones are common
            tables += [read_directory(stream, header, int(at)).slots for at in inner[:1]]
    return tables


def _apply(block: bytearray, header: Header, change: Change) -> None:
    """Turn and scale positions, scale the sensor's resolution, and record converted colours."""
    tables = _tables(block, header)
    down, across = change.scale
    pairs: tuple[tuple[Kind, Kind, float, float], ...] = (
        ("across", "down", 1.0, 1.0),
        ("focal_across", "focal_down", across, down),
    )
    for slots in tables[:2]:
        by_kind = {kind_of("EXIF", tag): slot for tag, slot in slots.items()}
        for one, other, *factors in pairs:
            if one in by_kind and other in by_kind:
                _scale_pair(block, header, (by_kind[one], by_kind[other]), factors, change.swaps)
        for tag, slot in slots.items():
            if kind_of("EXIF", tag) == "area":
                _turn_area(block, header, slot, change)
    if change.to_srgb and len(tables) > 1:
        _put_number(block, header, tables[1].get(_COLOUR_SPACE), 1)
        index = tables[2].get(_INTEROPERABILITY_INDEX) if len(tables) > 2 else None
        if index and index.kind == ASCII and index.size == 4:
            block[index.value_at : index.value_at + 4] = b"R98\0"


def _scale_pair(
    block: bytearray, header: Header, slots: tuple[Slot, Slot], factors: list[float], swap: bool
) -> None:
    """Multiply the rationals of both axes, which are swapped in a turned picture."""
    if any((slot.kind, slot.count) != (RATIONAL, 1) for slot in slots):
        return
    stream = io.BytesIO(block)
    pairs = [struct.unpack(header.order + "II", read_value(stream, slot)) for slot in slots]
    for slot, pair, factor in zip(slots, pairs[::-1] if swap else pairs, factors, strict=True):
        if pair[1] and pair[0]:
            value = Fraction(*pair) * Fraction(factor).limit_denominator(1_000_000)
            for most in (_MOST_LONG, 1_000_000, 1000, 1):
                value = value.limit_denominator(most)
                if value.numerator <= _MOST_LONG:
                    break
            pair = min(value.numerator, _MOST_LONG), value.denominator
        struct.pack_into(header.order + "II", block, slot.value_at, *pair)


def _turn_area(block: bytearray, header: Header, slot: Slot, change: Change) -> None:
    """Turn and scale a position in pixels; values above 16 bits move to the block's end."""
    if slot.kind not in (SHORT, LONG) or not 2 <= slot.count <= 4:
        return
    numbers = read_numbers(io.BytesIO(block), header, slot)
    new = [max(0, round(number)) for number in turned_area(list(numbers), change)]
    code = "H" if slot.kind == SHORT and max(new) <= 0xFFFF else "I"
    data = struct.pack(f"{header.order}{slot.count}{code}", *new)
    if len(data) == slot.size:
        block[slot.value_at : slot.value_at + slot.size] = data
        return
    block += bytes(len(block) % 2)
    struct.pack_into(header.order + "H", block, slot.entry_at + 2, LONG)
    struct.pack_into(
        header.offset_code, block, slot.entry_at + (12 if header.big else 8), len(block)
    )
    block += data


def _with_resolution(
    block: bytearray, header: Header, slots: dict[int, Slot], dpi: tuple[float, float]
) -> bytes:
    """Overwrite the resolution tags if all are present; else add them."""
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
    """Overwrite a tag of one short or long, if present; a long takes a short's whole cell."""
    if slot is None or slot.count != 1 or slot.kind not in (SHORT, LONG):
        return
    kind = LONG if value > 0xFFFF else slot.kind
    number = struct.pack(header.order + ("I" if kind == LONG else "H"), value)
    block[slot.entry_at + 2 : slot.entry_at + 4] = struct.pack(header.order + "H", kind)
    block[slot.value_at : slot.value_at + 4] = number.ljust(4, b"\0")


def _erase(block: bytearray, start: int, size: int) -> None:
    """Remove a thumbnail's bytes: truncate if they come last, else overwrite with zeros."""
    end = min(start + size, len(block))
    if not 0 <= start < end:
        return
    if end == len(block):
        del block[start:]
    else:
        block[start:end] = bytes(end - start)
