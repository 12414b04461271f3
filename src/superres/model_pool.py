"""Pool of loaded models, shared by all jobs of a process."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from superres import zoo
from superres.modelfiles.files import ModelFile
from superres.runtimes.open import open_runtime
from superres.runtimes.runtime import Array, Runtime, RuntimeFacts
from superres.upscaler import RunOptions, Upscaler
from superres.watch import Watch

_Opened = TypeVar("_Opened")


@dataclass(frozen=True, slots=True)
class BurstNetwork:
    """An opened burst network.

    Attributes:
        file: Its files and card.
        runtime: Its runtime, which serves one job at a time; the others wait.
    """

    file: ModelFile
    runtime: Runtime


@dataclass(slots=True)
class _Place(Generic[_Opened]):
    """The slot of one model, opened by its first user under the slot's own lock."""

    opening: threading.Lock = field(default_factory=threading.Lock)
    opened: _Opened | None = None
    notes: Watch = field(default_factory=Watch)


class ModelPool:
    """One `Upscaler` or `BurstNetwork` for each model and its run options, opened at first use.

    Any thread may call. Threads that need a model being opened wait for it; threads that need
    another do not. A model that failed to open is tried again at the next call.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: dict[tuple[str, RunOptions], _Place[Upscaler]] = {}
        self._burst_places: dict[tuple[str, int, RunOptions], _Place[BurstNetwork]] = {}

    def upscaler(self, model: str, run: RunOptions) -> Upscaler:
        """Return the upscaler of a model.

        Args:
            model: A family (`default`), a model (`default-x4`) or a model file.
            run: How they are run.

        Raises:
            UnknownNameError: There is no such model.
            ModelError: Its file cannot be used.
        """
        with self._lock:
            place = self._places.setdefault((model, run), _Place())
        with place.opening:
            if place.opened is None:
                place.opened = Upscaler(model, run)
            return place.opened

    def burst_network(self, model: str, scale: int, run: RunOptions, watch: Watch) -> BurstNetwork:
        """Return the burst network of a model.

        Args:
            model: A family, a model or a model file.
            scale: One of its scales.
            run: How it is run.
            watch: Receives the notes of its opening.

        Raises:
            UnknownNameError: There is no such model.
            ModelError: Its file cannot be used, or it is a single-frame network.
            BackendError: No backend can run it.
        """
        with self._lock:
            place = self._burst_places.setdefault((model, scale, run), _Place())
        with place.opening:
            if place.opened is None:
                found, notes = zoo.resolve(model, scale=scale, watch=watch), Watch()
                runtime = open_runtime(found, run, takes="burst", watch=notes)
                place.opened, place.notes = BurstNetwork(found, _InTurn(runtime)), notes
        place.notes.tell(watch)
        return place.opened


class _InTurn:
    """A runtime that serves jobs one at a time."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._running = threading.Lock()

    @property
    def facts(self) -> RuntimeFacts:
        return self._runtime.facts

    def run(self, graph: str, tensors: Mapping[str, Array]) -> dict[str, Array]:
        with self._running:
            return self._runtime.run(graph, tensors)
