"""The verb `degrade`: large pictures in, the small ones that training sees of them out."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from superres.atomic import check_target
from superres.cli.needs import needs
from superres.cli.output import print_json, print_status
from superres.cli.targets import make_folder_of
from superres.errors import ArgumentError, OutputError, PictureError

if TYPE_CHECKING:
    from collections.abc import Sequence


def degrade(
    source: Annotated[str, typer.Argument(metavar="IN", help="A picture or a folder of them.")],
    target: Annotated[
        str, typer.Argument(metavar="OUT", help="A file, or a folder, where results are PNG.")
    ],
    recipe: Annotated[
        str, typer.Option("--recipe", metavar="NAME", help="real, bsrgan, bicubic or a TOML file.")
    ] = "real",
    scale: Annotated[
        int, typer.Option("--scale", "-s", min=1, max=16, help="How much smaller.")
    ] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Another seed draws other flaws.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs.")] = False,
    recursive: Annotated[
        bool, typer.Option("--recursive", help="Also folders in folders; the tree is mirrored.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Report to stdout as JSON.")] = False,
) -> None:
    """Write what training sees: pictures made small, blurred, noisy and compressed.

    \b
    Examples:
      superres degrade photo.jpg small.png
      superres degrade photo.jpg other.png --seed 1
      superres degrade holiday/ small/ --recipe bsrgan --scale 2
    """  # noqa: D301 - \b keeps the lines of the examples apart, and must be the one character
    if "-" in (source, target):
        raise ArgumentError("degrade reads and writes files, got -", "name a file or a folder")

    from superres.cli.plan import FALLBACK, Naming, make_plan, path_key
    from superres.cli.progress import BatchProgress

    with needs("degrade", "torch"):
        from superres.degrade.degrade_file import degrade_file
        from superres.degrade.load import load_degradation

    config = load_degradation(recipe)
    plan = make_plan([source], target, Naming("", FALLBACK), recursive=recursive)
    sources = {path_key(Path(job.source)): Path(job.source) for job in plan.jobs}
    files: list[dict[str, object]] = []
    with BatchProgress(len(plan.jobs)) as progress:
        for folder in plan.empty:
            progress.print_error(
                f"{folder} holds no pictures", "--recursive looks in its folders too"
            )
        for job in plan.jobs:
            large, small = Path(job.source), Path(job.target)
            try:
                inputs = (large, sources.get(path_key(small), large))
                _prepare_target(small, inputs, overwrite=overwrite)
                report = degrade_file(large, small, config, scale=scale, seed=seed)
            except (OutputError, PictureError) as error:
                progress.print_error(error.message, error.hint)
                names = {"source": str(large), "target": str(small)}
                told = {"error": error.message, "hint": error.hint}
                files.append({"status": "failed", **names, **told})
            else:
                files.append({"status": "done", **dataclasses.asdict(report)})
                for note in report.notes:
                    progress.print_status(f"note: {large}: {note}")
                if not as_json:
                    progress.print_result(str(small))
            progress.finish_file(large.name)
    done = sum(file["status"] == "done" for file in files)
    failed = len(files) - done
    if as_json:
        print_json({"files": files, "done": done, "failed": failed})
    print_status(f"{done} done, {failed} failed ({recipe}, ×{scale}, seed {seed})")
    if failed or plan.empty:
        raise typer.Exit(1)


def _prepare_target(target: Path, inputs: Sequence[Path], *, overwrite: bool) -> None:
    """Refuse what must not be overwritten, before anything is computed, and make the folder."""
    make_folder_of(target, "name another OUT")
    check_target(target, inputs, overwrite=overwrite, hint="use --overwrite or another OUT")
