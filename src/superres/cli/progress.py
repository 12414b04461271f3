"""One progress bar over a batch of files: on a terminal, and nowhere else."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING

from superres.cli.output import error_lines, print_result, print_status

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class BatchProgress:
    """Shows how far a batch is, and lets lines pass above the bar.

    rich is imported at the first step that leaves something to wait for, so that a quick run does
    not wait for its bar.

    Args:
        files: The number of files in the batch.
    """

    def __init__(self, files: int) -> None:
        self._files = files
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

    def step(self, name: str, done: float, total: float) -> None:
        """Show that `done` of `total` parts of the file `name` are made."""
        part = done / total if total else 1.0
        if not self.visible or self._finished + part >= self._files:
            return
        progress, task = self._bar = self._bar or self._open(name)
        progress.update(task, description=name, completed=self._finished + part)

    def finish_file(self, name: str) -> None:
        """Count one file as dealt with."""
        self._finished += 1
        self.step(name, 0.0, 1.0)

    def print_status(self, line: str) -> None:
        """Print a line of words to stderr, above the bar."""
        if self._bar:
            self._print(line)
        else:
            print_status(line)

    def notice(self, line: str) -> None:
        """Print a line of words unless the batch printed it before."""
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
