"""The verb `burst`: fusion of frames of one scene into one larger picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from superres.cli.options import (
    AsJson,
    Backend,
    Device,
    Lossless,
    Precision,
    Quality,
    check_coding,
)
from superres.cli.output import print_json, print_result, print_status
from superres.errors import ArgumentError

if TYPE_CHECKING:
    from superres.imaging.forward_model import Blur
    from superres.jobs.report import BurstReport


def burst(
    frames: Annotated[
        list[Path], typer.Argument(metavar="FRAMES", help="Pictures of one size, or a folder.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="The large picture.")
    ],
    scale: Annotated[float, typer.Option("--scale", "-s", help="Scale factor.")] = 4.0,
    reference: Annotated[
        int | None,
        typer.Option(min=0, help="Index of the reference frame, from 0. [chosen]"),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="network, backproject or drizzle. [by the model]"),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-n",
            help="A burst model, which fuses the frames; or, to upscale the reference for the "
            "other methods: a picture model, or bicubic. [by the method]",
        ),
    ] = None,
    motion: Annotated[
        Literal["translation", "rotation", "affine", "homography"],
        typer.Option(help="Motion between frames; rotation includes shifts."),
    ] = "rotation",
    local: Annotated[
        Literal["flow", "none"], typer.Option(help="Whether to follow moving objects.")
    ] = "flow",
    blur: Annotated[
        str, typer.Option(help="auto, bicubic, or a Gaussian's sigma in small pixels.")
    ] = "auto",
    pixfrac: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Drop size of drizzle, in small pixels.")
    ] = 0.7,
    mask: Annotated[
        list[Path] | None,
        typer.Option(help="Black where pixels are invalid: one for all, or one per frame."),
    ] = None,
    coverage: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write each pixel's number of frames."),
    ] = None,
    quality: Quality = None,
    lossless: Lossless = None,
    backend: Backend = "auto",
    precision: Precision = "auto",
    device: Device = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fuse a burst of frames of one scene into one larger, more detailed picture.

    \b
    Examples:
      superres burst frame_*.png -o large.png
      superres burst shots/ -o large.tif -s 3 --coverage seen.png --json
      superres burst shots/ -o large.png -n runs/mine/model.safetensors
      superres burst stars/ -o stars.tif --method drizzle --pixfrac 0.5 -s 2
    """  # noqa: D301 - \b separates the examples' lines, and must be this one character
    if output == Path("-") or Path("-") in frames:
        raise ArgumentError("burst reads and writes files, got -", "name files or a folder")
    check_coding(quality, lossless=lossless)

    from superres.burst.options import FuseOptions
    from superres.cli.progress import BatchProgress
    from superres.data.folders import find_pictures
    from superres.jobs.burst import fuse_burst_files
    from superres.jobs.outputs import make_folder_of
    from superres.jobs.spec import BurstJob, checked_arguments
    from superres.model_pool import ModelPool
    from superres.upscaler import RunOptions

    bar = BatchProgress(1)
    watch = bar.watch(output.name)
    sources = find_pictures(frames, watch)
    if packed := [str(source) for source in sources if source.member]:
        raise ArgumentError(f"{packed[0]} is inside a pack", "name folders or pictures")
    options = FuseOptions(
        scale=scale,
        reference=reference,
        method=method,
        model=model,
        motion=motion,
        local=local,
        blur=_blur(blur),
        pixfrac=pixfrac,
        run=RunOptions(backend=backend, precision=precision, device=device),
    )
    with checked_arguments():
        job = BurstJob(
            frames=tuple(source.path for source in sources),
            target=output,
            existing="replace" if overwrite else "refuse",
            fuse=options,
            masks=tuple(mask or ()),
            coverage=coverage,
            quality=quality,
            lossless=lossless,
        )
    for target in job.outputs:
        make_folder_of(target)
    with bar:
        report = fuse_burst_files(job, ModelPool(), watch)
    if as_json:
        print_json(report.to_dict())
    else:
        print_result(report.target)
        if report.coverage:
            print_result(report.coverage)
    print_status(_last_words(report))


def _blur(text: str) -> Blur | Literal["auto"]:
    """Return the value of --blur."""
    if text == "auto" or text == "bicubic":
        return text
    try:
        return float(text)
    except ValueError as error:
        raise ArgumentError(
            f"--blur takes auto, bicubic or a number, got {text!r}",
            "a camera's blur is about 0.4 small pixels",
        ) from error


def _last_words(report: BurstReport) -> str:
    """Return the final status line of a run."""
    before, after = (f"{w}×{h}" for h, w in (report.input_size, report.output_size))
    blur = report.blur if isinstance(report.blur, str) else f"a blur of {report.blur:g} px"
    return (
        f"{report.used} of {len(report.frames)} frames, {before} → {after} in "
        f"{report.seconds:.2f} s ({report.method} on {report.model}, {blur}, "
        f"reference frame {report.reference})"
    )
