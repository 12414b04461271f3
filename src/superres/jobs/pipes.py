"""Streams in place of a job's source or target."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from superres.errors import ArgumentError, PictureError
from superres.jobs.spec import Place

_MAX_PIPED_BYTES = 2**31  # a pipe is read into memory whole
_PORTION_BYTES = 2**20  # a raw stream allocates this much for each portion


@dataclass(frozen=True, slots=True)
class Pipes:
    """The streams that a job reads from or writes to where it names `-`.

    Attributes:
        source: Supplies the picture's bytes.
        target: Receives the result's bytes.
    """

    source: BinaryIO | None = None
    target: BinaryIO | None = None

    def read(self, place: Place) -> Path | bytes:
        """Return a path unchanged, and for a pipe its entire content.

        Raises:
            ArgumentError: There is no stream.
            PictureError: More than 2 GiB arrived, or a non-blocking stream ran out of bytes.
        """
        if isinstance(place, Path):
            return place
        if self.source is None:
            raise ArgumentError(
                "the job reads from a pipe, but no stream was given", "pass Pipes(source=...)"
            )
        return _read_to_end(self.source)

    def open_target(self, place: Place) -> Path | BinaryIO:
        """Return a path unchanged, and for a pipe the stream.

        Raises:
            ArgumentError: There is no stream.
        """
        if isinstance(place, Path):
            return place
        if self.target is None:
            raise ArgumentError(
                "the job writes to a pipe, but no stream was given", "pass Pipes(target=...)"
            )
        return self.target


NO_PIPES: Final = Pipes()


def _read_to_end(stream: BinaryIO) -> bytes:
    """Return all bytes up to the end; a raw stream may return fewer than requested at a time.

    Raises:
        PictureError: See `Pipes.read`.
    """
    portions: list[bytes] = []
    size = 0
    while portion := stream.read(_PORTION_BYTES):
        portions.append(portion)
        size += len(portion)
        if size > _MAX_PIPED_BYTES:
            raise PictureError(
                f"more than {_MAX_PIPED_BYTES / 2**30:g} GiB arrived on stdin",
                "save the picture to a file, which is read in strips",
            )
    # A non-blocking raw stream returns None if nothing has arrived yet, contrary to its type.
    if portion is None:  # pyright: ignore[reportUnnecessaryComparison]
        raise PictureError(
            f"the stream has no more bytes for now, after {size:,}, and does not wait for them",
            "pass a stream that blocks until its end",
        )
    return b"".join(portions)
