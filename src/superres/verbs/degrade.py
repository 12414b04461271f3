"""The verb `degrade`: small pictures as training makes them from large ones."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from superres.cli.needs import needs
from superres.cli.output import print_status
from superres.errors import ArgumentError

if TYPE_CHECKING:
    from superres.jobs.run import Outcome


def degrade(
    source: Annotated[str, typer.Argument(metavar="IN", help="A picture or a folder of them.")],
    target: Annotated[
        str, typer.Argument(metavar="OUT", help="A file, or a folder, where results are PNG.")
    ],
    degradation: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="real, bsrgan, bicubic or a TOML file. [real]"),
    ] = None,
    scale: Annotated[
        int, typer.Option("--scale", "-s", min=1, max=16, help="The factor to downscale by.")
    ] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Another seed draws other flaws.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs.")] = False,
    recursive: Annotated[
        bool, typer.Option("--recursive", help="Include subfolders; the output mirrors the tree.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Report to stdout as JSON.")] = False,
    recipe: Annotated[str | None, typer.Option("--recipe", hidden=True)] = None,
) -> None:
    """Write degraded pictures as in training: downscaled, blurred, noisy and compressed.

    \b
    Examples:
      superres degrade photo.jpg small.png
      superres degrade photo.jpg other.png --seed 1
      superres degrade holiday/ small/ --degradation bsrgan --scale 2
    """  # noqa: D301 - \b separates the examples' lines, and must be this one character
    if recipe is not None:
        print_status("--recipe is now called --degradation")
        if degradation is not None:
            raise ArgumentError("--degradation and --recipe are both given", "use --degradation")
    name = degradation or recipe or "real"
    if "-" in (source, target):
        raise ArgumentError("degrade reads and writes files, got -", "name a file or a folder")

    with needs("degrade", "torch"):
        import_module("superres.jobs.degrade")  # reports missing packages before the batch

    from superres.cli.batch import count, report, run_batch
    from superres.degrade.load import load_degradation
    from superres.jobs.plan import FALLBACK, Naming, make_plan
    from superres.jobs.spec import DegradeJob, checked_arguments

    config = load_degradation(name)
    plan = make_plan([source], target, Naming("", FALLBACK), recursive=recursive)
    with checked_arguments():
        jobs = [
            DegradeJob(
                source=Path(task.source),
                target=Path(task.target),
                existing="replace" if overwrite else "refuse",
                degradation=config,
                scale=scale,
                seed=seed,
            )
            for task in plan.tasks
        ]

    def summary(outcomes: Sequence[Outcome]) -> dict[str, object]:
        return report(plan, outcomes, ("done", "failed"))

    outcomes = run_batch(jobs, plan, summary if as_json else None)
    counts = count(plan, outcomes)
    done_and_failed = f"{counts['done']} done, {counts['failed']} failed"
    print_status(f"{done_and_failed} ({name}, ×{scale}, seed {seed})")
    if counts["failed"] or plan.empty:
        raise typer.Exit(1)
