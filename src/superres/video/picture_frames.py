"""Pictures as the frames of a video: the files of a folder, or an animation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path

import av
import numpy as np

from superres.formats.holding import held_pixels
from superres.frame import UINT8, UINT16
from superres.media import MAX_PIXELS, Picture, may_be_animated, open_picture, read_pixels
from superres.video.decode import Still
from superres.videofiles.probe import PICTURES, Colour, VideoFacts

_MILLISECONDS = Fraction(1, 1000)
_SRGB = Colour(range=2, matrix=0, primaries=1, transfer=13)  # H.273's numbers of sRGB
_FINE_TICKS = 10_000  # least ticks a second, as in other files
_SHALLOW, _DEEP = "rgb24", "rgb48le"  # FFmpeg's names
_MOST_FRAMES = 1_000_000
# Browsers show frames that request at most the first for the second.
_INSTANT_MS, _USUAL_MS = 10, 100


@dataclass(frozen=True, slots=True)
class PictureFrames:
    """Pictures that are the frames of a video, as found.

    Attributes:
        opened: Opens each one again, in order: a picture with colours in sRGB, and its plane.
        stamps: When each is shown, in the time base of the facts.
        last_duration: How long the last one is shown, likewise.
        facts: Their facts, as a video.
        notes: What is missing, or is shown differently.
        not_kept: What no video holds.
    """

    opened: Callable[[], Iterator[tuple[Picture, int]]]
    stamps: tuple[int, ...]
    last_duration: int
    facts: VideoFacts
    notes: tuple[str, ...]
    not_kept: tuple[str, ...] = ()


class PictureReader:
    """Reads pictures as frames, in place of `video.decode.FrameReader`.

    Args:
        source: The pictures.
    """

    def __init__(self, source: PictureFrames) -> None:
        self._source = source
        self._transparent = 0

    @property
    def repeated(self) -> tuple[float, ...]:
        """Times of frames that replace lost ones: none, as no frame is made up."""
        return ()

    def notes(self) -> list[str]:
        """Describe what is missing or was changed; complete once all frames are read."""
        notes = list(self._source.notes)
        if self._transparent:
            notes.append(
                f"transparent areas of {_frames(self._transparent)} are composited on white: a "
                "video as written here holds no alpha; superres upscale keeps it"
            )
        return notes

    def not_kept(self) -> list[str]:
        """Name what no video holds; complete once all frames are read."""
        return [*["transparency"] * bool(self._transparent), *self._source.not_kept]

    def frames(self) -> Iterator[Still]:
        """Read the frames.

        Raises:
            PictureError: One is damaged, or has changed since it was opened.
        """
        facts, stamps = self._source.facts, self._source.stamps
        values = UINT16 if facts.pix_fmt == _DEEP else UINT8
        self._transparent = 0
        durations = [after - stamp for stamp, after in pairwise(stamps)]
        times = zip(stamps, [*durations, self._source.last_duration], strict=True)
        for (picture, plane), (stamp, duration) in zip(self._source.opened(), times, strict=True):
            pixels, bands = read_pixels(picture, plane), picture.bands
            if bands.alpha and pixels[..., -1].min() < picture.values.white:
                self._transparent += 1
            opaque = replace(bands, alpha=False)
            colours = held_pixels(pixels, picture.values, bands=opaque, held=values)
            rgb = np.broadcast_to(colours, (*colours.shape[:2], 3))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), facts.pix_fmt)
            frame.color_range, frame.colorspace = _SRGB.range, _SRGB.matrix
            yield Still(frame, stamp, duration, float(stamp * facts.time_base), repeated=False)


def open_animation(path: Path, *, max_pixels: int = MAX_PIXELS) -> PictureFrames | None:
    """Open an animated picture (WebP, PNG or GIF), as its frames are shown.

    Args:
        path: The file.
        max_pixels: Largest frame accepted.

    Returns:
        Its frames; None for a file of another kind, a still picture among them.

    Raises:
        PictureError: It is damaged or too large.
    """
    if not may_be_animated(path):
        return None
    picture = open_picture(path, max_pixels=max_pixels, max_planes=_MOST_FRAMES, profile="srgb")
    animation = picture.metadata.animation
    if animation is None:
        return None
    instant = sum(delay <= _INSTANT_MS for delay in animation.delays_ms)
    delays = [_USUAL_MS if delay <= _INSTANT_MS else delay for delay in animation.delays_ms]
    stamps, time_base, rate = _delayed(delays)
    notes = list(picture.notes)
    if instant:
        notes.append(
            f"{_frames(instant)} with {_INSTANT_MS} ms or less are shown for {_USUAL_MS} ms, as in "
            "browsers"
        )
    repeats = f"{animation.loop} times" if animation.loop else "endless"
    return PictureFrames(
        lambda: ((picture, plane) for plane in range(picture.planes)),
        stamps,
        round(delays[-1] / (1000 * time_base)),
        facts_of([picture], len(delays), (stamps, time_base, rate)),
        tuple(notes),
        () if animation.loop == 1 else (f"repetition ({repeats})",),
    )


Times = tuple[tuple[int, ...], Fraction, Fraction]
"""Time stamps of frames, their unit in seconds, and the rate."""


def even_times(frames: int, rate: Fraction) -> Times:
    """Return the times of frames at a constant rate from 0, in whole ticks."""
    fine = math.ceil(_FINE_TICKS / rate.numerator)
    step = rate.denominator * fine
    return tuple(step * place for place in range(frames)), Fraction(1, rate.numerator * fine), rate


def _delayed(delays_ms: Sequence[int]) -> Times:
    """Return the times of frames that each stay for a while."""
    if len(set(delays_ms)) == 1:
        return even_times(len(delays_ms), Fraction(1000, delays_ms[0]))
    ends_ms = list(accumulate(delays_ms))
    return (0, *ends_ms[:-1]), _MILLISECONDS, Fraction(1000 * len(delays_ms), ends_ms[-1])


def facts_of(pictures: Sequence[Picture], frames: int, times: Times) -> VideoFacts:
    """Return the facts of pictures of one size, as a video.

    Args:
        pictures: The frames' files.
        frames: Number of frames.
        times: When they are shown.
    """
    deep = any(np.dtype(picture.values.dtype).itemsize > 1 for picture in pictures)
    stamps, time_base, rate = times
    return VideoFacts(
        index=0,
        codec=PICTURES,
        size=(pictures[0].height, pictures[0].width),
        pix_fmt=_DEEP if deep else _SHALLOW,
        time_base=time_base,
        start=stamps[0] * time_base,
        rate=rate,
        frames=frames,
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


def _frames(count: int) -> str:
    return f"{count} frame" + "s" * (count != 1)


def _beside_pixels(pictures: Sequence[Picture]) -> dict[str, bytes]:
    """Return the pictures' metadata that no video can hold, by name."""
    found: dict[str, bytes] = {}
    for picture in pictures:
        for name in ("exif", "xmp", "iptc"):
            if data := getattr(picture.metadata, name):
                found.setdefault(f"{name.upper()} of the frames", data)
    return found
