"""Burst jobs: small frames fused into one large picture, and a report."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from superres.burst.frames import MAX_BURST_PIXELS, check_total
from superres.burst.fuse import fuse_burst
from superres.errors import ArgumentError, OutputError, PictureError
from superres.frame import UINT16, Bands, Values
from superres.jobs.outputs import check_outputs, options_for, profile_for
from superres.jobs.report import BurstReport
from superres.jobs.spec import BurstJob, place_in_words
from superres.media import (
    MAX_PIXELS,
    Picture,
    WriteOptions,
    format_for,
    open_picture,
    read_pixels,
    write_picture,
)
from superres.metadata.header import Metadata
from superres.metadata.picture import check_colours
from superres.model_pool import ModelPool
from superres.watch import Watch

_FEWEST_FRAMES = 2  # that can be read


def fuse_burst_files(job: BurstJob, models: ModelPool, watch: Watch) -> BurstReport:
    """Fuse a burst of files. The result has the reference's depth, profile and tags.

    Unreadable files are skipped, as long as two remain.

    Args:
        job: The frames, the fusion's options and the outputs.
        models: The loaded models, which jobs share.
        watch: Notified of each dropped frame, choice and fallback, and of finished steps out of
            all.

    Raises:
        PictureError: Fewer than two frames can be read, or the only one or the requested reference
            cannot; a frame or mask has bands that are not colours, a mask is not a picture, or
            they do not match.
        OutputError: An output is an input, exists, or cannot be written.
        ArgumentError: An option is out of range, or there are too many pixels.
        Cancelled: The watch was cancelled; nothing is written.
    """
    began = time.perf_counter()
    if not job.frames:
        raise ArgumentError("a burst needs at least one frame, got none", "name its pictures")
    check_outputs(job)
    if job.coverage:
        format_for(job.coverage)  # before any work
    pictures, frames, unread = _read_frames(job)
    options = options_for(
        job.target,
        quality=job.quality,
        lossless=job.lossless,
        lossless_source=pictures[0].format if pictures[0].lossless else None,
    )
    size = (pictures[0].height, pictures[0].width)
    masks = _read_masks(job.masks, len(frames), size)
    if unread:
        masks = masks or [np.ones(size, np.bool_)] * len(frames)
        masks = [np.zeros_like(m) if i in unread else m for i, m in enumerate(masks)]
    made = fuse_burst(frames, job.fuse, masks=masks, unread=unread, watch=watch, models=models)
    watch.check()
    readable = [index for index in range(len(frames)) if index not in unread]
    reference = pictures[readable.index(made.reference)]
    notes = _write(job.target, made.pixels, reference.metadata, reference.values, options)
    if job.coverage:
        shown = np.clip(made.coverage / len(pictures), 0.0, 1.0) * 65535.0
        grey = np.rint(shown).astype(np.uint16)[..., None]
        notes = (*notes, *_write(job.coverage, grey, Metadata(), UINT16, WriteOptions()))
    return BurstReport(
        source=place_in_words(job.frames[made.reference]),
        target=job.names[1],
        coverage=place_in_words(job.coverage) if job.coverage else "",
        method=made.method,
        model=made.model,
        reference=made.reference,
        blur=made.blur,
        input_size=size,
        output_size=(made.pixels.shape[0], made.pixels.shape[1]),
        used=sum(not frame.dropped for frame in made.frames),
        sources=tuple(map(place_in_words, job.frames)),
        frames=made.frames,
        seconds=time.perf_counter() - began,
        notes=(*reference.notes, *watch.notes, *notes),
    )


def _read_frames(
    job: BurstJob,
) -> tuple[list[Picture], list[NDArray[np.generic]], dict[int, str]]:
    """Read the frames, and check that they agree and are not too large.

    Returns:
        The readable pictures; the pixels of all frames, black for unreadable ones; and the errors
        of these, by index.
    """
    profile = profile_for(job.target)
    opened: dict[int, Picture] = {}
    failures: dict[int, PictureError] = {}
    for index, path in enumerate(job.frames):
        try:
            opened[index] = open_picture(path, profile=profile)
        except PictureError as error:
            failures[index] = error
    if opened:
        _check_frames(job, opened)
    read: dict[int, NDArray[np.generic]] = {}
    for index, picture in list(opened.items()):
        try:
            read[index] = read_pixels(picture)
        except PictureError as error:  # only its first bytes were intact
            failures[index] = error
            del opened[index]
    if failures:
        _check_enough(job, failures)
    black = np.zeros_like(next(iter(read.values())))
    frames = [read.get(index, black) for index in range(len(job.frames))]
    return list(opened.values()), frames, {i: one.message for i, one in failures.items()}


def _check_enough(job: BurstJob, failures: Mapping[int, PictureError]) -> None:
    """Raise PictureError if too few frames can be read, or the requested reference cannot."""
    index = min(failures)
    wanted = job.fuse.reference
    count, left = len(job.frames), len(job.frames) - len(failures)
    if count == 1:
        raise failures[index]
    if wanted is not None and wanted in failures:
        raise PictureError(
            f"frame {wanted} was requested as the reference: {failures[wanted].message}",
            "request another reference, or none",
        ) from failures[wanted]
    if left < _FEWEST_FRAMES:
        raise PictureError(
            f"{left} of {count} frames can be read, {_FEWEST_FRAMES} are needed: "
            f"{failures[index].message}",
            failures[index].hint,
        ) from failures[index]


def _check_frames(job: BurstJob, opened: Mapping[int, Picture]) -> None:
    """Check that frames agree and are not too large."""
    start = min(opened)
    first = opened[start]
    check_colours(job.frames[start], first.bands, "a burst of files")
    for index, picture in opened.items():
        if _facts(picture) != _facts(first):
            raise PictureError(
                f"{job.frames[index]} is {_in_words(picture)}, "
                f"{job.frames[start]} is {_in_words(first)}",
                "a burst has frames of one size, depth and number of channels: crop or convert it",
            )
    check_total(len(job.frames), (first.height, first.width), MAX_BURST_PIXELS)
    large = round(first.height * job.fuse.scale) * round(first.width * job.fuse.scale)
    if large > MAX_PIXELS:
        raise OutputError(
            f"the result would have {large:,} pixels, the limit is {MAX_PIXELS:,}",
            "use a smaller scale",
        )


def _facts(picture: Picture) -> tuple[int, int, Bands, Values]:
    return picture.height, picture.width, picture.bands, picture.values


def _in_words(picture: Picture) -> str:
    return (
        f"{picture.height} x {picture.width} px (height x width), "
        f"{picture.bands.channels} channels of {picture.values.dtype}"
    )


def _read_masks(
    paths: Sequence[Path], count: int, size: tuple[int, int]
) -> list[NDArray[np.bool_]] | None:
    if not paths:
        return None
    if len(paths) not in (1, count):
        raise ArgumentError(
            f"{count} frames need {count} masks, or one for all; got {len(paths)}",
            "name the masks in the order of the frames",
        )
    masks: list[NDArray[np.bool_]] = []
    for path in paths:
        picture = open_picture(path)
        check_colours(path, picture.bands, "a mask")
        mask = read_pixels(picture)
        if mask.shape[:2] != size:
            raise PictureError(
                f"the mask {path} is {mask.shape[0]} x {mask.shape[1]} px, "
                f"the frames are {size[0]} x {size[1]}",
                "make the mask as large as the frames",
            )
        colours = mask[..., : Bands.of(mask.shape[2]).count]
        masks.append(np.logical_or.reduce(colours, axis=2))
    return masks * count if len(masks) == 1 else masks


def _write(
    target: Path,
    pixels: NDArray[np.generic],
    metadata: Metadata,
    values: Values,
    options: WriteOptions,
) -> tuple[str, ...]:
    height, width, channels = pixels.shape
    return write_picture(
        target,
        [pixels],
        height=height,
        width=width,
        bands=Bands.of(channels),
        values=values,
        metadata=metadata,
        options=options,
    )
