"""Sanity check of network outputs, with a fallback to fp32.

A fallback belongs to one picture (or burst, or video): those that share the network keep the
requested number format, so a picture's result never depends on its neighbours.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from superres.errors import NumericalError
from superres.frame import Unit
from superres.modelfiles.card import Card
from superres.runtimes.runtime import Runtime
from superres.watch import Watch


class SanityCheck:
    """A network whose outputs are checked; shared by all its pictures.

    Args:
        card: The network's card.
        runtime: Its runtime.
        fallback: Opens the same network in fp32, once, and passes on its notes; None if it cannot.
        what: The noun for its input in notes: picture, video.
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
        """Return the run of one picture, which starts in the requested number format."""
        return CheckedRun(self, watch)

    def exact(self, fallback: Callable[[Watch], Runtime], watch: Watch) -> Runtime:
        """Return the network in fp32, opened at first use."""
        with self._opening:
            if self._exact is None:
                self._exact = fallback(self._exact_notes)
        self._exact_notes.tell(watch)
        return self._exact


class CheckedRun:
    """The run of one picture, which continues in fp32 once an output is wrong.

    Attributes:
        watch: The picture's job; notified when fp32 is used.
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
        """Say whether outputs are plausible; if not, these tiles must be run on `runtime` again.

        That runtime is then the one in fp32, which also runs the rest of the picture.

        Args:
            tiles_NCHW: The network's input, (N, C, h, w).
            answers_NCHW: Its output, from `runtime`.

        Raises:
            NumericalError: The outputs are NaN, Inf or constant, and there is no other fallback.
        """
        wrong = fault(tiles_NCHW, answers_NCHW)
        if wrong is None:
            return True
        check, facts = self._check, self._runtime.facts
        if not math.isfinite(float(tiles_NCHW.min()) + float(tiles_NCHW.max())):
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
    """Return the fault of the outputs in words, or None if they are plausible.

    Args:
        tiles_NCHW: The network's input, (N, C, h, w).
        answers_NCHW: Its output, (N, C, s*h, s*w).
    """
    for tile, answer in zip(tiles_NCHW, answers_NCHW, strict=True):
        low, high = float(answer.min()), float(answer.max())  # either is NaN if any value is
        if math.isnan(low):
            return "NaN"
        if math.isinf(low) or math.isinf(high):
            return "Inf"
        if low == high and float(tile.min()) != float(tile.max()):
            return f"one constant, {low:g}, for an input that varies"
    return None
