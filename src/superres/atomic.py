"""Output files: checks of targets, atomic writes, and locks."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import socket
import sys
import time
import unicodedata
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from superres.errors import BusyError, OutputError

OVERWRITE = "use --overwrite, or name another output"
OVERWRITE_OR_SKIP = "use --overwrite, --skip-existing, or name another output"

SHORTER = "name a shorter output with -o"

_USUAL_NAME_BYTES = 255
_TOO_LONG = 206  # Windows' ERROR_FILENAME_EXCED_RANGE
_LOCKED_BYTE = 2**20  # beyond the text in the file, as locked bytes cannot be read on Windows


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
    check_name(target)
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


@contextmanager
def locked(
    path: Path, output: Path, note: Callable[[str], None], *, resume: str
) -> Generator[None]:
    """Lock an output that several commands could write, for this run within the block.

    The lock belongs to the process, not to the file: it ends with the process in all cases.

    Args:
        path: The file that is locked; it is created, and removed afterwards.
        output: What it stands for, as messages name it.
        note: Notified if the file system does not support locks, so that nothing is locked.
        resume: What to do to go on with the other run's work, such as "use --resume".

    Raises:
        BusyError: Another process, or another run of this one, holds the lock.
        OutputError: The file cannot be written.
    """
    with _acquired(path, output, note, resume) as file:
        with os_errors_as(output):
            file.truncate(0)
            started = time.strftime("%Y-%m-%d %H:%M:%S")
            file.write(f"process {os.getpid()} on {socket.gethostname()}, since {started}\n")
            file.flush()
        try:
            yield
        finally:
            if os.name != "nt":  # where an open file cannot be removed
                path.unlink(missing_ok=True)
    if os.name == "nt":
        with suppress(OSError):  # the next run may already have opened it
            path.unlink(missing_ok=True)


class Inputs:
    """The files that a result is made from, which it must never overwrite.

    Args:
        paths: The files; they need not exist.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._keys: set[str] = set()
        self._files: set[tuple[int, int]] = set()
        for path in paths:
            with suppress(OSError, ValueError):  # what cannot be there fails when it is read
                self._keys.add(path_key(path))
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


def check_name(target: Path, shorter: str = SHORTER) -> None:
    """Check that the file system takes a path's names, also those of folders still to be made.

    Args:
        target: Where a result is to stand.
        shorter: What to do if a name is too long.

    Raises:
        OutputError: A name, or the path, is too long or has a NUL character.
    """
    if "\0" in str(target):
        raise OutputError(
            f"the path of the output {str(target)!r} has a NUL character, which no file's may have",
            "name another output",
        )
    there = target.parent
    while not os.path.isdir(there) and there != there.parent:
        there = there.parent
    for part in target.relative_to(there).parts:
        if _is_too_long(there / part):
            raise _too_long("name", target, part, name_limit(there), shorter)
    if _is_too_long(target):
        raise _too_long("path", target, str(target), _path_limit(there), shorter)


def name_limit(folder: Path) -> int:
    """Return the length in bytes that a folder's file system allows to a name."""
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):  # Windows has no pathconf
        return _USUAL_NAME_BYTES


def fitting_name(name: str, ending: str, folder: Path) -> str:
    """Return a name with an ending that a folder's file system takes, the same one every time.

    A name that is too long is cut; a few digits of its hash still tell it from others.
    """
    limit = name_limit(folder)
    if len(os.fsencode(name + ending)) <= limit:
        return name + ending
    ending = f"-{hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}{ending}"
    return _cut(name, limit - len(os.fsencode(ending))) + ending


def check_target(
    target: Path,
    inputs: Inputs | Iterable[Path],
    *,
    overwrite: bool,
    hint: str = OVERWRITE,
    shorter: str = SHORTER,
) -> None:
    """Check that a file may be written, before any work is done.

    Args:
        target: The file of a result.
        inputs: What it is made from.
        overwrite: Whether an existing file may be replaced.
        hint: What to do if the file exists.
        shorter: What to do if its name is too long.

    Raises:
        OutputError: The target is one of the inputs, is a folder or device, already exists, its
            folder does not exist, or its name is too long.
    """
    check_name(target, shorter)
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
        OutputError: The target is one of the inputs, is not empty, its parent folder does not
            exist, or its name is too long.
    """
    check_name(target)
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


def _acquired(path: Path, output: Path, note: Callable[[str], None], resume: str) -> IO[str]:
    """Return a lock file, open and locked."""
    while True:
        with os_errors_as(output):
            file = path.open("a+", encoding="utf-8")
        try:
            _lock(file)
        except (BlockingIOError, PermissionError) as error:
            file.close()
            raise _busy(path, output, resume) from error
        except OSError as error:
            reason = error.strerror or error
            note(f"{output} cannot be locked ({reason}): let no second run write to it")
            return file
        with suppress(OSError):  # a run that just ended has removed the opened file
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[str]) -> None:
        """Lock an open file, or raise an OSError: PermissionError if it is locked."""
        file.seek(_LOCKED_BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        file.seek(0)

else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        """Lock an open file, or raise an OSError: BlockingIOError if it is locked."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _busy(path: Path, output: Path, resume: str) -> BusyError:
    try:
        holder = path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        holder = ""
    return BusyError(
        f"{output} is in use by another run: {holder or 'a process that has just begun'}",
        f"wait until it ends, or stop it and {resume}; a run that was killed keeps no lock, but "
        f"a machine that vanished may: remove {path} then",
    )


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
    room = name_limit(place.parent) - len(f".{ending}")
    return place.with_name(f".{_cut(place.name, room)}{ending}")


def _cut(name: str, limit: int) -> str:
    """Return as much of a name's beginning as takes so many bytes."""
    while len(os.fsencode(name)) > limit:
        name = name[:-1]
    return name


def _is_too_long(path: Path) -> bool:
    """Say whether the file system finds a path or its last name too long."""
    try:
        path.lstat()
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG or getattr(error, "winerror", 0) == _TOO_LONG
    return False


def _path_limit(folder: Path) -> int:
    try:
        return os.pathconf(folder, "PC_PATH_MAX") - 1  # of the byte that ends it
    except (AttributeError, OSError, ValueError):
        return 259


def _too_long(what: str, target: Path, text: str, limit: int, hint: str) -> OutputError:
    return OutputError(
        f"the {what} of the output {target} is too long: {len(os.fsencode(text))} bytes, and this "
        f"file system takes {limit}",
        hint,
    )


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
