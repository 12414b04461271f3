"""Batcher: one thread for the tiles of all concurrent pictures, in batches where faster.

A small video frame keeps a GPU busy for a fraction of the time that a run takes to start. Tiles of
the next frames that arrive during a run form the next batch. No tile ever waits for others to
arrive. Tiles of a cancelled job, or of a picture that nobody waits for any more, are dropped when
their turn comes.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from superres.errors import BackendError, Cancelled, OutOfMemoryError
from superres.frame import Unit
from superres.infer.sanity import CheckedRun, fault
from superres.runtimes.runtime import Runtime


@dataclass(frozen=True, slots=True)
class _Tiles:
    """Tiles of one picture, (N, C, h, w), their run, and the future of their output."""

    tiles: Unit
    checked: CheckedRun
    answer: Future[Unit] = field(default_factory=Future["Unit"])

    def claim(self) -> bool:
        """Mark the tiles as running; False if they are no longer needed."""
        if not self.answer.set_running_or_notify_cancel():
            return False
        try:
            self.checked.watch.check()
        except Cancelled as error:
            self.answer.set_exception(error)
            return False
        return True

    def noted(self, line: str) -> bool:
        """Note a line for their job; if a listener raises, fail the future and return False."""
        try:
            self.checked.watch.note(line)
        except Exception as error:  # a listener's, which must not stop the other pictures
            self.answer.set_exception(error)
            return False
        return True


class Batcher:
    """One thread that runs tiles.

    Args:
        run: Runs tiles on a runtime.
        joint_px: Most input pixels of a batch of several pictures' tiles; 0 runs each picture's
            tiles separately, and it becomes 0 when a joint batch does not fit into memory. Tiles
            of one picture are run as they come, whatever their size.
    """

    def __init__(self, run: Callable[[Runtime, Unit], Unit], *, joint_px: int) -> None:
        self._run = run
        self.joint_px = joint_px
        self._waiting: deque[_Tiles] = deque()
        self._thread = ThreadPoolExecutor(1, "superres-network")

    def submit(self, tiles_NCHW: Unit, checked: CheckedRun) -> Future[Unit]:
        """Return the future of the output for tiles of one picture; any thread may call.

        It fails with the error of the run or of `CheckedRun.accepts`, or `Cancelled`. Cancelling it
        drops the tiles unless they are being run.
        """
        item = _Tiles(tiles_NCHW, checked)
        self._waiting.append(item)
        self._thread.submit(self._run_next)
        return item.answer

    def _run_next(self) -> None:
        """Run the tiles that waited longest, with others that fit; do nothing if none wait."""
        group = self._next_group()
        try:
            alone = self._run_together(group) if len(group) > 1 else group
            for item in alone:
                self._run_alone(item)
        except BaseException as error:  # or waiting threads would hang
            for item in group:
                if not item.answer.done():
                    item.answer.set_exception(error)

    def _run_alone(self, item: _Tiles) -> None:
        try:
            large_NCHW = self._run(item.checked.runtime, item.tiles)
            while not item.checked.accepts(item.tiles, large_NCHW):
                large_NCHW = self._run(item.checked.runtime, item.tiles)
        except Exception as error:
            item.answer.set_exception(error)
        else:
            item.answer.set_result(large_NCHW)

    def _next_group(self) -> list[_Tiles]:
        group: list[_Tiles] = []
        px = 0
        while self._waiting:
            item = self._waiting[0]
            own_px = len(item.tiles) * math.prod(item.tiles.shape[2:])
            if group and (px + own_px > self.joint_px or not _joinable(group[0], item)):
                break
            self._waiting.popleft()
            if item.claim():
                group.append(item)
                px += own_px
        return group

    def _run_together(self, group: list[_Tiles]) -> list[_Tiles]:
        """Run tiles together, and return those without a valid output."""
        try:
            runtime = group[0].checked.runtime
            tiles_NCHW = runtime.facts.canvas.joined([item.tiles for item in group], axis=0)
            large_NCHW = self._run(runtime, tiles_NCHW)
        except (OutOfMemoryError, MemoryError):
            self.joint_px = 0
            line = f"out of memory with {len(group)} pictures at once: continuing one by one"
            return [item for item in group if item.noted(line)]
        except BackendError:
            return group  # one of them may be the cause, and then fails alone
        wrong: list[_Tiles] = []
        first = 0
        for item in group:
            part = large_NCHW[first : first + len(item.tiles)]
            first += len(item.tiles)
            if fault(item.tiles, part) is None:
                item.answer.set_result(part)
            else:
                wrong.append(item)
        return wrong


def _joinable(one: _Tiles, other: _Tiles) -> bool:
    """Say whether tiles can be run together: equal shapes and number formats."""
    return (
        one.tiles.shape[1:] == other.tiles.shape[1:]
        and one.checked.runtime is other.checked.runtime
    )
