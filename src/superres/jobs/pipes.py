"""Streams in place of a job's source or target."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from superres.errors import ArgumentError, PictureError
from superres.jobs.spec import Place

_MAX_PIPED_BYTES = 2**31  # a pipe is read into memory entirely


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
            PictureError: More than 2 GiB arrived.
        """
        if isinstance(place, Path):
            return place
        if self.source is None:
            raise ArgumentError(
                "the job reads from a pipe, but no stream was given", "pass Pipes(source=...)"
            )
        data = self.source.read(_MAX_PIPED_BYTES + 1)
        if len(data) > _MAX_PIPED_BYTES:
            raise PictureError(
                f"more than {_MAX_PIPED_BYTES / 2**30:g} GiB arrived on stdin",
                "save the picture to a file, which is read in strips",
            )
        return data

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
