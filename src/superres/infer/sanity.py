"""What is wrong with a network's answer, told from the numbers alone; and asking once more."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from superres.errors import NumericalError
from superres.modelfiles.card import Card
from superres.runtimes.runtime import Notice, Runtime

Unit = NDArray[np.float32]
# What a network made of tiles: these enlarged, and anything else it tells of them.
Made = TypeVar("Made", bound=tuple[Unit, ...])


class SanityCheck:
    """Asks a network for answers; one that cannot be right is asked for once more in fp32.

    All that follows is then asked for in fp32 too, until `restart`.

    Args:
        card: What the network promises.
        runtime: What runs it.
        fallback: Opens the same network in fp32; None if there is no such way.
        notice: Called with one line when it is used.
        what: What is enlarged in the words of that line: a picture, a video.
    """

    def __init__(
        self,
        card: Card,
        runtime: Runtime,
        *,
        fallback: Callable[[], Runtime] | None,
        notice: Notice,
        what: str,
    ) -> None:
        self._card = card
        self._asked = self._runtime = runtime
        self._exact: Runtime | None = None
        self._fallback = fallback
        self._notice = notice
        self._what = what

    @property
    def runtime(self) -> Runtime:
        """What runs next."""
        return self._runtime

    def restart(self) -> None:
        """Go back to the runtime that was asked for."""
        self._runtime = self._asked

    def answer(self, tiles_NCHW: Unit, run: Callable[[Runtime], Made]) -> Made:
        """Return what the network makes of tiles.

        Args:
            tiles_NCHW: The pictures that the network sees.
            run: Runs it on a runtime; the first of what it returns are these pictures enlarged.

        Raises:
            NumericalError: They are NaN, Inf or constant, also in fp32.
            BackendError: What `run` raises.
        """
        made = run(self._runtime)
        wrong = fault(tiles_NCHW, made[0])
        if wrong is None:
            return made
        name, facts = self._card.name, self._runtime.facts
        if not np.isfinite(tiles_NCHW).all():
            raise NumericalError(
                f"model {name} answered {wrong}: the {self._what} itself holds NaN or Inf",
                f"replace missing values in the {self._what} before it is enlarged",
            )
        if facts.precision != "fp32" and self._fallback is not None:
            self._notice(
                f"model {name} answered {wrong} in {facts.precision} on {facts.device}; "
                f"the rest of the {self._what} runs in fp32"
            )
            self._exact = self._exact or self._fallback()
            self._runtime = self._exact
            made = run(self._exact)
            wrong, facts = fault(tiles_NCHW, made[0]), self._exact.facts
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
