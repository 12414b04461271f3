"""The verb `evaluate`: a model's scores on sets of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from superres.cli.options import Backend, Device, Precision, Tile
from superres.cli.output import print_json, print_result
from superres.errors import ArgumentError

if TYPE_CHECKING:
    from superres.cli.progress import BatchProgress
    from superres.evaluate.benchmark import ArrayUpscaler
    from superres.upscaler import RunOptions
    from superres.watch import ProgressListener, Watch

BICUBIC = "bicubic"  # the baseline is requested like a model


def evaluate(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A name (see: superres models), a file, or bicubic."),
    ],
    more_sets: Annotated[
        list[Path] | None, typer.Argument(metavar="DIR", help="More sets.", show_default=False)
    ] = None,
    sets: Annotated[
        list[Path] | None,
        typer.Option(
            "--set",
            metavar="DIR",
            help="A folder of pictures, or one with HR and optionally LR_x4.",
        ),
    ] = None,
    scale: Annotated[int, typer.Option("--scale", "-s", min=1, help="The scale factor.")] = 4,
    protocol: Annotated[
        Literal["literature", "cpsnr"],
        typer.Option(help="The literature's, or PROBA-V's cPSNR: registered, bias-corrected."),
    ] = "literature",
    channels: Annotated[Literal["luma", "rgb"], typer.Option(help="Channels compared.")] = "luma",
    border: Annotated[
        int | None, typer.Option(min=0, help="Output pixels ignored at each edge. [the scale; 3]")
    ] = None,
    pictures: Annotated[bool, typer.Option("--pictures", help="One line per picture.")] = False,
    ensemble: Annotated[
        bool, typer.Option("--ensemble", "-x", help="Mean of 8 rotated and flipped runs.")
    ] = False,
    tile: Tile = 0,
    backend: Backend = "auto",
    precision: Precision = "auto",
    device: Device = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads. [all]")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure PSNR and SSIM by the literature's protocol, or cPSNR, on benchmark sets.

    \b
    Examples:
      superres evaluate default --set Set5 --set Set14 --scale 4
      superres evaluate bicubic --set Set5 --scale 2 --pictures
      superres evaluate default --set PROBA --scale 3 --protocol cpsnr
    """  # noqa: D301 - \b separates the examples' lines, and must be this one character
    folders = [*(sets or ()), *(more_sets or ())]
    if not folders:
        raise ArgumentError("no set is given", "name a folder of pictures with --set")

    from superres.cli.progress import BatchProgress
    from superres.evaluate import table
    from superres.evaluate.benchmark import count_pictures
    from superres.evaluate.benchmark import evaluate as measure
    from superres.metrics import Protocol
    from superres.metrics.cpsnr import RegisteredProtocol
    from superres.upscaler import RunOptions
    from superres.watch import Watch

    options = RunOptions(
        tile=tile or None,
        ensemble=ensemble,
        backend=backend,
        precision=precision,
        device=device,
        threads=threads,
    )
    taken = (
        RegisteredProtocol(border=3 if border is None else border)
        if protocol == "cpsnr"
        else Protocol(channels=channels, border=scale if border is None else border)
    )
    with BatchProgress(sum(count_pictures(folder) for folder in folders)) as bar:
        upscaler = _upscaler(model, scale, options, bar.watch(model))
        results = [
            measure(
                upscaler,
                folder,
                scale=scale,
                protocol=taken,
                watch=Watch(on_progress=_counted(bar, folder.name)),
            )
            for folder in folders
        ]
    if as_json:
        print_json(table.to_json(results, model=model))
    elif pictures:
        print_result("\n\n".join(table.picture_table(result, model=model) for result in results))
    else:
        print_result(table.summary_table(results, model=model))


def _counted(bar: BatchProgress, name: str) -> ProgressListener:
    """Return a callback that counts each picture of a set as one file of the bar."""
    return lambda done, total: bar.finish_file(f"{name} {done:g} of {total:g}")


def _upscaler(model: str, scale: int, options: RunOptions, watch: Watch) -> ArrayUpscaler:
    """Return the function that upscales arrays by the scale."""
    if model == BICUBIC:
        from superres.evaluate.benchmark import bicubic

        return bicubic(scale)
    from superres.upscaler import Upscaler

    upscaler = Upscaler(model, options, watch=watch)
    return lambda pixels: upscaler(pixels, scale=scale)
