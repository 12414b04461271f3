"""Job runner: one job, or many with isolated failures."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any, Literal

from superres.atomic import Inputs, path_key
from superres.errors import OutOfMemoryError, SuperresError, UnknownNameError
from superres.jobs.outputs import check_names, check_outputs, is_skipped, make_folder_of
from superres.jobs.overlap import MOST_IN_FLIGHT, TurnWatch
from superres.jobs.pipes import NO_PIPES, Pipes
from superres.jobs.report import ReportHead
from superres.jobs.spec import PIPE, BurstJob, DegradeJob, Job, PictureJob, VideoJob
from superres.model_pool import ModelPool
from superres.watch import Watch

_WAIT_S = 0.5


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
        out_of_memory: Whether it failed for lack of memory.
    """

    status: Literal["done", "skipped", "failed"]
    job: Job
    report: ReportHead | None = None
    error: str = ""
    hint: str = ""
    fault: str = ""
    out_of_memory: bool = False

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
    """Run jobs in their order and yield each outcome, also in order, as soon as it is known.

    Pictures overlap (`jobs.overlap`); all other jobs run alone. No output may be an input of any of
    the jobs; missing output folders are created.

    Args:
        jobs: The jobs.
        models: The loaded models, which the jobs share.
        watch_of: Creates the watch of a job; notified as if the jobs ran one after the other.
        pipes: The streams for jobs that name `-`.

    Raises:
        UnknownNameError: There is no such model, backend or format: the request is wrong, not a
            file.
    """
    inputs = Inputs(path for job in jobs for path in job.inputs)
    left, flights, most = deque(jobs), deque[_Flight](), MOST_IN_FLIGHT
    if len(jobs) == 1:
        most = 1  # in this thread, which an interrupt ends at once

    def start(job: Job) -> _Flight:
        refused, watch = _refusal(job, inputs), None
        if refused is None:
            before = next((one.watch for one in reversed(flights) if one.watch), None)
            watch = TurnWatch(watch_of(job), before)
        flight = _Flight(job, watch, refused, is_alone=most == 1 or not _overlaps(job))
        if watch and not flight.is_alone:
            flight.future = pool.submit(_attempt, job, models, watch, pipes)
            if not flights:  # what is wrong with the whole request is known before others begin
                watch.show()
                watch.wait_begun()
        return flight

    with ThreadPoolExecutor(MOST_IN_FLIGHT, "superres-job") as pool:
        try:
            while left or flights:
                while left and len(flights) < most and _may_start(left[0], flights):
                    flights.append(start(left.popleft()))
                flight = flights[0]
                outcome = flight.finish(models, pipes)
                if flight.lacked_memory(outcome) and flight.watch:
                    most = 1
                    for other in flights:
                        other.wait()
                    line = "out of memory with several pictures at once: continuing one by one"
                    flight.watch.note(line)
                    outcome = _attempt(flight.job, models, flight.watch, pipes)
                flights.popleft()
                yield outcome
        finally:
            for flight in flights:
                if flight.watch:
                    flight.watch.cancel()


@dataclass(slots=True)
class _Flight:
    """A job that was started.

    Attributes:
        job: The job.
        watch: Its watch; None if it does not run.
        outcome: Its outcome where that is known without running it.
        is_alone: Whether it runs when it is waited for, rather than in a thread of its own.
        future: Its outcome to come, in a thread of its own.
    """

    job: Job
    watch: TurnWatch | None
    outcome: Outcome | None
    is_alone: bool
    future: Future[Outcome] | None = None

    def wait(self) -> None:
        """Wait until the job's thread has ended."""
        while self.future and not self.future.done():
            wait((self.future,), timeout=_WAIT_S)  # Windows ignores Ctrl-C in longer waits

    def finish(self, models: ModelPool, pipes: Pipes) -> Outcome:
        """Return the outcome once it is known; the earlier jobs are done.

        Raises:
            UnknownNameError: See `run_all`.
        """
        if self.outcome or self.watch is None:
            assert self.outcome
            return self.outcome
        self.watch.show()
        if self.future is None:
            return _attempt(self.job, models, self.watch, pipes)
        self.wait()
        return self.future.result()

    def lacked_memory(self, outcome: Outcome) -> bool:
        """Say whether the job ran out of memory while others were in memory."""
        return outcome.out_of_memory and not self.is_alone


def _overlaps(job: Job) -> bool:
    """Say whether a job may run beside others: pictures may, unless they go through pipes."""
    return isinstance(job, PictureJob) and PIPE not in job.names


def _may_start(job: Job, flights: Sequence[_Flight]) -> bool:
    """Say whether a job may start beside those in flight.

    Not if one of them writes the same file, as the outcome depends on what became of that.
    """
    if not flights:
        return True
    if not _overlaps(job) or any(one.is_alone and one.watch for one in flights):
        return False
    if (first := flights[0].watch) and first.has_ended:
        return False
    written = {path_key(path) for one in flights for path in one.job.outputs}
    return not any(path_key(path) in written for path in job.outputs)


def _refusal(job: Job, inputs: Inputs) -> Outcome | None:
    """Return the outcome of a job that is not run: skipped or refused; create missing folders."""

    def check() -> ReportHead | None:
        check_names(job)
        for target in job.outputs:
            make_folder_of(target)
        check_outputs(job, inputs)
        return None

    if is_skipped(job):
        return Outcome("skipped", job)
    return _outcome(job, check)


def _attempt(job: Job, models: ModelPool, watch: TurnWatch, pipes: Pipes) -> Outcome:
    """Run a job, and let the next one have its turn however it ends."""
    try:
        outcome = _outcome(job, lambda: run(job, models, watch, pipes))
        assert outcome
        return outcome
    finally:
        watch.end()


def _outcome(job: Job, work: Callable[[], ReportHead | None]) -> Outcome | None:
    """Return the outcome of some work for a job; None if it succeeded without a report."""
    try:
        report = work()
    except UnknownNameError:
        raise
    except SuperresError as error:
        outcome = _failed(job, error.message, error.hint)
        return replace(outcome, out_of_memory=isinstance(error, OutOfMemoryError))
    except MemoryError:
        what = "out of memory in pixel buffers"
        hint = "close other programs, or choose a smaller scale"
        return replace(_failed(job, what, hint), out_of_memory=True)
    except OSError as error:
        what = error.strerror or str(error)
        return _failed(job, what, "check the path, its permissions and the free space")
    except Exception as error:  # a bug of ours in one file must not stop the others
        what = f"{type(error).__name__}: {error}"
        hint = "this is a bug in superres; please report it with its traceback"
        return _failed(job, what, hint, traceback.format_exc())
    return Outcome("done", job, report) if report else None


def _failed(job: Job, message: str, hint: str, fault: str = "") -> Outcome:
    """Return the outcome of a failure, with the file's name in its message."""
    name = str(job.inputs[0]) if job.inputs else "stdin"
    message = message if name in message else f"{name}: {message}"
    return Outcome("failed", job, error=message, hint=hint, fault=fault)
