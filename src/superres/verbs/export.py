"""The verb `export`: a trained network as .onnx, which runs without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from superres.atomic import check_target
from superres.cli.needs import needs
from superres.cli.output import print_json, print_result, print_status
from superres.errors import ModelError, OutputError


def export(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model's name, or a weight file.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="[the model's name].onnx", show_default=False
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Store weights in fp32, at twice the size.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Export a network with its card as .onnx, for OpenVINO, ONNX Runtime and others.

    \b
    Examples:
      superres export runs/mine/model.safetensors
      superres upscale photo.jpg -n runs/mine/model.onnx
      superres export RealESRGAN_x4plus.pth
    """  # noqa: D301 - \b separates the examples' lines, and must be this one character
    from superres.zoo import resolve

    source = resolve(model).weights
    if source is None:
        raise ModelError(
            f"{model} has no weight file to export",
            "download it with superres models pull, or name a weight file",
        )
    target = output or Path(model).with_suffix(".onnx")
    if target.suffix != ".onnx":
        raise OutputError(f"{target} does not end in .onnx", "name a file such as model.onnx")
    check_target(target, (source,), overwrite=overwrite)
    with needs("export", "torch,onnx"):
        from superres.modelfiles.checkpoint import load_network
        from superres.runtimes.export import export_onnx
    network, card = load_network(source)
    export_onnx(network, card, target, half=not full)
    if as_json:
        print_json(
            {
                "file": str(target),
                "bytes": target.stat().st_size,
                "precision": "fp32" if full else "fp16",
                "card": card.model_dump(mode="json"),
            }
        )
    else:
        print_result(str(target))
    print_status(f"{card.name}: {target.stat().st_size / 2**20:.1f} MiB")
