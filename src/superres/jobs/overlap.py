"""Overlap of jobs: one is written while the next one is run and the one after it is read.

Jobs take turns at the network in their order: a job begins with it when the one before has passed
on all its rows. So no job slows down an earlier one, and at most a few are in memory. What their
watches say is passed on in order too, as if they ran one after the other.
"""

from __future__ import annotations

import threading
import time
from typing import Final

from superres.watch import Watch

MOST_IN_FLIGHT: Final = 3  # one that is read, one that is run, one that is written
_WAIT_S = 0.2  # between two looks at whether the job was cancelled


class TurnWatch(Watch):
    """The watch of a job among others: silent until the earlier ones are done.

    Args:
        shown: The job's own watch, which gets the notes and the progress; cancels the job.
        before: The watch of the job before, if that is not done yet.
    """

    def __init__(self, shown: Watch, before: TurnWatch | None = None) -> None:
        super().__init__()
        self._shown = shown
        self._before = before
        self._order = threading.RLock()  # notes are passed on in the order of their lines
        self._is_shown = False
        self._begun = threading.Event()
        self._passed = threading.Event()
        self._waited_s = 0.0
        self.has_ended = False

    @property
    def cancelled(self) -> bool:
        """Whether the job or its own watch has been cancelled."""
        return super().cancelled or self._shown.cancelled

    @property
    def waited_s(self) -> float:
        """How long the job has waited for its turn, in seconds."""
        return self._waited_s

    def note(self, line: str) -> None:
        """Add one line; see `Watch.note`."""
        with self._order:
            super().note(line)
            if self._is_shown:
                self._shown.note(line)

    def progress(self, done: float, total: float | None) -> None:
        """Report the progress, once the earlier jobs are done."""
        if self._is_shown:
            self._shown.progress(done, total)

    def status(self, line: str) -> None:
        """Report the state, once the earlier jobs are done."""
        if self._is_shown:
            self._shown.status(line)

    def show(self) -> None:
        """Pass on all notes, and from now on what comes: the earlier jobs are done."""
        with self._order:
            self._is_shown, self._before = True, None
            for line in self.notes:
                self._shown.note(line)

    def wait_turn(self) -> None:
        """Wait until all earlier jobs have passed on their turn."""
        self._begun.set()
        began = time.perf_counter()
        while before := self._before:
            while not before._passed.wait(_WAIT_S):
                self.check()
            self._before = before._before
        self._waited_s += time.perf_counter() - began

    def pass_turn(self) -> None:
        """Let the next job use the network."""
        self._begun.set()
        self._passed.set()

    def end(self) -> None:
        """Take note that the job has ended, with or without its turn."""
        self.has_ended = True
        self.pass_turn()

    def wait_begun(self) -> None:
        """Wait until the job has found its model and its picture, or has ended."""
        while not self._begun.wait(_WAIT_S):  # Windows ignores Ctrl-C in longer waits
            pass
