"""Ownership of a run's folder by one recipe, and by one process at a time."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from superres.atomic import atomic_write_bytes, check_name, locked, os_errors_as
from superres.errors import ArgumentError, SuperresError
from superres.runs.log import LOG_NAME, MODEL_NAME, RECIPE_NAME, STATE_NAME
from superres.train.recipe import Recipe
from superres.train.recipe_file import load_recipe, to_toml
from superres.watch import Watch

_LOCK_NAME = "run.lock"


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

    Args:
        folder: The run's folder.
        watch: Notified if the file system does not support locks, so that nothing is locked.

    Raises:
        BusyError: A run in another process, or in this one, uses the folder.
        OutputError: The folder cannot be written to, or its name is too long.
    """
    check_name(folder, "name a shorter folder with -o")
    with os_errors_as(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / _LOCK_NAME, folder, watch.note, resume="use --resume"):
        yield
