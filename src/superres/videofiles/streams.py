"""Streams of a video file: the video, and the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av

from superres.errors import ArgumentError, PictureError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.stream import Stream
    from av.video.stream import VideoStream

# FFmpeg's AV_DISPOSITION_*: what players show by default; pictures accompanying the video.
_DEFAULT, _COVER, _THUMBNAILS, _STILL = 0x1, 0x400, 0x800, 0x100000
_DISCARDED = 48  # FFmpeg's AVDISCARD_ALL


@dataclass(frozen=True, slots=True)
class Track:
    """A stream of a file other than the upscaled video.

    Attributes:
        index: Its index in the file.
        words: Its display name: "audio 1 (aac, eng)".
        kind: "cover" for a cover picture, else FFmpeg's kind of stream ("audio", "subtitle", ...).
        codec: Its codec; "" if FFmpeg does not know it.
        metadata: Its tags.
        purposes: Its purposes in FFmpeg's words, such as "forced" or "hearing impaired".
    """

    index: int
    words: str
    kind: str = ""
    codec: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    purposes: tuple[str, ...] = ()


def choose_stream(
    container: InputContainer, source: Path, requested: int | None = None
) -> VideoStream:
    """Choose the video stream of a file.

    Args:
        container: The file.
        source: Its path, for messages.
        requested: The stream's index in the file; None chooses as `probe` does.

    Raises:
        PictureError: The file has no video stream with an available decoder.
        ArgumentError: The requested stream is not a video.
    """
    videos = [stream for stream in container.streams.video if not _is_beside(stream)]
    if requested is not None:
        videos = [stream for stream in container.streams.video if stream.index == requested]
        if not videos:
            held = ", ".join(f"{stream.index} ({stream.type})" for stream in container.streams)
            raise ArgumentError(
                f"stream {requested} of {source} is not a video; it has {held or 'no streams'}",
                "use --stream with the number of a video stream",
            )
    decodable = [s for s in videos if getattr(s, "codec_context", None) is not None]
    if decodable:
        marked = [stream for stream in decodable if int(stream.disposition) & _DEFAULT]
        return max(marked or decodable, key=lambda stream: _frames_of(container, stream))
    if videos:
        raise PictureError(
            f"the installed av has no decoder for the video of {source}",
            "pip install --upgrade av, or convert the file elsewhere",
        )
    held = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
    raise PictureError(
        f"{source} holds no video stream, only {held}", "for pictures, use superres upscale"
    )


def _is_timecode(stream: Stream) -> bool:
    """Return whether a stream is QuickTime's time code track, which FFmpeg turns into a tag."""
    return stream.type == "data" and "timecode" in stream.metadata


def timecode_of(container: InputContainer, stream: VideoStream) -> str:
    """Return the first frame's time code: the video's, or else the file's."""
    held = (stream.metadata, container.metadata, *(s.metadata for s in container.streams.data))
    found = (value for tags in held for name, value in tags.items() if name.lower() == "timecode")
    return next((value for value in found if value), "")


def is_cover(stream: Stream) -> bool:
    """Return whether a stream is a picture that players show as a cover."""
    return stream.type == "video" and bool(int(stream.disposition) & _COVER)


def _is_beside(stream: Stream) -> bool:
    """Return whether a picture stream only accompanies the video: a cover, thumbnails, a still."""
    return bool(int(stream.disposition) & (_COVER | _THUMBNAILS | _STILL))


def _frames_of(container: InputContainer, stream: VideoStream) -> int:
    rate = fraction(stream.average_rate) or Fraction(0)
    return stream.frames or estimated_frames(container, stream, rate) or 0


def tracks_of(container: InputContainer, video: VideoStream) -> tuple[Track, ...]:
    """List the streams other than the video."""
    numbered = dict[str, int]()
    return tuple(
        Track(
            other.index,
            _words(other, numbered),
            "cover" if is_cover(other) else other.type,
            codec_name(other),
            dict(other.metadata),
            disposition_names(other),
        )
        for other in container.streams
        # In MP4, a track that FFmpeg itself discards holds the chapters' titles.
        if other.index != video.index
        and getattr(other, "discard", 0) != _DISCARDED
        and not _is_timecode(other)
    )


def codec_name(stream: Stream) -> str:
    """Return the name of a stream's codec; "" if FFmpeg does not know it."""
    context = getattr(stream, "codec_context", None)
    return (context.name if context is not None else getattr(stream, "name", None)) or ""


def disposition_names(stream: Stream) -> tuple[str, ...]:
    """Return a stream's purposes in FFmpeg's words, except whether it is played by default."""
    return tuple(
        (flag.name or str(flag.value)).replace("_", " ")
        for flag in stream.disposition
        if int(flag) not in (_DEFAULT, _COVER)
    )


def estimated_frames(container: InputContainer, stream: VideoStream, rate: Fraction) -> int | None:
    """Return the number of frames from a stream's duration and rate; None if unknown."""
    base = fraction(stream.time_base)
    if stream.duration and base:
        return max(1, round(stream.duration * base * rate))
    if container.duration:
        return max(1, round(Fraction(container.duration, av.time_base) * rate))
    return None


def _words(stream: Stream, numbered: dict[str, int]) -> str:
    """Return a stream's display name, numbered among those of its kind."""
    kind = "cover picture" if is_cover(stream) else stream.type
    numbered[kind] = numbered.get(kind, 0) + 1
    parts = (codec_name(stream), stream.metadata.get("language"))
    details = ", ".join(word for word in parts if word and word != "und")
    return f"{kind} {numbered[kind]}" + (f" ({details})" if details else "")


# Any: PyAV's rational numbers are Fractions in some releases and its own type in others.
def fraction(value: Any) -> Fraction | None:  # noqa: ANN401
    """Return one of FFmpeg's rational numbers; None for 0/1 or 0/0, FFmpeg's unknown."""
    return Fraction(value.numerator, value.denominator) if value else None
