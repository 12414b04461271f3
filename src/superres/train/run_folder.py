"""Ownership of a run's folder."""

from __future__ import annotations

from pathlib import Path

from superres.atomic import atomic_write_bytes, check_name
from superres.errors import ArgumentError, SuperresError
from superres.runs.log import LOG_NAME, MODEL_NAME, RECIPE_NAME, STATE_NAME
from superres.train.recipe import Recipe
from superres.train.recipe_file import load_recipe, to_toml


def claim_folder(folder: Path, recipe: Recipe, *, resume: bool) -> None:
    """Make a run's folder and write its recipe, or check that the run in it is this recipe's.

    Raises:
        ArgumentError: The folder already holds a run and `resume` is not set, or it is a run of
            another recipe, or a recipe of the user's own would be replaced.
        OutputError: The folder's name is too long.
    """
    check_name(folder, "name a shorter folder with -o")
    folder.mkdir(parents=True, exist_ok=True)
    recipe_path = folder / RECIPE_NAME
    if any((folder / name).exists() for name in (STATE_NAME, MODEL_NAME, LOG_NAME)):
        if not resume:
            raise ArgumentError(
                f"{folder} already holds a run", "continue it with --resume, or name a new folder"
            )
        if not recipe_path.exists() or load_recipe(str(recipe_path)) != recipe:
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


def _of_a_run(path: Path) -> bool:
    """Say whether a recipe is as runs write it, such as one that ended before its first step."""
    try:
        return path.read_text(encoding="utf-8") == to_toml(load_recipe(str(path)))
    except (SuperresError, UnicodeDecodeError):
        return False
