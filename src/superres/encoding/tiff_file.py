"""TIFF writer: strips compressed in parallel, classic or BigTIFF, in this machine's byte order."""

from __future__ import annotations

import itertools
import struct
import sys
from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from superres.encoding.deflate import CODINGS, smallest
from superres.encoding.file_parts import part_writer, writing
from superres.encoding.row_groups import RowGroup, packed_in_order, row_groups, rows_of_a_group
from superres.metadata.picture import Compression, Header
from superres.metadata.tags import (
    BYTE,
    LONG,
    LONG8,
    RATIONAL,
    SHORT,
    UNDEFINED,
    Field,
    point_header,
    read_header,
    write_directory,
)

_ORDER: Literal["<", ">"] = "<" if sys.byteorder == "little" else ">"
_SAMPLE_ROWS_BYTES = 2**15
_CODES = {SHORT: "H", LONG: "I", LONG8: "Q"}
_NO_COMPRESSION, _DEFLATE = 1, 8
_NO_PREDICTOR, _HORIZONTAL, _FLOATING = 1, 2, 3
_GREY, _RGB = 1, 2
_STRAIGHT_ALPHA = 2
_WHOLE, _FLOAT = 1, 3  # sample formats
_NO_UNIT, _INCH = 1, 2
_MOST_PER_INCH = 1e6


def write_tiff(
    path: Path,
    blocks: Iterable[NDArray[Any]],
    header: Header,
    compression: Compression,
    *,
    big: bool,
    check: Callable[[], None] | None = None,
) -> None:
    """Write a TIFF of one page.

    Args:
        path: The file.
        blocks: (h, width, channels) arrays of uint8, uint16 or float32, from top to bottom.
        header: Their description; of the metadata, the profile, XMP and resolution are written.
        compression: The effort.
        big: Whether to write a BigTIFF, whose offsets have 64 bits.
        check: Called while waiting; what it raises ends the work.

    Raises:
        WriteError: The file cannot be written.
        TagError: It would outgrow its offsets.
        BaseException: Whatever `blocks` or `check` raises.
    """
    dtype = np.dtype(header.values.dtype)
    rows = rows_of_a_group(header.width * header.bands.channels * dtype.itemsize)
    rows = min(rows, header.height)
    predictor = _NO_PREDICTOR
    if compression != "none":
        predictor = _FLOATING if dtype.kind == "f" else _HORIZONTAL
    pack = partial(_packed, compression=compression, predictor=predictor)
    start, sizes = _start(big), list[int]()
    with part_writer(path) as write:
        write(start)
        for strip in packed_in_order(row_groups(blocks, rows), pack, check):
            write(strip)
            sizes.append(len(strip))
    tags = _tags(header, rows, compression, predictor)
    where = LONG8 if big else LONG
    tags[273] = _numbers(where, list(itertools.accumulate(sizes[:-1], initial=len(start))))
    tags[279] = _numbers(where, sizes)
    with writing(), path.open("r+b") as file:
        target = read_header(file)
        point_header(file, target, write_directory(file, target, tags))


def _start(big: bool) -> bytes:
    """Return a file's header; the directory's offset is still missing."""
    mark = b"II" if _ORDER == "<" else b"MM"
    if big:
        return mark + struct.pack(_ORDER + "HHHQ", 43, 8, 0, 0)
    return mark + struct.pack(_ORDER + "HI", 42, 0)


def _packed(group: RowGroup, *, compression: Compression, predictor: int) -> bytes:
    rows = group.rows
    if compression == "none":
        return rows.tobytes()

    def sample(predictor: int) -> bytes:
        count = max(1, _SAMPLE_ROWS_BYTES * len(rows) // rows.nbytes)
        start = (len(rows) - min(count, len(rows))) // 2
        return _predicted(rows[start : start + count], predictor)[:_SAMPLE_ROWS_BYTES].tobytes()

    codings = [(predictor, coding) for coding in CODINGS[compression]]
    _, coding = smallest(codings, sample)
    return coding.stream(_predicted(rows, predictor).data)


def _predicted(rows: NDArray[Any], predictor: int) -> NDArray[np.uint8]:
    """Return differences of neighbours in a row, as the bytes to deflate."""
    if predictor == _FLOATING:
        return _predicted_floats(rows)
    result = np.empty(rows.shape, rows.dtype)
    result[:, :1] = rows[:, :1]
    np.subtract(rows[:, 1:], rows[:, :-1], out=result[:, 1:])
    return result.reshape(-1).view(np.uint8)


def _predicted_floats(rows: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the predictor of Adobe's technical note 3 for floats.

    The bytes of a row are sorted by significance, the highest of all numbers first, and each is
    replaced by its difference from the one a pixel before.
    """
    height, width, channels = rows.shape
    item = rows.dtype.itemsize
    high_first = rows.astype(rows.dtype.newbyteorder(">"), copy=False)
    parts = high_first.reshape(height, width * channels).view(np.uint8)
    parts = parts.reshape(height, width * channels, item).transpose(0, 2, 1)
    sorted_bytes = np.ascontiguousarray(parts).reshape(height, item * width * channels)
    result = sorted_bytes.copy()
    np.subtract(sorted_bytes[:, channels:], sorted_bytes[:, :-channels], out=result[:, channels:])
    return result.reshape(-1)


def _tags(
    header: Header, strip_rows: int, compression: Compression, predictor: int
) -> dict[int, Field]:
    """Return all tags but the strips' places and sizes."""
    dtype, bands, held = np.dtype(header.values.dtype), header.bands, header.metadata
    count = bands.channels
    tags = {
        256: _numbers(LONG, [header.width]),
        257: _numbers(LONG, [header.height]),
        258: _numbers(SHORT, [dtype.itemsize * 8] * count),
        259: _numbers(SHORT, [_NO_COMPRESSION if compression == "none" else _DEFLATE]),
        262: _numbers(SHORT, [_RGB if bands.colour == "rgb" else _GREY]),
        274: _numbers(SHORT, [1]),
        277: _numbers(SHORT, [count]),
        278: _numbers(LONG, [strip_rows]),
        282: _rational(held.dpi[0] if held.dpi else 1.0),
        283: _rational(held.dpi[1] if held.dpi else 1.0),
        284: _numbers(SHORT, [1]),  # channels side by side
        296: _numbers(SHORT, [_INCH if held.dpi else _NO_UNIT]),
        339: _numbers(SHORT, [_FLOAT if dtype.kind == "f" else _WHOLE] * count),
    }
    if predictor != _NO_PREDICTOR:
        tags[317] = _numbers(SHORT, [predictor])
    if bands.alpha:
        tags[338] = _numbers(SHORT, [_STRAIGHT_ALPHA])
    if held.xmp:
        tags[700] = Field(BYTE, len(held.xmp), held.xmp)
    if held.icc:
        tags[34675] = Field(UNDEFINED, len(held.icc), held.icc)
    return tags


def _numbers(kind: int, numbers: list[int]) -> Field:
    return Field(kind, len(numbers), struct.pack(f"{_ORDER}{len(numbers)}{_CODES[kind]}", *numbers))


def _rational(number: float) -> Field:
    ratio = Fraction(min(number, _MOST_PER_INCH)).limit_denominator(1000)
    if not ratio:
        ratio = Fraction(1, 1000)
    return Field(RATIONAL, 1, struct.pack(_ORDER + "II", ratio.numerator, ratio.denominator))
