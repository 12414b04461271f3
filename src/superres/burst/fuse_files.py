"""Files of small frames in, one file of a large picture out, and a report."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superres.atomic import check_target
from superres.burst.alignment import FrameReport
from superres.burst.frames import MAX_BURST_PIXELS, check_total
from superres.burst.fuse import FuseOptions, fuse_burst
from superres.errors import ArgumentError, OutputError, PictureError
from superres.frame import UINT16, Bands, Values
from superres.media import (
    MAX_PIXELS,
    Picture,
    WriteOptions,
    open_picture,
    read_pixels,
    write_picture,
)
from superres.metadata.header import Metadata
from superres.watch import Watch

_NOTHING = Metadata(None, None, None, None)


@dataclass(frozen=True, slots=True)
class BurstFiles:
    """Which files make a burst, and what is written.

    Attributes:
        frames: The frames, of one size, depth and number of channels.
        target: The large picture; its suffix names the format.
        masks: A picture a frame, or one for all, black where pixels are not valid; or none.
        coverage: Where the coverage map goes: 16-bit grey, white where all frames were believed.
        overwrite: Whether existing outputs may be replaced.
        quality: Quality of lossy formats, 1 to 100; None takes each format's default.
    """

    frames: tuple[Path, ...]
    target: Path
    masks: tuple[Path, ...] = ()
    coverage: Path | None = None
    overwrite: bool = False
    quality: int | None = None


@dataclass(frozen=True, slots=True)
class BurstReport:
    """What was done to a burst.

    Attributes:
        target: The large picture's path.
        coverage: The coverage map's path, or "".
        method: How frames were fused.
        model: The network that fused them, or what enlarged the reference.
        reference: Index of the frame that the others were aligned over.
        blur: What a small pixel was taken to see: `bicubic`, or the sigma of a Gaussian.
        input_size: (height, width) of the frames.
        output_size: (height, width) of the result.
        used: How many frames were used.
        sources: The frames' paths.
        frames: What became of each frame, in their order.
        seconds: Wall time.
        notes: What was converted, could not be kept, or fell back.
    """

    target: str
    coverage: str
    method: str
    model: str
    reference: int
    blur: str | float
    input_size: tuple[int, int]
    output_size: tuple[int, int]
    used: int
    sources: tuple[str, ...]
    frames: tuple[FrameReport, ...]
    seconds: float
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON's own types; each frame names its source."""
        whole = dataclasses.asdict(self)
        sources = whole.pop("sources")
        whole["frames"] = [
            {"source": source} | frame
            for source, frame in zip(sources, whole["frames"], strict=True)
        ]
        return whole


def fuse_files(
    files: BurstFiles,
    options: FuseOptions,
    watch: Watch | None = None,
) -> BurstReport:
    """Fuse a burst of files. The result has the reference's depth, profile and tags.

    Args:
        files: What is read and written.
        options: What to make, and how.
        watch: Told of each frame that is dropped, each choice and fallback, and the steps done.

    Raises:
        PictureError: A frame or mask is no picture, or they do not fit together.
        OutputError: An output is an input, exists, or cannot be written.
        ArgumentError: An option is out of its range, or there are too many pixels.
    """
    began, watch = time.perf_counter(), watch or Watch()
    if not files.frames:
        raise ArgumentError("a burst needs at least one frame, got none", "name its pictures")
    _check_targets(files)
    pictures = [open_picture(path) for path in files.frames]
    first = pictures[0]
    size = (first.height, first.width)
    for path, picture in zip(files.frames, pictures, strict=True):
        if _facts(picture) != _facts(first):
            raise PictureError(
                f"{path} is {_told(picture)}, {files.frames[0]} is {_told(first)}",
                "a burst has frames of one size, depth and number of channels: crop or convert it",
            )
    check_total(len(pictures), size, MAX_BURST_PIXELS)
    large = round(size[0] * options.scale) * round(size[1] * options.scale)
    if large > MAX_PIXELS:
        raise OutputError(
            f"the result would have {large:,} pixels, the cap is {MAX_PIXELS:,}",
            "ask for a smaller scale",
        )
    masks = _read_masks(files.masks, len(pictures), size)
    made = fuse_burst(
        [read_pixels(picture) for picture in pictures],
        options,
        masks=masks,
        watch=watch,
    )
    reference = pictures[made.reference]
    notes = _write(files.target, made.pixels, reference.metadata, reference.values, files.quality)
    if files.coverage:
        shown = np.clip(made.coverage / len(pictures), 0.0, 1.0) * 65535.0
        grey = np.rint(shown).astype(np.uint16)[..., None]
        notes = (*notes, *_write(files.coverage, grey, _NOTHING, UINT16, None))
    return BurstReport(
        target=str(files.target),
        coverage=str(files.coverage or ""),
        method=made.method,
        model=made.model,
        reference=made.reference,
        blur=made.blur,
        input_size=size,
        output_size=(made.pixels.shape[0], made.pixels.shape[1]),
        used=sum(not frame.dropped for frame in made.frames),
        sources=tuple(map(str, files.frames)),
        frames=made.frames,
        seconds=time.perf_counter() - began,
        notes=(*reference.notes, *watch.notes, *notes),
    )


def _facts(picture: Picture) -> tuple[int, int, Bands, Values]:
    return picture.height, picture.width, picture.bands, picture.values


def _told(picture: Picture) -> str:
    return (
        f"{picture.height} x {picture.width} px (height x width), "
        f"{picture.bands.channels} channels of {picture.values.dtype}"
    )


def _check_targets(files: BurstFiles) -> None:
    """Refuse outputs that may not be written, before anything is computed."""
    outputs = [files.target] + ([files.coverage] if files.coverage else [])
    if len({path.resolve() for path in outputs}) < len(outputs):
        raise OutputError(
            f"the picture and its coverage would both be {files.target}", "name two files"
        )
    for target in outputs:
        check_target(target, (*files.frames, *files.masks), overwrite=files.overwrite)


def _read_masks(
    paths: Sequence[Path], count: int, size: tuple[int, int]
) -> list[NDArray[np.bool_]] | None:
    if not paths:
        return None
    if len(paths) not in (1, count):
        raise ArgumentError(
            f"{count} frames need {count} masks, or one for all, got {len(paths)}",
            "name the masks in the order of the frames",
        )
    masks: list[NDArray[np.bool_]] = []
    for path in paths:
        mask = read_pixels(open_picture(path))
        if mask.shape[:2] != size:
            raise PictureError(
                f"the mask {path} is {mask.shape[0]} x {mask.shape[1]} px, "
                f"the frames are {size[0]} x {size[1]}",
                "a mask has the frames' size",
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
