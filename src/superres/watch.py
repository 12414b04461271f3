"""Watch: notes, progress and cancellation of one job.

One per job, passed down from its start to the pixels. Jobs that share a loaded model each have a
watch, so that one's notes never end up in another's report, and cancelling one stops no other.
A part of a job, such as the rows of one picture, can be cancelled alone when its consumer stops.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from superres.errors import Cancelled

NoteListener = Callable[[str], None]
StatusListener = Callable[[str], None]
ProgressListener = Callable[[float, float | None], None]


class Watch:
    """Notes, progress and cancellation of one job; every method may be called from any thread.

    Args:
        on_note: Called with each new note, in the thread that wrote it.
        on_progress: Called with the amount done and the total (None if unknown), in the job's own
            unit: rows of a picture, frames of a video, steps of a burst, bytes of a download.
        on_status: Called with a long job's current state, such as a training run's losses.
    """

    def __init__(
        self,
        on_note: NoteListener | None = None,
        on_progress: ProgressListener | None = None,
        on_status: StatusListener | None = None,
    ) -> None:
        self._on_note: Final = on_note
        self._on_progress: Final = on_progress
        self._on_status: Final = on_status
        self._lock = threading.Lock()
        self._notes: list[str] = []
        self._cancelled = threading.Event()
        self._whole: Watch = self

    @property
    def job(self) -> Watch:
        """The watch of the whole job; this one, unless it belongs to a part."""
        return self._whole

    def part(self) -> Watch:
        """Return the watch of a part of the job.

        Its notes and progress are the job's. It is cancelled with the job; cancelling it alone
        leaves the job running.
        """
        return _Part(self._whole)

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes so far, each line once, in order."""
        with self._lock:
            return tuple(self._notes)

    @property
    def cancelled(self) -> bool:
        """Whether the job has been cancelled."""
        return self._cancelled.is_set()

    def note(self, line: str) -> None:
        """Add one line: a choice, a fallback, something that could not be kept.

        A repeated line is dropped.
        """
        with self._lock:
            if line in self._notes:
                return
            self._notes.append(line)
        if self._on_note:
            self._on_note(line)

    def tell(self, other: Watch) -> None:
        """Pass the notes of this watch on to another."""
        for line in self.notes:
            other.note(line)

    def progress(self, done: float, total: float | None) -> None:
        """Report the job's progress."""
        if self._on_progress:
            self._on_progress(done, total)

    def status(self, line: str) -> None:
        """Report the job's current state; the next line replaces it, and no report keeps it."""
        if self._on_status:
            self._on_status(line)

    def cancel(self) -> None:
        """Stop the job at its next `check`; it leaves nothing half-written."""
        self._cancelled.set()

    @property
    def waited_s(self) -> float:
        """How long the job has waited for others, in seconds."""
        return 0.0

    def wait_turn(self) -> None:
        """Wait until the job may use the network; at once, unless several jobs overlap.

        Raises:
            Cancelled: The job was cancelled meanwhile.
        """

    def pass_turn(self) -> None:
        """Let the next job use the network: this one has passed on all that it needs it for."""

    def check(self) -> None:
        """Raise if the job has been cancelled.

        Raises:
            Cancelled: `cancel` was called.
        """
        if self.cancelled:
            raise Cancelled("the job was cancelled", "run it again to finish it")


class _Part(Watch):
    """A part of a job: see `Watch.part`."""

    def __init__(self, whole: Watch) -> None:
        super().__init__()
        self._whole = whole

    @property
    def notes(self) -> tuple[str, ...]:
        return self._whole.notes

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set() or self._whole.cancelled

    def note(self, line: str) -> None:
        self._whole.note(line)

    def progress(self, done: float, total: float | None) -> None:
        self._whole.progress(done, total)

    def status(self, line: str) -> None:
        self._whole.status(line)
