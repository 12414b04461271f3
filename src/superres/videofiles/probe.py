"""Facts of a video file: streams, size, rate, colour, tags."""

from __future__ import annotations

import itertools
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from av.error import FFmpegError

from superres.errors import BackendError, PictureError
from superres.videofiles.boxes import DOLBY_VISION, dolby_vision_profile, unread
from superres.videofiles.side_data import (
    LIGHT,
    MASTERING,
    ROTATION,
    named,
    needs_dolby_vision,
    side_data,
)
from superres.videofiles.streams import (
    Track,
    choose_stream,
    estimated_frames,
    fraction,
    timecode_of,
    tracks_of,
)
from superres.videofiles.timeline import Timeline

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

# A file may begin with packets that need an earlier one; the first frame then comes later.
_PACKETS_TO_FIRST_FRAME = 500
_PROFILE_WITHOUT_COLOURS = 5  # of Dolby Vision
UNSAID = 2  # ITU-T H.273's number for an unspecified matrix, primaries or transfer

PICTURES = "pictures"  # the codec of frames that are pictures


@dataclass(frozen=True, slots=True)
class Colour:
    """A stream's colour description, in the numbers of ITU-T H.273.

    Attributes:
        range: 1 for black at 16 and white at 235 (of 8 bits), 2 for 0 and 255, 0 if unspecified.
        matrix: From RGB to luma and chroma; 1 is BT.709, 5 and 6 are BT.601, 9 is BT.2020.
        primaries: The red, green and blue primaries.
        transfer: The curve from light to sample values; 16 is PQ, 18 is HLG.
    """

    range: int
    matrix: int
    primaries: int
    transfer: int


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """Facts of a video file.

    Attributes:
        index: Index of the video stream.
        codec: The video's codec.
        size: (height, width) of a frame as it is stored.
        pix_fmt: FFmpeg's name of its pixel format.
        time_base: The unit of its time stamps in seconds.
        start: When the first frame is shown, in seconds; None if that is unknown.
        rate: Frames a second, on average.
        frames: Number of frames, as stated or else from duration and rate; None if unknown.
        counted: Whether the file states `frames`.
        colour: Its colour description.
        aspect: Width of a pixel over its height; None if unspecified.
        display: The 3 x 3 matrix by which players turn and flip the picture; None for none.
        mastering: FFmpeg's AVMasteringDisplayMetadata (HDR) as bytes; b"" for none.
        light: FFmpeg's AVContentLightMetadata (HDR) as bytes; b"" for none.
        interlaced: Whether frames hold two fields.
        tracks: The other streams, except those of a time code or of chapter titles.
        chapters: The chapters' titles.
        metadata: The file's tags.
        video_metadata: The video stream's tags.
        timecode: The time code of the first frame ("01:00:00:00"); "" for none.
        carried: What else describes the picture, by display name: side data of the first frame,
            and boxes that FFmpeg does not read.
        timeline: Its packets' stamps in the result's time; unchanged without a survey.
    """

    index: int
    codec: str
    size: tuple[int, int]
    pix_fmt: str
    time_base: Fraction
    start: Fraction | None
    rate: Fraction
    frames: int | None
    counted: bool
    colour: Colour
    aspect: Fraction | None
    display: tuple[int, ...] | None
    mastering: bytes
    light: bytes
    interlaced: bool
    tracks: tuple[Track, ...]
    chapters: tuple[str, ...]
    metadata: Mapping[str, str]
    video_metadata: Mapping[str, str]
    timecode: str = ""
    carried: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    timeline: Timeline = field(default_factory=Timeline)


def probe(source: Path, stream: int | None = None) -> VideoFacts:
    """Read the facts of a video file; decodes one frame.

    Args:
        source: The file.
        stream: Index of the video stream; None for the one that players show: of those marked
            default, or else of all, the one with the most frames.

    Raises:
        PictureError: The file cannot be read, or holds no video.
        ArgumentError: The stream is not a video.
    """
    with open_video(source) as container:
        video = choose_stream(container, source, stream)
        context = video.codec_context
        size = (context.height, context.width)
        if min(size) < 1 or context.pix_fmt is None:
            raise PictureError(
                f"{source} does not state the size or pixel format of its video",
                "it may hold no frames or be truncated; download or record it again",
            )
        rate = fraction(video.average_rate) or fraction(video.guessed_rate) or Fraction(25)
        aspect = fraction(video.sample_aspect_ratio)
        chapters = [
            chapter["metadata"].get("title") or "untitled" for chapter in container.chapters()
        ]
        metadata, video_metadata = dict(container.metadata), dict(video.metadata)
        frames, counted = video.frames or estimated_frames(container, video, rate), video.frames > 0
        tracks, timecode = tracks_of(container, video), timecode_of(container, video)
        codec, index = context.name, video.index
        time_base = fraction(video.time_base) or Fraction(1, 90_000)
        # The first frame comes last: decoding it advances the file.
        first = _first_frame(container, video)
        stamp = first.pts if first is not None else None
        tagged = first if first is not None else context
        side = {} if first is None else side_data(first)
        matrix = side.get(ROTATION)
        carried = {**named(side), **unread(source)}
        _check_dolby_vision(source, side, carried)
        return VideoFacts(
            index=index,
            codec=codec,
            size=size,
            pix_fmt=first.format.name if first is not None else context.pix_fmt,
            time_base=time_base,
            start=stamp * time_base if stamp is not None else None,
            rate=rate,
            frames=frames,
            counted=counted,
            colour=Colour(
                range=int(tagged.color_range),
                matrix=int(tagged.colorspace),
                primaries=int(tagged.color_primaries),
                transfer=int(tagged.color_trc),
            ),
            aspect=aspect,
            display=tuple(np.frombuffer(matrix, np.int32).tolist()) if matrix else None,
            mastering=side.get(MASTERING, b""),
            light=side.get(LIGHT, b""),
            carried=carried,
            interlaced=first is not None and first.interlaced_frame,
            timecode=timecode,
            tracks=tracks,
            chapters=tuple(chapters),
            metadata=metadata,
            video_metadata=video_metadata,
        )


@contextmanager
def open_video(source: Path, options: Mapping[str, str] | None = None) -> Generator[InputContainer]:
    """Open a file with FFmpeg's demuxers; its name is never taken for a URL.

    Args:
        source: The file.
        options: Options of the demuxer.

    Raises:
        PictureError: It is missing, or not a format that FFmpeg knows.
    """
    try:
        container = av.open(file_url(source), options=dict(options or {}))
    except UnicodeDecodeError:  # tags that are not UTF-8
        container = av.open(
            file_url(source), options=dict(options or {}), metadata_errors="replace"
        )
    except FileNotFoundError as error:
        raise PictureError(f"{source} does not exist", "check the path") from error
    except FFmpegError as error:
        raise unreadable(source, error) from error
    with container:
        yield container


def unreadable(source: Path, error: FFmpegError) -> PictureError:
    """Build the error for a file that FFmpeg cannot read."""
    if not os.access(source, os.R_OK):
        return PictureError(f"{source} cannot be read", "check its permissions")
    if source.stat().st_size == 0:
        return PictureError(f"{source} is empty", "fetch or record it again")
    return PictureError(
        f"{source} cannot be read as a video: {reason(error)}",
        "it may be truncated or not a video; download it again, or remux it",
    )


@contextmanager
def ffmpeg_errors_as_ours(source: Path) -> Generator[None]:
    """Turn FFmpeg's unexpected errors into ours, so that users never see a raw one.

    Raises:
        BackendError: The block raised an FFmpeg error.
    """
    try:
        yield
    except FFmpegError as error:
        raise BackendError(
            f"FFmpeg failed at {source}: {reason(error)}",
            "try another --codec or container, or remux the file first",
        ) from error


def reason(error: FFmpegError) -> str:
    """Return FFmpeg's reason, without the names that our message already has."""
    return (error.strerror or str(error)).strip().rstrip(".")


def file_url(path: Path) -> str:
    """Return the URL by which FFmpeg opens exactly this file, whatever colons its name has."""
    return f"file:{path}"


def _first_frame(container: InputContainer, stream: VideoStream) -> av.VideoFrame | None:
    """Decode up to the first frame; None if there is none."""
    try:
        for packet in itertools.islice(container.demux(stream), _PACKETS_TO_FIRST_FRAME):
            try:
                for frame in packet.decode():
                    return frame
            except FFmpegError:
                continue  # the frame reader will meet it again, and report it
    except FFmpegError:
        return None  # likewise
    return None


def _check_dolby_vision(
    source: Path, side: Mapping[str, bytes], carried: Mapping[str, bytes]
) -> None:
    """Refuse a video whose colours only Dolby Vision decoders can show.

    Raises:
        PictureError: It is Dolby Vision profile 5.
    """
    profile = dolby_vision_profile(carried.get(DOLBY_VISION, b""))
    if profile == _PROFILE_WITHOUT_COLOURS or needs_dolby_vision(side):
        raise PictureError(
            f"{source} is Dolby Vision of profile 5: other decoders show wrong colours",
            "convert it to HDR10 with a program that applies Dolby Vision first",
        )
