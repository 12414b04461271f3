"""Folder of frames: one PNG each, and a list of their time stamps."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from superres.atomic import atomic_write_bytes
from superres.frame import UINT8, UINT16, Bands, from_unit
from superres.media import WriteOptions, write_picture
from superres.metadata.header import Metadata

TIMES = "timestamps.txt"
_RGB = Bands("rgb", 3)
_FAST = WriteOptions(compression="fast")


def picture_name(number: int) -> str:
    """Return the name of a frame's file, counted from 1."""
    return f"{number:08}.png"


def write_frame(path: Path, rgb: NDArray[np.float32], *, bits: int) -> None:
    """Write one frame as a PNG, atomically.

    Args:
        path: The file.
        rgb: (H, W, 3), in [0, 1], clipped.
        bits: Bits a sample in the source; above 8 the PNG has 16.

    Raises:
        OutputError: The file cannot be written.
    """
    values = UINT8 if bits == 8 else UINT16
    write_picture(
        path,
        [from_unit(rgb, values)],
        height=rgb.shape[0],
        width=rgb.shape[1],
        bands=_RGB,
        values=values,
        metadata=Metadata(),
        options=_FAST,
    )


def write_times(folder: Path, seconds: Iterable[float]) -> None:
    """Write the times of frames in milliseconds, in the format that mkvmerge and others read.

    Raises:
        OutputError: The file cannot be written.
    """
    lines = ("# timestamp format v2", *(f"{1000 * at:.6f}" for at in seconds), "")
    atomic_write_bytes(folder / TIMES, "\n".join(lines).encode())
