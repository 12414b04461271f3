"""Carrier of rows to libvips, which pulls them where we push.

libvips has no input for pixels that arrive in blocks, but it reads TIFF from any source, row by
row. So the rows are passed as an uncompressed BigTIFF that never exists as a whole: its header is
generated up front, and libvips reads the strips as they are pushed. Nothing is copied to disk, and
at most a few blocks are buffered in memory.
"""

from __future__ import annotations

import math
import struct
import sys
import threading
from collections import deque
from typing import Any

import numpy as np
import pyvips
from numpy.typing import NDArray

_STRIP_BYTES = 2**20
_WAITING_BLOCKS = 3
_WAIT_S = 0.5  # waits are short, as Windows ignores Ctrl-C in them
_SHORT, _LONG, _LONG8 = 3, 4, 16
_TYPE_CODES = {_SHORT: "H", _LONG: "I", _LONG8: "Q"}


class CarrierError(Exception):
    """The reader has ended, so nothing more can be pushed; its own error tells why."""


class Carrier:
    """Channel of rows from the thread that pushes them to an image in another thread.

    Args:
        height: Rows that will be pushed.
        width: Pixels a row.
        channels: 1 to 4.
        dtype: Dtype of the pixels.
    """

    def __init__(self, height: int, width: int, channels: int, dtype: str) -> None:
        self._header = _tiff_header(height, width, channels, np.dtype(dtype))
        self._total = len(self._header) + height * width * channels * np.dtype(dtype).itemsize
        # Kept here, as the image does not keep it: collected first, it would crash the process.
        self._source = pyvips.SourceCustom()
        self._state = threading.Condition()
        self._blocks: deque[memoryview] = deque()
        self._broken = False  # the writer has stopped: further reads would be wrong
        self._released = False  # the reader has ended
        self._at = 0  # offset of libvips' next read
        self._delivered = len(self._header)  # offset of the next pushed byte

    def push(self, rows: NDArray[Any]) -> None:
        """Pass the next rows on; waits while the reader is behind.

        Args:
            rows: (h, width, channels) of the dtype; must not be changed afterwards.

        Raises:
            CarrierError: The reader has ended.
        """
        block = np.ascontiguousarray(rows).data.cast("B")
        with self._state:
            while len(self._blocks) >= _WAITING_BLOCKS and not self._released:
                self._state.wait(_WAIT_S)
            if self._released:
                raise CarrierError
            self._blocks.append(block)
            self._state.notify_all()

    def abort(self) -> None:
        """Make the reader fail: the rows it waits for will never come."""
        with self._state:
            self._broken = True
            self._blocks.clear()
            self._state.notify_all()

    def release(self) -> None:
        """Release the writer: the reader has ended."""
        with self._state:
            self._released = True
            self._blocks.clear()
            self._state.notify_all()

    def image(self) -> pyvips.Image:
        """Open the image whose rows are pushed, for reading once from top to bottom."""
        self._source.on_read(self._read)
        self._source.on_seek(self._seek)
        return pyvips.Image.tiffload_source(
            self._source, access="sequential", fail_on="warning", unlimited=True
        )

    def _read(self, size: int) -> bytes:
        """Serve libvips' read; an empty result makes it fail as for a truncated file."""
        if self._at < len(self._header):
            part = self._header[self._at : self._at + size]
        elif self._at == self._delivered:
            part = self._next_bytes(size)
            self._delivered += len(part)
        else:
            part = b""  # pixels come once, in order
        self._at += len(part)
        return part

    def _next_bytes(self, size: int) -> bytes:
        with self._state:
            while not self._blocks and not self._broken and self._at < self._total:
                self._state.wait(_WAIT_S)
            if not self._blocks:
                return b""
            first = self._blocks[0]
            part = bytes(first[:size])
            if len(part) == len(first):
                self._blocks.popleft()
                self._state.notify_all()
            else:
                self._blocks[0] = first[len(part) :]
            return part

    def _seek(self, offset: int, whence: int) -> int:
        self._at = offset + (0, self._at, self._total)[whence]
        return self._at


def _tiff_header(height: int, width: int, channels: int, dtype: np.dtype[np.generic]) -> bytes:
    """Return the part of an uncompressed BigTIFF before its pixels."""
    row_bytes = width * channels * dtype.itemsize
    strip_rows = max(1, min(height, _STRIP_BYTES // row_bytes))
    strips = math.ceil(height / strip_rows)
    sizes = [strip_rows * row_bytes] * strips
    sizes[-1] = (height - strip_rows * (strips - 1)) * row_bytes
    sample_format = 3 if dtype.kind == "f" else 1
    tags: dict[int, tuple[int, list[int]]] = {
        256: (_LONG, [width]),
        257: (_LONG, [height]),
        258: (_SHORT, [dtype.itemsize * 8] * channels),
        259: (_SHORT, [1]),  # no compression
        262: (_SHORT, [1 if channels < 3 else 2]),  # grey or RGB
        273: (_LONG8, [0] * strips),
        277: (_SHORT, [channels]),
        278: (_LONG, [strip_rows]),
        279: (_LONG8, sizes),
        284: (_SHORT, [1]),  # channels side by side
        339: (_SHORT, [sample_format] * channels),
    }
    if channels in (2, 4):
        tags[338] = (_SHORT, [2])  # straight alpha
    start = _layout_tags(tags)
    begin = len(start)
    tags[273] = (_LONG8, [begin + index * strip_rows * row_bytes for index in range(strips)])
    return _layout_tags(tags)


def _layout_tags(tags: dict[int, tuple[int, list[int]]]) -> bytes:
    """Return a BigTIFF header with one directory, in this machine's byte order."""
    little = sys.byteorder == "little"
    order = "<" if little else ">"
    table_end = 16 + 8 + 20 * len(tags) + 8
    table, values = b"", b""
    for tag in sorted(tags):
        kind, numbers = tags[tag]
        data = struct.pack(f"{order}{len(numbers)}{_TYPE_CODES[kind]}", *numbers)
        cell = data
        if len(data) > 8:
            cell = struct.pack(order + "Q", table_end + len(values))
            values += data.ljust(math.ceil(len(data) / 8) * 8, b"\0")
        table += struct.pack(order + "HHQ", tag, kind, len(numbers)) + cell.ljust(8, b"\0")
    start = struct.pack(order + "2sHHHQQ", b"II" if little else b"MM", 43, 8, 0, 16, len(tags))
    return start + table + struct.pack(order + "Q", 0) + values
