"""Burst jobs: small frames fused into one large picture, and a report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from superres.burst.frames import MAX_BURST_PIXELS, check_total
from superres.burst.fuse import fuse_burst
from superres.errors import ArgumentError, OutputError, PictureError
from superres.frame import UINT16, Bands, Values
from superres.jobs.outputs import check_outputs
from superres.jobs.report import BurstReport
from superres.jobs.spec import BurstJob, place_in_words
from superres.media import (
    MAX_PIXELS,
    Picture,
    WriteOptions,
    open_picture,
    read_pixels,
    write_picture,
)
from superres.metadata.header import Metadata
from superres.metadata.picture import check_colours
from superres.model_pool import ModelPool
from superres.watch import Watch


def fuse_burst_files(job: BurstJob, models: ModelPool, watch: Watch) -> BurstReport:
    """Fuse a burst of files. The result has the reference's depth, profile and tags.

    Args:
        job: The frames, the fusion's options and the outputs.
        models: The loaded models, which jobs share.
        watch: Notified of each dropped frame, choice and fallback, and of finished steps out of
            all.

    Raises:
        PictureError: A frame or mask is not a picture, has bands that are no colours, or they do
            not fit together.
        OutputError: An output is an input, exists, or cannot be written.
        ArgumentError: An option is out of its range, or there are too many pixels.
        Cancelled: The watch was cancelled; nothing is written.
    """
    began = time.perf_counter()
    if not job.frames:
        raise ArgumentError("a burst needs at least one frame, got none", "name its pictures")
    check_outputs(job)
    pictures = _open_frames(job)
    size = (pictures[0].height, pictures[0].width)
    masks = _read_masks(job.masks, len(pictures), size)
    made = fuse_burst(
        [read_pixels(picture) for picture in pictures],
        job.fuse,
        masks=masks,
        watch=watch,
        models=models,
    )
    watch.check()
    reference = pictures[made.reference]
    notes = _write(job.target, made.pixels, reference.metadata, reference.values, job.quality)
    if job.coverage:
        shown = np.clip(made.coverage / len(pictures), 0.0, 1.0) * 65535.0
        grey = np.rint(shown).astype(np.uint16)[..., None]
        notes = (*notes, *_write(job.coverage, grey, Metadata(), UINT16, None))
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


def _open_frames(job: BurstJob) -> list[Picture]:
    """Open the frames and check that they agree and are not too large."""
    pictures = [open_picture(path) for path in job.frames]
    first = pictures[0]
    check_colours(job.frames[0], first.bands, "a burst of files")
    for path, picture in zip(job.frames, pictures, strict=True):
        if _facts(picture) != _facts(first):
            raise PictureError(
                f"{path} is {_in_words(picture)}, {job.frames[0]} is {_in_words(first)}",
                "a burst has frames of one size, depth and number of channels: crop or convert it",
            )
    check_total(len(pictures), (first.height, first.width), MAX_BURST_PIXELS)
    large = round(first.height * job.fuse.scale) * round(first.width * job.fuse.scale)
    if large > MAX_PIXELS:
        raise OutputError(
            f"the result would have {large:,} pixels, the cap is {MAX_PIXELS:,}",
            "use a smaller scale",
        )
    return pictures


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
    quality: int | None,
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
        options=WriteOptions(quality=quality),
    )
