"""Runs the jobs of a plan one after the other: one file's failure never stops the rest."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from superres.cli.plan import PIPE, Job, Place, path_key
from superres.cli.targets import make_folder_of
from superres.errors import OutputError, PictureError, SuperresError, UnknownNameError
from superres.watch import Watch

if TYPE_CHECKING:
    from superres.cli.progress import BatchProgress
    from superres.enlarge_file import Enlarger, Report

_MAX_PIPED_BYTES = 2**31  # a pipe is read into memory whole
Existing = Literal["refuse", "replace", "skip"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one job.

    Attributes:
        status: `done`, `skipped` (the output stood already) or `failed`.
        job: The job.
        report: What was done; None unless the status is `done`.
        error: What went wrong; "" unless the status is `failed`.
        hint: What can be done about it.
    """

    status: Literal["done", "skipped", "failed"]
    job: Job
    report: Report | None = None
    error: str = ""
    hint: str = ""

    def to_dict(self) -> dict[str, Any]:  # Any: as JSON takes it
        """Return the outcome as JSON can hold it."""
        names = {"source": str(self.job.source), "target": str(self.job.target)}
        more = {"error": self.error, "hint": self.hint} if self.status == "failed" else {}
        report = self.report.to_dict() if self.report else {}
        return {"status": self.status, **report, **names, **more}


def run_jobs(
    jobs: Sequence[Job], enlarger: Enlarger, existing: Existing, progress: BatchProgress
) -> Iterator[Outcome]:
    """Run the jobs and yield what became of each, as soon as it is known.

    Failures are printed as they happen. Only an unknown name (of a model, a backend) ends the run,
    for it is the command line that is wrong then, not a file.

    Args:
        jobs: What to do.
        enlarger: Does it.
        existing: What to do with a job whose output stands already.
        progress: Where progress and words are shown.
    """
    sources = {path_key(job.source) for job in jobs if isinstance(job.source, Path)}
    for job in jobs:
        outcome = _run(job, enlarger, existing, sources, progress)
        progress.finish_file(_name(job.source))
        yield outcome


def _run(
    job: Job, enlarger: Enlarger, existing: Existing, sources: set[str], progress: BatchProgress
) -> Outcome:
    try:
        if isinstance(job.target, Path):
            if existing == "skip" and job.target.exists():
                return Outcome("skipped", job)
            _check_target(job.target, existing, sources)
        name = _name(job.source)
        report = enlarger.enlarge(
            _opened_source(job.source),
            _opened_target(job.target),
            watch=Watch(
                on_note=progress.notice,
                on_progress=lambda done, total: progress.step(name, done, total or done),
            ),
        )
    except UnknownNameError:
        raise
    except SuperresError as error:
        return _failed(job, error.message, error.hint, progress)
    except OSError as error:
        what = error.strerror or str(error)
        return _failed(job, what, "check the path, its permissions and the free space", progress)
    except Exception as error:  # a fault of ours in one file must not cost the others
        traceback.print_exc(file=sys.stderr)
        what = f"{type(error).__name__}: {error}"
        return _failed(
            job, what, "this is a fault of superres; please report the lines above", progress
        )
    return Outcome("done", job, report)


def _check_target(target: Path, existing: Existing, sources: set[str]) -> None:
    """Refuse what must not be overwritten, before anything is computed."""
    if path_key(target) in sources:
        raise OutputError(
            f"the output {target} is itself an input",
            "name another output with -o, or another --suffix",
        )
    if existing == "refuse" and target.exists():
        raise OutputError(
            f"the output {target} stands already", "use --overwrite, --skip-existing or another -o"
        )
    make_folder_of(target, "name another output with -o")


def _name(source: Place) -> str:
    return source.name if isinstance(source, Path) else "stdin"


def _opened_source(source: Place) -> Path | bytes:
    if isinstance(source, Path):
        return source
    data = sys.stdin.buffer.read(_MAX_PIPED_BYTES + 1)
    if len(data) > _MAX_PIPED_BYTES:
        raise PictureError(
            f"more than {_MAX_PIPED_BYTES / 2**30:g} GiB came in on stdin",
            "save the picture to a file, which is read piece by piece",
        )
    return data


def _opened_target(target: Place) -> Path | BinaryIO:
    return target if isinstance(target, Path) else sys.stdout.buffer


def _failed(job: Job, message: str, hint: str, progress: BatchProgress) -> Outcome:
    """Tell of a failure, with the file's name in its message."""
    name = "stdin" if job.source == PIPE else str(job.source)
    message = message if name in message else f"{name}: {message}"
    progress.print_error(message, hint)
    return Outcome("failed", job, error=message, hint=hint)
