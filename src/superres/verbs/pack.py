"""The verb `pack`: folders of pictures as a few portable files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from superres.cli.output import print_json, print_result, print_status
from superres.errors import ArgumentError

_BYTES_PER_MB = 2**20


def pack(
    places: Annotated[
        list[Path],
        typer.Argument(metavar="DIR", help="Folders, packs and pictures.", readable=False),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The pack, a .zip; further ones are numbered.",
        ),
    ],
    max_mb: Annotated[int, typer.Option("--max-mb", min=1, help="Largest pack in MiB.")] = 45,
    crop: Annotated[
        int, typer.Option(min=1, help="Longest edge; larger pictures are cut into crops.")
    ] = 1024,
    smallest: Annotated[
        int, typer.Option(min=1, help="Crops with a shorter edge are skipped.")
    ] = 192,
    format: Annotated[
        Literal["avif", "webp", "png", "jpeg"],
        typer.Option("--format", "-f", help="The crops' format."),
    ] = "avif",
    quality: Annotated[int, typer.Option(min=1, max=100, help="Quality of lossy formats.")] = 90,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing packs.")] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Keep an existing pack.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Report to stdout as JSON.")] = False,
) -> None:
    """Pack training pictures into files of limited size, which `train` reads directly.

    \b
    Example:
      superres pack photographs/ drawings/ -o pictures.zip --max-mb 45
    """  # noqa: D301 - \b separates the example's lines, and must be this one character
    if overwrite and skip_existing:
        raise ArgumentError("--overwrite and --skip-existing are both given", "use one of them")
    if skip_existing and os.path.exists(output):
        if as_json:
            print_json({"status": "skipped", "packs": [output]})
        print_status(f"skipped: {output} already exists")
        return

    from superres.cli.progress import BatchProgress
    from superres.data.pack import PackOptions
    from superres.data.pack import pack as make

    options = PackOptions(
        max_bytes=max_mb * _BYTES_PER_MB,
        crop=crop,
        smallest=smallest,
        format=format,
        quality=quality,
        overwrite=overwrite,
    )
    with BatchProgress(1) as bar:
        report = make(places, output, options, watch=bar.watch(output.name, "pictures"))
    if as_json:
        print_json(
            {
                "status": "done",
                "packs": report.packs,
                "pictures": report.pictures,
                "crops": report.crops,
                "bytes": report.bytes,
                "failed": [fault.to_dict() for fault in report.failed],
                "left_alone": dict(report.others),
            }
        )
    else:
        for path in report.packs:
            print_result(str(path))
    megabytes = report.bytes / _BYTES_PER_MB
    failed = f", {len(report.failed)} failed" if report.failed else ""
    print_status(
        f"{report.crops:,} crops of {report.pictures:,} pictures in {megabytes:.1f} MiB{failed}"
    )
    if failed:
        raise typer.Exit(1)
