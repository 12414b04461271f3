"""BMP: header, and conversion of rows to pixels (Windows' bitmap headers of 12 to 124 bytes)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

_FILE_HEADER_BYTES = 14
_HEADER_SIZES = (12, 16, 40, 52, 56, 64, 108, 124)
_PLAIN, _MASKS, _ALPHA_MASKS = 0, 3, 6
_OTHERS = {1: "8-bit run-length coding", 2: "4-bit run-length coding", 4: "JPEG", 5: "PNG"}
_EMBEDDED = 0x4D424544  # MBED
_INCH_M = 0.0254
_MASKS_OF_16_BITS = (0x7C00, 0x03E0, 0x001F, 0)
_MASKS_OF_32_BITS = (0xFF0000, 0xFF00, 0xFF, 0)


class BmpError(ValueError):
    """A BMP is damaged, or of an unsupported kind."""


@dataclass(frozen=True, slots=True)
class BmpHeader:
    """Header of a BMP.

    Attributes:
        height: Rows.
        width: Pixels a row.
        upward: Whether the lowest row comes first.
        bits: Bits a pixel.
        start: Offset of the rows.
        palette: (colours, 3) RGB for palette pictures; (colours, 1) for grey ones.
        masks: Bits of red, green, blue and alpha in a pixel of 16 or 32 bits.
        dpi: Horizontal and vertical pixels per inch; None if not stated.
        icc: The ICC profile; None if there is none.
    """

    height: int
    width: int
    upward: bool
    bits: int
    start: int
    palette: NDArray[np.uint8] | None = field(repr=False)
    masks: tuple[int, int, int, int]
    dpi: tuple[float, float] | None
    icc: bytes | None = field(repr=False)

    @property
    def row_bytes(self) -> int:
        """Bytes from one row to the next: rows are padded to four bytes."""
        return (self.width * self.bits + 31) // 32 * 4

    @property
    def channels(self) -> int:
        """Grey, RGB or RGB with alpha."""
        if self.palette is not None:
            return self.palette.shape[1]
        return 4 if self.masks[3] else 3

    def pixels(self, rows: NDArray[np.uint8]) -> NDArray[Any]:
        """Return (h, width, channels) of uint8 for (h, row_bytes)."""
        if self.palette is not None:
            return self.palette[np.minimum(self._indices(rows), len(self.palette) - 1)]
        if self.bits == 24:
            return rows[:, : 3 * self.width].reshape(len(rows), self.width, 3)[..., ::-1]
        whole = np.ascontiguousarray(rows).view("<u2" if self.bits == 16 else "<u4")
        whole = whole[:, : self.width].astype(np.uint32)
        return np.stack([_channel(whole, mask) for mask in self.masks[: self.channels]], axis=2)

    def _indices(self, rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self.bits == 8:
            return rows[:, : self.width]
        bits = np.unpackbits(rows, axis=1).reshape(len(rows), -1, self.bits)
        weights = 1 << np.arange(self.bits - 1, -1, -1, dtype=np.uint8)
        return (bits * weights).sum(axis=2, dtype=np.uint8)[:, : self.width]


def read_bmp_header(stream: BinaryIO) -> BmpHeader:
    """Read the header and palette of a BMP.

    Raises:
        BmpError: It is damaged, or of an unsupported kind.
    """
    head = stream.read(_FILE_HEADER_BYTES + 4)
    if len(head) < _FILE_HEADER_BYTES + 4:
        raise BmpError("it ends too early")
    start, size = struct.unpack_from("<I", head, 10)[0], struct.unpack_from("<I", head, 14)[0]
    if size not in _HEADER_SIZES:
        raise BmpError(f"its header has {size} bytes, expected one of {_HEADER_SIZES}")
    body = head[14:] + stream.read(size - 4)
    if len(body) < size:
        raise BmpError("it ends too early")
    if size == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", body, 4)
        coding, across, down, colours = _PLAIN, 0, 0, 0
    else:
        width, height, _, bits = struct.unpack_from("<iiHH", body, 4)
        coding, across, down, colours = struct.unpack_from("<I4xiiI", body.ljust(40, b"\0"), 16)
    if coding in _OTHERS:
        raise BmpError(f"its pixels are stored with {_OTHERS[coding]}, which is not read")
    if coding not in (_PLAIN, _MASKS, _ALPHA_MASKS) or bits not in (1, 2, 4, 8, 16, 24, 32):
        raise BmpError(f"its coding {coding} of {bits} bits a pixel is not known")
    if width < 1 or not height:
        raise BmpError(f"its size is {height} x {width}")
    masks, masks_bytes = _masks(stream, body, size, coding, bits)
    palette = None
    if bits <= 8:
        entry = 3 if size == 12 else 4
        room = max(0, start - _FILE_HEADER_BYTES - size - masks_bytes) // entry
        count = min(colours or 2**bits, 2**bits, room or 2**bits)
        palette = _palette(stream.read(count * entry), entry)
    icc = None
    if size == 124 and struct.unpack_from("<I", body, 56)[0] == _EMBEDDED:
        at, length = struct.unpack_from("<II", body, 112)
        stream.seek(_FILE_HEADER_BYTES + at)
        icc = stream.read(min(length, 16 * 2**20)) or None
    dpi = (across * _INCH_M, down * _INCH_M) if across > 0 and down > 0 else None
    return BmpHeader(abs(height), width, height > 0, bits, start, palette, masks, dpi, icc)


def _masks(
    stream: BinaryIO, body: bytes, size: int, coding: int, bits: int
) -> tuple[tuple[int, int, int, int], int]:
    """Return the bit masks of the channels, and their number of bytes after the header."""
    if bits not in (16, 32) or coding == _PLAIN:
        return (_MASKS_OF_16_BITS if bits == 16 else _MASKS_OF_32_BITS), 0
    outside = 0
    if size < 52:  # they are after the header
        outside = 16 if coding == _ALPHA_MASKS else 12
        data = stream.read(outside)
    else:
        data = body[40:56]
    if len(data) < 12:
        raise BmpError("it ends too early")
    red, green, blue, alpha = struct.unpack("<4I", data.ljust(16, b"\0")[:16])
    for mask in (red, green, blue):
        if not mask or (mask >> _low(mask)) & ((mask >> _low(mask)) + 1):
            raise BmpError(f"the mask {mask:#x} of a colour is not one run of bits")
    return (red, green, blue, alpha), outside


def _low(mask: int) -> int:
    """Return the index of a mask's lowest bit."""
    return (mask & -mask).bit_length() - 1


def _channel(whole: NDArray[np.uint32], mask: int) -> NDArray[np.uint8]:
    """Return a channel stretched to 0 to 255."""
    low = _low(mask)
    most = mask >> low
    values = ((whole & np.uint32(mask)) >> np.uint32(low)).astype(np.uint64)
    return ((values * 255 + most // 2) // most).astype(np.uint8)


def _palette(data: bytes, entry: int) -> NDArray[np.uint8]:
    count = len(data) // entry
    if not count:
        raise BmpError("its palette is missing")
    colours = np.frombuffer(data[: count * entry], np.uint8).reshape(count, entry)[:, 2::-1]
    is_grey = (colours == colours[:, :1]).all()
    return np.ascontiguousarray(colours[:, :1] if is_grey else colours)


def is_bmp(head: bytes) -> bool:
    """Return whether a file begins like a BMP, with a valid header length."""
    return head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _HEADER_SIZES
