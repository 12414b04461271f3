"""Progress of a batch: a bar on a terminal, a line a minute elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from superres.cli.output import error_lines, print_result, print_status
from superres.watch import Watch

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_SECONDS_BETWEEN_LINES = 60.0


class BatchProgress:
    """Displays the progress of a batch, with other lines printed above the bar.

    rich is imported at the first step of an unfinished job, so that quick runs do not load it.

    Args:
        files: The number of files in the batch.
        first_line_s: Seconds until the first line without a bar.
    """

    def __init__(self, files: int, *, first_line_s: float = _SECONDS_BETWEEN_LINES) -> None:
        self._files = files
        self._next_line_s = time.monotonic() + first_line_s
        self._finished = 0
        self._noticed: set[str] = set()
        self._bar: tuple[Progress, TaskID] | None = None

    def __enter__(self) -> BatchProgress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar[0].stop()

    @property
    def visible(self) -> bool:
        """Whether there is a terminal to show a bar on."""
        return sys.stderr.isatty()

    def watch(self, name: str, unit: str = "") -> Watch:
        """Return the watch of one job, whose notes and progress are displayed here.

        Args:
            name: The label of the bar.
            unit: The job's unit, such as "frames", if it is to be shown.
        """
        if not unit:
            return Watch(self.notice, lambda done, total: self.step(name, done, total))
        return Watch(self.notice, _Counter(self, name, unit).count)

    def step(self, name: str, done: float, total: float | None) -> None:
        """Show that `done` of `total` parts of the file `name` are finished; None if unknown."""
        total = done + 1 if total is None else total
        part = done / total if total else 1.0
        if not self.visible or self._finished + part >= self._files:
            return
        progress, task = self._bar = self._bar or self._open(name)
        progress.update(task, description=name, completed=self._finished + part)

    def step_or_line(self, words: str, done: float, total: float | None, line: str) -> None:
        """Do as `step` does, or without a bar print a line each minute."""
        if self.visible:
            self.step(words, done, total)
        elif time.monotonic() >= self._next_line_s:
            self.print_status(line)
            self._next_line_s = time.monotonic() + _SECONDS_BETWEEN_LINES

    def finish_file(self, name: str) -> None:
        """Count one file as processed."""
        self._finished += 1
        self.step(name, 0.0, 1.0)

    def print_status(self, line: str) -> None:
        """Print a line of status to stderr, above the bar."""
        if self._bar:
            self._print(line)
        else:
            print_status(line)

    def notice(self, line: str) -> None:
        """Print a line of status, unless the batch has printed it before."""
        if line not in self._noticed:
            self._noticed.add(line)
            self.print_status(line)

    def was_noticed(self, line: str) -> bool:
        """Say whether `notice` was called with this line."""
        return line in self._noticed

    def print_error(self, message: str, hint: str) -> None:
        """Print an error to stderr in its two lines, above the bar."""
        for line in error_lines(message, hint):
            self.print_status(line)

    def print_result(self, line: str) -> None:
        """Print a line of a result to stdout, above the bar where both are on the terminal."""
        if self._bar and sys.stdout.isatty():
            self._print(line)
        else:
            print_result(line)

    def _print(self, line: str) -> None:
        if self._bar:
            console = self._bar[0].console
            console.print(line, markup=False, highlight=False, soft_wrap=True, emoji=False)

    def _open(self, name: str) -> tuple[Progress, TaskID]:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            # stdout may be a pipe while stderr is the terminal; a redirected stdout would miss it.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        task = progress.add_task(name, total=self._files)
        progress.start()
        return progress, task


class _Counter:
    """Displays a job's count, speed and remaining time."""

    def __init__(self, bar: BatchProgress, name: str, unit: str) -> None:
        self._bar, self._name, self._unit = bar, name, unit
        self._first: tuple[float, float] | None = None

    def count(self, done: float, total: float | None) -> None:
        now = time.monotonic()
        first_done, first_s = self._first = self._first or (done, now)
        speed = (done - first_done) / (now - first_s) if now > first_s else 0.0
        counted = f"{done:g}{'' if total is None else f' of {total:g}'} {self._unit}"
        if speed:
            counted += f", {speed:.1f} {self._unit}/s"
        left = f", {time_text((total - done) / speed)} left" if total and speed else ""
        self._bar.step_or_line(f"{self._name}  {counted}", done, total, counted + left)


def time_text(seconds: float) -> str:
    """Return a duration for display: `4.2 s`, `12:05`, `1:02:03`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return (
        f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
    )
