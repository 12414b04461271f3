"""Job runner: one job, or many with isolated failures."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from superres.atomic import Inputs
from superres.errors import SuperresError, UnknownNameError
from superres.jobs.outputs import check_names, check_outputs, is_skipped, make_folder_of
from superres.jobs.pipes import NO_PIPES, Pipes
from superres.jobs.report import ReportHead
from superres.jobs.spec import BurstJob, DegradeJob, Job, PictureJob, VideoJob
from superres.model_pool import ModelPool
from superres.watch import Watch


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one job.

    Attributes:
        status: `done`, `skipped` (its output already existed) or `failed`.
        job: The job.
        report: The report; None unless the status is `done`.
        error: The error with the source's name; "" unless the status is `failed`.
        hint: The suggested next step.
        fault: The traceback of a bug in superres; otherwise "".
    """

    status: Literal["done", "skipped", "failed"]
    job: Job
    report: ReportHead | None = None
    error: str = ""
    hint: str = ""
    fault: str = ""

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values
        """Return the outcome in JSON types."""
        source, target = self.job.names
        more = {"error": self.error, "hint": self.hint} if self.status == "failed" else {}
        report = self.report.to_dict() if self.report else {}
        return {"status": self.status, **report, "source": source, "target": target, **more}


def run(job: Job, models: ModelPool, watch: Watch, pipes: Pipes = NO_PIPES) -> ReportHead:
    """Run one job.

    Each kind of job is imported on demand: videos need av, and degradations torch.

    Args:
        job: The job.
        models: The loaded models, which jobs share.
        watch: Notified of each choice and fallback, and of the job's progress.
        pipes: The streams for a job that names `-`.

    Returns:
        The report: `Report`, `VideoReport`, `BurstReport` or `DegradeReport`.

    Raises:
        SuperresError: See the function of the job's kind.
        ModuleNotFoundError: A package required by this kind is not installed.
    """
    match job:
        case PictureJob():
            from superres.jobs.picture import upscale_picture

            return upscale_picture(job, models, watch, pipes)
        case VideoJob():
            from superres.jobs.video import upscale_video

            return upscale_video(job, models, watch, pipes)
        case BurstJob():
            from superres.jobs.burst import fuse_burst_files

            return fuse_burst_files(job, models, watch)
        case DegradeJob():
            from superres.jobs.degrade import degrade_picture_file

            return degrade_picture_file(job, watch)


def run_all(
    jobs: Sequence[Job],
    models: ModelPool,
    watch_of: Callable[[Job], Watch],
    pipes: Pipes = NO_PIPES,
) -> Iterator[Outcome]:
    """Run jobs one after the other and yield each outcome as soon as it is known.

    No output may be an input of any of the jobs; missing output folders are created.

    Args:
        jobs: The jobs.
        models: The loaded models, which the jobs share.
        watch_of: Creates the watch of a job.
        pipes: The streams for jobs that name `-`.

    Raises:
        UnknownNameError: There is no such model, backend or format: the request is wrong, not a
            file.
    """
    inputs = Inputs(path for job in jobs for path in job.inputs)
    for job in jobs:
        try:
            if is_skipped(job):
                outcome = Outcome("skipped", job)
            else:
                check_names(job)
                for target in job.outputs:
                    make_folder_of(target)
                check_outputs(job, inputs)
                outcome = Outcome("done", job, run(job, models, watch_of(job), pipes))
        except UnknownNameError:
            raise
        except SuperresError as error:
            outcome = _failed(job, error.message, error.hint)
        except OSError as error:
            what = error.strerror or str(error)
            outcome = _failed(job, what, "check the path, its permissions and the free space")
        except Exception as error:  # a bug of ours in one file must not stop the others
            what = f"{type(error).__name__}: {error}"
            hint = "this is a bug in superres; please report it with its traceback"
            outcome = _failed(job, what, hint, traceback.format_exc())
        yield outcome


def _failed(job: Job, message: str, hint: str, fault: str = "") -> Outcome:
    """Return the outcome of a failure, with the file's name in its message."""
    name = str(job.inputs[0]) if job.inputs else "stdin"
    message = message if name in message else f"{name}: {message}"
    return Outcome("failed", job, error=message, hint=hint, fault=fault)
