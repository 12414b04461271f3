"""JPEG, after ITU-T T.81, with the segments of JFIF, Exif, XMP, ICC.1 and Photoshop."""

from __future__ import annotations

import re

from strict_readers.contents import (
    Contents,
    CorruptError,
    Cursor,
    check_exif,
    check_icc,
    check_xmp,
    require,
)

_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_ICC, _PHOTOSHOP = b"ICC_PROFILE\0", b"Photoshop 3.0\0"
_DQT, _DHT, _DRI, _SOS, _EOI, _COM = 0xDB, 0xC4, 0xDD, 0xDA, 0xD9, 0xFE
_FRAMES = (0xC0, 0xC1, 0xC2)
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff]")


class _State:
    """What has been defined so far."""

    def __init__(self) -> None:
        self.quantisers: set[int] = set()
        self.huffman: set[tuple[int, int]] = set()
        self.frame: tuple[int, int] | None = None
        self.quantiser_of: dict[int, int] = {}
        self.scanned: set[int] = set()
        self.interval = 0
        self.found: dict[bytes, list[bytes]] = {}


def read_jpeg(data: bytes) -> Contents:
    cursor, state = Cursor(data, "JPEG"), _State()
    require(cursor.take(2) == b"\xff\xd8", "a JPEG does not begin with SOI")
    first = True
    while True:
        mark, code = cursor.unpack(">BB")
        require(mark == 0xFF, f"{mark:02x} at {cursor.at - 2}, where a marker belongs")
        if code == _EOI:
            break
        size = cursor.number(2)
        require(size >= 2, f"segment {code:02x} of {size} bytes")
        body = cursor.take(size - 2)
        require(code != 0xE0 or first, "APP0 is not the first segment")
        _segment(state, code, body)
        first = False
        if code == _SOS:
            _pass_scan(cursor, state)
    require(not cursor.left, f"{cursor.left} bytes behind EOI")
    require(state.frame, "a JPEG without a frame")
    require(state.scanned == set(state.quantiser_of), "components without a scan")
    height, width = state.frame or (0, 0)
    exif, xmp = _single(state, _EXIF), _single(state, _XMP)
    photoshop = _single(state, _PHOTOSHOP)
    return Contents(
        format="jpeg",
        height=height,
        width=width,
        exif=exif and check_exif(exif),
        xmp=xmp and check_xmp(xmp),
        icc=_profile(state.found.get(_ICC, [])),
        iptc=photoshop and _record(photoshop),
    )


def _segment(state: _State, code: int, body: bytes) -> None:
    cursor = Cursor(body, f"segment {code:02x}")
    if 0xE0 <= code <= 0xEF:
        require(state.frame is None, f"APP{code - 0xE0} behind the frame's header")
        _application(state, code - 0xE0, body)
    elif code == _DQT:
        while cursor.left:
            kind = cursor.number(1)
            require(kind >> 4 < 2 and kind & 15 < 4, f"quantisers {kind:02x}")
            steps = cursor.unpack(">64H" if kind >> 4 else ">64B")
            require(min(steps) > 0, "a quantiser of 0")
            state.quantisers.add(kind & 15)
    elif code == _DHT:
        while cursor.left:
            kind = cursor.number(1)
            require(kind >> 4 < 2 and kind & 15 < 4, f"Huffman table {kind:02x}")
            counts = cursor.unpack(">16B")
            require(0 < sum(counts) <= 256, f"a Huffman table of {sum(counts)} codes")
            used = sum(count / 2 ** (bits + 1) for bits, count in enumerate(counts))
            require(used < 1, "a Huffman table with more codes than there can be")
            cursor.take(sum(counts))
            state.huffman.add((kind >> 4, kind & 15))
    elif code == _DRI:
        (state.interval,) = cursor.unpack(">H")
    elif code in _FRAMES:
        _frame(state, code, cursor)
    elif code == _SOS:
        _scan(state, cursor)
    else:
        require(code == _COM, f"unknown segment {code:02x}")
        return
    require(code >= 0xE0 or not cursor.left, f"{cursor.left} bytes too many in {code:02x}")


def _application(state: _State, number: int, body: bytes) -> None:
    if number == 0:
        cursor = Cursor(body, "JFIF")
        require(cursor.take(5) == b"JFIF\0", "APP0 that is not JFIF")
        major, _, unit, across, down, rows, columns = cursor.unpack(">BBBHHBB")
        require(major == 1 and unit in (0, 1, 2) and across and down, "JFIF: its density")
        require(cursor.left == 3 * rows * columns, "JFIF: the size of its thumbnail")
        return
    for name, where in ((_EXIF, 1), (_XMP, 1), (_ICC, 2), (_PHOTOSHOP, 13)):
        if body.startswith(name):
            require(number == where, f"{name!r} in APP{number}, not APP{where}")
            state.found.setdefault(name, []).append(body.removeprefix(name))
            return
    require(number == 14 and body.startswith(b"Adobe"), f"APP{number} with {body[:16]!r}")


def _frame(state: _State, code: int, cursor: Cursor) -> None:
    require(state.frame is None, "two frames")
    depth, height, width, count = cursor.unpack(">BHHB")
    require(depth == 8 or (code != 0xC0 and depth == 12), f"samples of {depth} bits")
    require(height and width and count, f"{count} components of {height} x {width} px")
    for _ in range(count):
        name, factors, quantiser = cursor.unpack(">BBB")
        require(1 <= factors >> 4 <= 4 and 1 <= factors & 15 <= 4, f"sampling {factors:02x}")
        require(quantiser in state.quantisers, f"quantisers {quantiser} are not defined")
        require(name not in state.quantiser_of, f"component {name} stands twice")
        state.quantiser_of[name] = quantiser
    state.frame = height, width


def _scan(state: _State, cursor: Cursor) -> None:
    require(state.frame, "a scan before the frame's header")
    for _ in range(cursor.number(1)):
        name, tables = cursor.unpack(">BB")
        require(name in state.quantiser_of, f"a scan of the unknown component {name}")
        state.scanned.add(name)
        for kind, number in ((0, tables >> 4), (1, tables & 15)):
            require((kind, number) in state.huffman, f"Huffman table {kind}{number} is missing")
    cursor.take(3)


def _pass_scan(cursor: Cursor, state: _State) -> None:
    """Pass over a scan's coded bytes; restart markers must count up, and only where announced."""
    expected, begin = 0, cursor.at
    while True:
        marker = _NEXT_MARKER.search(cursor.data, cursor.at)
        if marker is None:
            raise CorruptError("a scan without an end")
        code = cursor.data[marker.start() + 1]
        cursor.at = marker.start()
        if not 0xD0 <= code <= 0xD7:
            break
        require(state.interval and code & 7 == expected % 8, f"restart marker {code & 7}")
        expected += 1
        cursor.at += 2
    require(cursor.at > begin, "an empty scan")


def _single(state: _State, name: bytes) -> bytes | None:
    found = state.found.get(name, [])
    require(len(found) <= 1, f"{name!r} stands {len(found)} times")
    return found[0] if found else None


def _profile(pieces: list[bytes]) -> bytes | None:
    """Join the pieces of a profile: each names its number and how many there are."""
    numbers = [tuple(piece[:2]) for piece in pieces]
    expected = [(number + 1, len(pieces)) for number in range(len(pieces))]
    require(numbers == expected, f"pieces of the ICC profile: {numbers}")
    return check_icc(b"".join(piece[2:] for piece in pieces)) if pieces else None


def _record(data: bytes) -> bytes | None:
    """Walk Photoshop's resources to the last byte; return IPTC's."""
    cursor, record = Cursor(data, "Photoshop's resources"), None
    while cursor.left:
        kind, number, name_bytes = cursor.unpack(">4sHB")
        require(kind == b"8BIM", f"a resource {kind!r}")
        cursor.take(name_bytes + (1 + name_bytes) % 2)
        size = cursor.number(4)
        body = cursor.take(size)
        require(cursor.take(size % 2) in (b"", b"\0"), "a resource's padding")
        if number == 0x0404:
            require(record is None, "IPTC stands twice")
            record = body
    return record
