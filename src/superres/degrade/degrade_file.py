"""One picture file in, the small picture that training would see of it out."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from superres.degrade.chain import degrade_batch
from superres.degrade.config import DegradationConfig
from superres.errors import PictureError
from superres.frame import UINT8, Bands, from_unit, to_unit
from superres.media import open_picture, read_pixels, write_picture
from superres.metadata.header import Metadata


@dataclass(frozen=True, slots=True)
class DegradeReport:
    """What was done to one file.

    Attributes:
        source: The large picture.
        target: The small one.
        input_size: (height, width).
        output_size: (height, width).
        notes: What was cropped, converted or could not be kept.
    """

    source: str
    target: str
    input_size: tuple[int, int]
    output_size: tuple[int, int]
    notes: tuple[str, ...]


def degrade_file(
    source: Path, target: Path, config: DegradationConfig, *, scale: int, seed: int
) -> DegradeReport:
    """Make a picture small as training does: 8-bit RGB, cropped to a multiple of the scale.

    What is drawn depends on the seed and on the file's name without its folder and ending, so that
    the pictures of a folder differ, and each is the same when it is degraded alone.

    Args:
        source: The large picture.
        target: The file to write, or to replace; its suffix names the format.
        config: The chain.
        scale: Large size over small size.
        seed: From 0.

    Raises:
        PictureError: The input is no picture, damaged, or smaller than one small pixel.
        OutputError: The target cannot be written.
        UnknownNameError: The target's suffix names no format.
    """
    picture = open_picture(source)
    height, width = picture.height // scale, picture.width // scale
    if not height or not width:
        raise PictureError(
            f"{source} has {picture.height} x {picture.width} px (height x width), "
            f"nothing is left of it at a scale of {scale}",
            "take a larger picture or a smaller scale",
        )
    colours = picture.bands.count
    large_HWC = read_pixels(picture)[: height * scale, : width * scale, :colours]
    if picture.values != UINT8:
        large_HWC = from_unit(to_unit(large_HWC, picture.values), UINT8)
    if colours == 1:
        large_HWC = np.repeat(large_HWC, 3, axis=2)
    large_1CHW = torch.from_numpy(to_unit(large_HWC)).permute(2, 0, 1)[None]
    # crc32, for Python's own hash of a name differs from run to run.
    small_1CHW = degrade_batch(
        large_1CHW, config, scale=scale, seed=(seed, zlib.crc32(source.stem.encode()))
    )
    small_HWC = from_unit(small_1CHW[0].permute(1, 2, 0).numpy(), UINT8)
    lost = write_picture(
        target,
        [np.ascontiguousarray(small_HWC)],
        height=height,
        width=width,
        bands=Bands("rgb", 3),
        values=UINT8,
        metadata=Metadata(icc=picture.metadata.icc if colours == 3 else None),
    )
    size = (picture.height, picture.width)
    notes = _notes(size, (height * scale, width * scale), picture.bands)
    return DegradeReport(
        source=str(source),
        target=str(target),
        input_size=size,
        output_size=(height, width),
        notes=(*picture.notes, *notes, *lost),
    )


def _notes(size: tuple[int, int], used: tuple[int, int], bands: Bands) -> tuple[str, ...]:
    notes: list[str] = []
    if size != used:
        notes.append(f"cropped from {size[1]}×{size[0]} to {used[1]}×{used[0]}, as training does")
    if bands.alpha:
        notes.append("transparency is left out, as training does")
    return tuple(notes)
