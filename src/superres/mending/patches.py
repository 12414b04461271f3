"""Patched file: a file as a decoder should see it, from parts of the real one and other bytes."""

from __future__ import annotations

import bisect
import io
import itertools
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from superres.metadata.picture import stream_of

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Piece = bytes | tuple[int, int]  # other bytes; or start and end in the real file


@dataclass(frozen=True, slots=True)
class Patched:
    """A file with some of its bytes replaced, left out or added.

    Attributes:
        source: The real file, or its bytes.
        pieces: The parts of the patched one.
    """

    source: Path | bytes
    pieces: tuple[Piece, ...] = field(repr=False)

    def open(self) -> BinaryIO:
        """Open it for reading."""
        return io.BufferedReader(_Reader(stream_of(self.source), self.pieces))


def patched(source: Path | bytes, size: int, changes: Sequence[tuple[int, int, bytes]]) -> Patched:
    """Return a file with changes.

    Args:
        source: The real file, or its bytes.
        size: Its size in bytes.
        changes: (start, end, new bytes) in the real file, in order and not overlapping.
    """
    pieces: list[Piece] = []
    at = 0
    for start, end, new in changes:
        pieces += [(at, start), new]
        at = end
    pieces.append((at, size))
    return Patched(source, tuple(piece for piece in pieces if _length(piece)))


def size_of(stream: BinaryIO) -> int:
    """Return the size of an open file in bytes."""
    return stream.seek(0, io.SEEK_END)


class _Reader(io.RawIOBase):
    """The pieces, one after the other."""

    def __init__(self, stream: BinaryIO, pieces: Sequence[Piece]) -> None:
        self._stream, self._pieces = stream, pieces
        self._ends = list(itertools.accumulate(map(_length, pieces)))
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        end = self._ends[-1] if self._ends else 0
        self._at = max(0, offset + (0, self._at, end)[whence])
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        room = memoryview(buffer).cast("B")
        index = bisect.bisect_right(self._ends, self._at)
        if index == len(self._ends) or not room:
            return 0
        piece = self._pieces[index]
        inside = self._at - (self._ends[index] - _length(piece))
        most = min(len(room), self._ends[index] - self._at)
        if isinstance(piece, bytes):
            data = piece[inside : inside + most]
        else:
            self._stream.seek(piece[0] + inside)
            data = self._stream.read(most)
        room[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        with closing(self._stream):
            super().close()


def _length(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]
