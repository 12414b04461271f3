"""Facts of a video file: streams, size, rate, colour, tags."""

from __future__ import annotations

import itertools
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import av
import numpy as np
from av.error import FFmpegError

from superres.errors import PictureError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.stream import Stream
    from av.video.stream import VideoStream

# A file may begin with packets that need an earlier one; the first frame comes some time later.
_PACKETS_TO_FIRST_FRAME = 500
_COVER = 0x400  # FFmpeg's AV_DISPOSITION_ATTACHED_PIC: a picture beside the video, not a video
_DISCARDED = 48  # FFmpeg's AVDISCARD_ALL
UNSAID = 2  # what ITU-T H.273 numbers matrix, primaries and transfer with if a file does not say


@dataclass(frozen=True, slots=True)
class Colour:
    """What a stream says of its colours, in the numbers of ITU-T H.273.

    Attributes:
        range: 1 for black at 16 and white at 235 (of 8 bits), 2 for 0 and 255, 0 if it is unsaid.
        matrix: How luma and chroma come of RGB; 1 is BT.709, 5 and 6 are BT.601, 9 is BT.2020.
        primaries: Which red, green and blue.
        transfer: The curve from light to numbers; 16 is PQ, 18 is HLG.
    """

    range: int
    matrix: int
    primaries: int
    transfer: int


@dataclass(frozen=True, slots=True)
class Track:
    """A stream of a file other than the upscaled video.

    Attributes:
        index: Its place in the file.
        words: What it is, for people: "audio 1 (aac, eng)".
    """

    index: int
    words: str


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What a video file holds.

    Attributes:
        index: Which of its streams is the video.
        codec: The video's codec.
        size: (height, width) of a frame as it is stored.
        pix_fmt: FFmpeg's name of its pixel format.
        time_base: The unit of its time stamps in seconds.
        start: When the first frame is shown, in seconds; None if that is unknown.
        rate: Frames a second, on average.
        frames: How many frames the file says, or by duration and rate must, have; None if neither.
        counted: Whether `frames` is what the file says.
        colour: What its numbers mean.
        aspect: Width of a pixel over its height; None if it is unsaid.
        display: The 3 x 3 matrix that players turn and flip the picture with; None for none.
        mastering: FFmpeg's AVMasteringDisplayMetadata (HDR) as bytes; b"" for none.
        light: FFmpeg's AVContentLightMetadata (HDR) as bytes; b"" for none.
        interlaced: Whether frames hold two fields.
        tracks: The other streams.
        chapters: The chapters' titles.
        metadata: The file's tags.
        video_metadata: The video stream's tags.
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


def probe(source: Path) -> VideoFacts:
    """Read what a video file holds; decodes one frame.

    Raises:
        PictureError: The file cannot be read, or holds no video.
    """
    with open_video(source) as container:
        stream = _find_video(container, source)
        context = stream.codec_context
        size = (context.height, context.width)
        if min(size) < 1 or context.pix_fmt is None:
            raise PictureError(
                f"{source} does not state the size or pixel format of its video",
                "it may hold no frames or be truncated; download or record it again",
            )
        rate = fraction(stream.average_rate) or fraction(stream.guessed_rate) or Fraction(25)
        aspect = fraction(stream.sample_aspect_ratio)
        numbered = dict[str, int]()
        tracks = [
            Track(other.index, _words(other, numbered))
            for other in container.streams
            # Of MP4, a track that FFmpeg discards by itself holds the chapters' titles.
            if other.index != stream.index and getattr(other, "discard", 0) != _DISCARDED
        ]
        chapters = [
            chapter["metadata"].get("title", "untitled") for chapter in container.chapters()
        ]
        metadata, video_metadata = dict(container.metadata), dict(stream.metadata)
        frames, counted = stream.frames or _estimate(container, stream, rate), stream.frames > 0
        codec, index = context.name, stream.index
        time_base = fraction(stream.time_base) or Fraction(1, 90_000)
        # The first frame comes last: it reads the file on.
        first = _first_frame(container, stream)
        stamp = first.pts if first is not None else None
        tagged = first if first is not None else context
        side = {} if first is None else _side_data(first)
        matrix = side.get("DISPLAYMATRIX")
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
            mastering=side.get("MASTERING_DISPLAY_METADATA", b""),
            light=side.get("CONTENT_LIGHT_LEVEL", b""),
            interlaced=first is not None and first.interlaced_frame,
            tracks=tuple(tracks),
            chapters=tuple(chapters),
            metadata=metadata,
            video_metadata=video_metadata,
        )


@contextmanager
def open_video(source: Path) -> Generator[InputContainer]:
    """Open a file with FFmpeg's demuxers, as a file: no name of one can be taken for an address.

    Raises:
        PictureError: It is missing, or nothing that FFmpeg knows.
    """
    try:
        container = av.open(file_url(source))
    except UnicodeDecodeError:  # tags that are not UTF-8
        container = av.open(file_url(source), metadata_errors="replace")
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


def reason(error: FFmpegError) -> str:
    """Return what FFmpeg says is wrong, without the names that our message has already."""
    return (error.strerror or str(error)).strip().rstrip(".")


def file_url(path: Path) -> str:
    """Return the name that FFmpeg takes for this file and nothing else, whatever colons it has."""
    return f"file:{path}"


# Any: PyAV's rational numbers are Fractions in some releases and a type of its own in others.
def fraction(value: Any) -> Fraction | None:  # noqa: ANN401
    """Return one of FFmpeg's rational numbers, or None where FFmpeg says nothing by 0/1 or 0/0."""
    return Fraction(value.numerator, value.denominator) if value else None


def _find_video(container: InputContainer, source: Path) -> VideoStream:
    """Return the first stream of moving pictures that there is a decoder for."""
    videos = [s for s in container.streams.video if not int(s.disposition) & _COVER]
    for stream in videos:
        if getattr(stream, "codec_context", None) is not None:
            return stream
    held = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
    if videos:
        raise PictureError(
            f"the installed av has no decoder for the video of {source}",
            "pip install --upgrade av, or convert the file elsewhere",
        )
    raise PictureError(
        f"{source} holds no video stream, only {held}", "for pictures, use superres upscale"
    )


def _first_frame(container: InputContainer, stream: VideoStream) -> av.VideoFrame | None:
    """Decode until there is a frame; None if none comes."""
    try:
        for packet in itertools.islice(container.demux(stream), _PACKETS_TO_FIRST_FRAME):
            try:
                for frame in packet.decode():
                    return frame
            except FFmpegError:
                continue  # the reader of frames will meet it again, and report it
    except FFmpegError:
        return None  # likewise
    return None


def _side_data(frame: av.VideoFrame) -> dict[str, bytes]:
    # Any: av's types promise a dictionary. By place: what iterating gives differs between releases.
    held = cast("Any", frame.side_data)
    found = [held[place] for place in range(len(held))]
    return {data.type.name: bytes(data) for data in found}


def _estimate(container: InputContainer, stream: VideoStream, rate: Fraction) -> int | None:
    base = fraction(stream.time_base)
    if stream.duration and base:
        return max(1, round(stream.duration * base * rate))
    if container.duration:
        return max(1, round(Fraction(container.duration, av.time_base) * rate))
    return None


def _words(stream: Stream, numbered: dict[str, int]) -> str:
    """Return what a stream is, numbered among those of its kind."""
    cover = stream.type == "video" and int(stream.disposition) & _COVER
    kind = "cover picture" if cover else stream.type
    numbered[kind] = numbered.get(kind, 0) + 1
    context = getattr(stream, "codec_context", None)
    parts = (
        context.name if context is not None else getattr(stream, "name", None),
        stream.metadata.get("language"),
    )
    details = ", ".join(word for word in parts if word and word != "und")
    return f"{kind} {numbered[kind]}" + (f" ({details})" if details else "")
