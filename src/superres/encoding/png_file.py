"""PNG writer: filtered row groups compressed in parallel and joined to one stream."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from superres.containers.png_chunks import (
    PNG_SIGNATURE,
    cicp_chunk,
    icc_chunk,
    png_chunk,
    resolution_chunk,
    xmp_chunk,
)
from superres.encoding.deflate import (
    CODINGS,
    LAST_PART,
    RUNS,
    STORED,
    STREAM_START,
    Coding,
    joined_checksum,
    smallest,
)
from superres.encoding.file_parts import part_writer
from superres.encoding.png_filters import Bytes, Filter, filtered
from superres.encoding.row_groups import RowGroup, packed_in_order, row_groups, rows_of_a_group
from superres.metadata.picture import Compression, Header

_SAMPLE_BYTES = 2**14
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by channels
_MATCHES = {name: codings[-1] for name, codings in CODINGS.items()}
_CHOICES: Final[dict[Compression, tuple[tuple[Filter, Coding], ...]]] = {
    "none": (("none", STORED),),
    "fast": (("sub", RUNS), ("up", RUNS), ("none", _MATCHES["fast"]), ("up", _MATCHES["fast"])),
    "default": (
        ("paeth", RUNS),
        ("up", RUNS),
        ("paeth", _MATCHES["default"]),
        ("none", _MATCHES["default"]),
        ("up", _MATCHES["default"]),
    ),
    "small": (
        ("paeth", _MATCHES["small"]),
        ("sub", _MATCHES["small"]),
        ("up", _MATCHES["small"]),
        ("none", _MATCHES["small"]),
        ("paeth", RUNS),
        ("sub", RUNS),
        ("up", RUNS),
    ),
}


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the pixels' stream: its chunk, and length and checksum before compression."""

    chunk: bytes
    length: int
    checksum: int


def write_png(
    path: Path,
    blocks: Iterable[NDArray[Any]],
    header: Header,
    compression: Compression,
    check: Callable[[], None] | None = None,
) -> None:
    """Write a still PNG.

    Args:
        path: The file.
        blocks: (h, width, channels) arrays of uint8 or uint16, from top to bottom.
        header: Their description, with the metadata to write.
        compression: The effort.
        check: Called while waiting; what it raises ends the work.

    Raises:
        WriteError: The file cannot be written.
        BaseException: Whatever `blocks` or `check` raises.
    """
    step = header.bands.channels * np.dtype(header.values.dtype).itemsize
    groups = row_groups(blocks, rows_of_a_group(header.width * step))
    pack = partial(_packed, compression=compression, step=step)
    checksum = 1
    with part_writer(path) as write:
        write(PNG_SIGNATURE + _head(header))
        for part in packed_in_order(groups, pack, check):
            write(part.chunk)
            checksum = joined_checksum(checksum, part.checksum, part.length)
        write(png_chunk(b"IDAT", LAST_PART + struct.pack(">I", checksum)))
        write(png_chunk(b"IEND", b""))


def _packed(group: RowGroup, *, compression: Compression, step: int) -> _Part:
    rows = _stored(group.rows)
    above = None if group.above is None else _stored(group.above[None])[0]

    def sample(filter: Filter) -> bytes:
        """Return filtered rows from the group's middle."""
        height, width = rows.shape
        count = min(height, max(1, _SAMPLE_BYTES // width))
        start = (height - count) // 2
        before = rows[start - 1] if start else above
        some = filtered(rows[start : start + count], before, filter, step)
        return some.tobytes()[: 2 * _SAMPLE_BYTES]

    filter, coding = smallest(_CHOICES[compression], sample)
    plain = filtered(rows, above, filter, step).reshape(-1).data
    start = STREAM_START if group.above is None else b""
    chunk = png_chunk(b"IDAT", start + coding.part(plain))
    return _Part(chunk, len(plain), zlib.adler32(plain))


def _stored(rows: NDArray[Any]) -> Bytes:
    """Return pixels as PNG stores them: rows of bytes, the high one first."""
    stored = rows.astype(rows.dtype.newbyteorder(">"), copy=False)
    return stored.reshape(len(rows), math.prod(rows.shape[1:])).view(np.uint8)


def _head(header: Header) -> bytes:
    """Return the chunks before the pixels."""
    bits = 8 * np.dtype(header.values.dtype).itemsize
    kind = _COLOUR_TYPES[header.bands.channels]
    held = header.metadata
    chunks = [
        png_chunk(
            b"IHDR", struct.pack(">IIBBBBB", header.width, header.height, bits, kind, 0, 0, 0)
        )
    ]
    if held.cicp:
        chunks.append(cicp_chunk(held.cicp))
    if held.icc:
        chunks.append(icc_chunk(held.icc))
    if held.dpi:
        chunks.append(resolution_chunk(held.dpi))
    if held.exif:
        chunks.append(png_chunk(b"eXIf", held.exif))
    if held.xmp:
        chunks.append(xmp_chunk(held.xmp))
    return b"".join(chunks)
