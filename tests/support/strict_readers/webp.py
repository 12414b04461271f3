"""WebP, after RFC 9649: its RIFF container and the headers of its bitstreams."""

from __future__ import annotations

import struct

from strict_readers.contents import Contents, Cursor, check_exif, check_icc, check_xmp, require

_FLAGS = {b"ICCP": 0x20, b"ALPH": 0x10, b"EXIF": 0x08, b"XMP ": 0x04, b"ANIM": 0x02}
_ORDER = (b"VP8X", b"ICCP", b"ANIM", b"ALPH", b"VP8 ", b"VP8L", b"EXIF", b"XMP ")


def read_webp(data: bytes) -> Contents:
    cursor = Cursor(data, "WebP")
    mark, size, kind = cursor.unpack("<4sI4s")
    require((mark, kind) == (b"RIFF", b"WEBP"), "not a WebP's signature")
    require(size == len(data) - 8, f"RIFF says {size} bytes, the file has {len(data) - 8}")
    require(size % 2 == 0, f"RIFF of an odd size, {size}")
    chunks: dict[bytes, bytes] = {}
    places = []
    frames: list[bytes] = []
    while cursor.left:
        name, size = cursor.unpack("<4sI")
        if name == b"ANMF":
            frames.append(cursor.take(size))
            require(cursor.take(size % 2) in (b"", b"\0"), f"the padding behind {name!r}")
            places.append(_ORDER.index(b"VP8 "))
            continue
        require(name in _ORDER, f"unknown chunk {name!r}")
        require(name not in chunks, f"chunk {name!r} stands twice")
        chunks[name] = cursor.take(size)
        require(cursor.take(size % 2) in (b"", b"\0"), f"the padding behind {name!r}")
        places.append(_ORDER.index(name))
    require(places == sorted(places), f"chunks in the wrong order: {list(chunks)}")
    if frames:
        return _animation(chunks, frames)
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


def _animation(chunks: dict[bytes, bytes], frames: list[bytes]) -> Contents:
    """Check an animation (RFC 9649, 2.7.1): its frames lie inside the canvas that VP8X states."""
    require(b"VP8X" in chunks and len(chunks.get(b"ANIM", b"")) == 6, "ANMF without VP8X and ANIM")
    body = chunks[b"VP8X"]
    require(not {b"VP8 ", b"VP8L", b"ALPH"} & set(chunks), "a still beside the frames")
    require(body[0] & 0x02, "VP8X does not announce an animation")
    width, height = (1 + int.from_bytes(body[at : at + 3], "little") for at in (4, 7))
    delays = []
    for frame in frames:
        across, down, wide, high, delay = (
            int.from_bytes(frame[at : at + 3], "little") for at in (0, 3, 6, 9, 12)
        )
        require(not frame[15] & 0xFC, "ANMF: reserved bits")
        inside = Cursor(frame[16:], "ANMF")
        found = []
        while inside.left:
            name, size = inside.unpack("<4sI")
            found.append((name, inside.take(size)))
            inside.take(size % 2)
        pictures = dict(found)
        require(len(pictures) == len(found), "a chunk of a frame stands twice")
        require(set(pictures) in ({b"VP8 "}, {b"VP8L"}, {b"ALPH", b"VP8 "}), f"{set(pictures)}")
        lossy = b"VP8 " in pictures
        size = _lossy(pictures[b"VP8 "]) if lossy else _lossless(pictures[b"VP8L"])
        require(size[:2] == (high + 1, wide + 1), "a frame of another size than it states")
        require(2 * across + wide + 1 <= width and 2 * down + high + 1 <= height, "outside")
        delays.append(delay)
    exif, xmp, icc = (chunks.get(name) for name in (b"EXIF", b"XMP ", b"ICCP"))
    return Contents(
        format="webp",
        height=height,
        width=width,
        exif=exif and check_exif(exif.removeprefix(b"Exif\0\0")),
        xmp=xmp and check_xmp(xmp),
        icc=icc and check_icc(icc),
        pages=len(frames),
        delays_ms=tuple(delays),
        loop=int.from_bytes(chunks[b"ANIM"][4:], "little"),
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
