"""Loaded models, shared by all jobs."""

from __future__ import annotations

from superres.upscaler import RunOptions, Upscaler
from superres.watch import Watch


class ModelPool:
    """Opens each model once for each way to run it."""

    def __init__(self) -> None:
        self._upscalers: dict[tuple[str, RunOptions], Upscaler] = {}
        self.watch = Watch()

    def upscaler(self, model: str, run: RunOptions) -> Upscaler:
        """Return the upscaler of a model."""
        if (model, run) not in self._upscalers:
            self._upscalers[model, run] = Upscaler(model, run, lambda line: self.watch.note(line))
        return self._upscalers[model, run]
