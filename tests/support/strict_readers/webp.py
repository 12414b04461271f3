"""WebP, after RFC 9649: its RIFF container and the headers of its bitstreams."""

from __future__ import annotations

import struct

from strict_readers.contents import Contents, Cursor, check_exif, check_icc, check_xmp, require

_FLAGS = {b"ICCP": 0x20, b"ALPH": 0x10, b"EXIF": 0x08, b"XMP ": 0x04, b"ANIM": 0x02}
_ORDER = (b"VP8X", b"ICCP", b"ALPH", b"VP8 ", b"VP8L", b"EXIF", b"XMP ")


def read_webp(data: bytes) -> Contents:
    cursor = Cursor(data, "WebP")
    mark, size, kind = cursor.unpack("<4sI4s")
    require((mark, kind) == (b"RIFF", b"WEBP"), "not a WebP's signature")
    require(size == len(data) - 8, f"RIFF says {size} bytes, the file has {len(data) - 8}")
    require(size % 2 == 0, f"RIFF of an odd size, {size}")
    chunks: dict[bytes, bytes] = {}
    places = []
    while cursor.left:
        name, size = cursor.unpack("<4sI")
        require(name in _ORDER, f"unknown chunk {name!r}")
        require(name not in chunks, f"chunk {name!r} stands twice")
        chunks[name] = cursor.take(size)
        require(cursor.take(size % 2) in (b"", b"\0"), f"the padding behind {name!r}")
        places.append(_ORDER.index(name))
    require(places == sorted(places), f"chunks in the wrong order: {list(chunks)}")
    require((b"VP8 " in chunks) != (b"VP8L" in chunks), "not one bitstream")
    height, width, alpha = (
        _lossy(chunks[b"VP8 "]) if b"VP8 " in chunks else _lossless(chunks[b"VP8L"])
    )
    require(not (b"ALPH" in chunks and b"VP8L" in chunks), "ALPH beside VP8L")
    if b"VP8X" in chunks:
        _extended(chunks, height, width, alpha)
    else:
        require(len(chunks) == 1, f"chunks without VP8X: {list(chunks)}")
    exif, xmp, icc = (chunks.get(name) for name in (b"EXIF", b"XMP ", b"ICCP"))
    return Contents(
        format="webp",
        height=height,
        width=width,
        # The container leaves open whether JPEG's mark stands before the block.
        exif=exif and check_exif(exif.removeprefix(b"Exif\0\0")),
        xmp=xmp and check_xmp(xmp),
        icc=icc and check_icc(icc),
    )


def _extended(chunks: dict[bytes, bytes], height: int, width: int, alpha: bool) -> None:
    """Check that what VP8X announces is what there is."""
    body = chunks[b"VP8X"]
    require(len(body) == 10, f"VP8X of {len(body)} bytes")
    flags, reserved = body[0], int.from_bytes(body[1:4], "little")
    require(not flags & 0xC1 and not reserved, f"VP8X's reserved bits: {flags:02x}, {reserved}")
    there = {name for name, flag in _FLAGS.items() if flags & flag}
    expected = set(chunks) & set(_FLAGS) | ({b"ALPH"} if alpha else set())
    require(there == expected, f"VP8X announces {there}, there are {expected}")
    across, down = (1 + int.from_bytes(body[at : at + 3], "little") for at in (4, 7))
    require((down, across) == (height, width), f"a canvas of {down} x {across} px")


def _lossy(body: bytes) -> tuple[int, int, bool]:
    """Read the header of a VP8 key frame (RFC 6386, 9.1)."""
    require(len(body) >= 10, f"VP8 of {len(body)} bytes")
    tag = int.from_bytes(body[:3], "little")
    require(not tag & 1 and tag >> 4 & 1, "VP8: not a shown key frame")
    require(body[3:6] == b"\x9d\x01\x2a", "VP8: its start code")
    require(10 + (tag >> 5) <= len(body), "VP8: its first partition is cut off")
    width, height = (value & 0x3FFF for value in struct.unpack("<HH", body[6:10]))
    require(width and height, f"VP8 of {height} x {width} px")
    return height, width, False


def _lossless(body: bytes) -> tuple[int, int, bool]:
    require(len(body) > 5 and body[0] == 0x2F, "VP8L: its signature")
    bits = int.from_bytes(body[1:5], "little")
    require(bits >> 29 == 0, "VP8L: an unknown version")
    return 1 + (bits >> 14 & 0x3FFF), 1 + (bits & 0x3FFF), bool(bits >> 28 & 1)
