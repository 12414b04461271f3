"""IPTC records: bare in TIFF, inside Photoshop's segment in JPEG; one form for both here."""

from __future__ import annotations

import struct

_SEGMENT = b"Photoshop 3.0\0"
_RESOURCE = b"8BIM"
_IPTC_NUMBER = 0x0404
MAX_JPEG_IPTC_BYTES = 65_000  # one segment, less the wrapping


def unwrap_iptc(data: bytes) -> bytes | None:
    """Return the bare record.

    Args:
        data: What libvips calls "iptc-data": the record, or the JPEG segment that holds it.

    Returns:
        The record, None if the segment holds other things alone or is cut off.
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


def wrap_iptc(record: bytes) -> bytes:
    """Return a bare record as the segment that libvips writes into a JPEG."""
    head = _RESOURCE + struct.pack(">HHI", _IPTC_NUMBER, 0, len(record))
    return _SEGMENT + head + record + bytes(len(record) % 2)
