"""Checkpoint of a run: tensors and JSON, no pickles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from superres.atomic import atomic_write_bytes
from superres.errors import ModelError
from superres.runs.log import STATE_KEY, read_progress

# Tensors by name.
Part = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a run.

    Attributes:
        step: Steps taken.
        elapsed_s: Seconds of training so far, over all resumptions.
    """

    step: int
    elapsed_s: float


def save_state(path: Path, parts: Mapping[str, Part], progress: Progress) -> None:
    """Write everything that the next step depends on, atomically.

    Args:
        path: The file.
        parts: What to keep, by name: networks' state dicts, and `tensors` of optimisers.
        progress: The progress of the run.
    """
    plain = {
        f"{part}.{name}": value.detach().cpu().contiguous().clone()
        for part, tensors in parts.items()
        for name, value in tensors.items()
    }
    note = json.dumps({"step": progress.step, "elapsed_s": progress.elapsed_s})
    atomic_write_bytes(path, save(plain, metadata={STATE_KEY: note}))


def load_state(path: Path) -> tuple[dict[str, dict[str, Tensor]], Progress]:
    """Read a saved state.

    Returns:
        The parts by name, with their tensors on the CPU, and the run's progress.

    Raises:
        ModelError: The file is damaged or is not the state of a run.
    """
    parts: dict[str, dict[str, Tensor]] = {}
    try:
        # Any: the file's methods are untyped in safetensors.
        with cast("Any", safe_open)(path, framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
            progress = Progress(*read_progress(metadata.get(STATE_KEY, "null")))
            for key in file.keys():  # noqa: SIM118
                part, _, name = key.partition(".")
                parts.setdefault(part, {})[name] = file.get_tensor(key)
    except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        raise cannot_resume(path, error) from error
    return parts, progress


def cannot_resume(path: Path, error: Exception) -> ModelError:
    """Return the error for a state that does not fit its run."""
    return ModelError(
        f"{path} cannot be resumed from: {error}", "start the run again in a new folder"
    )
