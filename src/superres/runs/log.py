"""Files of a run's folder by name, with a reader of its log that needs no torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from superres.runs.old_names import LOG_NAMES

LOG_NAME = "log.jsonl"
STATE_NAME = "state.safetensors"
MODEL_NAME = "model.safetensors"
RECIPE_NAME = "recipe.toml"
STATE_KEY = "superres_run"  # of the note in a state's metadata: steps and seconds, as JSON


def read_log(folder: Path) -> list[dict[str, float]]:
    """Return the lines of a run's log, oldest first; a line cut short by a kill ends them.

    Each has `step`, and whatever was measured then by its name; old names become today's.
    """
    path = folder / LOG_NAME
    lines: list[dict[str, float]] = []
    if not path.exists():
        return lines
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        line = _numbers(text)
        if line is None:  # only the last line of a killed run can be one
            break
        lines.append(line)
    return lines


def _numbers(text: str) -> dict[str, float] | None:
    """Return a line's numbers by name; None if it is not JSON of numbers with a step."""
    try:
        line: object = json.loads(text)
    except json.JSONDecodeError:
        return None
    if not isinstance(line, dict):
        return None
    values = cast("dict[str, Any]", line)  # Any: as JSON gives it
    if "step" not in values or not all(
        isinstance(value, (int, float)) for value in values.values()
    ):
        return None
    return {LOG_NAMES.get(name, name): value for name, value in values.items()}
