"""Plan of a video: its size, encoding and container, or why that cannot be."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction
from pathlib import Path

from superres.errors import ArgumentError, OutputError, PictureError
from superres.infer.route import Route, plan_route
from superres.jobs.spec import Place, VideoJob
from superres.media import MAX_PIXELS
from superres.video.join import Rest
from superres.video.production import VideoPlan
from superres.video.trial import try_out
from superres.videofiles.containers import container_of
from superres.videofiles.encoding import choose_encoding, choose_pix_fmt, chroma_steps
from superres.videofiles.probe import VideoFacts

PIPE_CONTAINER = "matroska"
"""What goes into a pipe unless another container is requested: it needs no seeking."""


def plan_video(job: VideoJob, facts: VideoFacts, offered: tuple[int, ...]) -> VideoPlan:
    """Settle what will be made of a video.

    Args:
        job: The request.
        facts: What the source holds.
        offered: Scales of the networks there are.

    Raises:
        PictureError: Its frames are too large.
        OutputError: Those of the result would be.
        ArgumentError: Scale, size, codec or container cannot be.
    """
    max_pixels = job.max_pixels or MAX_PIXELS
    _check_size(facts.size, max_pixels, PictureError, job.source)
    route = plan_route(facts.size, offered, job.scale, job.size)
    if job.form == "folder":
        _check_size(route.target, max_pixels, OutputError, job.source)
        return VideoPlan(job.source, facts, route, "", None, Rest((), {}))
    container = _container(job.target, job.container)
    facts = _with_aspect(facts, route.target, job.size)
    pix_fmt = choose_pix_fmt(facts, container, job.codec)
    route = _fitted(route, pix_fmt, job.size)
    _check_size(route.target, max_pixels, OutputError, job.source)
    encoding = choose_encoding(facts, route.target, container, job.codec)
    rest = try_out(job.source, facts, container, encoding, piped=not isinstance(job.target, Path))
    return VideoPlan(job.source, facts, route, container, encoding, rest)


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
            f"{whose} {size[1]}x{size[0]}, {size[0] * size[1]:,} pixels; the cap is {max_pixels:,}",
            "use a smaller scale, or raise --max-pixels",
        )


def _container(target: Place, requested: str | None) -> str:
    if requested is not None:
        return container_of(requested)
    return container_of(target.suffix) if isinstance(target, Path) else PIPE_CONTAINER


def _with_aspect(
    facts: VideoFacts, target: tuple[int, int], requested: tuple[int, int] | None
) -> VideoFacts:
    """Return facts with the pixel aspect ratio that keeps the picture's own in another size.

    A scale changes neither, but for rounding, which is left alone.
    """
    if requested is None or facts.aspect is None:
        return facts
    stretch = Fraction(facts.size[1] * target[0], facts.size[0] * target[1])
    aspect = (facts.aspect * stretch).limit_denominator(2**15)
    return dataclasses.replace(facts, aspect=aspect)


def _fitted(route: Route, pix_fmt: str, requested: tuple[int, int] | None) -> Route:
    """Return a route to a size that a pixel format's chroma can have.

    Raises:
        ArgumentError: The requested size is impossible.
    """
    steps = chroma_steps(pix_fmt)
    height, width = (
        max(step, math.floor(edge / step + 0.5) * step)
        for edge, step in zip(route.target, steps, strict=True)
    )
    if (height, width) != route.target and requested is not None:
        raise ArgumentError(
            f"{pix_fmt} needs a size in steps of {steps[1]}x{steps[0]}, "
            f"got {requested[1]}x{requested[0]}",
            f"use --size {width}x{height}, or use --pix-fmt yuv444p",
        )
    return Route(route.passes, (height, width))
