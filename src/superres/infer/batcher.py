"""Runs the tiles of all pictures under way in one thread, those of several at once where it pays.

A small frame of a video keeps a GPU busy for a fraction of the time that one run takes to start.
While one run lasts, the tiles of the next frames arrive; they are then run together. No tile
ever waits for others to come.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from superres.errors import BackendError, OutOfMemoryError
from superres.infer.sanity import SanityCheck, fault
from superres.runtimes.runtime import Notice, Runtime

Unit = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Tiles:
    """Tiles of one picture, (N, C, h, w), and where their answer goes."""

    tiles: Unit
    answer: Future[Unit] = field(default_factory=Future["Unit"])


class Batcher:
    """One thread that runs tiles on a guarded runtime.

    Args:
        guard: What runs them.
        run: Runs tiles on a runtime.
        joint_px: Pixels of input that several pictures' tiles may have together; 0 runs each
            picture's by themselves, as it becomes where they do not fit into memory together. Tiles
            of one picture are run as they come, whatever their size.
        notice: Called if they do not fit into memory together.
    """

    def __init__(
        self,
        guard: SanityCheck,
        run: Callable[[Runtime, Unit], Unit],
        *,
        joint_px: int,
        notice: Notice,
    ) -> None:
        self._sanity = guard
        self._run = run
        self.joint_px = joint_px
        self._notice = notice
        self._waiting: deque[_Tiles] = deque()
        self._thread = ThreadPoolExecutor(1, "superres-network")

    def submit(self, tiles_NCHW: Unit) -> Future[Unit]:
        """Return the coming answer to tiles of one picture; any thread may ask.

        It ends with what `SanityCheck.answer` raises.
        """
        asked = _Tiles(tiles_NCHW)
        self._waiting.append(asked)
        self._thread.submit(self._run_next)
        return asked.answer

    def _run_next(self) -> None:
        """Run what has waited longest, with what fits to it; nothing if an earlier call did."""
        group = self._next_group()
        try:
            alone = self._run_together(group) if len(group) > 1 else group
            for asked in alone:
                self._run_alone(asked)
        except BaseException as error:  # or those who wait would do so for ever
            for asked in group:
                if not asked.answer.done():
                    asked.answer.set_exception(error)

    def _run_alone(self, asked: _Tiles) -> None:
        try:
            (large_NCHW,) = self._sanity.answer(
                asked.tiles, lambda runtime: (self._run(runtime, asked.tiles),)
            )
        except Exception as error:
            asked.answer.set_exception(error)
        else:
            asked.answer.set_result(large_NCHW)

    def _next_group(self) -> list[_Tiles]:
        group: list[_Tiles] = []
        px = 0
        while self._waiting:
            tiles = self._waiting[0].tiles
            px += len(tiles) * math.prod(tiles.shape[2:])
            if group and (px > self.joint_px or tiles.shape[1:] != group[0].tiles.shape[1:]):
                break
            group.append(self._waiting.popleft())
        return group

    def _run_together(self, group: list[_Tiles]) -> list[_Tiles]:
        """Answer tiles with one run, and return those which that gave no right answer to."""
        try:
            large_NCHW = self._run(
                self._sanity.runtime, np.concatenate([asked.tiles for asked in group])
            )
        except (OutOfMemoryError, MemoryError):
            self.joint_px = 0
            self._notice(f"out of memory with {len(group)} pictures at once: going on one by one")
            return group
        except BackendError:
            return group  # one of them may be to blame, and will say so
        wrong: list[_Tiles] = []
        first = 0
        for asked in group:
            part = large_NCHW[first : first + len(asked.tiles)]
            first += len(asked.tiles)
            if fault(asked.tiles, part) is None:
                asked.answer.set_result(part)
            else:
                wrong.append(asked)
        return wrong
