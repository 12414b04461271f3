"""Runtime protocol: execution of a network's graphs, and the facts that a planner needs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from superres.images.canvas import HOST, Canvas
from superres.layers.graphs import Graph
from superres.modelfiles.card import Card
from superres.runtimes.device import Device
from superres.watch import Watch

Precision = Literal["fp32", "bf16", "fp16", "int8"]
PrecisionRequest = Literal["auto", "fp32", "bf16", "fp16", "int8"]
Array = NDArray[np.float32]

CPU_BATCH_PX = 256**2  # one tile keeps a CPU busy; small ones need not start one by one


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """What a network runs on, as users request it.

    Attributes:
        backend: `auto`, `openvino`, `torch` or `onnxruntime`.
        precision: The number format; `auto` takes the device's own, or fp32 if unknown. int8 needs
            a model's int8 form, and is never replaced by another format.
        device: `auto`, `cpu`, `gpu`, `gpu:1`, `cuda:0`, `mps`, `npu`; see `parse_device`.
        threads: CPU threads; None takes all cores.
    """

    backend: str = "auto"
    precision: PrecisionRequest = "auto"
    device: str = "auto"
    threads: int | None = None

    def exact(self) -> Self:
        """Return the same options in fp32, as a fallback."""
        return replace(self, precision="fp32")


@dataclass(frozen=True, slots=True)
class ResolvedOptions:
    """`RuntimeOptions` parsed for a runtime, and the watch that receives notes of fallbacks."""

    precision: PrecisionRequest
    device: Device
    threads: int | None
    watch: Watch


@dataclass(frozen=True, slots=True)
class RuntimeFacts:
    """What the planner needs to know about an opened runtime.

    Attributes:
        name: `openvino`, `torch` or `onnxruntime`.
        device: Its device, as the library names it ("CPU", "cuda:0").
        precision: The number format that the network is computed in.
        best_tile: The fastest tile edge in input pixels, halo included.
        bytes_per_px: Memory of a run for each input pixel of a tile.
        free_bytes: Memory that is free on the device now.
        batch_px: Input pixels per run, in as many tiles as needed, that keep the device busy.
        joins: Whether batching tiles of several pictures is worthwhile; not where each batch size
            is compiled separately.
        canvas: The canvas on its device: its tensors may be given to `run`, which then returns
            such tensors.
    """

    name: str
    device: str
    precision: Precision
    best_tile: int
    bytes_per_px: int
    free_bytes: int
    batch_px: int = CPU_BATCH_PX
    joins: bool = False
    canvas: Canvas = HOST


class Runtime(Protocol):
    """Runs the graphs of one network, one class per library; never resizes, clamps or guesses."""

    @property
    def facts(self) -> RuntimeFacts:
        """The facts of this runtime with this network; the precision is that of tiles."""
        ...

    def run(self, graph: str, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Run one of the graphs that the card lists.

        Args:
            graph: Its name.
            tensors: Each of its inputs by name, (N, channels, scale*h, scale*w) float32; `held`
                ones as an earlier run returned them.

        Returns:
            Each of its outputs by name, likewise, in memory that no later run writes to. A `held`
            one may be the library's own tensor, of use only as an input of a later run.

        Raises:
            OutOfMemoryError: A smaller tile may fit.
            BackendError: The library failed otherwise.
        """
        ...


def tiled(card: Card) -> tuple[Graph, ...]:
    """Return the graphs of a network that run on tiles of the planner's size."""
    return tuple(graph for graph in card.graphs if not graph.whole)


def probe_edge(card: Card, least: int) -> int:
    """Return a valid tile edge for a network, to estimate its memory with."""
    edge = math.lcm(least, card.multiple_of)
    return edge * math.ceil(card.minimum / edge)
