"""Frame encoder, into a stream of packets or a segment file."""

from __future__ import annotations

import io
import itertools
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
from av.error import FFmpegError

from superres.atomic import atomic_write, unwritable
from superres.errors import ArgumentError, BackendError, OutputError
from superres.videofiles.encoding import Encoding
from superres.videofiles.probe import file_url, reason

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

# Segment formats; the first that holds the codec is used. Both keep time stamps in any unit.
_SEGMENT_FORMATS = ("nut", "mov")
# libx265 leaves decoding times uninitialised in streams of fewer frames than this.
_TRUSTED_FROM = 3
# Packets are decoded before they are shown, so the first times may be negative, and stay so.
_UNMOVED = {"avoid_negative_ts": "disabled"}


@dataclass(frozen=True, slots=True)
class Segment:
    """A finished part of the video.

    Attributes:
        name: Its file name; the suffix is FFmpeg's name of its format.
        frames: Number of frames.
        start: Time stamp of the first frame; the file counts from there.
        delay: How many places later a packet may be in the file than in time stamp order.
        duration: How long the last frame is shown, in the time base; 0 if that is unknown.
    """

    name: str
    frames: int
    start: int
    delay: int
    duration: int


def add_video(container: OutputContainer, encoding: Encoding) -> VideoStream:
    """Add the video stream to a container, and open its encoder.

    Raises:
        ArgumentError: The container cannot hold the codec, or the encoder rejects it.
    """
    try:
        stream = cast(
            "VideoStream",
            container.add_stream(
                encoding.encoder, rate=encoding.rate, options=dict(encoding.options)
            ),
        )
        stream.height, stream.width = encoding.size
        stream.pix_fmt = encoding.pix_fmt
        context = stream.codec_context
        context.time_base = stream.time_base = encoding.time_base
        tag(stream, encoding)
        context.open()
    except (FFmpegError, ValueError) as error:
        said = reason(error) if isinstance(error, FFmpegError) else str(error)
        height, width = encoding.size
        raise ArgumentError(
            f"{encoding.encoder} cannot encode {width}x{height} in {encoding.pix_fmt}"
            f"{_in_words(encoding.options)} for {container.format.name}: {said}",
            "use another --codec or --pix-fmt, or another container (.mkv holds every codec)",
        ) from error
    unknown = [name for name, _ in encoding.options if name in context.options]
    if unknown:
        raise ArgumentError(
            f"the encoder {encoding.encoder} does not have the option {unknown[0]}",
            "ffmpeg -h encoder=NAME lists what an encoder takes",
        )
    return stream


def tag(stream: VideoStream, encoding: Encoding) -> None:
    """Set a stream's colour description and pixel aspect ratio."""
    context = stream.codec_context
    if encoding.aspect:
        context.sample_aspect_ratio = encoding.aspect
    context.color_range = encoding.colour.range
    context.colorspace = encoding.colour.matrix
    context.color_primaries = encoding.colour.primaries
    context.color_trc = encoding.colour.transfer


def encode(stream: VideoStream, frames: Iterable[av.VideoFrame]) -> Iterator[Packet[VideoStream]]:
    """Encode frames one by one, and flush the encoder.

    Raises:
        BackendError: The encoder failed.
    """
    frames = iter(frames)
    first = list(itertools.islice(frames, _TRUSTED_FROM))
    packets = _packets(stream, itertools.chain(first, frames))
    if len(first) < _TRUSTED_FROM:
        packets = _with_decoding_times(list(packets))
    yield from packets


def order_delay(stamps: Sequence[int]) -> int:
    """Return how many places later a packet may be than in time stamp order.

    Args:
        stamps: The packets' time stamps, in decoding order.
    """
    ranks = {stamp: rank for rank, stamp in enumerate(sorted(stamps))}
    return max(place - ranks[stamp] for place, stamp in enumerate(stamps))


def segment_format(encoding: Encoding) -> str:
    """Return FFmpeg's name of the container that segments are stored in.

    Raises:
        ArgumentError: No segment format can hold the codec.
    """
    for format in _SEGMENT_FORMATS:
        with av.open(io.BytesIO(), "w", format=format) as trial:
            if encoding.encoder in trial.supported_codecs:
                return format
    raise ArgumentError(
        f"segments of a video cannot store the output of {encoding.encoder}",
        "use another --codec, such as h264, hevc, av1, prores or ffv1",
    )


def write_segment(
    folder: Path, number: int, format: str, frames: Iterable[av.VideoFrame], encoding: Encoding
) -> Segment:
    """Encode frames into a self-contained file, written atomically.

    Args:
        folder: The folder of the file.
        number: Number of the segment.
        format: Its container; see `segment_format`.
        frames: At least one frame.
        encoding: How they are encoded.

    Raises:
        OutputError: The file cannot be written.
        BackendError: The encoder failed.
    """
    path = folder / f"{number:06}.{format}"
    stamps: list[int] = []  # in packet order
    start = duration = 0

    def counted_from_start() -> Iterator[av.VideoFrame]:
        nonlocal start, duration
        for place, frame in enumerate(frames):
            assert frame.pts is not None
            start = start if place else frame.pts
            duration = int(frame.duration or 0)
            frame.pts -= start
            yield frame

    with (
        atomic_write(path) as temporary,
        writing(path, "use another --codec"),
        av.open(file_url(temporary), "w", format=format, container_options=_UNMOVED) as container,
    ):
        stream = add_video(container, encoding)
        for packet in encode(stream, counted_from_start()):
            assert packet.pts is not None
            stamps.append(packet.pts)
            container.mux(packet)
    return Segment(
        name=path.name,
        frames=len(stamps),
        start=start,
        delay=order_delay(stamps),
        duration=duration,
    )


@contextmanager
def writing(
    target: Path | str, hint: str = "another container may hold it: name it .mkv"
) -> Generator[None]:
    """Turn write errors, the system's and FFmpeg's, into ours.

    Args:
        target: What is written, as messages name it.
        hint: What to do where FFmpeg rejects its input.

    Raises:
        OutputError: The block raised an FFmpeg or system error.
        BrokenPipeError: The reader closed the pipe, which is not an error.
    """
    try:
        yield
    except (BrokenPipeError, OutputError):
        raise
    except OSError as error:  # FFmpeg's too, where the system caused it
        raise unwritable(str(target), error.strerror or str(error)) from error
    except FFmpegError as error:
        raise OutputError(f"{target} cannot be written: {reason(error)}", hint) from error


def _packets(stream: VideoStream, frames: Iterable[av.VideoFrame]) -> Iterator[Packet[VideoStream]]:
    for frame in frames:
        yield from _coded(stream, frame)
    yield from _coded(stream, None)


def _with_decoding_times(packets: list[Packet[VideoStream]]) -> Iterator[Packet[VideoStream]]:
    """Give packets increasing decoding times, never later than their presentation times."""
    stamps = [packet.pts for packet in packets if packet.pts is not None]
    assert len(stamps) == len(packets)
    delay, ordered = order_delay(stamps) if stamps else 0, sorted(stamps)
    step = max(1, ordered[-1] - ordered[0]) if stamps else 1
    for place, packet in enumerate(packets):
        early = ordered[0] - (delay - place) * step
        packet.dts = early if place < delay else ordered[place - delay]
        yield packet


def _coded(stream: VideoStream, frame: av.VideoFrame | None) -> Iterator[Packet[VideoStream]]:
    try:
        yield from stream.encode(frame)
    except FFmpegError as error:
        raise BackendError(
            f"the encoder {stream.codec_context.name} failed: {reason(error)}",
            "use another --codec",
        ) from error


def _in_words(options: tuple[tuple[str, str], ...]) -> str:
    return "".join(f", {name}={value}" for name, value in options)
