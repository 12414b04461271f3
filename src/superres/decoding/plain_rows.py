"""Reader of rows at known offsets, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superres.metadata.picture import stream_of, unreadable


def rows_at(
    source: Path | bytes,
    title: str,
    *,
    start: int,
    row_bytes: int,
    height: int,
    upward: bool,
    block: int,
    decode: Callable[[NDArray[np.uint8]], NDArray[Any]],
) -> Iterator[NDArray[Any]]:
    """Read rows of equal length from top to bottom.

    Args:
        source: The file, or its bytes.
        title: Display name of its format.
        start: Offset of the first row in the file.
        row_bytes: Bytes from one row to the next.
        height: Rows in all.
        upward: Whether the file's first row is the lowest.
        block: Rows at a time.
        decode: Converts (h, row_bytes) to (h, width, channels).

    Raises:
        PictureError: The file ends too early.
    """
    with closing(stream_of(source)) as stream:
        for top in range(0, height, block):
            count = min(block, height - top)
            first = height - top - count if upward else top
            stream.seek(start + first * row_bytes)
            data = stream.read(count * row_bytes)
            if len(data) < count * row_bytes:
                raise unreadable(source, title, "it ends too early")
            rows = np.frombuffer(data, np.uint8).reshape(count, row_bytes)
            yield decode(rows[::-1] if upward else rows)
