"""IPTC records: bare in TIFF, inside Photoshop's segment in JPEG; one form for both here.

A record is a sequence of datasets: marker, numbers of record and dataset, length, and value.
"""

from __future__ import annotations

import struct

from superres.metadata.geometry import kind_of

_SEGMENT = b"Photoshop 3.0\0"
_RESOURCE = b"8BIM"
_IPTC_NUMBER = 0x0404
_DATASET_MARK = 0x1C
MAX_JPEG_IPTC_BYTES = 65_000  # one segment, less the wrapping


def unwrap_iptc(data: bytes) -> bytes | None:
    """Return the bare record.

    Args:
        data: What libvips calls "iptc-data": the record, or the JPEG segment that holds it.

    Returns:
        The record; None if the segment has none or is truncated.
    """
    if not data.startswith(_SEGMENT):
        return data
    at = len(_SEGMENT)
    while data[at : at + 4] == _RESOURCE and at + 7 <= len(data):
        number = int.from_bytes(data[at + 4 : at + 6], "big")
        name_bytes = 1 + data[at + 6]
        at += 6 + name_bytes + name_bytes % 2
        size = int.from_bytes(data[at : at + 4], "big")
        at += 4
        if number == _IPTC_NUMBER:
            record = data[at : at + size]
            return record if record and len(record) == size else None
        at += size + size % 2
    return None


def wrap_iptc(record: bytes | None, resources: bytes = b"") -> bytes:
    """Return a bare record and other resources as the segment that libvips writes into a JPEG."""
    if not record:
        return _SEGMENT + resources
    head = _RESOURCE + struct.pack(">HHI", _IPTC_NUMBER, 0, len(record))
    return _SEGMENT + head + record + bytes(len(record) % 2) + resources


def fit_iptc(record: bytes, *, height: int, width: int) -> bytes:
    """Return a record with the new size and shape, where stated, and without previews.

    A record that cannot be read to its end is returned unchanged.
    """
    parts: list[bytes] = []
    at = 0
    while at < len(record):
        if record[at] != _DATASET_MARK or at + 5 > len(record):
            return record if record[at:].strip(b"\0") else b"".join((*parts, record[at:]))
        number, size = struct.unpack_from(">HH", record, at + 1)
        head = 5
        if size & 0x8000:  # the lower bits give the size of the length itself
            extra = size & 0x7FFF
            size = int.from_bytes(record[at + 5 : at + 5 + extra], "big")
            head += extra
        value = record[at + head : at + head + size]
        if len(value) != size:
            return record
        parts.append(_fitted(record[at : at + head + size], number, value, height, width))
        at += head + size
    return b"".join(parts)


def _fitted(dataset: bytes, number: int, value: bytes, height: int, width: int) -> bytes:
    """Return a dataset unchanged, with a new value, or empty."""
    kind = kind_of("IPTC", number)
    if kind == "thumbnail":
        return b""
    if kind == "shape" and value in (b"P", b"L", b"S"):
        new = b"S" if height == width else b"L" if width > height else b"P"
        return dataset[: -len(value)] + new
    if kind in ("width", "height") and len(value) in (2, 4):
        new_size = min(width if kind == "width" else height, 256 ** len(value) - 1)
        return dataset[: -len(value)] + new_size.to_bytes(len(value), "big")
    return dataset
