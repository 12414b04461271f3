"""TIFF directories: reading and extending the tag tables of TIFF files and EXIF blocks.

An EXIF block is a small classic TIFF without pixels, so one set of functions serves both. Nothing
is ever moved: changed directories are appended and the header is pointed at them, because maker
notes contain offsets that only stay valid if every byte keeps its place.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO, Literal

# Bytes of one value of each type; types 16 to 18 are BigTIFF's.
_KIND_BYTES = dict(
    zip((*range(1, 14), 16, 17, 18), (1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 8, 8, 8), strict=True)
)
_SWAP_UNIT = {5: 4, 10: 4}  # rationals are two longs
_MAX_ENTRIES = 4096
_MAX_VALUE_BYTES = 16 * 2**20
BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, LONG8 = 1, 2, 3, 4, 5, 7, 16


class TagError(ValueError):
    """A directory is damaged: it points outside the file, or states something impossible."""


@dataclass(frozen=True, slots=True)
class Header:
    """Number storage of a TIFF.

    Attributes:
        order: `struct`'s character for the byte order.
        big: Whether offsets have 64 bits (BigTIFF).
        first: Offset of the first directory.
        first_at: Offset of that field.
    """

    order: Literal["<", ">"]
    big: bool
    first: int
    first_at: int

    @property
    def offset_code(self) -> str:
        """`struct`'s code of an offset with the byte order."""
        return self.order + ("Q" if self.big else "I")

    @property
    def cell_bytes(self) -> int:
        """Size of an entry's value cell, which holds small values itself."""
        return 8 if self.big else 4


@dataclass(frozen=True, slots=True)
class Slot:
    """Location of one tag of a directory.

    Attributes:
        kind: TIFF's number of the type.
        count: Number of values.
        entry_at: Offset of the entry in the directory.
        value_at: Offset of the values.
        size: Bytes of the values.
    """

    kind: int
    count: int
    entry_at: int
    value_at: int
    size: int


@dataclass(frozen=True, slots=True)
class Field:
    """Values of a tag to be written into a directory.

    Attributes:
        kind: TIFF's number of the type.
        count: Number of values.
        data: The values' bytes in the target's order; or, if `placed`, the value cell unchanged.
        placed: Whether `data` is a cell that already points to its values.
    """

    kind: int
    count: int
    data: bytes
    placed: bool = False


@dataclass(frozen=True, slots=True)
class Directory:
    """One table of tags.

    Attributes:
        slots: Where each tag is stored; of duplicate tags the first counts.
        next: Offset of the next directory, 0 for none.
        next_at: Offset of that field.
    """

    slots: dict[int, Slot]
    next: int
    next_at: int


def read_header(stream: BinaryIO) -> Header:
    """Read the first bytes of a TIFF or EXIF block.

    Raises:
        TagError: It is not a TIFF.
    """
    stream.seek(0)
    start = stream.read(16)
    if start[:2] not in (b"II", b"MM") or len(start) < 8:
        raise TagError("it does not begin as a TIFF does")
    order: Literal["<", ">"] = "<" if start[:2] == b"II" else ">"
    version = struct.unpack_from(order + "H", start, 2)[0]
    if version == 43 and len(start) == 16:
        return Header(order, True, struct.unpack_from(order + "Q", start, 8)[0], 8)
    if version != 42:
        raise TagError(f"its version is {version}, not 42 or 43")
    return Header(order, False, struct.unpack_from(order + "I", start, 4)[0], 4)


def read_directory(stream: BinaryIO, header: Header, offset: int) -> Directory:
    """Read the table at an offset; entries of unknown types are left out.

    Raises:
        TagError: The table is truncated or absurdly long.
    """
    order, cell = header.order, header.cell_bytes
    count_code, entry_bytes = (order + "Q", 20) if header.big else (order + "H", 12)
    _seek(stream, offset)
    count: int = struct.unpack(count_code, _exactly(stream, struct.calcsize(count_code)))[0]
    if not 0 < count <= _MAX_ENTRIES:
        raise TagError(f"a directory claims {count} entries")
    begin = stream.tell()
    table = _exactly(stream, count * entry_bytes)
    slots: dict[int, Slot] = {}
    for index in range(count):
        at = index * entry_bytes
        tag, kind, values = struct.unpack_from(order + ("HHQ" if header.big else "HHI"), table, at)
        size = _KIND_BYTES.get(kind, 0) * values
        if not size or tag in slots:
            continue
        cell_at = at + entry_bytes - cell
        value_at = begin + cell_at
        if size > cell:
            value_at = struct.unpack_from(header.offset_code, table, cell_at)[0]
        slots[tag] = Slot(kind, values, begin + at, value_at, size)
    next_at = begin + len(table)
    tail = stream.read(cell)
    following = struct.unpack(header.offset_code, tail)[0] if len(tail) == cell else 0
    return Directory(slots, following, next_at)


def read_value(stream: BinaryIO, slot: Slot) -> bytes:
    """Read a tag's bytes as they are stored.

    Raises:
        TagError: They are truncated, or more than 16 MB.
    """
    if slot.size > _MAX_VALUE_BYTES:
        raise TagError(f"a tag claims {slot.size} bytes")
    _seek(stream, slot.value_at)
    return _exactly(stream, slot.size)


def read_numbers(stream: BinaryIO, header: Header, slot: Slot | None) -> tuple[float, ...]:
    """Read the values of a tag of integers or rationals; empty for None or another type.

    Raises:
        TagError: See `read_value`.
    """
    codes = {1: "B", 3: "H", 4: "I", 5: "I", 8: "h", 9: "i", 13: "I", 16: "Q", 18: "Q"}
    if slot is None or slot.kind not in codes:
        return ()
    data = read_value(stream, slot)
    code = codes[slot.kind]
    numbers = struct.unpack(f"{header.order}{len(data) // struct.calcsize(code)}{code}", data)
    if slot.kind != RATIONAL:
        return numbers
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return tuple(above / below if below else 0.0 for above, below in pairs)


def read_field(stream: BinaryIO, header: Header, slot: Slot, order: str) -> Field:
    """Read a tag's values for another file, converted to that file's byte order.

    Text gets the terminating zero that TIFF requires and some cameras omit.

    Raises:
        TagError: See `read_value`.
    """
    data = read_value(stream, slot)
    unit = _SWAP_UNIT.get(slot.kind, _KIND_BYTES[slot.kind])
    if order != header.order and unit > 1:
        data = b"".join(data[at : at + unit][::-1] for at in range(0, len(data), unit))
    if slot.kind == ASCII and not data.endswith(b"\0"):
        data += b"\0"
        return Field(slot.kind, len(data), data)
    return Field(slot.kind, slot.count, data)


def write_directory(
    stream: BinaryIO, header: Header, fields: Mapping[int, Field], following: int = 0
) -> int:
    """Append a directory and its values to a TIFF or EXIF block.

    Args:
        stream: The block, open for reading and writing.
        header: Its header.
        fields: The tags; numbers in `header.order`.
        following: Offset of the next directory, 0 for none.

    Returns:
        The offset of the directory.

    Raises:
        TagError: The block would outgrow its offsets.
    """
    end = stream.seek(0, 2)
    start = end + end % 2
    data, at = laid_out(header, fields, start, following)
    stream.write(b"\0" * (start - end) + data)
    return at


def laid_out(
    header: Header, fields: Mapping[int, Field], start: int, following: int = 0
) -> tuple[bytes, int]:
    """Return a directory, after the values that its cells cannot hold, as bytes for an offset.

    Args:
        header: The block's header.
        fields: The tags; numbers in `header.order`.
        start: The even offset where the bytes will be.
        following: Offset of the next directory, 0 for none.

    Returns:
        The bytes, and the offset of the directory itself.

    Raises:
        TagError: The block would outgrow its offsets.
    """
    order, values = header.order, bytearray()
    table = bytearray(struct.pack(order + ("Q" if header.big else "H"), len(fields)))
    for tag in sorted(fields):
        field = fields[tag]
        cell = field.data
        if not field.placed and len(field.data) > header.cell_bytes:
            cell = _offset(header, start + len(values))
            values += field.data + b"\0" * (len(field.data) % 2)  # offsets are even
        table += struct.pack(order + ("HHQ" if header.big else "HHI"), tag, field.kind, field.count)
        table += cell.ljust(header.cell_bytes, b"\0")
    return bytes(values + table) + _offset(header, following), start + len(values)


def point_header(stream: BinaryIO, header: Header, first: int) -> None:
    """Make a directory the first one.

    Raises:
        TagError: Its offset does not fit.
    """
    stream.seek(header.first_at)
    stream.write(_offset(header, first))


def add_to_first_directory(stream: BinaryIO, header: Header, extra: Mapping[int, Field]) -> None:
    """Add tags to the first directory, or replace their values, in place.

    The longer table is appended; all existing values keep their place.

    Raises:
        TagError: The directory is damaged, or the block would grow too large.
    """
    directory = read_directory(stream, header, header.first)
    fields: dict[int, Field] = {}
    for tag, slot in directory.slots.items():
        stream.seek(slot.entry_at + (12 if header.big else 8))
        cell = _exactly(stream, header.cell_bytes)
        fields[tag] = Field(slot.kind, slot.count, cell, placed=True)
    at = write_directory(stream, header, fields | dict(extra), directory.next)
    point_header(stream, header, at)


def _offset(header: Header, value: int) -> bytes:
    if not header.big and value >= 2**32:
        raise TagError("offsets past 4 GB do not fit")
    return struct.pack(header.offset_code, value)


def _seek(stream: BinaryIO, offset: int) -> None:
    """Seek to an offset that a file states, which may be impossible."""
    if not 0 <= offset < 2**63:
        raise TagError("it points past its end")
    stream.seek(offset)


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise TagError("it points past its end")
    return data
