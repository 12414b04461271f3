"""Sanity check of network outputs, with a fallback to fp32.

A fallback belongs to one picture (or burst, or video): those that share the network keep the number
format that was requested, so what a picture becomes never depends on its neighbours.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from superres.errors import NumericalError
from superres.frame import Unit
from superres.modelfiles.card import Card
from superres.runtimes.runtime import Runtime
from superres.watch import Watch


class SanityCheck:
    """A network whose answers are checked; shared by all that it runs.

    Args:
        card: What the network promises.
        runtime: What runs it.
        fallback: Opens the same network in fp32, once, and notes what the opening says; None if it
            cannot.
        what: What is upscaled, in the words of notes: a picture, a video.
    """

    def __init__(
        self,
        card: Card,
        runtime: Runtime,
        *,
        fallback: Callable[[Watch], Runtime] | None,
        what: str,
    ) -> None:
        self.card = card
        self.requested = runtime
        self.what = what
        self.fallback = fallback
        self._opening = threading.Lock()
        self._exact: Runtime | None = None
        self._exact_notes = Watch()

    def begin(self, watch: Watch) -> CheckedRun:
        """Return the run of one picture, which begins in the number format that was requested."""
        return CheckedRun(self, watch)

    def exact(self, fallback: Callable[[Watch], Runtime], watch: Watch) -> Runtime:
        """Return the network in fp32, opened at the first use."""
        with self._opening:
            if self._exact is None:
                self._exact = fallback(self._exact_notes)
        self._exact_notes.tell(watch)
        return self._exact


class CheckedRun:
    """The run of one picture, which goes on in fp32 once an answer cannot be right.

    Attributes:
        watch: Whose picture it is; notified when fp32 is used.
    """

    def __init__(self, check: SanityCheck, watch: Watch) -> None:
        self._check = check
        self._runtime = check.requested
        self.watch = watch

    @property
    def runtime(self) -> Runtime:
        """The runtime of the next tiles."""
        return self._runtime

    def accepts(self, tiles_NCHW: Unit, answers_NCHW: Unit) -> bool:
        """Say whether answers can be right; if not, these tiles are to be run on `runtime` again.

        That runtime is then another one, in fp32, which the rest of the picture runs on too.

        Args:
            tiles_NCHW: The pictures that the network was given, (N, C, h, w).
            answers_NCHW: The same pictures upscaled, by `runtime`.

        Raises:
            NumericalError: The answers are NaN, Inf or constant, and there is nothing left to try.
        """
        wrong = fault(tiles_NCHW, answers_NCHW)
        if wrong is None:
            return True
        check, facts = self._check, self._runtime.facts
        if not np.isfinite(tiles_NCHW).all():
            raise NumericalError(
                f"model {check.card.name} answered {wrong}: the {check.what} itself holds NaN or "
                "Inf",
                f"replace missing values in the {check.what} before it is upscaled",
            )
        is_first = self._runtime is check.requested
        if facts.precision == "fp32" or check.fallback is None or not is_first:
            raise NumericalError(
                f"model {check.card.name} answered {wrong} in {facts.precision} on {facts.device} "
                f"({facts.name})",
                "try another --backend or --device, or --precision fp32; the weights may be "
                "damaged",
            )
        self.watch.note(
            f"model {check.card.name} answered {wrong} in {facts.precision} on {facts.device}; "
            f"the rest of the {check.what} runs in fp32"
        )
        self._runtime = check.exact(check.fallback, self.watch)
        return False


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
