"""Video planner: size, encoding and container."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from superres.errors import ArgumentError, OutputError, PictureError
from superres.formats.format import Holding
from superres.formats.holding import held_header
from superres.frame import UINT8, Bands
from superres.infer.route import Route, Size, plan_route
from superres.jobs.spec import Place, VideoJob
from superres.media import MAX_PIXELS, format_for, is_written
from superres.metadata.header import Animation, Metadata
from superres.metadata.picture import Header
from superres.video.join import Rest
from superres.video.production import VideoPlan
from superres.video.trial import try_out
from superres.videofiles.containers import container_of
from superres.videofiles.encoding import choose_encoding, choose_pix_fmt, chroma_steps
from superres.videofiles.probe import VideoFacts
from superres.videofiles.turn import NO_TURN, Turn, turn_of

PIPE_CONTAINER = "matroska"
"""The default container for a pipe, as it needs no seeking."""

_ROUNDING_PX = 2.0  # sizes of one aspect ratio, rounded to even: 854x480 and 1280x720


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
    turn = turn_of(facts.display) or NO_TURN
    size, facts = _stored_size(job, facts, turn)
    route = plan_route(facts.size, offered, job.scale, size)
    if job.form == "folder":
        _check_size(route.target, max_pixels, OutputError, job.source)
        return VideoPlan(job.source, facts, route, "", None, Rest((), {}), turn)
    if job.container is None and isinstance(job.target, Path) and is_written(job.target):
        _check_animation(job.target, facts, turn.size(route.target))
        return VideoPlan(job.source, facts, route, "", None, Rest((), {}), turn)
    container = _container(job.target, job.container)
    pix_fmt = choose_pix_fmt(facts, container, job.codec)
    exact = job.size is not None and job.size.whole and job.size.fit != "inside"
    route = _fitted(route, pix_fmt, turn, exact=exact)
    _check_size(route.target, max_pixels, OutputError, job.source)
    encoding = choose_encoding(facts, route.target, container, job.codec)
    rest = try_out(job.source, facts, container, encoding, piped=not isinstance(job.target, Path))
    return VideoPlan(job.source, facts, route, container, encoding, rest, turn)


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
        pixels = f"{size[0] * size[1]:,} pixels"
        raise error(f"{whose} {size[1]}x{size[0]}, {pixels}; the limit is {max_pixels:,}", hint)


def _container(target: Place, requested: str | None) -> str:
    if requested is not None:
        return container_of(requested)
    return container_of(target.suffix) if isinstance(target, Path) else PIPE_CONTAINER


def _check_animation(target: Path, facts: VideoFacts, size: tuple[int, int]) -> None:
    """Check that a picture can hold a video's frames.

    Raises:
        OutputError: Its format holds no animations, or none of this size.
    """
    written = format_for(target)
    assert isinstance(written.holding, Holding)
    metadata = Metadata(animation=Animation(()))
    header = Header(*size, Bands.of(3), UINT8, metadata, planes=facts.frames or 2)
    held_header(written.holding, written.title, header)


def _stored_size(job: VideoJob, facts: VideoFacts, turn: Turn) -> tuple[Size | None, VideoFacts]:
    """Return the size of the result's frames as they are stored, and their pixel aspect ratio.

    A requested size is the displayed one. If pixels are not square, their aspect ratio absorbs a
    change of shape; a scale, with its rounding, keeps it.

    Raises:
        ArgumentError: The size would distort the picture.
    """
    if job.size is None:
        return None, facts
    size = turn.size(facts.size)
    if job.size.fit == "stretch":
        size = turn.size(job.size.of(size))
        return size, replace(facts, aspect=Fraction(1) if facts.aspect else None)
    if facts.aspect in (None, 1) or not job.size.whole or job.size.fit == "inside":
        return turn.size(job.size.of(size, slack_px=_ROUNDING_PX)), facts
    size = turn.size(replace(job.size, fit="stretch").of(size))
    stretch = Fraction(facts.size[1] * size[0], facts.size[0] * size[1])
    aspect = (facts.aspect * stretch).limit_denominator(2**15)
    return size, replace(facts, aspect=aspect)


def _fitted(route: Route, pix_fmt: str, turn: Turn, *, exact: bool) -> Route:
    """Return a route to a size that is valid for a pixel format's chroma.

    Raises:
        ArgumentError: The size must be exact, and is impossible.
    """
    steps = chroma_steps(pix_fmt)
    nearest = (
        max(steps[0], math.floor(route.target[0] / steps[0] + 0.5) * steps[0]),
        max(steps[1], math.floor(route.target[1] / steps[1] + 0.5) * steps[1]),
    )
    if nearest != route.target and exact:
        (rows, columns), (height, width), wanted = map(turn.size, (steps, nearest, route.target))
        raise ArgumentError(
            f"{pix_fmt} needs a size in steps of {columns}x{rows}, got {wanted[1]}x{wanted[0]}",
            f"use --size {width}x{height}, or use --pix-fmt yuv444p",
        )
    return Route(route.passes, nearest)
