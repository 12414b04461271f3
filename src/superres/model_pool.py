"""Pool of loaded models, shared by all jobs of a process."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from superres.upscaler import RunOptions, Upscaler


@dataclass(slots=True)
class _Place:
    """The place of one model, which its first user opens, under its own lock."""

    opening: threading.Lock = field(default_factory=threading.Lock)
    upscaler: Upscaler | None = None


class ModelPool:
    """One `Upscaler` for each model and way of running it, opened at its first use.

    Any thread may call. Those that need a model that is just being opened wait for it; those that
    need another do not. A model that could not be opened is tried again by the next call.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: dict[tuple[str, RunOptions], _Place] = {}

    def upscaler(self, model: str, run: RunOptions) -> Upscaler:
        """Return the networks of a model.

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
            if place.upscaler is None:
                place.upscaler = Upscaler(model, run)
            return place.upscaler
