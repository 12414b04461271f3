"""Ownership of a run's folder by one recipe, and by one process at a time."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from superres.atomic import atomic_write_bytes, check_name, os_errors_as
from superres.errors import ArgumentError, SuperresError
from superres.runs.log import LOG_NAME, MODEL_NAME, RECIPE_NAME, STATE_NAME
from superres.train.recipe import Recipe
from superres.train.recipe_file import load_recipe, to_toml
from superres.watch import Watch

_LOCK_NAME = "run.lock"
_LOCKED_BYTE = 2**20  # beyond the text in the file, as locked bytes cannot be read on Windows


def claim_folder(folder: Path, recipe: Recipe, *, resume: bool) -> None:
    """Create a run's folder and write its recipe, or check that the run in it is this recipe's.

    Raises:
        ArgumentError: The folder already holds a run and `resume` is not set, or a run of another
            recipe, or the user's own recipe would be replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    recipe_path = folder / RECIPE_NAME
    if any((folder / name).exists() for name in (STATE_NAME, MODEL_NAME, LOG_NAME)):
        if not resume:
            raise ArgumentError(
                f"{folder} already holds a run", "continue it with --resume, or name a new folder"
            )
        if not recipe_path.exists() or not _same(load_recipe(str(recipe_path)), recipe):
            raise ArgumentError(
                f"{folder} holds a run of another recipe than {recipe.name} as it is now",
                f"continue with {recipe_path}, or name a new folder",
            )
    elif recipe_path.exists() and not _of_a_run(recipe_path):
        raise ArgumentError(
            f"{recipe_path} already exists, and no run wrote it",
            "a run's own recipe would replace it: name a new folder",
        )
    atomic_write_bytes(recipe_path, to_toml(recipe).encode())


def _same(one: Recipe, other: Recipe) -> bool:
    """Return whether two recipes train alike; compiling changes how fast, not what."""
    return one == other.model_copy(update={"compile": one.compile})


def _of_a_run(path: Path) -> bool:
    """Return whether a recipe was written by a run, even one that ended before its first step."""
    try:
        return path.read_text(encoding="utf-8") == to_toml(load_recipe(str(path)))
    except (SuperresError, UnicodeDecodeError):
        return False


@contextmanager
def locked_folder(folder: Path, watch: Watch) -> Generator[None]:
    """Lock a run's folder, created if missing, for this process within the block.

    The lock belongs to the process, not to the file: it ends with the process in all cases.

    Args:
        folder: The run's folder.
        watch: Notified if the file system does not support locks, so that nothing is locked.

    Raises:
        ArgumentError: A run in another process, or in this one, uses the folder.
        OutputError: The folder cannot be written to, or its name is too long.
    """
    check_name(folder, "name a shorter folder with -o")
    path = folder / _LOCK_NAME
    with os_errors_as(path):
        folder.mkdir(parents=True, exist_ok=True)
    with _acquired(folder, path, watch) as file:
        with os_errors_as(path):
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


def _acquired(folder: Path, path: Path, watch: Watch) -> IO[str]:
    """Return a run's lock file, open and locked."""
    while True:
        with os_errors_as(path):
            file = path.open("a+", encoding="utf-8")
        try:
            _lock(file)
        except (BlockingIOError, PermissionError) as error:
            file.close()
            raise _busy(folder, path) from error
        except OSError as error:
            reason = error.strerror or error
            watch.note(f"{folder} cannot be locked ({reason}): let no second run write to it")
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


def _busy(folder: Path, path: Path) -> ArgumentError:
    try:
        holder = path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        holder = ""
    return ArgumentError(
        f"{folder} is in use by another run: {holder or 'a process that has just begun'}",
        "wait until it ends, or stop it and use --resume; a run that was killed keeps no lock, but "
        f"a machine that vanished may: remove {path} then",
    )
