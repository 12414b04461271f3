"""Temporary files of pictures being written: next to the path, or elsewhere for a stream."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from superres.atomic import atomic_write
from superres.atomic import unwritable as unwritable_name
from superres.errors import OutputError


@contextmanager
def atomic_output(target: Path | BinaryIO) -> Generator[Path]:
    """Yield a temporary path; move its content to the target if the block succeeds.

    A path is replaced in one step after the data has reached the disk; a stream gets the finished
    file's bytes. If the block raises, the temporary is removed and the target is unchanged.

    Args:
        target: Destination of the content.

    Yields:
        The path to write to: an empty file, hidden and marked as unfinished.

    Raises:
        OutputError: The folder is missing or not writable, or the target is not a file.
    """
    if isinstance(target, Path):
        with atomic_write(target) as path:
            yield path
        return
    handle, name = tempfile.mkstemp(prefix="superres-", suffix=".part")
    os.close(handle)
    try:
        yield Path(name)
        with Path(name).open("rb") as finished:
            _pour(finished, target)
    finally:
        Path(name).unlink(missing_ok=True)


def unwritable(target: Path | BinaryIO, reason: str) -> OutputError:
    """Build the error for an output that cannot be written."""
    return unwritable_name(str(target) if isinstance(target, Path) else "the output stream", reason)


def _pour(finished: BinaryIO, target: BinaryIO) -> None:
    try:
        shutil.copyfileobj(finished, target, 2**20)
        target.flush()
    except BrokenPipeError:
        raise  # the reader closed the pipe, which the shell reports
    except OSError as error:
        raise unwritable(target, error.strerror or str(error)) from error
