"""Devices of a run: processes and number format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from lightning_fabric import Fabric  # pyright: ignore[reportMissingTypeStubs]
from lightning_fabric.plugins import MixedPrecision  # pyright: ignore[reportMissingTypeStubs]

from superres.errors import ArgumentError, BackendError, unknown_name
from superres.runtimes.precision import native_bf16
from superres.train.recipe import Recipe
from superres.watch import Watch

_MIXED: dict[str, Literal["bf16-mixed", "16-mixed"]] = {"bf16": "bf16-mixed", "fp16": "16-mixed"}


@dataclass(frozen=True, slots=True)
class Devices:
    """The devices of a run.

    Attributes:
        kind: `auto`, `cpu`, `cuda` or `mps`.
        processes: Processes on each machine: one per GPU; several on a CPU are for tests.
        machines: Machines, each of which starts the same command.
    """

    kind: str = "auto"
    processes: int = 1
    machines: int = 1


def open_fabric(devices: Devices, recipe: Recipe, watch: Watch) -> Fabric:
    """Open the devices in the recipe's precision and start the other processes.

    The first process's watch is notified of them.

    Raises:
        UnknownNameError: There is no such kind of device.
        BackendError: The device is missing, or cannot compute in the requested precision.
        ArgumentError: The batch cannot be divided among the processes.
    """
    available = {  # in the order of preference of `auto`
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if devices.kind not in ("auto", *available):
        raise unknown_name("device to train on", devices.kind, ("auto", *available))
    kind = devices.kind
    if kind == "auto":
        kind = next(name for name, found in available.items() if found)
    if not available[kind]:
        raise BackendError(
            f"torch {torch.__version__} finds no {kind} device",
            "train with --device auto, or install a torch built for your GPU",
        )
    shards = devices.processes * devices.machines * recipe.optimizer.accumulate
    if recipe.data.batch % shards:
        raise ArgumentError(
            f"a batch of {recipe.data.batch} cannot be divided among {devices.processes} processes "
            f"on {devices.machines} machines with {recipe.optimizer.accumulate} micro-batches each",
            f"set data.batch to a multiple of {shards}",
        )
    precision = _precision(recipe, kind)
    fabric = Fabric(
        accelerator=kind,
        devices=devices.processes,
        num_nodes=devices.machines,
        strategy="ddp" if devices.processes * devices.machines > 1 else "auto",
        plugins=[MixedPrecision(_MIXED[precision], kind)] if precision in _MIXED else None,
    )
    fabric.launch()
    processes = f" in {fabric.world_size} processes" if fabric.world_size > 1 else ""
    if fabric.global_rank == 0:
        watch.note(f"training on {kind} in {precision}{processes}")
    return fabric


def _precision(recipe: Recipe, kind: str) -> Literal["fp32", "bf16", "fp16"]:
    """Return the number format: the requested one, or bf16 where the hardware supports it."""
    if recipe.precision == "fp16" and kind != "cuda":
        raise BackendError(
            f"precision fp16 needs a CUDA GPU, the run is on {kind}",
            "set precision to auto, which takes bf16 where it is native",
        )
    if recipe.precision != "auto":
        return recipe.precision
    native = {"cpu": native_bf16, "cuda": torch.cuda.is_bf16_supported}.get(kind)
    return "bf16" if native is not None and native() else "fp32"


def autocast_dtype(fabric: Fabric) -> torch.dtype | None:
    """Return the number format that convolutions run in, or None for fp32."""
    kind = fabric.device.type
    with fabric.autocast():
        return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
