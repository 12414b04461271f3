"""Files that appear whole or not at all: written beside their place, then moved there."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from superres.errors import OutputError

_MAX_NAME_BYTES = 255
_FULL_OR_CLOSED_HINT = "check free space and permissions of its folder, or write elsewhere"


@contextmanager
def appearing_whole(target: Path | BinaryIO) -> Generator[Path]:
    """Lend a temporary path; hand its content to the target if the block ends well.

    A path is replaced in one step after the data has reached the disk; a stream gets the finished
    file's bytes. If the block raises, the temporary is removed and the target was never touched.

    Args:
        target: Where the content belongs.

    Yields:
        The path to write to: an empty file, hidden and marked as unfinished.

    Raises:
        OutputError: The folder is missing or closed, or the target is no file.
    """
    if isinstance(target, Path):
        with _beside(target) as path:
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
    name = str(target) if isinstance(target, Path) else "the output stream"
    return OutputError(f"{name} cannot be written: {reason}", _FULL_OR_CLOSED_HINT)


@contextmanager
def _beside(target: Path) -> Generator[Path]:
    place = Path(os.path.realpath(target)) if target.is_symlink() else target
    if place.exists() and not place.is_file():
        raise OutputError(
            f"{target} is a folder or device, not a file",
            "name a file to write, or - for standard output",
        )
    path = _temporary_name(place)
    try:
        # Not tempfile's 0600: a result has the permissions that any new file has.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        raise unwritable(target, error.strerror or str(error)) from error
    try:
        yield path
        try:
            _flush(path)
            path.replace(place)
        except OSError as error:
            raise unwritable(target, error.strerror or str(error)) from error
    except BaseException:
        with suppress(OSError):  # the error on its way out matters more
            path.unlink(missing_ok=True)
        raise
    _flush_folder(place.parent)


def _temporary_name(place: Path) -> Path:
    """Return a free name that is hidden and shows whose unfinished file it is."""
    ending = f".superres-{secrets.token_hex(4)}.part"
    name = place.name
    while len(os.fsencode(f".{name}{ending}")) > _MAX_NAME_BYTES:
        name = name[:-1]
    return place.with_name(f".{name}{ending}")


def _flush(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Make the new name survive a power cut, where folders can be flushed."""
    if os.name == "nt":
        return
    with suppress(OSError):  # some network file systems cannot; the file is in place either way
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _pour(finished: BinaryIO, target: BinaryIO) -> None:
    try:
        shutil.copyfileobj(finished, target, 2**20)
        target.flush()
    except BrokenPipeError:
        raise  # the reader has left, which its shell knows how to tell
    except OSError as error:
        raise unwritable(target, error.strerror or str(error)) from error
