"""Degrade jobs: small pictures made from large ones as in training."""

from __future__ import annotations

import time
import zlib

import numpy as np

from superres.degrade.apply import degrade_pixels
from superres.errors import PictureError
from superres.frame import UINT8, Bands, from_unit, to_unit
from superres.jobs.outputs import check_outputs
from superres.jobs.report import DegradeReport
from superres.jobs.spec import DegradeJob
from superres.media import open_picture, read_pixels, write_picture
from superres.metadata.header import Metadata
from superres.metadata.picture import check_colours
from superres.watch import Watch


def degrade_picture_file(job: DegradeJob, watch: Watch) -> DegradeReport:
    """Downscale a picture as training does: 8-bit RGB, cropped to a multiple of the scale.

    The random flaws depend on the seed and the file's stem, so that the pictures of a folder
    differ, and each gives the same result when degraded alone.

    Args:
        job: The picture and its degradation.
        watch: Checked for cancellation before the file is written.

    Raises:
        PictureError: The input is not a picture, is damaged, has bands that are not colours, or is
            smaller than one small pixel.
        OutputError: The target is the input, exists, or cannot be written.
        UnknownNameError: The target's suffix names no format.
        Cancelled: The watch was cancelled; nothing is written.
    """
    began, scale = time.perf_counter(), job.scale
    check_outputs(job)
    picture = open_picture(job.source)
    check_colours(job.source, picture.bands, "degrade")
    height, width = picture.height // scale, picture.width // scale
    if not height or not width:
        raise PictureError(
            f"{job.source} has {picture.height} x {picture.width} px (height x width), "
            f"too small for a scale of {scale}",
            "use a larger picture or a smaller scale",
        )
    colours = picture.bands.count
    large_HWC = read_pixels(picture)[: height * scale, : width * scale, :colours]
    if picture.values != UINT8:
        large_HWC = from_unit(to_unit(large_HWC, picture.values), UINT8)
    if colours == 1:
        large_HWC = np.repeat(large_HWC, 3, axis=2)
    # crc32, as Python's string hash differs from run to run.
    seed = (job.seed, zlib.crc32(job.source.stem.encode(errors="surrogateescape")))
    small_HWC = degrade_pixels(to_unit(large_HWC), job.degradation, scale=scale, seed=seed)
    watch.check()
    lost = write_picture(
        job.target,
        [np.ascontiguousarray(from_unit(small_HWC, UINT8))],
        height=height,
        width=width,
        bands=Bands("rgb", 3),
        values=UINT8,
        metadata=Metadata(icc=picture.metadata.icc if colours == 3 else None),
    )
    size = (picture.height, picture.width)
    notes = _notes(size, (height * scale, width * scale), picture.bands)
    return DegradeReport(
        source=job.names[0],
        target=job.names[1],
        input_size=size,
        output_size=(height, width),
        seconds=time.perf_counter() - began,
        notes=(*picture.notes, *notes, *lost),
    )


def _notes(size: tuple[int, int], used: tuple[int, int], bands: Bands) -> tuple[str, ...]:
    notes: list[str] = []
    if size != used:
        notes.append(f"cropped from {size[1]}×{size[0]} to {used[1]}×{used[0]} as in training")
    if bands.alpha:
        notes.append("transparency is dropped, as in training")
    return tuple(notes)
