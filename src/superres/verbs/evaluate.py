"""The verb `evaluate`: a model's scores on sets of pictures."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from superres.cli.options import Backend, Device, Precision, Tile
from superres.cli.output import print_exception, print_json, print_result, print_status
from superres.errors import ArgumentError, DataError, PictureError

if TYPE_CHECKING:
    from superres.cli.progress import BatchProgress
    from superres.errors import SuperresError
    from superres.evaluate.benchmark import ArrayUpscaler, SetResult
    from superres.upscaler import RunOptions
    from superres.watch import ProgressListener, Watch

BICUBIC = "bicubic"  # the baseline is requested like a model


def evaluate(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A name (see: superres models), a file, or bicubic."),
    ],
    more_sets: Annotated[
        list[Path] | None,
        # readable=False: one set that is closed must not end the command before it begins.
        typer.Argument(metavar="DIR", help="More sets.", show_default=False, readable=False),
    ] = None,
    sets: Annotated[
        list[Path] | None,
        typer.Option(
            "--set",
            metavar="DIR",
            help="A folder of pictures, or one with HR and optionally LR_x4.",
            readable=False,
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
    from superres.data.listing import left_alone
    from superres.evaluate import table
    from superres.evaluate.benchmark import count_others, count_pictures
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
    others = sum((count_others(folder, scale) for folder in folders), Counter[str]())
    failed: dict[str, SuperresError] = {}
    pending: list[tuple[Path, int]] = []
    for folder in folders:
        try:
            pending.append((folder, count_pictures(folder)))
        except DataError as error:
            failed[str(folder)] = error
            print_exception(error)
    if words := left_alone(others):
        print_status(words)
    results: list[SetResult] = []
    with BatchProgress(sum(count for _, count in pending)) as bar:
        upscaler = _upscaler(model, scale, options, bar.watch(model))
        for folder, _ in pending:
            watch = Watch(on_progress=_counted(bar, folder.name))
            try:
                results.append(measure(upscaler, folder, scale=scale, protocol=taken, watch=watch))
            except (DataError, PictureError) as error:  # one set's fault is not the others'
                failed[str(folder)] = error
                bar.print_error(error.message, error.hint)
    if as_json:
        print_json(table.to_json(results, model=model, failed=failed, others=others))
    elif pictures and results:
        print_result("\n\n".join(table.picture_table(result, model=model) for result in results))
    elif results:
        print_result(table.summary_table(results, model=model))
    if failed:
        raise typer.Exit(1)


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
