"""Joiner of single-page TIFFs into one: each page is copied, and its offsets are shifted."""

from __future__ import annotations

import shutil
import struct
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from superres.metadata.tags import (
    LONG,
    LONG8,
    SHORT,
    Header,
    Slot,
    TagError,
    point_header,
    read_directory,
    read_header,
)

_PLACES = (273, 324)  # offsets of strips and of tiles
_POINTERS = (330, 0x8769, 0x8825, 0xA005)  # subdirectories: pictures, EXIF, GPS, interoperability
_CODES = {SHORT: "H", LONG: "I", 13: "I", LONG8: "Q", 18: "Q"}
_COPY_BYTES = 2**20


def add_page(path: Path, page: Path) -> None:
    """Append the only page of a TIFF to the pages of another of the same kind and byte order.

    Args:
        path: The file that grows; an empty one becomes a copy of the page.
        page: The file of the page.

    Raises:
        TagError: A directory is damaged, or the file would outgrow its offsets.
    """
    with path.open("r+b") as file, page.open("rb") as added:
        base = file.seek(0, 2)
        if not base:
            shutil.copyfileobj(added, file, _COPY_BYTES)
            return
        header, own = read_header(file), read_header(added)
        if (header.order, header.big) != (own.order, own.big):
            raise TagError("its pages differ in byte order or in the size of their offsets")
        file.seek(base)
        base += file.write(bytes(-base % 8))
        added.seek(0)
        last = _last_link(file, header)
        file.seek(base)
        shutil.copyfileobj(added, file, _COPY_BYTES)
        _move(file, header, base + own.first, base)
        point_header(file, replace(header, first_at=last), base + own.first)


def _last_link(file: BinaryIO, header: Header) -> int:
    """Return the position of the last directory's link to the next."""
    link, at = header.first_at, header.first
    while at:
        directory = read_directory(file, header, at)
        link, at = directory.next_at, directory.next
    return link


def _move(file: BinaryIO, header: Header, at: int, by: int) -> None:
    """Shift the offsets in a copied directory and in its subdirectories."""
    for tag, slot in read_directory(file, header, at).slots.items():
        cell_at = slot.entry_at + (12 if header.big else 8)
        value_at = cell_at
        if slot.size > header.cell_bytes:
            value_at = slot.value_at + by
            _put(file, cell_at, header.offset_code, [value_at])
        if tag in _PLACES or tag in _POINTERS:
            places = [place + by for place in _numbers(file, header, slot, value_at)]
            _put(file, value_at, header.order + _CODES[slot.kind], places)
            if tag in _POINTERS:
                for place in places:
                    _move(file, header, place, by)


def _numbers(file: BinaryIO, header: Header, slot: Slot, at: int) -> tuple[int, ...]:
    file.seek(at)
    code = f"{header.order}{slot.count}{_CODES[slot.kind]}"
    return struct.unpack(code, file.read(struct.calcsize(code)))


def _put(file: BinaryIO, at: int, code: str, numbers: list[int]) -> None:
    most = 2 ** (8 * struct.calcsize(code)) - 1
    if max(numbers) > most:
        raise TagError(f"an offset of {max(numbers):,} does not fit: the largest is {most:,}")
    file.seek(at)
    file.write(struct.pack(f"{code[0]}{len(numbers)}{code[1:]}", *numbers))
