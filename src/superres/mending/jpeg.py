"""Finder of harmless flaws in JPEG files, by their markers (ITU-T T.81, annex B)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from superres.mending.flaws import (
    ADOBE_TRANSFORM,
    JFIF_VERSION,
    MISSING_SCANS,
    NO_END,
    SCAN_PARAMETERS,
    STRAY_BYTES,
    Flaw,
)
from superres.mending.patches import Patched, patched, size_of

_SOI, _EOI, _SOS, _DQT, _DHT, _APP0, _APP14 = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xE0, 0xEE
_BARE = (0x01, *range(0xD0, 0xD8))
_FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
_SEQUENTIAL, _PROGRESSIVE, _ARITHMETIC = (0xC0, 0xC1, 0xC9), (0xC2, 0xCA), (0xC9, 0xCA)
_AFTER_CODED = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]", re.DOTALL)
_READ_BYTES = 2**20
_MAX_SEGMENTS = 100_000
_COEFFICIENTS = 64


@dataclass(frozen=True, slots=True)
class MendedJpeg:
    """Findings in a JPEG.

    Attributes:
        flaws: Its flaws that can be repaired or reported.
        file: The file as a decoder should see it; None if it needs no change.
    """

    flaws: tuple[Flaw, ...]
    file: Patched | None


@dataclass
class _Walk:
    """Facts from all markers of a file."""

    frame: int = 0
    components: dict[int, int] = field(default_factory=dict)  # quantisation table by number
    tables: set[tuple[str, int]] = field(default_factory=set)  # those defined
    needed: set[tuple[str, int]] = field(default_factory=set)  # those that scans refer to
    low_bits: dict[int, list[int | None]] = field(default_factory=dict)  # of each coefficient
    changes: list[tuple[int, int, bytes]] = field(default_factory=list)
    flaws: list[Flaw] = field(default_factory=list)
    is_jfif: bool = False
    transform_at: int = 0  # offset of an unknown one
    scans: int = 0
    ended: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether scans of all components, coefficients and bits have begun."""
        return bool(self.components) and all(
            all(low == 0 for low in self.low_bits.get(number, [None])) for number in self.components
        )


def mend_jpeg(source: Path | bytes, stream: BinaryIO) -> MendedJpeg:
    """Find the flaws of a JPEG that cost no pixel.

    Args:
        source: The file, or its bytes.
        stream: The same, open.
    """
    size = size_of(stream)
    walk = _Walk()
    for marker, start, body in _segments(stream, size, walk):
        _note_segment(walk, marker, start, body)
    if walk.transform_at:  # libjpeg's own choice, made explicit
        transform = 2 if len(walk.components) == 4 else 1
        walk.changes.append((walk.transform_at, walk.transform_at + 1, bytes([transform])))
        walk.flaws.append(ADOBE_TRANSFORM)
    if STRAY_BYTES in walk.flaws and not walk.needed <= walk.tables:
        return MendedJpeg((), None)  # a table may be in what is skipped
    if not walk.ended and walk.is_whole:
        walk.changes.append((size, size, bytes([0xFF, _EOI])))
        walk.flaws.append(NO_END)
    if walk.ended and walk.frame in _PROGRESSIVE and walk.scans and not walk.is_whole:
        walk.flaws.append(MISSING_SCANS)
    file = patched(source, size, sorted(walk.changes)) if walk.changes else None
    return MendedJpeg(tuple(dict.fromkeys(walk.flaws)), file)


def _segments(stream: BinaryIO, size: int, walk: _Walk) -> Iterator[tuple[int, int, bytes]]:
    """Yield marker, body offset and body of each segment, up to EOI or the end of the file."""
    at = 2
    for _ in range(_MAX_SEGMENTS):
        found = _next_marker(stream, at)
        if found is None:
            return
        marker, marker_at, body_at = found
        if marker_at > at and not walk.scans:
            walk.changes.append((at, marker_at, b""))
            walk.flaws.append(STRAY_BYTES)
        if marker == _EOI:
            walk.ended = True
            return
        at = body_at
        if marker in _BARE:
            continue
        stream.seek(body_at)
        length = int.from_bytes(stream.read(2), "big")
        if length < 2 or body_at + length > size:
            return
        yield marker, body_at + 2, stream.read(length - 2)
        at = body_at + length
        if marker == _SOS:
            at = _end_of_coded(stream, at)


def _next_marker(stream: BinaryIO, at: int) -> tuple[int, int, int] | None:
    """Return a marker, its offset, and that of its body; None at the end of the file."""
    while True:
        stream.seek(at)
        block = stream.read(_READ_BYTES)
        found = re.search(rb"\xff+[^\x00\xff]", block, re.DOTALL)
        if found:
            return block[found.end() - 1], at + found.start(), at + found.end()
        if len(block) < _READ_BYTES:
            return None
        at += len(block) - 1  # its last byte may be an FF


def _end_of_coded(stream: BinaryIO, at: int) -> int:
    """Return the offset of the marker after a scan, or of the end of the file."""
    while True:
        stream.seek(at)
        block = stream.read(_READ_BYTES)
        found = _AFTER_CODED.search(block)
        if found or len(block) < _READ_BYTES:
            return at + (found.start() if found else len(block))
        at += len(block) - 1


def _note_segment(walk: _Walk, marker: int, start: int, body: bytes) -> None:
    if marker in _FRAMES:
        walk.frame = marker
        rows = [body[at : at + 3] for at in range(6, len(body) - 2, 3)]
        walk.components = {row[0]: row[2] for row in rows}
    elif marker == _DQT:
        at = 0
        while at < len(body):
            walk.tables.add(("quantisation", body[at] & 15))
            at += 129 if body[at] >> 4 else 65
    elif marker == _DHT:
        at = 0
        while at + 17 <= len(body):
            walk.tables.add(("AC" if body[at] >> 4 else "DC", body[at] & 15))
            at += 17 + sum(body[at + 1 : at + 17])
    elif marker == _APP0 and body.startswith(b"JFIF\0") and len(body) > 5:
        walk.is_jfif = True
        if body[5] != 1:
            walk.changes.append((start + 5, start + 6, b"\1"))
            walk.flaws.append(JFIF_VERSION)
    elif marker == _APP14 and body.startswith(b"Adobe") and len(body) >= 12:
        walk.transform_at = start + 11 if body[11] > 2 and not walk.is_jfif else 0
    elif marker == _SOS and body:
        _note_scan(walk, start, body)


def _note_scan(walk: _Walk, start: int, body: bytes) -> None:
    walk.scans += 1
    count = body[0]
    at = 1 + 2 * count
    if len(body) < at + 3:
        return
    first, last, bits = body[at : at + 3]
    if walk.frame in _SEQUENTIAL and (first, last, bits) != (0, _COEFFICIENTS - 1, 0):
        walk.changes.append((start + at, start + at + 3, bytes([0, _COEFFICIENTS - 1, 0])))
        walk.flaws.append(SCAN_PARAMETERS)
        first, last, bits = 0, _COEFFICIENTS - 1, 0
    for index in range(count):
        number, tables = body[1 + 2 * index], body[2 + 2 * index]
        low = walk.low_bits.setdefault(number, [None] * _COEFFICIENTS)
        low[first : last + 1] = [bits & 15] * len(low[first : last + 1])
        walk.needed.add(("quantisation", walk.components.get(number, 0)))
        if walk.frame in _ARITHMETIC:
            continue
        if first == 0 and bits < 16:
            walk.needed.add(("DC", tables >> 4))
        if last > 0:
            walk.needed.add(("AC", tables & 15))
