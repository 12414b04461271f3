"""Edit lists of MP4 files, written by hand: ISO/IEC 14496-12, section 8.6.6."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

Seconds = Fraction | float

# How long, and from where in the track's own time; None for where shows nothing.
Edit = tuple[Seconds, Seconds | None]


def with_edits(source: Path, target: Path, *lists: Sequence[Edit] | None) -> Path:
    """Copy a file whose `moov` comes last with other edit lists, one for each track.

    Args:
        source: The file.
        target: The copy.
        lists: What each track shows, in order; None takes the track's list away.
    """
    data = source.read_bytes()
    assert [kind for kind, _, _ in boxes(data)][-1] == b"moov", "what comes after would move"
    _, start, end = next(box for box in boxes(data) if box[0] == b"moov")
    moov = data[start + 8 : end]
    scale = _scale(next(moov[a + 8 : b] for kind, a, b in boxes(moov) if kind == b"mvhd"))
    left = list(lists)
    parts = list[bytes]()
    for kind, a, b in boxes(moov):
        parts.append(_edited(moov[a:b], left.pop(0), scale) if kind == b"trak" else moov[a:b])
    assert not left
    target.write_bytes(data[:start] + box(b"moov", b"".join(parts)))
    return target


def boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the kind of each box, where it begins and where it ends."""
    at = 0
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 8], at, at + size
        at += size


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + kind + content


def _scale(header: bytes) -> int:
    """Return the units of a second that `mvhd` or `mdhd` names."""
    (scale,) = struct.unpack_from(">I", header, 20 if header[0] else 12)
    return scale


def _edited(trak: bytes, edits: Sequence[Edit] | None, movie_scale: int) -> bytes:
    content = trak[8:]
    held = {kind: content[a:b] for kind, a, b in boxes(content)}
    media = held[b"mdia"][8:]
    scale = _scale(next(media[a + 8 : b] for kind, a, b in boxes(media) if kind == b"mdhd"))
    held.pop(b"edts", None)
    if edits is not None:
        entries = [
            struct.pack(
                ">Iihh",
                round(length * movie_scale),
                -1 if begin is None else round(begin * scale),
                1,
                0,
            )
            for length, begin in edits
        ]
        table = struct.pack(">II", 0, len(entries)) + b"".join(entries)
        edts = box(b"edts", box(b"elst", table))
        held = {b"tkhd": held.pop(b"tkhd"), b"edts": edts, **held}
    return box(b"trak", b"".join(held.values()))
