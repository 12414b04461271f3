"""Files that appear whole or not at all: written beside the target, flushed to disk, renamed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from superres.errors import OutputError


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """Give a temporary path beside `path`; it takes the name `path` if the block ends well.

    If the block raises, also on an interrupt, the temporary is removed and `path` is untouched.

    Raises:
        OutputError: The folder does not exist or cannot be written, or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield temporary
        _flush(temporary)
        os.replace(temporary, path)
        if (
            os.name == "posix"
        ):  # a folder can be flushed there; the rename then outlives a power cut
            _flush(path.parent)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and not isinstance(error, OutputError):
            raise OutputError(
                f"{path} cannot be written: {error.strerror or error}",
                "check that its folder exists, may be written to and has room",
            ) from error
        raise


def write_whole(path: Path, data: bytes) -> None:
    """Write bytes to a file, whole or not at all.

    Raises:
        OutputError: See `replacing`.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
