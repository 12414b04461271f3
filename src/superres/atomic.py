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
    """Lend a temporary path beside a target; it takes the target's name if the block ends well.

    If the block raises, also on an interrupt, the temporary is removed and the target was never
    touched. A symbolic link stays one, and what it points to is replaced.

    Args:
        target: Where the content belongs.

    Yields:
        The path to write to: an empty file, hidden and marked as unfinished.

    Raises:
        OutputError: The folder is missing or closed, the disk is full, or the target is not a file.
            What the block itself raises comes through as it is.
    """
    place = Path(os.path.realpath(target)) if target.is_symlink() else target
    _check_is_file(place, target)
    path = _temporary_name(place)
    with os_errors_as(target):
        # Not tempfile's 0600: a result has the permissions that any new file has.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield path
        with os_errors_as(target):
            _flush(path)
            path.replace(place)
    except BaseException:
        with suppress(OSError):  # the error on its way out matters more
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
    """The files that a result is made of, so that it never takes the place of one.

    Args:
        paths: The files; one need not exist.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._keys: set[str] = set()
        self._files: set[tuple[int, int]] = set()
        for path in paths:
            self._keys.add(path_key(path))
            with suppress(OSError):  # what is not there fails when it is read
                self._files.add(_file_number(path))

    def holds(self, path: Path) -> bool:
        """Say whether a path may be one of the files: also through links, or in another case."""
        if path_key(path) in self._keys:
            return True
        try:
            return _file_number(path) in self._files
        except OSError:  # it does not exist, so it is not another name of one that does
            return False


def path_key(path: Path) -> str:
    """Return what two paths share if they may be one file, on any file system."""
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
        target: Where a result is to stand.
        inputs: What it is made of.
        overwrite: Whether an existing file may be replaced.
        hint: What else can be done if one does.

    Raises:
        OutputError: The target is one of the inputs, is a folder or device, already exists, or has
            no folder to stand in.
    """
    _check_place(target, inputs)
    if target.exists():
        _check_is_file(target, target)
        if not overwrite:
            raise OutputError(f"the output {target} already exists", hint)


def check_new_folder(target: Path, inputs: Inputs | Iterable[Path]) -> None:
    """Check that a folder can take results as its only content, before any work is done.

    Args:
        target: The folder; one that is empty will do.
        inputs: What the results are made of.

    Raises:
        OutputError: The target is one of the inputs, already holds something, or has no folder to
            stand in.
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
    """Turn the system's errors into ours, which name the target and not its temporary.

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
        raise OutputError(f"the folder {target.parent} does not exist", "make it first")


def _check_is_file(place: Path, target: Path) -> None:
    if place.exists() and not place.is_file():
        raise OutputError(
            f"the output {target} is a folder or device, not a file",
            "name a file to write, or - for standard output",
        )


def _file_number(path: Path) -> tuple[int, int]:
    """Return what tells a file that exists from all others, whatever it is called."""
    facts = path.stat()
    return facts.st_dev, facts.st_ino


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
