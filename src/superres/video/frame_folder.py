"""Folder of pictures as a video: frames in numerical order, and their times."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from superres.atomic import os_errors_as
from superres.errors import ArgumentError, PictureError
from superres.frame import UINT8, UINT16, Unit, from_unit, to_unit
from superres.media import MAX_PIXELS, Picture, is_picture, open_picture, read_pixels
from superres.video.decode import Still
from superres.video.pictures import TIMES
from superres.videofiles.probe import PICTURES, Colour, VideoFacts

_SRGB = Colour(range=2, matrix=0, primaries=1, transfer=13)  # H.273's numbers of sRGB
_FINE_TICKS = 10_000  # least ticks a second, as in other files
_MICROSECONDS = Fraction(1, 1_000_000)
_SHALLOW, _DEEP = ("rgb24", "rgba"), ("rgb48le", "rgba64le")  # FFmpeg's names, without alpha first
_SAME_MS = 0.002  # precision of written lists
_LISTED = 5  # numbers or names in a note


@dataclass(frozen=True, slots=True)
class FrameFolder:
    """A folder of frames, as found.

    Attributes:
        files: The frames' files, in order.
        stamps: When each is shown, in the time base of the facts.
        facts: Its facts, as a video.
        notes: What is missing or cannot be kept.
    """

    files: tuple[Path, ...]
    stamps: tuple[int, ...]
    facts: VideoFacts
    notes: tuple[str, ...]


class FolderReader:
    """Reads the frames of a folder, in place of `video.decode.FrameReader`.

    Args:
        folder: The frames.
    """

    def __init__(self, folder: FrameFolder) -> None:
        self._folder = folder

    @property
    def repeated(self) -> tuple[float, ...]:
        """Times of frames that replace lost ones: none, as no frame is made up."""
        return ()

    def notes(self) -> list[str]:
        """Describe what is missing or cannot be kept."""
        return list(self._folder.notes)

    def frames(self) -> Iterator[Still]:
        """Read the frames.

        Raises:
            PictureError: One is damaged, or has changed since the folder was opened.
        """
        facts, stamps = self._folder.facts, self._folder.stamps
        values, name = (UINT16, "rgb48le") if facts.pix_fmt in _DEEP else (UINT8, "rgb24")
        for place, (path, stamp) in enumerate(zip(self._folder.files, stamps, strict=True)):
            picture = open_picture(path, max_pixels=math.prod(facts.size), profile="srgb")
            if (picture.height, picture.width) != facts.size:
                raise _other_size(path, picture, self._folder.files[0], facts.size)
            pixels = from_unit(_colours(read_pixels(picture), picture), values)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), name)
            frame.color_range, frame.colorspace = _SRGB.range, _SRGB.matrix
            after = stamps[place + 1] if place + 1 < len(stamps) else None
            duration = after - stamp if after is not None else _last_duration(stamps)
            yield Still(frame, stamp, duration, float(stamp * facts.time_base), repeated=False)


def open_folder(path: Path, fps: float | None, *, max_pixels: int = MAX_PIXELS) -> FrameFolder:
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
    deep = any(np.dtype(picture.values.dtype).itemsize > 1 for picture in pictures)
    alpha = any(picture.bands.alpha for picture in pictures)
    stamps, time_base, rate = _times(path, len(files), fps)
    facts = VideoFacts(
        index=0,
        codec=PICTURES,
        size=size,
        pix_fmt=(_DEEP if deep else _SHALLOW)[alpha],
        time_base=time_base,
        start=stamps[0] * time_base,
        rate=rate,
        frames=len(files),
        counted=True,
        colour=_SRGB,
        aspect=None,
        display=None,
        mastering=b"",
        light=b"",
        interlaced=False,
        tracks=(),
        chapters=(),
        metadata={},
        video_metadata={},
        carried=_beside_pixels(pictures),
    )
    return FrameFolder(tuple(files), stamps, facts, tuple(_notes(files, pictures)))


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


# Any: integers of any width.
def _colours(pixels: NDArray[Any], picture: Picture) -> Unit:
    """Return a picture's colours as (H, W, 3) in [0, 1], without transparency."""
    unit = to_unit(pixels, picture.values)
    colours = unit[..., : picture.bands.count]
    return np.broadcast_to(colours, (*unit.shape[:2], 3))


def _times(
    folder: Path, frames: int, fps: float | None
) -> tuple[tuple[int, ...], Fraction, Fraction]:
    """Return time stamps, their unit in seconds, and the rate."""
    listed = None if fps else _listed_times(folder / TIMES)
    if listed is None:
        if fps is None:
            raise ArgumentError(
                f"how fast the frames of {folder} follow each other is not known",
                "use --fps, such as --fps 24",
            )
        return _steady(frames, exact_rate(fps))
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
        return _steady(frames, rate)
    return stamps, _MICROSECONDS, rate


def _steady(frames: int, rate: Fraction) -> tuple[tuple[int, ...], Fraction, Fraction]:
    """Return the times of frames at a constant rate from 0, in whole ticks."""
    fine = math.ceil(_FINE_TICKS / rate.numerator)
    step = rate.denominator * fine
    return tuple(step * place for place in range(frames)), Fraction(1, rate.numerator * fine), rate


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


def _last_duration(stamps: Sequence[int]) -> int:
    return stamps[-1] - stamps[-2] if len(stamps) > 1 else 0


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


def _beside_pixels(pictures: Sequence[Picture]) -> dict[str, bytes]:
    """Return the frames' metadata that no video can hold, by name."""
    found: dict[str, bytes] = {}
    for picture in pictures:
        for name in ("exif", "xmp", "iptc"):
            if data := getattr(picture.metadata, name):
                found.setdefault(f"{name.upper()} of the frames", data)
    return found
