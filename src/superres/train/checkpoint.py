"""The state of a run on disk, so that it can go on after any end: tensors and JSON, no pickles."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

from superres.errors import ModelError
from superres.train.ema import WeightAverage
from superres.whole import write_whole

_STATE_KEY = "superres_run"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come.

    Attributes:
        step: Steps taken.
        elapsed_s: Seconds of training so far, over all resumptions.
    """

    step: int
    elapsed_s: float


def save_state(
    path: Path, network: nn.Module, average: WeightAverage, optimizer: Optimizer, progress: Progress
) -> None:
    """Write everything that the next step depends on, whole or not at all."""
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in average.weights.items()}
    for index, parameter in enumerate(_parameters(optimizer)):
        for key, value in optimizer.state[parameter].items():
            tensors[f"optimizer.{index}.{key}"] = value
    plain = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    note = json.dumps({"step": progress.step, "elapsed_s": progress.elapsed_s})
    write_whole(path, save(plain, metadata={_STATE_KEY: note}))


def load_state(
    path: Path, network: nn.Module, average: WeightAverage, optimizer: Optimizer
) -> Progress:
    """Put a saved state back into the objects of a run and return how far it had come.

    Raises:
        ModelError: The file is damaged or belongs to another network.
    """
    try:
        # Any: safetensors leaves the file's methods untyped.
        with cast("Any", safe_open)(path, framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
            note = json.loads(metadata.get(_STATE_KEY, "null"))
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        progress = Progress(int(note["step"]), float(note["elapsed_s"]))
        network.load_state_dict(_under("network.", tensors))
        average.weights = {
            name: _under("average.", tensors)[name].to(value.device)
            for name, value in average.weights.items()
        }
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise ModelError(
            f"{path} cannot be resumed from: {error}", "start the run again in a new folder"
        ) from error
    with torch.no_grad():
        for index, parameter in enumerate(_parameters(optimizer)):
            state = _under(f"optimizer.{index}.", tensors)
            optimizer.state[parameter] = {
                # Counters stay on the CPU; moments lie as the weight does.
                key: value if value.ndim == 0 else torch.empty_like(parameter).copy_(value)
                for key, value in state.items()
            }
    return progress


def _parameters(optimizer: Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
