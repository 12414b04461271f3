"""Output files: checks of targets, and atomic writes."""

from __future__ import annotations

import os
import secrets
import unicodedata
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path

from superres.errors import OutputError

OVERWRITE = "use --overwrite, or name another output"
OVERWRITE_OR_SKIP = "use --overwrite, --skip-existing, or name another output"

_MAX_NAME_BYTES = 255


@contextmanager
def atomic_write(target: Path) -> Generator[Path]:
    """Yield a temporary path next to a target; it replaces the target if the block succeeds.

    If the block raises (an interrupt included), the temporary is removed and the target is left
    untouched. A symbolic link stays a link; the file it points to is replaced.

    Args:
        target: The file to write.

    Yields:
        The path to write to: an empty file, hidden and marked as unfinished.

    Raises:
        OutputError: The folder is missing or not writable, the disk is full, or the target is not
            a file. Exceptions of the block itself pass through unchanged.
    """
    place = Path(os.path.realpath(target)) if target.is_symlink() else target
    _check_is_file(place, target)
    path = _temporary_name(place)
    with os_errors_as(target):
        # Not tempfile's 0600: a result has the permissions of any new file.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield path
        with os_errors_as(target):
            _flush(path)
            path.replace(place)
    except BaseException:
        with suppress(OSError):  # the error being raised matters more
            path.unlink(missing_ok=True)
        raise
    _flush_folder(place.parent)


def atomic_write_bytes(target: Path, data: bytes) -> None:
    """Write bytes to a file, atomically.

    Raises:
        OutputError: See `atomic_write`.
    """
    with atomic_write(target) as temporary, os_errors_as(target):
        temporary.write_bytes(data)


class Inputs:
    """The files that a result is made from, which it must never overwrite.

    Args:
        paths: The files; they need not exist.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._keys: set[str] = set()
        self._files: set[tuple[int, int]] = set()
        for path in paths:
            self._keys.add(path_key(path))
            with suppress(OSError):  # a missing file fails when it is read
                self._files.add(_file_number(path))

    def holds(self, path: Path) -> bool:
        """Say whether a path may be one of the files, also through links or in another case."""
        if path_key(path) in self._keys:
            return True
        try:
            return _file_number(path) in self._files
        except OSError:  # it does not exist, so it is not another name of one that does
            return False


def path_key(path: Path) -> str:
    """Return a key that is equal for paths that may be one file, on any file system."""
    return unicodedata.normalize("NFC", os.path.realpath(path)).casefold()


def check_target(
    target: Path,
    inputs: Inputs | Iterable[Path],
    *,
    overwrite: bool,
    hint: str = OVERWRITE,
) -> None:
    """Check that a file may be written, before any work is done.

    Args:
        target: The file of a result.
        inputs: What it is made from.
        overwrite: Whether an existing file may be replaced.
        hint: What to do if the file exists.

    Raises:
        OutputError: The target is one of the inputs, is a folder or device, already exists, or its
            folder does not exist.
    """
    _check_place(target, inputs)
    if target.exists():
        _check_is_file(target, target)
        if not overwrite:
            raise OutputError(f"the output {target} already exists", hint)


def check_new_folder(target: Path, inputs: Inputs | Iterable[Path]) -> None:
    """Check that a folder can take results as its only content, before any work is done.

    Args:
        target: The folder; an empty one is accepted.
        inputs: What the results are made from.

    Raises:
        OutputError: The target is one of the inputs, is not empty, or its parent folder does not
            exist.
    """
    _check_place(target, inputs)
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise OutputError(
            f"the output {target} already exists" + (" and is not empty" * target.is_dir()),
            "name a new folder, or remove this one first",
        )


def unwritable(name: str, reason: str) -> OutputError:
    """Build the error for an output that cannot be written."""
    return OutputError(
        f"{name} cannot be written: {reason}",
        "check free space and permissions of its folder, or write elsewhere",
    )


@contextmanager
def os_errors_as(target: Path) -> Generator[None]:
    """Turn the system's errors into ours, which name the target instead of its temporary.

    Raises:
        OutputError: The block raised an OSError.
    """
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise unwritable(str(target), error.strerror or str(error)) from error


def _check_place(target: Path, inputs: Inputs | Iterable[Path]) -> None:
    """Check that a target is not an input, and that its folder exists."""
    if (inputs if isinstance(inputs, Inputs) else Inputs(inputs)).holds(target):
        raise OutputError(f"the output {target} is itself an input", "name another output")
    if not target.parent.is_dir():
        raise OutputError(f"the folder {target.parent} does not exist", "create it first")


def _check_is_file(place: Path, target: Path) -> None:
    if place.exists() and not place.is_file():
        raise OutputError(
            f"the output {target} is a folder or device, not a file",
            "name a file to write, or - for standard output",
        )


def _file_number(path: Path) -> tuple[int, int]:
    """Return the identity of an existing file, whatever its path."""
    facts = path.stat()
    return facts.st_dev, facts.st_ino


def _temporary_name(place: Path) -> Path:
    """Return a free, hidden name that shows which file is unfinished."""
    ending = f".superres-{secrets.token_hex(4)}.part"
    name = place.name
    while len(os.fsencode(f".{name}{ending}")) > _MAX_NAME_BYTES:
        name = name[:-1]
    return place.with_name(f".{name}{ending}")


def _flush(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Make the new name survive a power cut, on systems that can flush folders."""
    if os.name == "nt":
        return
    with suppress(OSError):  # some network file systems cannot; the file is in place either way
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
