"""A run's folder: who may write into it."""

from __future__ import annotations

from pathlib import Path

from superres.atomic import atomic_write_bytes
from superres.errors import ArgumentError
from superres.runs.log import LOG_NAME, MODEL_NAME, RECIPE_NAME, STATE_NAME
from superres.train.recipe import Recipe
from superres.train.recipe_file import load_recipe, to_toml


def claim_folder(folder: Path, recipe: Recipe, *, resume: bool) -> None:
    """Make a run's folder and write its recipe, or check that the run in it is this recipe's.

    Raises:
        ArgumentError: The folder holds a run already and `resume` is not set, or it is a run of
            another recipe.
    """
    folder.mkdir(parents=True, exist_ok=True)
    recipe_path = folder / RECIPE_NAME
    # A recipe alone is left by a run that ended before its first step.
    if any((folder / name).exists() for name in (STATE_NAME, MODEL_NAME, LOG_NAME)):
        if not resume:
            raise ArgumentError(
                f"{folder} holds a run already", "go on with --resume, or name a new folder"
            )
        if not recipe_path.exists() or load_recipe(str(recipe_path)) != recipe:
            raise ArgumentError(
                f"{folder} holds a run of another recipe than {recipe.name} as it is now",
                f"go on with {recipe_path}, or name a new folder",
            )
    atomic_write_bytes(recipe_path, to_toml(recipe).encode())
