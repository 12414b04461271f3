"""Options shared by several verbs, and their checks."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from superres.errors import ArgumentError

if TYPE_CHECKING:
    from superres.infer.route import SizeRequest

Scale = Annotated[
    float | None,
    typer.Option("--scale", "-s", "--outscale", help="The scale factor. [the model's]"),
]
Size = Annotated[
    str | None,
    typer.Option(
        "--size", "-r", metavar="WxH", help="The size in pixels instead; Wx or xH keeps the shape."
    ),
]
Fit = Annotated[
    bool, typer.Option("--fit", help="Stay inside --size WxH and keep the picture's shape.")
]
Stretch = Annotated[
    bool, typer.Option("--stretch", help="Meet --size WxH, even if it distorts the picture.")
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
    Literal["auto", "fp32", "bf16", "fp16", "int8"], typer.Option(help="The number format.")
]
Device = Annotated[str, typer.Option(help="Such as cpu, gpu, cuda:0, or auto.")]
Quality = Annotated[int | None, typer.Option(min=1, max=100, help="Quality of lossy formats.")]
Lossless = Annotated[
    bool | None,
    typer.Option(
        "--lossless/--lossy",
        help="Lose no detail in webp and avif. [as the input, in the same format]",
        show_default=False,
    ),
]
Compression = Annotated[
    Literal["none", "fast", "default", "small"],
    typer.Option(help="Effort of the encoder: fast, or small files; none: PNG and TIFF alone."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Report to stdout as JSON.")]


_AXES = (["none"], ["x"], ["y"], ["xy"])
_EDGE = "([1-9][0-9]{0,6})?"
_SIZE = re.compile(f"{_EDGE}[xX×*]{_EDGE}")


def parse_size(text: str | None, *, fit: bool = False, stretch: bool = False) -> SizeRequest | None:
    """Return the requested size: `WxH`, `Wx` or `xH` in pixels.

    Args:
        text: The value of --size, or None.
        fit: Whether --fit is given.
        stretch: Whether --stretch is given.

    Raises:
        ArgumentError: The text is not one or two positive numbers with an x, or the options do not
            go together.
    """
    if fit and stretch:
        raise ArgumentError("--fit and --stretch are both given", "use one of them")
    if text is None:
        if fit or stretch:
            raise ArgumentError(
                f"--{'fit' if fit else 'stretch'} is given without a size",
                "add one, such as --size 1920x1080",
            )
        return None
    match = _SIZE.fullmatch(text.strip())
    if match is None or match[1] == match[2] is None:
        raise ArgumentError(
            f"--size takes width x height in pixels, got {text!r}",
            "write it as 1920x1080, or 1920x or x1080 to keep the picture's shape",
        )
    if stretch and None in match.groups():
        raise ArgumentError(
            f"--stretch needs a width and a height, got --size {text}", "write it as 1920x1080"
        )
    from superres.infer.route import SizeRequest

    width, height = (None if edge is None else int(edge) for edge in match.groups())
    return SizeRequest(height, width, "inside" if fit else "stretch" if stretch else "exact")


def with_values(arguments: Sequence[str]) -> list[str]:
    """Return a command line in which `--wrap` has its value: `xy` where none of its values follows.

    The parser would take a file's name for the value.
    """
    words = list(arguments)
    end = words.index("--") if "--" in words else len(words)
    for index in range(end):
        if words[index] == "--wrap" and words[index + 1 : index + 2] not in _AXES:
            words[index] = "--wrap=xy"
    return words


def check_coding(quality: int | None, *, lossless: bool | None) -> None:
    """Check that a quality and lossless coding are not both requested.

    Raises:
        ArgumentError: They are.
    """
    if lossless and quality:
        raise ArgumentError(f"--lossless and --quality {quality} are both given", "use one of them")


def check_scale(scale: float | None, size: str | None) -> None:
    """Check that at most one of scale and size is given, and that the scale is positive.

    Raises:
        ArgumentError: Both are given, or the scale is not above 0.
    """
    if scale is not None and size is not None:
        raise ArgumentError("--scale and --size are both given", "use one of them")
    if scale is not None and not 0 < scale < math.inf:
        raise ArgumentError(f"--scale must be above 0, got {scale}", "such as -s 4, or -s 1.5")
