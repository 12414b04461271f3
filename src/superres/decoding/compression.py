"""Compression quality of a picture file, from its own data: JPEG's tables, WebP's quantiser.

PNG and TIFF do not record how their pixels were coded before. AVIF and HEIC keep their quantiser
deep inside the coded picture, where it is not read.
"""

from __future__ import annotations

import math
from typing import BinaryIO

# Sum of the luma table K.1 of ITU-T T.81, which libjpeg scales by a percentage.
_LUMA_TABLE_SUM = 3688
_MAX_SEGMENTS = 1000  # a hostile file must not be read forever
_SOI, _SOS, _EOI, _DQT = 0xD8, 0xDA, 0xD9, 0xDB
_BARE_MARKERS = (0x01, *range(0xD0, 0xD9))  # those without a length
_VP8_START = b"\x9d\x01\x2a"
_FRAME_HEAD_BYTES = 16
_VP8_HEADER_BYTES = 64  # everything before the quantiser takes at most 187 bits


def jpeg_quality(stream: BinaryIO) -> int | None:
    """Estimate libjpeg's quality from the luma table of a JPEG file.

    The ratio of the table's sum to that of the standard's table gives the percentage by which
    libjpeg scaled it; other tables are rated by their sum too. Reading stops at the first scan.

    Returns:
        1 to 100, or None if the file ends before its luma table.
    """
    stream.seek(2)
    for _ in range(_MAX_SEGMENTS):
        marker = _next_marker(stream)
        if marker in _BARE_MARKERS:
            continue
        size = int.from_bytes(stream.read(2), "big") - 2
        if marker in (None, _SOS, _EOI) or size < 0:
            return None
        if marker != _DQT:
            stream.seek(size, 1)
        elif total := _luma_sum(stream.read(size)):
            percent = 100 * total / _LUMA_TABLE_SUM
            quality = 100 - percent / 2 if percent <= 100 else 5000 / percent
            return max(1, round(quality))
    return None


def webp_quality(stream: BinaryIO) -> int | None:
    """Estimate libwebp's quality from the quantiser of a lossy WebP file.

    The frame header is that of RFC 6386, sections 9.2 to 9.6. libwebp lets quantisers differ
    between segments of a picture; their mean is taken.

    Returns:
        0 to 100, or None if the file is lossless, or truncated or damaged before its quantiser.
    """
    stream.seek(12)
    for _ in range(_MAX_SEGMENTS):
        head = stream.read(8)
        if len(head) < 8:
            return None
        if head[:4] == b"VP8 ":
            frame = stream.read(10 + _VP8_HEADER_BYTES)
            is_key = frame[3:6] == _VP8_START and not frame[0] & 1
            return _webp_quality_of(_vp8_quantiser(frame[10:])) if is_key else None
        size = int.from_bytes(head[4:], "little")
        stream.seek(size + size % 2, 1)
    return None


def webp_says_lossless(stream: BinaryIO) -> bool:
    """Return whether the first picture of a WebP file is coded losslessly (RFC 9649, VP8L)."""
    stream.seek(12)
    for _ in range(_MAX_SEGMENTS):
        head = stream.read(8)
        size = int.from_bytes(head[4:], "little")
        if len(head) < 8 or head[:4] in (b"VP8 ", b"VP8L"):
            return head[:4] == b"VP8L"
        # A frame of an animation holds its own chunks after 16 bytes.
        stream.seek(_FRAME_HEAD_BYTES if head[:4] == b"ANMF" else size + size % 2, 1)
    return False


def _next_marker(stream: BinaryIO) -> int | None:
    """Read a marker, after any number of 0xFF; None if it is missing."""
    if stream.read(1) != b"\xff":
        return None
    for _ in range(_MAX_SEGMENTS):
        byte = stream.read(1)
        if byte != b"\xff":
            return byte[0] if byte else None
    return None


def _luma_sum(tables: bytes) -> int | None:
    """Return the sum of table 0, by convention luma's; None if it is incomplete or missing."""
    at = 0
    while at < len(tables):
        width = 2 if tables[at] >> 4 else 1
        table = tables[at + 1 : at + 1 + 64 * width]
        if len(table) < 64 * width:
            return None
        if tables[at] & 15 == 0:
            return sum(table) if width == 1 else 256 * sum(table[::2]) + sum(table[1::2])
        at += 1 + len(table)
    return None


def _vp8_quantiser(data: bytes) -> float:
    """Return the mean index, 0 (finest) to 127, of the quantisers of a key frame's first bytes."""
    bits = _EvenBits(data)
    bits.take(2)  # colour space, clamping
    own: list[int] = []
    is_absolute = False
    if bits.take(1):  # the picture has segments
        has_map, has_data = bits.take(1), bits.take(1)
        if has_data:
            is_absolute = bool(bits.take(1))
            own = [bits.take_signed(7) for _ in range(4)]
            for _ in range(4):
                bits.take_signed(6)
        if has_map:
            for _ in range(3):
                if bits.take(1):
                    bits.take(8)
    bits.take(10)  # the loop filter's kind, level and sharpness
    if bits.take(1) and bits.take(1):
        for _ in range(8):
            bits.take_signed(6)
    bits.take(2)  # partitions
    index = bits.take(7)
    indices = [one + (0 if is_absolute else index) for one in own] or [index]
    return sum(min(127, max(0, one)) for one in indices) / len(indices)


def _webp_quality_of(index: float) -> int:
    """Invert libwebp's mapping from a quality to a quantiser index."""
    part = (1 - index / 127) ** 3
    return math.floor(100 * (1.5 * part if part < 0.5 else (1 + part) / 2) + 0.5)


class _EvenBits:
    """Reads bits that VP8's arithmetic coder wrote at even odds (RFC 6386, section 7.3).

    Args:
        data: The first bytes of a partition; zeros are assumed after them.
    """

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data[:_VP8_HEADER_BYTES].ljust(_VP8_HEADER_BYTES, b"\0"))
        self._range = 255 << (8 * _VP8_HEADER_BYTES - 8)
        self._unit = 1 << (8 * _VP8_HEADER_BYTES - 8)

    def take(self, count: int) -> int:
        """Return the next bits as a number."""
        number = 0
        for _ in range(count):
            number = 2 * number + self._bit()
        return number

    def take_signed(self, count: int) -> int:
        """Return a number whose sign follows it; 0 if a leading bit says that it is absent."""
        if not self.take(1):
            return 0
        number = self.take(count)
        return -number if self.take(1) else number

    def _bit(self) -> int:
        split = (1 + ((self._range // self._unit - 1) >> 1)) * self._unit
        bit = self._value >= split
        self._value -= split if bit else 0
        self._range = self._range - split if bit else split
        while self._range // self._unit < 128:
            # All compared values shrink with the unit, so nothing has to be shifted in.
            self._unit >>= 1
        return int(bit)
