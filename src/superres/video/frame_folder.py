"""Folder of frames: a picture each, in numerical order, and a list of their time stamps."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from superres.atomic import atomic_write_bytes, os_errors_as
from superres.errors import ArgumentError, PictureError
from superres.frame import UINT8, UINT16, Bands, from_unit
from superres.media import (
    MAX_PIXELS,
    Picture,
    WriteOptions,
    is_picture,
    open_picture,
    write_picture,
)
from superres.metadata.header import Metadata
from superres.video.picture_frames import PictureFrames, Times, even_times, facts_of

TIMES = "timestamps.txt"
_RGB = Bands("rgb", 3)
_MICROSECONDS = Fraction(1, 1_000_000)
_FAST = WriteOptions(compression="fast")
_SAME_MS = 0.002  # precision of written lists
_LISTED = 5  # numbers or names in a note


def open_folder(path: Path, fps: float | None, *, max_pixels: int = MAX_PIXELS) -> PictureFrames:
    """Read the facts of a folder of frames.

    Args:
        path: The folder.
        fps: Frames a second; None takes the times in the folder's `timestamps.txt`.
        max_pixels: Largest frame accepted.

    Raises:
        PictureError: The folder cannot be listed, holds no pictures, or ones that do not match.
        ArgumentError: Neither a rate nor a list of times is given.
    """
    files = _files(path)
    pictures = [open_picture(file, max_pixels=max_pixels) for file in files]
    size = (pictures[0].height, pictures[0].width)
    for file, picture in zip(files, pictures, strict=True):
        if (picture.height, picture.width) != size:
            raise _other_size(file, picture, files[0], size)
        _check_kind(file, picture)
    stamps, time_base, rate = _times(path, len(files), fps)

    def opened() -> Iterator[tuple[Picture, int]]:
        for file in files:
            picture = open_picture(file, max_pixels=math.prod(size), profile="srgb")
            if (picture.height, picture.width) != size:
                raise _other_size(file, picture, files[0], size)
            yield picture, 0

    return PictureFrames(
        opened,
        stamps,
        stamps[-1] - stamps[-2] if len(stamps) > 1 else 0,
        facts_of(pictures, len(files), (stamps, time_base, rate)),
        tuple(_notes(files, pictures)),
    )


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


def _files(path: Path) -> list[Path]:
    """List the pictures of a folder in the order of the numbers in their names."""
    with os_errors_as(path):
        names = [entry.name for entry in path.iterdir() if entry.is_file()]
    files = [path / name for name in names if is_picture(name) and not name.startswith(".")]
    if not files:
        raise PictureError(
            f"the folder {path} holds no pictures, of {len(names)} files",
            "name a video file, or a folder of PNG, JPEG or TIFF files",
        )
    return sorted(files, key=_natural)


def _natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Return the key that sorts names by their numbers: `a2` comes before `a10`."""
    parts = re.split(r"([0-9]+)", path.name.casefold())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], path.name


def _check_kind(path: Path, picture: Picture) -> None:
    if picture.bands.colour == "bands":
        raise PictureError(
            f"{path} has {picture.bands.count} bands, which a video cannot show",
            "use superres upscale, which keeps bands apart",
        )
    if not picture.values.whole:
        raise PictureError(
            f"{path} has {picture.values.dtype} numbers, which a video cannot hold",
            "save the frames with 8 or 16 bits, or use superres upscale, which keeps them",
        )


def _other_size(path: Path, picture: Picture, first: Path, size: tuple[int, int]) -> PictureError:
    return PictureError(
        f"{path} is {picture.width}x{picture.height}, but {first.name} is {size[1]}x{size[0]}",
        "frames of a video have one size: move the others elsewhere, or resize them",
    )


def _times(folder: Path, frames: int, fps: float | None) -> Times:
    """Return time stamps, their unit in seconds, and the rate."""
    listed = None if fps else _listed_times(folder / TIMES)
    if listed is None:
        if fps is None:
            raise ArgumentError(
                f"how fast the frames of {folder} follow each other is not known",
                "use --fps, such as --fps 24",
            )
        return even_times(frames, exact_rate(fps))
    if len(listed) != frames:
        raise PictureError(
            f"{folder / TIMES} lists {len(listed)} times, but there are {frames} frames",
            "remove it and use --fps, or bring back what is missing",
        )
    stamps = tuple(round(at * 1000) for at in listed)  # from milliseconds
    if any(after <= before for before, after in pairwise(stamps)):
        raise PictureError(f"the times in {folder / TIMES} do not grow", "remove it and use --fps")
    lasts_ms = listed[-1] - listed[0]
    rate = exact_rate(1000 * (frames - 1) / lasts_ms) if lasts_ms else Fraction(25)
    due = (1000 * place / rate for place in range(frames))
    if all(abs(at - when) < _SAME_MS for at, when in zip(listed, due, strict=True)):
        return even_times(frames, rate)
    return stamps, _MICROSECONDS, rate


def _listed_times(path: Path) -> list[float] | None:
    """Read a list of times in milliseconds; None if there is no list."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        times = [float(line) for line in lines if line.strip() and not line.startswith("#")]
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise PictureError(
            f"{path} cannot be read as a list of times: {error}", "remove it and use --fps"
        ) from error
    if not all(math.isfinite(at) and abs(at) < 2**40 for at in times):
        raise PictureError(f"{path} lists impossible times", "remove it and use --fps")
    return times


def exact_rate(fps: float) -> Fraction:
    """Return the exact rate for a decimal number: 24000/1001 for 23.976."""
    for rate in (Fraction(round(fps)), Fraction(1000 * round(fps * 1.001), 1001)):
        if rate and abs(fps - rate) < 5e-4 * rate:
            return rate
    return Fraction(fps).limit_denominator(1000)


def _notes(files: Sequence[Path], pictures: Sequence[Picture]) -> list[str]:
    notes: list[str] = []
    numbers = [int(found[-1]) for file in files if (found := re.findall(r"[0-9]+", file.stem))]
    gaps = [
        f"{before + 1}" if after == before + 2 else f"{before + 1} to {after - 1}"
        for before, after in pairwise(numbers)
        if after > before + 1
    ]
    if gaps and len(numbers) == len(files):
        listed = ", ".join(gaps[:_LISTED]) + (" and more" if len(gaps) > _LISTED else "")
        notes.append(f"frames are missing, and no time is left for them: {listed}")
    depths = {np.dtype(picture.values.dtype).itemsize for picture in pictures}
    if len(depths) > 1:
        notes.append("some frames have 8 bits and some 16")
    said = dict.fromkeys(note for picture in pictures for note in picture.notes)
    return notes + list(said)[:_LISTED]
