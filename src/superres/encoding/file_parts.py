"""Files written part by part, their errors apart from those of what makes the parts."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path


class WriteError(Exception):
    """A file cannot be written; the text gives the reason."""


@contextmanager
def part_writer(path: Path) -> Generator[Callable[[bytes], None]]:
    """Yield a function that appends bytes to a new file.

    Raises:
        WriteError: The file cannot be created; the function raises it where it cannot be written.
    """
    with writing():
        file = path.open("wb", buffering=0)  # so closing it has nothing left to write

    def write(part: bytes) -> None:
        left = memoryview(part)
        while left:
            with writing():
                left = left[file.write(left) :]

    try:
        yield write
    finally:
        file.close()


@contextmanager
def writing() -> Generator[None]:
    """Turn the system's errors into those of writing.

    Raises:
        WriteError: The block raised an OSError.
    """
    try:
        yield
    except OSError as error:
        raise WriteError(error.strerror or str(error)) from error
