"""What will be made of a video: its size, encoding and container, or why that cannot be."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Literal

from superres import zoo
from superres.atomic import check_target
from superres.errors import ArgumentError, OutputError, PictureError
from superres.media import MAX_PIXELS
from superres.upscaler import Route, RunOptions, plan_route
from superres.video.encoding import (
    CodecOptions,
    Encoding,
    choose_encoding,
    choose_pix_fmt,
    chroma_steps,
)
from superres.video.join import Rest, container_of, plan_rest, try_out
from superres.video.probe import VideoFacts

Kind = Literal["file", "folder"]

PIPE_CONTAINER = "matroska"
"""What goes into a pipe unless another container is asked for: it needs no seeking."""


@dataclass(frozen=True, slots=True)
class VideoOptions:
    """What to make of a video, and how.

    Attributes:
        model: A family (`default`), a model (`default-x4`) or a model file.
        scale: How much larger; or
        size: (height, width) of the result. With neither, the model's largest scale.
        codec: How the result is encoded.
        container: Its container (`mkv`); None goes by the target's suffix.
        run: How the network is run; of its fields, `alpha` says nothing of videos.
        max_pixels: Largest frame, before and after, that is taken on.
        overwrite: Whether an existing target, or work for another command, may be replaced.
        segment_frames: Frames in a segment: what a killed run may lose.
    """

    model: str = zoo.DEFAULT
    scale: float | None = None
    size: tuple[int, int] | None = None
    codec: CodecOptions = field(default_factory=CodecOptions)
    container: str | None = None
    run: RunOptions = field(default_factory=RunOptions)
    max_pixels: int | None = None
    overwrite: bool = False
    segment_frames: int = 60


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be made of a video.

    Attributes:
        source: The video.
        facts: What it holds.
        route: How its frames get to their new size.
        container: FFmpeg's name of the result's container; "" for a folder of frames.
        encoding: How the result is encoded; None for a folder of frames.
        rest: What of the source goes along.
    """

    source: Path
    facts: VideoFacts
    route: Route
    container: str
    encoding: Encoding | None
    rest: Rest


def make_plan(
    source: Path,
    facts: VideoFacts,
    target: Path | BinaryIO,
    kind: Kind,
    options: VideoOptions,
    offered: tuple[int, ...],
) -> Plan:
    """Settle what will be made of a video.

    Args:
        source: The video.
        facts: What it holds.
        target: What will be made; see `superres.video.enlarge_video`.
        kind: Whether a path is a video file, or a folder of frames.
        options: What is asked for.
        offered: Scales of the networks there are.

    Raises:
        PictureError: Its frames are too large.
        OutputError: Those of the result would be.
        ArgumentError: Scale, size, codec or container cannot be.
    """
    max_pixels = options.max_pixels or MAX_PIXELS
    _check_size(facts.size, max_pixels, PictureError, source)
    route = plan_route(facts.size, offered, options.scale, options.size)
    if kind == "folder":
        _check_size(route.target, max_pixels, OutputError, source)
        return Plan(source, facts, route, "", None, Rest((), {}))
    container = _container(target, options.container)
    facts = _with_aspect(facts, route.target, options.size)
    pix_fmt = choose_pix_fmt(facts, container, options.codec)
    route = _fitted(route, pix_fmt, options.size)
    _check_size(route.target, max_pixels, OutputError, source)
    encoding = choose_encoding(facts, route.target, container, options.codec)
    try_out(container, encoding)
    return Plan(source, facts, route, container, encoding, plan_rest(source, facts, container))


def check_video_target(source: Path, target: Path | BinaryIO, overwrite: bool, kind: Kind) -> None:
    """Refuse a target that may not be written, before anything is read or computed.

    Raises:
        OutputError: It is the source, exists, or has no folder to stand in.
    """
    if not isinstance(target, Path):
        return
    if kind == "file" and target.exists() and not target.is_file():
        raise OutputError(f"{target} is no file", "name a file, or end it in / for frames")
    check_target(target, (source,), overwrite=overwrite or kind == "folder")
    if kind == "folder" and target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise OutputError(
            f"{target} exists already" + (" and is not empty" if target.is_dir() else ""),
            "frames go into a new folder: name another one, or remove it first",
        )


def _check_size(
    size: tuple[int, int],
    max_pixels: int,
    error: type[PictureError] | type[OutputError],
    source: Path,
) -> None:
    if size[0] * size[1] > max_pixels:
        whose = (
            "frames of the result would be" if error is OutputError else f"frames of {source} are"
        )
        raise error(
            f"{whose} {size[1]}x{size[0]}, {size[0] * size[1]:,} pixels, the cap is {max_pixels:,}",
            "ask for a smaller scale, or raise --max-pixels",
        )


def _container(target: Path | BinaryIO, asked: str | None) -> str:
    if asked is not None:
        return container_of(asked)
    return container_of(target.suffix) if isinstance(target, Path) else PIPE_CONTAINER


def _with_aspect(
    facts: VideoFacts, target: tuple[int, int], asked: tuple[int, int] | None
) -> VideoFacts:
    """Return facts with the pixel aspect ratio that keeps the picture's own in another size.

    A scale changes neither, but for rounding, which is left alone.
    """
    if asked is None or facts.aspect is None:
        return facts
    stretch = Fraction(facts.size[1] * target[0], facts.size[0] * target[1])
    aspect = (facts.aspect * stretch).limit_denominator(2**15)
    return dataclasses.replace(facts, aspect=aspect)


def _fitted(route: Route, pix_fmt: str, asked: tuple[int, int] | None) -> Route:
    """Return a route to a size that a pixel format's chroma can have.

    Raises:
        ArgumentError: A size was asked for, and cannot be.
    """
    steps = chroma_steps(pix_fmt)
    height, width = (
        max(step, math.floor(edge / step + 0.5) * step)
        for edge, step in zip(route.target, steps, strict=True)
    )
    if (height, width) != route.target and asked is not None:
        raise ArgumentError(
            f"{pix_fmt} has sizes in steps of {steps[1]}x{steps[0]}, "
            f"asked for {asked[1]}x{asked[0]}",
            f"ask for {width}x{height}, or use --pix-fmt yuv444p",
        )
    return Route(route.passes, (height, width))
