"""What a strict reader answers with, and how it refuses."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any


class CorruptError(AssertionError):
    """A file breaks a rule of its format."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file carries, as its bytes are: padding at the end of a block included.

    Attributes:
        format: Name of the format.
        height: Pixels.
        width: Pixels.
        exif: The EXIF block from II or MM on; None where the format has tags in its place.
        xmp: The XMP packet.
        icc: The ICC profile.
        iptc: The IPTC record, bare.
        tags: (directory, tag) to values, in a TIFF; of its first page.
        pages: How many pages or frames there are.
        delays_ms: How long each frame is shown, in an animation.
        loop: How often all frames are shown, 0 for ever.
    """

    format: str
    height: int
    width: int
    exif: bytes | None = None
    xmp: bytes | None = None
    icc: bytes | None = None
    iptc: bytes | None = None
    tags: dict[tuple[str, int], Any] | None = None
    pages: int = 1
    delays_ms: tuple[int, ...] = ()
    loop: int | None = None


def require(condition: object, rule: str) -> None:
    """Refuse a file that breaks a rule."""
    if not condition:
        raise CorruptError(rule)


def inflate(packed: bytes, what: str) -> bytes:
    """Unpack one whole zlib stream that ends where its bytes do."""
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(packed)
    except zlib.error as error:
        raise CorruptError(f"{what}: not a zlib stream: {error}") from error
    require(stream.eof and not stream.unused_data, f"{what}: not one whole zlib stream")
    return plain


class Cursor:
    """A place in bytes that cannot leave them."""

    def __init__(self, data: bytes, what: str) -> None:
        self.data, self.at, self.what = data, 0, what

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, size: int) -> bytes:
        require(0 <= size <= self.left, f"{self.what}: {size} bytes wanted, {self.left} are left")
        self.at += size
        return self.data[self.at - size : self.at]

    def unpack(self, code: str) -> tuple[Any, ...]:
        return struct.unpack(code, self.take(struct.calcsize(code)))

    def number(self, size: int) -> int:
        """A big-endian number; 0 bytes are the number 0, as in HEIF."""
        return int.from_bytes(self.take(size), "big")

    def text(self) -> bytes:
        """Bytes up to a zero, which is passed over."""
        end = self.data.find(b"\0", self.at)
        require(end >= 0, f"{self.what}: a text without its zero")
        return self.take(end - self.at + 1)[:-1]


def check_exif(block: bytes) -> bytes:
    """Check how a block begins, and that its first directory lies inside."""
    require(block[:4] in (b"II*\0", b"MM\0*"), f"an EXIF block that begins with {block[:8]!r}")
    order = "<" if block[:2] == b"II" else ">"
    require(len(block) >= 8, f"an EXIF block of {len(block)} bytes")
    at = struct.unpack_from(order + "I", block, 4)[0]
    require(8 <= at <= len(block) - 2, f"EXIF: a directory at {at} of {len(block)} bytes")
    count = struct.unpack_from(order + "H", block, at)[0]
    require(count and at + 2 + 12 * count + 4 <= len(block), f"EXIF: {count} entries at {at}")
    return block


def check_icc(profile: bytes) -> bytes:
    """Check the header of a profile (ICC.1): its own size and its signature."""
    require(len(profile) > 128 and profile[36:40] == b"acsp", "an ICC profile without its header")
    stated = int.from_bytes(profile[:4], "big")
    require(stated == len(profile), f"an ICC profile of {len(profile)} bytes says {stated}")
    return profile


def check_xmp(packet: bytes) -> bytes:
    """Check that a packet is text in UTF-8, as every format but TIFF asks."""
    try:
        require("\0" not in packet.decode("utf-8"), "XMP with a zero in it")
    except UnicodeDecodeError as error:
        raise CorruptError(f"XMP that is no UTF-8: {error}") from error
    return packet
