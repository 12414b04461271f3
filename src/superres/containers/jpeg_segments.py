"""JPEG segments: blocks of metadata, and other data in a file or after its picture."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import BinaryIO

from superres.metadata.blocks import Facts
from superres.metadata.photoshop import IPTC, SIGNATURE, resource

_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_SOI, _EOI, _SOS, _COM, _APP0 = 0xD8, 0xD9, 0xDA, 0xFE, 0xE0
_BARE_MARKERS = (0x01, *range(0xD0, 0xD9))
_MOST_SEGMENTS = 100_000
_BLOCK_BYTES = 2**20
_MOST_BLOCKS_BYTES = 2**28
_NEXT_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # begins with a literal byte, so it is fast
# First bytes of segments that are read here, or that describe the coding of the file's pixels.
_KNOWN = {
    0: (b"JFIF\0",),
    1: (_EXIF, _XMP),
    2: (b"ICC_PROFILE\0",),
    13: (SIGNATURE,),
    14: (b"Adobe",),
}
# Meaning of segments that are not kept.
_NAMES = (
    (1, b"http://ns.adobe.com/xmp/extension/\0", "extended XMP"),
    (0, b"JFXX\0", "JFXX thumbnail"),
    (2, b"MPF\0", "index of further pictures (MPF)"),
    (2, b"FPXR\0", "FlashPix"),
    (2, b"urn:iso:std:iso:ts:21496:-1\0", "HDR gain map's description"),
    (11, b"JP", "C2PA/JUMBF"),
)
_GAIN_MAP_WORDS = (b"hdrgm:", b"urn:iso:std:iso:ts:21496", b"HDRGainMap")
_VIDEO_WORDS = (b"MotionPhoto", b"MicroVideo")


@dataclass(slots=True)
class _Found:
    """Segments found so far: the bodies of those that are read, and names of the others."""

    exif: list[bytes] = field(default_factory=list[bytes])
    xmp: list[bytes] = field(default_factory=list[bytes])
    icc: list[bytes] = field(default_factory=list[bytes])
    photoshop: list[bytes] = field(default_factory=list[bytes])
    comments: list[bytes] = field(default_factory=list[bytes])
    lost: list[str] = field(default_factory=list[str])


def read_jpeg_facts(stream: BinaryIO) -> Facts:
    """Walk all segments of a JPEG without decoding; stop where it is truncated."""
    found = _Found()
    stream.seek(2)
    budget = _MOST_BLOCKS_BYTES
    for _ in range(_MOST_SEGMENTS):
        marker = _next_marker(stream)
        if marker is None:
            break
        if marker == _EOI:
            _read_rest(stream, found)
            break
        if marker in _BARE_MARKERS:
            continue
        size = int.from_bytes(stream.read(2), "big") - 2
        if size < 0:
            break
        if not (_APP0 <= marker <= _APP0 + 15 or marker == _COM) or budget < size:
            stream.seek(size, 1)
            continue
        budget -= size
        _take(found, marker, stream.read(size))
    pieces = sorted(found.icc, key=lambda piece: piece[:1])
    photoshop = b"".join(found.photoshop)
    return Facts(
        exif=next(iter(found.exif), None),
        xmp=next(iter(found.xmp), None),
        icc=b"".join(piece[2:] for piece in pieces) or None,
        iptc=resource(photoshop, IPTC),
        photoshop=photoshop or None,
        comments=tuple(found.comments),
        lost=tuple(dict.fromkeys(found.lost)),
    )


def comment_segments(comments: tuple[bytes, ...]) -> bytes:
    """Return comments as segments; long ones are split."""
    pieces = [
        comment[at : at + 65_533] for comment in comments for at in range(0, len(comment), 65_533)
    ]
    return b"".join(b"\xff\xfe" + (len(each) + 2).to_bytes(2, "big") + each for each in pieces)


def after_applications(stream: BinaryIO) -> int:
    """Return the offset after a JPEG's APP segments, where comments belong."""
    stream.seek(2)
    while (head := stream.read(4))[:1] == b"\xff" and len(head) == 4 and 0xE0 <= head[1] <= 0xEF:
        stream.seek(int.from_bytes(head[2:], "big") - 2, 1)
    return stream.tell() - len(head)


def _take(found: _Found, marker: int, body: bytes) -> None:
    """Add a segment to the findings."""
    number = marker - _APP0
    if marker == _COM:
        found.comments.append(body)
    elif number == 1 and body.startswith(_EXIF) and not found.exif:
        found.exif.append(body)
    elif number == 1 and body.startswith(_XMP) and not found.xmp:
        found.xmp.append(body.removeprefix(_XMP))
    elif number == 2 and body.startswith(_KNOWN[2][0]):
        found.icc.append(body.removeprefix(_KNOWN[2][0]))
    elif number == 13 and body.startswith(SIGNATURE):
        found.photoshop.append(body.removeprefix(SIGNATURE))
    elif number in _KNOWN and body.startswith(_KNOWN[number]) and number != 1:
        if number == 0 and len(body) > 14:
            found.lost.append("JFIF thumbnail")
    else:
        found.lost.append(_name(number, body))


def _name(number: int, body: bytes) -> str:
    for where, start, name in _NAMES:
        if number == where and body.startswith(start):
            return name
    word = re.match(rb"[\x20-\x7e]{2,40}", body)
    return f"APP{number} {word[0].decode('ascii').strip()}" if word else f"APP{number}"


def _next_marker(stream: BinaryIO) -> int | None:
    """Seek to the next marker, past coded pixels and stray bytes, and return its code."""
    carry = b""
    while block := stream.read(4096 if not carry else _BLOCK_BYTES):
        data = carry + block
        found = _NEXT_MARKER.search(data)
        if found:
            stream.seek(found.end() - len(data), 1)
            return data[found.end() - 1]
        carry = data[-1:] if data.endswith(b"\xff") else b"\0"
    return None


def _read_rest(stream: BinaryIO, found: _Found) -> None:
    """Name the data after the end of the picture; only zeros count as padding."""
    start = stream.tell()
    size = stream.seek(0, 2) - start
    stream.seek(start)
    seen: set[str] = set()
    carry, only_zeros, head = b"", True, b""
    while block := stream.read(_BLOCK_BYTES):
        data = carry + block
        head = head or data[:16]
        only_zeros = only_zeros and not block.strip(b"\0")
        if re.search(rb"ftyp(?:isom|mp4|iso|qt |avc|MSNV|heic)", data):
            seen.add("video of a motion photo")
        if any(word in data for word in _GAIN_MAP_WORDS):
            seen.add("HDR gain map")
        if b"jumb" in data and b"c2pa" in data:
            seen.add("C2PA/JUMBF")
        if data.endswith(b"SEFT"):
            seen.add("Samsung's trailer")
        carry = data[-64:]
    if only_zeros:
        return
    packet = b"".join(found.xmp)
    if b"hdrgm:" in packet or any(name.startswith("HDR gain") for name in found.lost):
        seen.add("HDR gain map")
    if any(word in packet for word in _VIDEO_WORDS):
        seen.add("video of a motion photo")
    if not seen and head.startswith(b"\xff\xd8"):
        seen.add("further pictures")
    what = ", ".join(sorted(seen))
    found.lost.append(f"{size:,} bytes behind the picture{f' ({what})' if what else ''}")
