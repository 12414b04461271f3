"""TIFF and EXIF blocks set by hand, byte by byte, without the code under test."""

from __future__ import annotations

import struct

CODES = {1: "B", 2: "B", 3: "H", 4: "I", 5: "I", 7: "B", 9: "i", 16: "Q"}


def directory(entries, *, at, order="<", big=False, following=0):
    """A table at an offset with its long values behind; entries are (tag, type, numbers)."""
    cell_bytes, offset = (8, "Q") if big else (4, "I")
    entry = "HHQ" if big else "HHI"
    table_bytes = (8 if big else 2) + len(entries) * (20 if big else 12) + cell_bytes
    table, values = struct.pack(order + ("Q" if big else "H"), len(entries)), b""
    for tag, kind, numbers in entries:
        data = struct.pack(f"{order}{len(numbers)}{CODES[kind]}", *numbers)
        cell = data
        if len(data) > cell_bytes:
            cell = struct.pack(order + offset, at + table_bytes + len(values))
            values += data + bytes(len(data) % 2)
        count = len(numbers) // (2 if kind == 5 else 1)
        table += struct.pack(order + entry, tag, kind, count) + cell.ljust(cell_bytes, b"\0")
    return table + struct.pack(order + offset, following) + values


def start(order="<", *, big=False, first=None):
    """The header, which points right behind itself unless told otherwise."""
    mark = b"II" if order == "<" else b"MM"
    if big:
        return struct.pack(order + "2sHHHQ", mark, 43, 8, 0, 16 if first is None else first)
    return struct.pack(order + "2sHI", mark, 42, 8 if first is None else first)


def block(entries, *, order="<", big=False, following=0):
    """A header with one directory."""
    head = start(order, big=big)
    return head + directory(entries, at=len(head), order=order, big=big, following=following)


def chain(*tables):
    """A little-endian TIFF of several directories, one after another."""
    data = start()
    for index, entries in enumerate(tables):
        size = len(directory(entries, at=0))
        following = len(data) + size if index + 1 < len(tables) else 0
        data += directory(entries, at=len(data), following=following)
    return data


def text(value):
    """The numbers of an ASCII value."""
    return tuple(value)
