"""The verb `train`: training of a model from a recipe and pictures."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from superres.cli.output import print_json, print_result, print_status
from superres.errors import ArgumentError

if TYPE_CHECKING:
    from superres.cli.progress import BatchProgress


def train(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A built-in recipe's name, or a TOML file.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="The run's folder: checkpoints, log, model."
        ),
    ] = None,
    data: Annotated[
        list[Path] | None, typer.Option("--data", metavar="DIR", help="A folder, pack or picture.")
    ] = None,
    more_data: Annotated[
        list[Path] | None, typer.Argument(metavar="DIR", help="More data.", show_default=False)
    ] = None,
    pairs: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="SMALL LARGE", help="Two folders of matching pictures instead."),
    ] = None,
    replace: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Replace a value of the recipe."),
    ] = None,
    show_recipe: Annotated[
        bool, typer.Option("--show", help="Print the resolved recipe and exit.")
    ] = False,
    minutes: Annotated[
        float | None,
        typer.Option(help="Time budget for the whole schedule. [the recipe's]"),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Step budget instead. [the recipe's]")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in the folder.")
    ] = False,
    validate: Annotated[
        list[Path] | None,
        typer.Option(
            "--validate",
            metavar="DIR",
            help="A validation set, or a video for video networks; repeatable.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    processes: Annotated[
        int, typer.Option(min=1, help="Processes on each machine, one per GPU.")
    ] = 1,
    machines: Annotated[int, typer.Option(min=1, help="Machines, each running this command.")] = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads. [all]")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report to stdout as JSON.")] = False,
) -> None:
    """Train a network from a recipe.

    \b
    Examples:
      superres train espcn-x4 --data pictures/ --minutes 10 -o runs/mine
      superres train espcn-x4 --data pictures/ -o runs/mine --resume
      superres train espcn-x4 --set data.patch=64 --show
    """  # noqa: D301 - \b separates the examples' lines, and must be this one character
    if minutes is not None and steps is not None:
        raise ArgumentError("--minutes and --steps are both given", "use one of them")
    if minutes is not None and minutes <= 0:
        raise ArgumentError(f"--minutes must be positive, got {minutes:g}", "such as --minutes 90")
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(threads)  # read when torch is imported, below

    from superres.train.recipe_file import load_recipe, to_toml
    from superres.watch import Watch

    resolved = load_recipe(recipe, replace or (), Watch(print_status))
    if show_recipe:
        print_result(to_toml(resolved).rstrip())
        return
    places = (*(data or ()), *(more_data or ()))
    if not places and pairs is None:
        raise ArgumentError("no data is given", "name a folder of pictures with --data")
    if output is None:
        raise ArgumentError("no run folder is given", "name one, such as -o runs/mine")

    from superres.cli.needs import needs
    from superres.cli.progress import BatchProgress

    with needs("train", "train"):
        from superres.optim.schedule import Budget
        from superres.train.devices import Devices
        from superres.train.loop import TrainingOptions
        from superres.train.loop import train as run

    options = TrainingOptions(
        folder=output,
        data=places,
        pairs=pairs,
        budget=None if minutes is None and steps is None else Budget(steps=steps, minutes=minutes),
        validation=tuple(validate or ()),
        resume=resume,
        devices=Devices(device, processes, machines),
    )
    with BatchProgress(1, first_line_s=0.0) as bar:
        course = _Course(bar)
        watch = Watch(bar.print_status, course.progress, course.status)
        report = run(resolved, options, watch=watch)
    if int(os.environ.get("LOCAL_RANK", "0")) + int(os.environ.get("NODE_RANK", "0")):
        return  # only the first process reports
    if as_json:
        card = report.card.model_dump(mode="json")
        print_json({**dataclasses.asdict(report), "card": card, "notes": watch.notes})
    else:
        print_result(str(report.model))
    if report.watched.scores:
        print_status(str(report.watched))
    print_status(
        f"{report.steps:,} steps in {report.minutes:.1f} min, "
        f"{report.data_wait:.1%} of it waiting for data"
    )


class _Course:
    """Displays a run's progress, with its latest losses."""

    def __init__(self, bar: BatchProgress) -> None:
        self._bar = bar
        self._words = ""

    def status(self, words: str) -> None:
        self._words = words

    def progress(self, done: float, total: float | None) -> None:
        line = f"{min(done, 1.0):4.0%}  {self._words}"
        self._bar.step_or_line(self._words, done, total, line)
