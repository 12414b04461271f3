"""MP4 boxes and Matroska elements that FFmpeg's demuxers do not expose.

Only names and bytes are read, so that a copy without one can be reported. Damage ends the search:
the demuxers judge the file itself.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

DOLBY_VISION: Final = "Dolby Vision configuration"

_PARENTS = {"moov", "trak", "mdia", "minf", "stbl", "udta"}
_MOST_BYTES = 2**26  # of a box that is read into memory
_MOST_DEPTH = 8
# Bytes before the boxes inside a sample entry, by the track's handler; ISO/IEC 14496-12, 8.5.2.
_ENTRY_HEAD = {"vide": 78, "soun": 28}
# Boxes that describe the coded stream, and are replaced by a copy's own, or that FFmpeg exposes.
_DESCRIBED = {
    "vide": {
        "avcC", "hvcC", "vvcC", "lhvC", "av1C", "vpcC", "esds", "d263", "glbl", "jp2h", "APRG",
        "ACLR", "ARES", "AORD", "FIEL", "btrt", "colr", "pasp", "fiel", "gama", "mdcv", "clli",
        "SmDm", "CoLL", "st3d", "sv3d", "amve", "free", "wide", "taic",
    },
    "soun": {
        "esds", "btrt", "chan", "wave", "dac3", "dec3", "dac4", "dOps", "dfLa", "alac", "pcmC",
        "srat", "damr", "ddts", "dmlp", "free", "wide", "samr", "sinf",
    },
}  # fmt: skip
_DOLBY_VISION = {"dvcC", "dvvC", "dvwC"}
_FFMPEG_READS = {"meta", "chpl", "name", "loci", "hnti", "titl", "auth", "cprt", "dscp", "date"}
_UUIDS = {
    "ffcc8263f8554a938814587a02521fdd": "",  # 360° projection, which FFmpeg exposes
    "be7acfcb97a942e89c71999491e3afac": "XMP metadata",
}
_EBML_HEAD = b"\x1a\x45\xdf\xa3"
_SEGMENT, _TRACKS, _ENTRY, _CLUSTER = 0x18538067, 0x1654AE6B, 0xAE, 0x1F43B675
_TRACK_TYPE, _ADDITION, _ADDITION_TYPE, _ADDITION_DATA = 0x83, 0x41E4, 0x41E7, 0x41ED
_VIDEO_TRACK = 1


@dataclass(frozen=True, slots=True)
class Box:
    """A box of an MP4 file.

    Attributes:
        kind: Its four letters; hexadecimal digits if they are not printable.
        start: Offset of its content in the file.
        end: Offset of its end.
    """

    kind: str
    start: int
    end: int


def unread(source: Path) -> dict[str, bytes]:
    """Return what a file carries that FFmpeg does not expose, by display name.

    Args:
        source: A file of any kind; only MP4 and Matroska are searched.
    """
    found: dict[str, bytes] = {}
    with suppress(OSError, struct.error, ValueError, IndexError), source.open("rb") as file:
        head = file.read(12)
        size = file.seek(0, 2)
        if head.startswith(_EBML_HEAD):
            found.update(_matroska(file, size))
        elif head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
            for name, data in _mp4(file, 0, size, 0):
                found.setdefault(name, data)
    return found


def hide(path: Path, kind: str) -> None:
    """Turn the boxes of a kind that describe the video of an MP4 into free space.

    They keep their size, so that nothing else moves.
    """
    with path.open("r+b") as file:
        size = file.seek(0, 2)
        media = [
            box
            for moov in boxes_in(file, 0, size)
            if moov.kind == "moov"
            for trak in boxes_in(file, moov.start, moov.end)
            if trak.kind == "trak"
            for box in boxes_in(file, trak.start, trak.end)
            if box.kind == "mdia"
        ]
        for mdia in media:
            if _handler(file, mdia) == "vide":
                for box in list(_inside_entries(file, mdia, "vide")):
                    if box.kind == kind:
                        file.seek(box.start - 4)
                        file.write(b"free")


def dolby_vision_profile(configuration: bytes) -> int | None:
    """Return the profile that a Dolby Vision configuration names; None if there is none."""
    return configuration[2] >> 1 if len(configuration) > 2 else None


def _mp4(
    file: BinaryIO, start: int, end: int, depth: int, kind: str = ""
) -> Iterator[tuple[str, bytes]]:
    for box in boxes_in(file, start, end):
        if box.kind == "uuid":
            name = bytes_of(file, box.start, box.start + 16).hex()
            words = _UUIDS.get(name, f"uuid box {name}")
            if words:
                yield words, bytes_of(file, box.start + 16, box.end)
        elif kind == "udta" and not box.kind.startswith("\xa9") and box.kind not in _FFMPEG_READS:
            yield f"user data {box.kind}", bytes_of(file, box.start, box.end)
        elif box.kind == "mdia":
            yield from _entries(file, box, _handler(file, box))
        elif box.kind in _PARENTS and depth < _MOST_DEPTH:
            yield from _mp4(file, box.start, box.end, depth + 1, box.kind)


def _handler(file: BinaryIO, mdia: Box) -> str:
    for box in boxes_in(file, mdia.start, mdia.end):
        if box.kind == "hdlr":
            return bytes_of(file, box.start + 8, box.start + 12).decode("latin-1")
    return ""


def _entries(file: BinaryIO, mdia: Box, handler: str) -> Iterator[tuple[str, bytes]]:
    """Yield the boxes inside a track's sample entries that are not in `_DESCRIBED`."""
    for inner in _inside_entries(file, mdia, handler):
        if inner.kind in _DOLBY_VISION:
            yield DOLBY_VISION, bytes_of(file, inner.start, inner.end)
        elif inner.kind not in _DESCRIBED[handler] and inner.kind != "00000000":
            track = {"vide": "video", "soun": "audio"}[handler]
            yield f"{inner.kind} box of {track}", bytes_of(file, inner.start, inner.end)


def _inside_entries(file: BinaryIO, box: Box, handler: str) -> Iterator[Box]:
    """Yield all boxes inside a track's sample entries."""
    if handler not in _ENTRY_HEAD:
        return
    for kind in ("minf", "stbl", "stsd"):
        found = [inner for inner in boxes_in(file, box.start, box.end) if inner.kind == kind]
        if not found:
            return
        box = found[0]
    for entry in boxes_in(file, box.start + 8, box.end):
        head = _ENTRY_HEAD[handler]
        if handler == "soun":  # later QuickTime versions are longer
            version = struct.unpack(">H", bytes_of(file, entry.start + 8, entry.start + 10))[0]
            head += {1: 16, 2: 36}.get(version, 0)
        yield from boxes_in(file, entry.start + head, entry.end)


def boxes_in(file: BinaryIO, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes of one level in a part of a file, up to the first damaged one."""
    while start + 8 <= end:
        size, kind = struct.unpack(">I4s", bytes_of(file, start, start + 8))
        head = 8
        if size == 1:
            size, head = struct.unpack(">Q", bytes_of(file, start + 8, start + 16))[0], 16
        elif size == 0:
            size = end - start
        if size < head or start + size > end:
            return
        name = kind.decode("latin-1")
        yield Box(name if name.isprintable() else kind.hex(), start + head, start + size)
        start += size


def _matroska(file: BinaryIO, size: int) -> Iterator[tuple[str, bytes]]:
    """Yield the block additions of tracks, such as a Dolby Vision configuration."""
    for kind, start, end in _elements(file, 0, size):
        if kind == _SEGMENT:
            for inner, at, until in _elements(file, start, end):
                if inner == _CLUSTER:
                    return  # tracks come before it
                if inner == _TRACKS:
                    for entry, first, last in _elements(file, at, until):
                        if entry == _ENTRY:
                            yield from _additions(file, first, last)


def _additions(file: BinaryIO, start: int, end: int) -> Iterator[tuple[str, bytes]]:
    held = list(_elements(file, start, end))
    kinds = [_number(file, at, until) for kind, at, until in held if kind == _TRACK_TYPE]
    if kinds != [_VIDEO_TRACK]:
        return
    for kind, at, until in held:
        if kind != _ADDITION:
            continue
        parts = {part: (first, last) for part, first, last in _elements(file, at, until)}
        number = _number(file, *parts[_ADDITION_TYPE]) if _ADDITION_TYPE in parts else 0
        letters = number.to_bytes(8, "big").lstrip(b"\0").decode("latin-1")
        name = letters if len(letters) == 4 and letters.isprintable() else str(number)
        data = bytes_of(file, *parts[_ADDITION_DATA]) if _ADDITION_DATA in parts else b""
        yield DOLBY_VISION if name in _DOLBY_VISION else f"{name} addition", data


def _elements(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield (kind, start, end) of the EBML elements (RFC 8794) of one level."""
    while start < end:
        head = bytes_of(file, start, min(start + 12, end))
        width = 9 - head[0].bit_length()
        kind = int.from_bytes(head[:width], "big")
        digits = 9 - head[width].bit_length()
        size = int.from_bytes(head[width : width + digits], "big") & ((1 << 7 * digits) - 1)
        start += width + digits
        if size == (1 << 7 * digits) - 1:  # unknown: it ends with its parent
            size = end - start
        if start + size > end:
            return
        yield kind, start, start + size
        start += size


def _number(file: BinaryIO, start: int, end: int) -> int:
    return int.from_bytes(bytes_of(file, start, end), "big")


def bytes_of(file: BinaryIO, start: int, end: int) -> bytes:
    """Read a part of a file.

    Raises:
        ValueError: It is larger than any box that is read.
    """
    if not 0 <= end - start <= _MOST_BYTES:
        raise ValueError(f"a box of {end - start} bytes is too large to read")
    file.seek(start)
    return file.read(end - start)
