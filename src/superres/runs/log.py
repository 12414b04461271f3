"""Files of a run's folder, with a torch-free reader of its log."""

from __future__ import annotations

import json
import math
import reprlib
import sys
from pathlib import Path
from typing import Any, TypeGuard, cast

from superres.errors import DataError
from superres.runs.old_names import LOG_NAMES

LOG_NAME = "log.jsonl"
STATE_NAME = "state.safetensors"
MODEL_NAME = "model.safetensors"
RECIPE_NAME = "recipe.toml"
STATE_KEY = "superres_run"  # of the note in a state's metadata: steps and seconds, as JSON
_STEPS = range(2**63)


def read_log(folder: Path) -> list[dict[str, float]]:
    """Return the lines of a run's log, oldest first, up to one truncated by a kill.

    Each has `step`, and whatever was measured then by its name; old names become today's.

    Raises:
        DataError: There is a log, and it cannot be read.
    """
    path = folder / LOG_NAME
    lines: list[dict[str, float]] = []
    try:
        log = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return lines
    except (OSError, ValueError) as error:  # ValueError: no file can have the name
        raise DataError(
            f"the log {path} cannot be read: {getattr(error, 'strerror', None) or error}",
            "check that it is a file, and its permissions",
        ) from error
    for text in log.splitlines():
        line = _numbers(text)
        if line is None:  # possible only in the last line of a killed run
            break
        lines.append(line)
    return lines


def _numbers(text: str) -> dict[str, float] | None:
    """Return a line's numbers by name; None if it is not JSON of numbers with a step."""
    try:
        line: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(line, dict):
        return None
    values = cast("dict[str, Any]", line)  # Any: JSON's values
    step = values.get("step")
    if not isinstance(step, int) or step not in _STEPS or not all(map(_is_number, values.values())):
        return None
    return {LOG_NAMES.get(name, name): value for name, value in values.items()}


def _is_number(value: object) -> TypeGuard[float]:
    """Say whether a value is a number that a float can hold, including NaN and infinities."""
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) <= sys.float_info.max
    return isinstance(value, float)


def read_progress(note: str) -> tuple[int, float]:
    """Return the steps and the seconds from the note in a state's metadata.

    Raises:
        ValueError: It is not JSON, or they are missing, negative or not finite.
    """
    try:
        values: object = json.loads(note)
    except RecursionError as error:
        raise ValueError("its note of steps and seconds is not JSON") from error
    table = cast("dict[str, Any]", values) if isinstance(values, dict) else {}
    step, elapsed_s = table.get("step"), table.get("elapsed_s")
    if isinstance(step, bool) or not isinstance(step, int) or step not in _STEPS:
        raise ValueError(f"its note has step {reprlib.repr(step)}")
    if not _is_number(elapsed_s) or not 0 <= elapsed_s < math.inf:
        raise ValueError(f"its note has {reprlib.repr(elapsed_s)} seconds")
    return step, float(elapsed_s)
