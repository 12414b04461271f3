"""The verb `upscale`: pictures and folders of pictures."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from superres.cli.options import (
    AsJson,
    Backend,
    Compression,
    Device,
    Ensemble,
    Fit,
    Lossless,
    Precision,
    Quality,
    Scale,
    Size,
    Stretch,
    Tile,
    check_coding,
    check_scale,
    parse_size,
)
from superres.cli.output import print_status
from superres.errors import ArgumentError, OutputError

if TYPE_CHECKING:
    from superres.infer.route import SizeRequest
    from superres.jobs.plan import Naming, Plan
    from superres.jobs.run import Outcome
    from superres.jobs.spec import PictureJob

_STATUSES = ("done", "skipped", "failed")


def upscale(  # a verb's options are its arguments; they become a PictureJob at once
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="IN", help="Pictures, folders of pictures, or - for stdin."),
    ] = None,
    more_inputs: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", metavar="IN", help="An input; same as IN."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="A file, a folder, or - for stdout. [next to each input]",
        ),
    ] = None,
    scale: Scale = None,
    size: Size = None,
    fit: Fit = False,
    stretch: Stretch = False,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-n",
            metavar="MODEL",
            help="A name (see: superres models), a file, or auto: default or real, per picture.",
        ),
    ] = "default",
    tile: Tile = 0,
    format: Annotated[
        str | None, typer.Option("--format", "-f", help="png, jpg, webp, tiff, avif. [the input's]")
    ] = None,
    quality: Quality = None,
    lossless: Lossless = None,
    compression: Compression = "default",
    ensemble: Ensemble = False,
    alpha: Annotated[
        Literal["network", "resize", "data"],
        typer.Option(help="How transparency is upscaled; data: it is a mask, not transparency."),
    ] = "network",
    wrap: Annotated[
        Literal["none", "x", "y", "xy"],
        typer.Option(help="Seamless textures: axes along which they repeat; alone, both."),
    ] = "none",
    normal_map: Annotated[
        bool, typer.Option("--normal-map", help="RGB are vectors of unit length, not colours.")
    ] = False,
    profile: Annotated[
        Literal["keep", "srgb"], typer.Option(help="Keep the colour profile, or convert to sRGB.")
    ] = "keep",
    page: Annotated[
        int | None, typer.Option(min=1, help="The one page of a multi-page file, from 1. [all]")
    ] = None,
    backend: Backend = "auto",
    precision: Precision = "auto",
    device: Device = "auto",
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads for the network. [all]")
    ] = None,
    max_pixels: Annotated[
        int | None, typer.Option(min=1, help="Reject pictures with more pixels than this.")
    ] = None,
    suffix: Annotated[
        str | None, typer.Option(help="Added to the input's name. [such as _x4]")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs.")] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Skip inputs whose output already exists.")
    ] = False,
    recursive: Annotated[
        bool, typer.Option("--recursive", help="Include subfolders; the output mirrors the tree.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Upscale pictures; keep their depth, transparency, colour profile and metadata.

    \b
    Examples:
      superres upscale photo.jpg                     writes photo_x4.jpg
      superres upscale photo.jpg -o large.png -s 2
      superres upscale holiday/ -o larger/ --recursive -f webp
      superres upscale scan.tif --size 3000x -x
      cat photo.png | superres upscale - > large.png
    """  # noqa: D301 - \b separates the examples' lines, and must be this one character
    named = [*(inputs or ()), *(more_inputs or ())]
    _check(("no input is given", "name a picture or a folder, or - for stdin", not named))
    check_scale(scale, size)
    _check(
        (
            "--overwrite and --skip-existing are both given",
            "use one of them",
            overwrite and skip_existing,
        ),
    )
    check_coding(quality, lossless=lossless)

    from superres.cli.batch import count, open_pipes, report, run_batch
    from superres.jobs.plan import make_plan
    from superres.jobs.spec import PictureJob, checked_arguments
    from superres.upscaler import RunOptions

    taken = parse_size(size, fit=fit, stretch=stretch)
    naming = _naming(model, scale, taken, format, suffix)
    plan = make_plan(named, output, naming, recursive=recursive)
    run = RunOptions(
        tile=tile or None,
        ensemble=ensemble,
        alpha=alpha,
        wrap=wrap,
        normal_map=normal_map,
        backend=backend,
        precision=precision,
        device=device,
        threads=threads,
    )
    with checked_arguments():
        jobs = [
            PictureJob(
                source=task.source,
                target=task.target,
                existing="skip" if skip_existing else "replace" if overwrite else "refuse",
                model=model,
                scale=scale,
                size=taken,
                run=run,
                max_pixels=max_pixels,
                profile=profile,
                page=page,
                format=format,
                quality=quality,
                lossless=lossless,
                compression=compression,
            )
            for task in plan.tasks
        ]
    _check_pipes(jobs, as_json)
    start = time.monotonic()

    def summary(outcomes: Sequence[Outcome]) -> dict[str, object]:
        seconds = round(time.monotonic() - start, 3)
        left = len(plan.tasks) - len(outcomes)
        return report(plan, outcomes, _STATUSES) | {"left": left, "seconds": seconds}

    outcomes = run_batch(jobs, plan, summary if as_json else None, open_pipes(jobs))
    print_status(_closing_line(plan, outcomes, time.monotonic() - start))
    if plan.empty or count(plan, outcomes)["failed"]:
        raise typer.Exit(1)


def _check(*rules: tuple[str, str, bool]) -> None:
    """Raise ArgumentError for the first (message, hint, is broken) that is broken."""
    for message, hint, broken in rules:
        if broken:
            raise ArgumentError(message, hint)


def _naming(
    model: str,
    scale: float | None,
    size: SizeRequest | None,
    format: str | None,
    suffix: str | None,
) -> Naming:
    """Return the naming of results: after `_x4`, `_x1.5`, `_1920x1080`, or the requested suffix."""
    from superres.jobs.auto_model import largest_scale
    from superres.jobs.plan import Naming
    from superres.media import format_for
    from superres.zoo import AUTO, scales

    if suffix is None and size:
        suffix = f"_{size.label}"
    elif suffix is None:
        largest = largest_scale() if model == AUTO else max(scales(model))
        suffix = f"_x{scale or largest:g}"
    _check(
        (
            f"--suffix {suffix!r} contains a path separator",
            "use -o for the folder and --suffix for the end of the name",
            "/" in suffix or "\\" in suffix,
        )
    )
    try:
        ending = format_for(format).suffixes[0] if format else None
    except OutputError as error:  # one that is read only is wrong usage, before any file is read
        raise ArgumentError(error.message, error.hint) from error
    return Naming(suffix, ending)


def _check_pipes(jobs: Sequence[PictureJob], as_json: bool) -> None:
    """Check that no picture goes to a terminal, or to the report's stream."""
    if not any(job.target == "-" for job in jobs):
        return
    _check(
        (
            "--json and the picture would both go to stdout",
            "write the picture to a file: -o",
            as_json,
        ),
        (
            "the picture would be printed to the terminal",
            "name a file: -o, or redirect stdout",
            sys.stdout.isatty(),
        ),
    )


def _closing_line(plan: Plan, outcomes: Sequence[Outcome], seconds: float) -> str:
    """Return the final status line of a run."""
    from superres.cli.batch import count
    from superres.jobs.report import Report

    counts = count(plan, outcomes)
    if counts.total() == 1 and outcomes and isinstance(report := outcomes[0].report, Report):
        before, after = (f"{w}×{h}" for h, w in (report.input_size, report.output_size))
        how = "resized, without a network"
        if report.backend:
            how = f"{report.model} on {report.backend} {report.device}, {report.precision}"
        return f"{before} → {after} in {seconds:.2f} s ({how})"
    summary = ", ".join(f"{counts[status]} {status}" for status in _STATUSES)
    return f"{summary} in {seconds:.1f} s"
