"""PNM: PBM, PGM and PPM in text and binary, PAM and PFM (netpbm's pages): header and rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from superres.frame import UINT8, Bands, Values

_MAX_HEADER_BYTES = 65_536
_TEXT_BYTES = 2**16
_KINDS = {b"1": 1, b"2": 1, b"3": 3, b"4": 1, b"5": 1, b"6": 3, b"f": 1, b"F": 3}
_PAM_ALPHA = (b"BLACKANDWHITE_ALPHA", b"GRAYSCALE_ALPHA", b"RGB_ALPHA")
_PAM_COLOURS = {1: "grey", 2: "grey", 3: "rgb", 4: "rgb"}
_MAX_DIGITS = 5


class PnmError(ValueError):
    """A PNM file is damaged."""


@dataclass(frozen=True, slots=True)
class PnmHeader:
    """Header of a PNM file.

    Attributes:
        height: Rows.
        width: Pixels a row.
        bands: What its channels mean.
        values: What its numbers mean, once they are stretched to the range of their type.
        most: The largest value, as the header states it.
        start: Offset of the pixels.
        form: `bits`, `text bits`, `text`, or numpy's name of the number type (`>u2`).
        upward: Whether the lowest row comes first.
    """

    height: int
    width: int
    bands: Bands
    values: Values
    start: int
    form: str
    upward: bool = False
    most: int = 0

    @property
    def row_bytes(self) -> int:
        """Bytes from one row to the next, where pixels are not text."""
        if self.form == "bits":
            return (self.width + 7) // 8
        return self.width * self.bands.channels * np.dtype(self.form).itemsize

    def pixels(self, rows: NDArray[np.uint8]) -> NDArray[Any]:
        """Return (h, width, channels) for (h, row_bytes)."""
        if self.form == "bits":
            bits = np.unpackbits(rows, axis=1)[:, : self.width, None]
            return (255 * (1 - bits)).astype(np.uint8)  # 1 is black
        numbers = np.ascontiguousarray(rows).view(self.form)
        return self.stretched(numbers.reshape(len(rows), self.width, self.bands.channels))

    def stretched(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """Stretch numbers of 0 to `most` to the range of the type, rounded to nearest.

        Raises:
            PnmError: One is larger.
        """
        white = int(self.values.white)
        if not self.most or (self.most == white and numbers.dtype.kind == "u"):
            return numbers.astype(self.values.dtype)
        if int(numbers.max()) > self.most:
            raise PnmError(f"it holds {numbers.max()}, its largest number is {self.most}")
        wide = numbers.astype(np.int64) * white + self.most // 2
        return (wide // self.most).astype(self.values.dtype)


def read_pnm_header(stream: BinaryIO) -> PnmHeader:
    """Read the header of a PNM file.

    Raises:
        PnmError: It is damaged.
    """
    head = stream.read(_MAX_HEADER_BYTES)
    return _pam(head) if head[1:2] == b"7" else _plain(head)


def text_rows(stream: BinaryIO, header: PnmHeader, block: int) -> Iterator[NDArray[Any]]:
    """Yield blocks of rows from numbers in text.

    Raises:
        PnmError: A number is missing, too large or not a number.
    """
    stream.seek(header.start)
    numbers = _numbers(stream, header)
    row = header.width * header.bands.channels
    for top in range(0, header.height, block):
        count = min(block, header.height - top)
        found = _take(numbers, count * row)
        pixels = found.reshape(count, header.width, header.bands.channels)
        yield header.stretched(1 - pixels if header.form == "text bits" else pixels)


def _take(numbers: Iterator[int], count: int) -> NDArray[np.int64]:
    found = np.empty(count, np.int64)
    for index in range(count):
        number = next(numbers, None)
        if number is None:
            raise PnmError("it ends too early")
        found[index] = number
    return found


def _numbers(stream: BinaryIO, header: PnmHeader) -> Iterator[int]:
    """Yield the numbers of a text; bits need no whitespace between them."""
    rest = b""
    while data := stream.read(_TEXT_BYTES):
        text = re.sub(rb"#[^\r\n]*", b"", rest + data)
        if header.form == "text bits":
            words, rest = list(re.sub(rb"\s", b"", text).decode("latin-1")), b""
        else:
            *whole, rest = re.split(rb"\s+", text)
            words = [word.decode("latin-1") for word in whole if word]
        for word in words:
            yield _number(word)
    if rest:
        yield _number(rest.decode("latin-1"))


def _number(word: str) -> int:
    if not (word.isascii() and word.isdigit() and len(word) <= _MAX_DIGITS):
        raise PnmError(f"{word[:20]!r} is not a number")
    return int(word)


def _plain(head: bytes) -> PnmHeader:
    kind = head[1:2]
    count = 2 if kind in b"14" else 3
    value = rb"(?:\s+|#[^\r\n]*[\r\n])+([-+.0-9eE]+)"
    found = re.match(rb"P." + value * count + rb"(?:\r\n|\s)?", head)
    if not found:
        raise PnmError("its header is damaged")
    channels = _KINDS[kind]
    bands = Bands("grey" if channels == 1 else "rgb", channels)
    height, width = _size(found[2], found[1])
    if kind in b"14":
        form = "bits" if kind == b"4" else "text bits"
        return PnmHeader(height, width, bands, UINT8, found.end(), form, most=1)
    if kind in b"fF":
        try:
            order = "<" if float(found[3]) < 0 else ">"
        except ValueError as error:
            raise PnmError("its scale is not a number") from error
        values = Values.of("float32")
        return PnmHeader(height, width, bands, values, found.end(), f"{order}f4", upward=True)
    most = _most(found[3])
    form = "text" if kind in b"23" else ">u2" if most > UINT8.white else "u1"
    return PnmHeader(height, width, bands, _values(most), found.end(), form, most=most)


def _pam(head: bytes) -> PnmHeader:
    end = re.search(rb"\nENDHDR[^\n]*\n", head)
    if not end:
        raise PnmError("its header is damaged")
    lines = [line.split(None, 1) for line in head[: end.start()].splitlines()[1:]]
    told = {line[0]: line[1].strip() for line in lines if len(line) == 2 and line[0][:1] != b"#"}
    missing = {b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL"} - told.keys()
    if missing:
        raise PnmError(f"its header lacks {b', '.join(sorted(missing)).decode()}")
    height, width = _size(told[b"HEIGHT"], told[b"WIDTH"])
    depth, alpha = _number(told[b"DEPTH"].decode("latin-1")), told.get(b"TUPLTYPE", b"")
    has_alpha = alpha in _PAM_ALPHA
    if depth not in _PAM_COLOURS or (depth in (2, 4)) != has_alpha:
        raise PnmError(f"its {depth} channels of the kind {alpha.decode('latin-1')!r} are not read")
    most = _most(told[b"MAXVAL"])
    bands = Bands("grey" if depth < 3 else "rgb", depth - has_alpha, has_alpha)
    form = ">u2" if most > UINT8.white else "u1"
    return PnmHeader(height, width, bands, _values(most), end.end(), form, most=most)


def _size(height: bytes, width: bytes) -> tuple[int, int]:
    if not (height.isdigit() and width.isdigit() and len(height) < 10 and len(width) < 10):
        raise PnmError("its size is not a number")
    if not int(height) or not int(width):
        raise PnmError(f"its size is {int(height)} x {int(width)}")
    return int(height), int(width)


def _values(most: int) -> Values:
    return UINT8 if most <= UINT8.white else Values.of("uint16")


def _most(most: bytes) -> int:
    largest = int(most) if most.isdigit() and len(most) <= _MAX_DIGITS else 0
    if not 0 < largest < 2**16:
        raise PnmError(f"its largest value is {most.decode('latin-1')!r}, expected 1 to 65535")
    return largest
