"""Listing of runs: progress and scores, read without torch."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from safetensors import SafetensorError, safe_open

from superres.errors import DataError, ModelError
from superres.modelfiles.files import read_card
from superres.runs.log import (
    LOG_NAME,
    MODEL_NAME,
    RECIPE_NAME,
    STATE_KEY,
    STATE_NAME,
    read_log,
    read_progress,
)
from superres.runs.old_names import LOG_NAMES, rename_keys
from superres.toml_tables import MAX_BYTES, check_values, parse_table

State = Literal["finished", "running", "stopped"]
Kind = Literal["score", "loss", "course"]
Point = tuple[float, float]  # step, value

_QUIET_S = 600.0  # a run without output for so long counts as stopped: many log once a minute
_DIGITS = {"psnr": 3, "ssim": 4, "lpips": 4}
_SCORES = ("psnr_", "ssim_", "lpips_")
_COURSE = ("rate", "gradient_norm", "samples_per_s", *LOG_NAMES.values())


@dataclass(frozen=True, slots=True)
class Run:
    """A run, read from its folder.

    Attributes:
        folder: Its folder.
        recipe: Its recipe's values by their dotted keys, such as `data.patch`. Recipes of other
            versions may lack some or have more.
        log: Lines of its log, oldest first.
        state: Whether its model exists; if not, whether its files changed in the last minutes.
        steps: Steps taken.
        minutes: Minutes of training, from the model or the last checkpoint; None if unknown.
    """

    folder: Path
    recipe: dict[str, object]
    log: tuple[dict[str, float], ...]
    state: State
    steps: int
    minutes: float | None

    @property
    def name(self) -> str:
        """The name of the resulting model."""
        return str(self.recipe.get("name", "unknown"))

    @property
    def architecture(self) -> str:
        """The network's architecture."""
        return str(self.recipe.get("network.architecture", "unknown"))

    @property
    def scale(self) -> object:
        """The network's scale; None if the recipe leaves it to the architecture."""
        return self.recipe.get("network.config.scale")

    @property
    def measured(self) -> tuple[str, ...]:
        """The names of all logged values, in the order of their first line."""
        return tuple(dict.fromkeys(key for line in self.log for key in line if key != "step"))

    def curve(self, name: str) -> list[Point]:
        """Return the (step, value) points of a logged name; NaN and Inf are left out."""
        points = ((line["step"], line[name]) for line in self.log if name in line)
        return [point for point in points if math.isfinite(point[1])]

    def last(self, name: str) -> float | None:
        """Return the last value of a name; None if there is none."""
        points = self.curve(name)
        return points[-1][1] if points else None

    def best(self, name: str) -> float | None:
        """Return the best value of a score: the lowest for LPIPS, a distance, else the highest."""
        values = [value for _, value in self.curve(name)]
        choose = min if name.startswith("lpips_") else max
        return choose(values, default=None)


def find_runs(places: Sequence[Path]) -> tuple[list[Path], list[DataError]]:
    """Find the folders that hold a run, in and below the given ones.

    Returns:
        The runs, sorted, and an error for each folder that cannot be listed.

    Raises:
        DataError: A place is not a folder, or there is no run at all.
    """
    found: set[Path] = set()
    faults: list[DataError] = []

    def closed(error: OSError) -> None:
        faults.append(
            DataError(
                f"the folder {error.filename} cannot be listed: {error.strerror or error}",
                "check its permissions, or name the runs one by one",
            )
        )

    for place in places:
        if not os.path.isdir(place):
            raise DataError(f"{place} is not a folder", "name a folder of runs, or one run's")
        for at, folders, names in os.walk(place, onerror=closed):
            folders.sort()
            if {LOG_NAME, RECIPE_NAME}.issubset(names):
                found.add(Path(at))
    if not found and faults:
        raise faults[0]
    if not found:
        raise DataError(
            f"no runs in {', '.join(map(str, places))}",
            f"a run's folder holds {RECIPE_NAME} and {LOG_NAME}: superres train -o makes it",
        )
    return sorted(found), faults


def read_run(folder: Path) -> Run:
    """Read a run from its folder.

    Raises:
        DataError: It holds no run, or its recipe is not TOML.
    """
    files = [folder / LOG_NAME, folder / STATE_NAME]
    try:
        recipe = parse_table(_read_recipe(folder / RECIPE_NAME), RECIPE_NAME)
        check_values(recipe, RECIPE_NAME)
        times = [path.stat().st_mtime for path in files if path.exists() or path is files[0]]
    except OSError as error:
        raise DataError(
            f"{folder} holds no run: {error.strerror}: {error.filename}",
            f"a run's folder holds {RECIPE_NAME} and {LOG_NAME}",
        ) from error
    except (ValueError, RecursionError) as error:  # also for numbers of thousands of digits
        raise DataError(
            f"{folder / RECIPE_NAME} is not TOML: {error}", "take it from a backup, or leave it out"
        ) from error
    rename_keys(recipe, str(folder / RECIPE_NAME))
    log = tuple(read_log(folder))
    logged = int(log[-1]["step"]) if log else 0
    trained = _of_model(folder / MODEL_NAME)
    # A run continued beyond its end already has a model, of fewer steps.
    if trained and trained[0] >= logged:
        state: State = "finished"
    else:
        state = "running" if time.time() - max(times) < _QUIET_S else "stopped"
        trained = _of_checkpoint(folder / STATE_NAME)
    steps, minutes = trained or (0, None)
    return Run(folder, dict(_flat(recipe)), log, state, max(steps, logged), minutes)


def _read_recipe(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError("it is larger than 1 MiB")
    return data.decode("utf-8")


def kind_of(name: str) -> Kind:
    """Return the kind of a logged number: validation score, loss, or course of the run."""
    if name.startswith(_SCORES):
        return "score"
    return "course" if name in _COURSE else "loss"


def names_of(runs: Iterable[Run], kind: Kind) -> list[str]:
    """Return the names of one kind logged by any of the runs, each once, in order."""
    names = dict.fromkeys(name for run in runs for name in run.measured)
    return [name for name in names if kind_of(name) == kind]


def title_of(name: str) -> str:
    """Return a logged name for display: `psnr_Set5` is PSNR Set5."""
    if kind_of(name) == "score":
        measure, _, set_name = name.partition("_")
        return f"{measure.upper()} {set_name}"
    return name.replace("_", " ")


def as_text(name: str, value: float | None) -> str:
    """Return a logged value with its significant digits; a dash for None."""
    if value is None:
        return "–"
    measure = name.partition("_")[0]
    if measure in _DIGITS:
        return f"{value:.{_DIGITS[measure]}f}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if value == 0:
        return "0"
    if abs(value) >= 1e-3:
        return f"{value:#.3g}"
    return f"{value:.1e}".replace("e-0", "e-")


def score_text(run: Run, name: str) -> str:
    """Return a score's last value, with the best one in brackets if different."""
    last, best = as_text(name, run.last(name)), as_text(name, run.best(name))
    return last if last == best else f"{last} ({best})"


def minutes_text(run: Run) -> str:
    """Return a run's minutes; a dash if unknown."""
    return "–" if run.minutes is None else f"{run.minutes:.1f}"


def differences(runs: Sequence[Run]) -> dict[str, list[object]]:
    """Return the recipe keys in which runs differ, with each run's value; None if absent."""
    keys = dict.fromkeys(key for run in runs for key in run.recipe)
    table = {key: [run.recipe.get(key) for run in runs] for key in keys}
    return {key: values for key, values in table.items() if any(v != values[0] for v in values)}


def to_json(run: Run) -> dict[str, object]:
    """Return a run's facts, last values and best scores, for machines."""
    return {
        "folder": str(run.folder),
        "name": run.name,
        "architecture": run.architecture,
        "state": run.state,
        "steps": run.steps,
        "minutes": run.minutes,
        "last": {name: run.last(name) for name in run.measured},
        "best": {name: run.best(name) for name in run.measured if kind_of(name) == "score"},
        "recipe": run.recipe,
    }


def _of_model(path: Path) -> tuple[int, float] | None:
    """Return steps and minutes from a model's card; None if there is no valid one."""
    try:
        training = read_card(path).training
    except ModelError:
        return None
    return training.steps, training.minutes


def _of_checkpoint(path: Path) -> tuple[int, float] | None:
    """Return steps and minutes from a checkpoint's header; None if there is no valid one."""
    try:
        # Any: safetensors leaves the file's methods untyped.
        with cast("Any", safe_open)(path, framework="np") as file:
            metadata: dict[str, str] = file.metadata() or {}
            step, elapsed_s = read_progress(metadata[STATE_KEY])
            return step, elapsed_s / 60.0
    except (SafetensorError, OSError, ValueError, TypeError, KeyError):
        return None


def _flat(table: dict[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield a TOML table's values by their dotted keys."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(cast("dict[str, object]", value), f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
