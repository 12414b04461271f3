"""PNG, after the W3C's Portable Network Graphics Specification, third edition."""

from __future__ import annotations

import itertools
import struct
import zlib

from strict_readers.contents import (
    Contents,
    Cursor,
    check_exif,
    check_icc,
    check_xmp,
    inflate,
    require,
)

_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_BEFORE_PALETTE = {b"cHRM", b"cICP", b"gAMA", b"iCCP", b"mDCV", b"cLLI", b"sBIT", b"sRGB"}
_BEFORE_PIXELS = {*_BEFORE_PALETTE, b"PLTE", b"bKGD", b"hIST", b"tRNS", b"eXIf", b"pHYs", b"sPLT"}
_MOVING = {b"fcTL", b"fdAT"}
_MANY = {b"IDAT", b"tEXt", b"zTXt", b"iTXt", b"sPLT", *_MOVING}
_KNOWN = {*_BEFORE_PIXELS, *_MANY, b"IHDR", b"IEND", b"tIME", b"acTL"}


def read_png(data: bytes) -> Contents:
    require(data[:8] == b"\x89PNG\r\n\x1a\n", "not a PNG's signature")
    chunks = _chunks(data)
    names = [name for name, _ in chunks]
    bodies = dict(chunks)
    _check_order(names)
    header = bodies[b"IHDR"]
    require(len(header) == 13, f"IHDR of {len(header)} bytes")
    width, height, depth, colour, method, filters, interlace = struct.unpack(">IIBBBBB", header)
    require(0 < width < 2**31 and 0 < height < 2**31, f"a PNG of {height} x {width} px")
    require(depth in _DEPTHS.get(colour, ()), f"colour type {colour} at {depth} bits")
    require((method, filters, interlace) == (0, 0, 0), "unknown methods, or interlaced")
    _check_pixels(b"".join(b for n, b in chunks if n == b"IDAT"), height, width, colour, depth)
    delays = _frames(chunks, (height, width, colour, depth))
    if b"pHYs" in bodies:
        across, down, unit = struct.unpack(">IIB", bodies[b"pHYs"])
        require(unit in (0, 1) and across and down, f"pHYs says {across}, {down}, {unit}")
    xmp = None
    for name, body in chunks:
        if name in (b"tEXt", b"zTXt", b"iTXt"):
            keyword, text = _text(name, body)
            if keyword == b"XML:com.adobe.xmp":
                require(name == b"iTXt" and xmp is None, "XMP twice, or in the wrong chunk")
                xmp = check_xmp(text)
    return Contents(
        format="png",
        height=height,
        width=width,
        exif=check_exif(bodies[b"eXIf"]) if b"eXIf" in bodies else None,
        xmp=xmp,
        icc=_profile(bodies[b"iCCP"]) if b"iCCP" in bodies else None,
        pages=max(1, len(delays)),
        delays_ms=tuple(delays),
        loop=int.from_bytes(bodies[b"acTL"][4:], "big") if delays else 0,
    )


def _frames(chunks: list[tuple[bytes, bytes]], size: tuple[int, int, int, int]) -> list[int]:
    """Check the frames of an animation, which begin with the file's own pixels; return delays."""
    height, width, colour, depth = size
    names = [name for name, _ in chunks]
    if b"acTL" not in names:
        require(_MOVING.isdisjoint(names), "frames without acTL")
        return []
    require(names.index(b"acTL") < names.index(b"fcTL"), "acTL behind a frame")
    require(names.index(b"fcTL") < names.index(b"IDAT"), "pixels that are no frame")
    delays, packed, sequence = [], [], 0
    for name, body in chunks:
        if name in _MOVING:
            require(int.from_bytes(body[:4], "big") == sequence, f"{name!r} out of its order")
            sequence += 1
        if name == b"fcTL":
            _, across, down, left, top, part, whole, dispose, blend = struct.unpack(
                ">IIIIIHHBB", body
            )
            require((across, down, left, top) == (width, height, 0, 0), "a frame in part")
            require(dispose <= 2 and blend <= 1, f"operations {dispose}, {blend}")
            delays.append(1000 * part // (whole or 100))
            packed.append(b"")
        elif name in (b"IDAT", b"fdAT"):
            packed[-1] += body if name == b"IDAT" else body[4:]
    for one in packed:
        _check_pixels(one, height, width, colour, depth)
    count = int.from_bytes(dict(chunks)[b"acTL"][:4], "big")
    require(count == len(delays), f"acTL says {count} frames, there are {len(delays)}")
    return delays


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Split a file into chunks, to its last byte; check names, lengths and checksums."""
    cursor, found = Cursor(data, "PNG"), []
    cursor.take(8)
    while cursor.left:
        size, name = cursor.unpack(">I4s")
        require(name.isalpha() and name.isascii(), f"invalid chunk name {name!r}")
        require(name[2:3].isupper(), f"the reserved bit of chunk {name!r} is set")
        require(size < 2**31, f"chunk {name!r} of {size} bytes")
        body = cursor.take(size)
        (checksum,) = cursor.unpack(">I")
        require(checksum == zlib.crc32(name + body), f"the checksum of chunk {name!r} is wrong")
        found.append((name, body))
    return found


def _check_order(names: list[bytes]) -> None:
    require(names and names[0] == b"IHDR", "a PNG does not begin with IHDR")
    require(names[-1] == b"IEND", f"a PNG ends with {names[-1]!r}, not IEND")
    require(b"IDAT" in names, "a PNG without IDAT")
    unknown = [name for name in names if name not in _KNOWN]
    require(not unknown, f"chunks that the specification does not have: {unknown}")
    double = [name for name in set(names) - _MANY if names.count(name) > 1]
    require(not double, f"chunks that stand twice: {double}")
    require({b"iCCP", b"sRGB"} - set(names), "both iCCP and sRGB")
    runs = [name for name, _ in itertools.groupby(names)]
    require(runs.count(b"IDAT") == 1, "IDAT chunks that do not follow each other")
    late = [n for n in names[names.index(b"IDAT") :] if n in _BEFORE_PIXELS]
    require(not late, f"chunks behind the pixels that belong before them: {late}")
    if b"PLTE" in names:
        late = [n for n in names[names.index(b"PLTE") :] if n in _BEFORE_PALETTE]
        require(not late, f"chunks behind the palette that belong before it: {late}")


def _check_pixels(packed: bytes, height: int, width: int, colour: int, depth: int) -> None:
    """Check that the pixels are all there and no more, and that each row names its filter."""
    row = 1 + (width * _CHANNELS[colour] * depth + 7) // 8
    plain = inflate(packed, "IDAT")
    require(len(plain) == height * row, f"{len(plain)} bytes of pixels, not {height * row}")
    require(max(plain[::row]) <= 4, "a row with an unknown filter")


def _profile(body: bytes) -> bytes:
    cursor = Cursor(body, "iCCP")
    require(1 <= len(cursor.text()) <= 79, "iCCP: the length of its name")
    require(cursor.number(1) == 0, "iCCP: an unknown compression")
    return check_icc(inflate(cursor.take(cursor.left), "iCCP"))


def _text(name: bytes, body: bytes) -> tuple[bytes, bytes]:
    cursor = Cursor(body, "text")
    keyword = cursor.text()
    require(1 <= len(keyword) <= 79 and keyword == keyword.strip(), f"the keyword {keyword!r}")
    packed = name == b"zTXt"
    if name == b"iTXt":
        flag, method = cursor.unpack(">BB")
        require(flag in (0, 1) and method == 0, f"iTXt: flag {flag}, method {method}")
        language = cursor.text()
        require(language.replace(b"-", b"").isalnum() or not language, "iTXt: its language")
        check_xmp(cursor.text())  # the translated keyword
        packed = flag == 1
    elif packed:
        require(cursor.number(1) == 0, "zTXt: an unknown compression")
    text = cursor.take(cursor.left)
    text = inflate(text, "text") if packed else text
    require(b"\0" not in text, f"the text of {keyword!r} has a zero in it")
    return keyword, text
