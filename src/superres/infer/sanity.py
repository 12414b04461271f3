"""Sanity of a network's answers, judged from the numbers alone; and asking once more in fp32.

A fallback belongs to one picture (or burst, or video): those that share the network keep the number
format that they were asked for, so what a picture becomes never depends on its neighbours.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from superres.errors import NumericalError
from superres.modelfiles.card import Card
from superres.runtimes.runtime import BackendFacts
from superres.watch import Watch

Unit = NDArray[np.float32]
# What a network made of tiles: these enlarged, and anything else it tells of them.
Made = TypeVar("Made", bound=tuple[Unit, ...])


class _Backend(Protocol):
    @property
    def facts(self) -> BackendFacts: ...


B = TypeVar("B", bound=_Backend)


class SanityCheck(Generic[B]):
    """A network whose answers are checked; shared by all that it runs.

    Args:
        card: What the network promises.
        backend: What runs it.
        fallback: Opens the same network in fp32, once, and tells what there is to say of that; None
            if there is no such way.
        what: What is enlarged in the words of notes: a picture, a video.
    """

    def __init__(
        self,
        card: Card,
        backend: B,
        *,
        fallback: Callable[[Watch], B] | None,
        what: str,
    ) -> None:
        self.card = card
        self.asked = backend
        self.what = what
        self.fallback = fallback
        self._opening = threading.Lock()
        self._exact: B | None = None
        self._said_of_exact = Watch()

    def begin(self, watch: Watch) -> CheckedRun[B]:
        """Return what runs one picture, beginning in the number format that was asked for."""
        return CheckedRun(self, watch)

    def exact(self, fallback: Callable[[Watch], B], watch: Watch) -> B:
        """Return the network in fp32, opened at the first use."""
        with self._opening:
            if self._exact is None:
                self._exact = fallback(self._said_of_exact)
        self._said_of_exact.tell(watch)
        return self._exact


class CheckedRun(Generic[B]):
    """One picture's answers; one that cannot be right is asked for once more in fp32.

    All that follows of this picture is then asked for in fp32 too, and nothing else.

    Attributes:
        watch: Whose picture it is; told when fp32 is used.
    """

    def __init__(self, check: SanityCheck[B], watch: Watch) -> None:
        self._check = check
        self._backend = check.asked
        self.watch = watch

    @property
    def backend(self) -> B:
        """What runs next."""
        return self._backend

    def answer(self, tiles_NCHW: Unit, run: Callable[[B], Made]) -> Made:
        """Return what the network makes of tiles.

        Args:
            tiles_NCHW: The pictures that the network sees.
            run: Runs it on a backend; the first of what it returns are these pictures enlarged.

        Raises:
            NumericalError: They are NaN, Inf or constant, also in fp32.
            BackendError: What `run` raises.
        """
        made = run(self._backend)
        wrong = fault(tiles_NCHW, made[0])
        if wrong is None:
            return made
        name, what, facts = self._check.card.name, self._check.what, self._backend.facts
        if not np.isfinite(tiles_NCHW).all():
            raise NumericalError(
                f"model {name} answered {wrong}: the {what} itself holds NaN or Inf",
                f"replace missing values in the {what} before it is enlarged",
            )
        fallback = self._check.fallback
        if facts.precision != "fp32" and fallback is not None:
            self.watch.note(
                f"model {name} answered {wrong} in {facts.precision} on {facts.device}; "
                f"the rest of the {what} runs in fp32"
            )
            exact = self._backend = self._check.exact(fallback, self.watch)
            made = run(exact)
            wrong, facts = fault(tiles_NCHW, made[0]), exact.facts
            if wrong is None:
                return made
        raise NumericalError(
            f"model {name} answered {wrong} in {facts.precision} on {facts.device} ({facts.name})",
            "try another --backend or --device, or --precision fp32; the weights may be damaged",
        )


def fault(tiles_NCHW: Unit, answers_NCHW: Unit) -> str | None:
    """Return what is wrong with the answers in words, or None if nothing is.

    Args:
        tiles_NCHW: What the network was given, (N, C, h, w).
        answers_NCHW: What it answered, (N, C, s*h, s*w).
    """
    for tile, answer in zip(tiles_NCHW, answers_NCHW, strict=True):
        low, high = answer.min(), answer.max()  # either is NaN if any value is
        if np.isnan(low):
            return "NaN"
        if np.isinf(low) or np.isinf(high):
            return "Inf"
        if low == high and tile.min() != tile.max():
            return f"one constant, {low:g}, for an input that varies"
    return None
