"""Video planner: size, encoding and container."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction
from pathlib import Path

from superres.errors import ArgumentError, OutputError, PictureError
from superres.infer.route import Route, Size, SizeRequest, plan_route
from superres.jobs.spec import Place, VideoJob
from superres.media import MAX_PIXELS
from superres.video.encoding import choose_encoding, choose_pix_fmt, chroma_steps
from superres.video.join import Rest, container_of, plan_rest, try_out
from superres.video.probe import VideoFacts
from superres.video.production import VideoPlan

PIPE_CONTAINER = "matroska"
"""The default container for a pipe: it needs no seeking."""


def plan_video(job: VideoJob, facts: VideoFacts, offered: tuple[int, ...]) -> VideoPlan:
    """Decide a video's size, encoding and container.

    Args:
        job: The request.
        facts: The source's properties.
        offered: Scales of the available networks.

    Raises:
        PictureError: Its frames are too large.
        OutputError: The result's frames would be.
        ArgumentError: Scale, size, codec or container is not possible.
    """
    max_pixels = job.max_pixels or MAX_PIXELS
    _check_size(facts.size, max_pixels, PictureError, job.source)
    size, requested = _size(job, facts)
    route = plan_route(facts.size, offered, job.scale, size)
    if job.form == "folder":
        _check_size(route.target, max_pixels, OutputError, job.source)
        return VideoPlan(job.source, facts, route, "", None, Rest((), {}))
    container = _container(job.target, job.container)
    facts = _with_aspect(facts, route.target, requested)
    pix_fmt = choose_pix_fmt(facts, container, job.codec)
    route = _fitted(route, pix_fmt, requested)
    _check_size(route.target, max_pixels, OutputError, job.source)
    encoding = choose_encoding(facts, route.target, container, job.codec)
    try_out(container, encoding)
    return VideoPlan(
        job.source, facts, route, container, encoding, plan_rest(job.source, facts, container)
    )


def _size(job: VideoJob, facts: VideoFacts) -> tuple[Size | None, Size | None]:
    """Return the requested size of these frames, and again if not a pixel of it may change.

    An exact size of another shape is no distortion: the pixel aspect ratio makes up for it.
    """
    if job.size is None:
        return None, None
    if job.size.height and job.size.width and job.size.fit != "inside":
        size = (job.size.height, job.size.width)
        return size, size
    return job.size.of(facts.size), None


def _check_size(
    size: tuple[int, int],
    max_pixels: int,
    error: type[PictureError] | type[OutputError],
    source: Path,
) -> None:
    if size[0] * size[1] > max_pixels:
        whose, hint = f"frames of {source} are", "raise --max-pixels if the file can be trusted"
        if error is OutputError:
            whose = "frames of the result would be"
            hint = "use a smaller scale, or raise --max-pixels"
        raise error(
            f"{whose} {size[1]}x{size[0]}, {size[0] * size[1]:,} pixels; the cap is {max_pixels:,}",
            hint,
        )


def _container(target: Place, requested: str | None) -> str:
    if requested is not None:
        return container_of(requested)
    return container_of(target.suffix) if isinstance(target, Path) else PIPE_CONTAINER


def _with_aspect(
    facts: VideoFacts, target: tuple[int, int], requested: tuple[int, int] | None
) -> VideoFacts:
    """Return facts with the pixel aspect ratio that preserves the picture's shape at another size.

    A scale changes neither, except by rounding, which is ignored.
    """
    if requested is None or (facts.aspect is None and _same_shape(requested, facts.size)):
        return facts
    stretch = Fraction(facts.size[1] * target[0], facts.size[0] * target[1])
    aspect = ((facts.aspect or 1) * stretch).limit_denominator(2**15)
    return dataclasses.replace(facts, aspect=aspect)


def _same_shape(requested: Size, size: Size) -> bool:
    """Return whether a requested size is that of square pixels, but for rounding."""
    height, width = requested
    return requested in (
        SizeRequest(height, None).of(size),
        SizeRequest(None, width).of(size),
    )


def _fitted(route: Route, pix_fmt: str, requested: tuple[int, int] | None) -> Route:
    """Return a route to a size that is valid for a pixel format's chroma.

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
