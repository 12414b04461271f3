"""Options shared by several verbs, and their checks."""

from __future__ import annotations

import math
import re
from typing import Annotated, Literal

import typer

from superres.errors import ArgumentError

Scale = Annotated[
    float | None,
    typer.Option("--scale", "-s", "--outscale", help="The scale factor. [the model's]"),
]
Size = Annotated[
    str | None,
    typer.Option("--size", "-r", metavar="WxH", help="The size in pixels instead; Wx or xH alone."),
]
Tile = Annotated[
    int,
    typer.Option("--tile", "-t", min=0, help="Tile edge in input pixels; 0 means auto."),
]
Ensemble = Annotated[
    bool, typer.Option("--ensemble", "-x", help="Mean of 8 rotated and flipped runs: slower.")
]
Backend = Annotated[str, typer.Option(help="openvino, torch, onnxruntime, or auto.")]
Precision = Annotated[
    Literal["auto", "fp32", "bf16", "fp16"], typer.Option(help="The number format.")
]
Device = Annotated[str, typer.Option(help="Such as cpu, gpu, cuda:0, or auto.")]
Quality = Annotated[int | None, typer.Option(min=1, max=100, help="Quality of lossy formats.")]
AsJson = Annotated[bool, typer.Option("--json", help="Report to stdout as JSON.")]


def check_scale(scale: float | None, size: str | None) -> None:
    """Check that at most one of scale and size is given, and that the scale is positive.

    Raises:
        ArgumentError: Both are given, or the scale is not above 0.
    """
    if scale is not None and size is not None:
        raise ArgumentError("--scale and --size are both given", "use one of them")
    if scale is not None and not 0 < scale < math.inf:
        raise ArgumentError(f"--scale must be above 0, got {scale}", "such as -s 4, or -s 1.5")


def parse_size(text: str) -> tuple[int | None, int | None]:
    """Return (height, width) from `WxH`, and with None for what `Wx` or `xH` leaves out.

    Raises:
        ArgumentError: The text is not two positive numbers, or one of them, and an x.
    """
    number = "[1-9][0-9]{0,6}"
    match = re.fullmatch(f"({number})?[xX×*]({number})?", text.strip())
    if match is None or not any(match.groups()):
        raise ArgumentError(
            f"--size takes width x height in pixels, got {text!r}",
            "write it as 1920x1080, or 1920x or x1080 for one of them",
        )
    width, height = (int(part) if part else None for part in match.groups())
    return height, width
