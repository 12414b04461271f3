"""Batch of jobs on the command line: printed outcomes, and the JSON report."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from superres.cli.output import print_json
from superres.cli.progress import BatchProgress
from superres.data.listing import left_alone
from superres.jobs.pipes import NO_PIPES, Pipes
from superres.jobs.plan import Plan
from superres.jobs.run import Outcome, run_all
from superres.jobs.spec import PIPE, Job
from superres.model_pool import ModelPool


def run_batch(
    jobs: Sequence[Job],
    plan: Plan,
    summary: Callable[[Sequence[Outcome]], object] | None,
    pipes: Pipes = NO_PIPES,
) -> list[Outcome]:
    """Run jobs and print their outcomes.

    Args:
        jobs: The jobs.
        plan: The plan that they are from: what it could not plan and its folders without pictures
            are errors, and files that it leaves alone are counted in a line.
        summary: Builds the JSON report, printed at the end or at an interrupt; with None, the paths
            of results are printed instead, as they finish.
        pipes: The streams of jobs that name `-`.

    Returns:
        The jobs' outcomes.
    """
    outcomes: list[Outcome] = []
    with BatchProgress(len(jobs)) as bar:
        for fault in plan.faults:
            bar.print_error(fault.message, fault.hint)
        for folder in plan.empty:
            bar.print_error(f"{folder} has no pictures", "use --recursive to include subfolders")
        if words := left_alone(plan.others):
            bar.print_status(words)
        try:
            for outcome in run_all(jobs, ModelPool(), lambda job: bar.watch(_name(job)), pipes):
                outcomes.append(outcome)
                bar.finish_file(_name(outcome.job))
                _show(outcome, bar, names=summary is None)
        except KeyboardInterrupt:
            if summary:
                print_json(summary(outcomes))
            raise
    if summary:
        print_json(summary(outcomes))
    return outcomes


def count(plan: Plan, outcomes: Sequence[Outcome]) -> Counter[str]:
    """Return the number of inputs by their status; what could not be planned has failed."""
    counts = Counter[str](outcome.status for outcome in outcomes)
    counts["failed"] += len(plan.faults)
    return counts


def report(plan: Plan, outcomes: Sequence[Outcome], statuses: Sequence[str]) -> dict[str, object]:
    """Return a batch in JSON types: its files, what it left out, and its counts by status."""
    counts = count(plan, outcomes)
    return {
        "files": [one.to_dict() for one in (*plan.faults, *outcomes)],
        "folders_without_pictures": [str(folder) for folder in plan.empty],
        "left_alone": dict(plan.others),
        **{status: counts[status] for status in statuses},
    }


def open_pipes(jobs: Sequence[Job]) -> Pipes:
    """Return stdin and stdout, for the jobs that name them."""
    names = [job.names for job in jobs]
    return Pipes(
        source=sys.stdin.buffer if any(source == PIPE for source, _ in names) else None,
        target=sys.stdout.buffer if any(target == PIPE for _, target in names) else None,
    )


def _show(outcome: Outcome, bar: BatchProgress, *, names: bool) -> None:
    """Print a result's path and notes, or its error."""
    source, target = outcome.job.names
    if outcome.fault:
        bar.print_status(outcome.fault.rstrip())
    if outcome.status == "failed":
        bar.print_error(outcome.error, outcome.hint)
    if outcome.status == "skipped":
        bar.print_status(f"skipped {source}: {target} already exists")
    if outcome.report:
        for note in outcome.report.notes:
            if not bar.was_noticed(note):
                bar.print_status(f"note: {source}: {note}")
        if names and target != PIPE:
            bar.print_result(target)


def _name(job: Job) -> str:
    source, _ = job.names
    return "stdin" if source == PIPE else Path(source).name
