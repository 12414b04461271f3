"""Container writer: the encoded video and, packet by packet, the source's other streams."""

from __future__ import annotations

import heapq
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import av
from av.error import FFmpegError

from superres.errors import ArgumentError
from superres.video.encode import Segment, add_video, encode, segment_format, tag
from superres.videofiles.encoding import Encoding
from superres.videofiles.probe import VideoFacts, file_url, fraction, open_video, reason

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

# What FFmpeg calls the containers that hold several tracks and exact times, by their suffix.
_CONTAINERS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".ts": "mpegts",
    ".mts": "mpegts",
    ".m2ts": "mpegts",
}
# Tags that say how a file was made, not what it shows: the new container writes its own.
_OWN_TAGS = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration"}
_STATISTICS = ("_STATISTICS_", "BPS", "NUMBER_OF_", "DURATION")  # of mkvmerge, for the old stream


@dataclass(frozen=True, slots=True)
class Rest:
    """What goes along with the video.

    Attributes:
        tracks: Indices of the source's streams that the container can hold.
        refused: Why it cannot hold the others, in words, by index.
    """

    tracks: tuple[int, ...]
    refused: dict[int, str]


VideoPackets = Callable[["VideoStream"], Iterator["Packet[VideoStream]"]]


def container_of(name: str) -> str:
    """Return FFmpeg's name of the container that a suffix (`.mkv`) or a format (`mkv`) means.

    Raises:
        ArgumentError: It is none that is written here.
    """
    suffix = f".{name.removeprefix('.').lower()}"
    if suffix in _CONTAINERS:
        return _CONTAINERS[suffix]
    if suffix[1:] in _CONTAINERS.values():
        return suffix[1:]
    raise ArgumentError(
        f"superres video does not write {suffix} files"
        if suffix != "."
        else "the output has no suffix",
        f"name it {', '.join(_CONTAINERS)}, or end it in / for a folder of frames",
    )


def try_out(container: str, encoding: Encoding) -> None:
    """Encode and join one frame as a test, so that rejections are known before any work.

    Raises:
        ArgumentError: The encoder rejects the frame, or the container its output.
    """
    height, width = encoding.size
    frame = av.VideoFrame(width, height, encoding.pix_fmt)
    frame.pts = 0
    memory = io.BytesIO()
    with av.open(memory, "w", format=segment_format(encoding)) as part:
        stream = add_video(part, encoding)
        for packet in encode(stream, (frame,)):
            part.mux(packet)
    memory.seek(0)
    try:
        with av.open(memory) as part, av.open(io.BytesIO(), "w", format=container) as trial:
            _copy_video(trial, part.streams.video[0], encoding)
            trial.start_encoding()
    except (FFmpegError, ValueError) as error:
        said = reason(error) if isinstance(error, FFmpegError) else str(error)
        raise ArgumentError(
            f"{container} cannot hold the output of {encoding.encoder}: {said}",
            "use another --codec, or another container (.mkv holds nearly all)",
        ) from error


def plan_rest(source: Path, facts: VideoFacts, container: str) -> Rest:
    """Find out which other streams of the source a container can hold, by trying each."""
    tracks: list[int] = []
    refused: dict[int, str] = {}
    with open_video(source) as given:
        for track in facts.tracks:
            try:
                with av.open(io.BytesIO(), "w", format=container) as trial:
                    _copy_track(trial, given.streams[track.index])
                    trial.start_encoding()
            except (FFmpegError, ValueError, TypeError, AttributeError) as error:
                said = reason(error) if isinstance(error, FFmpegError) else str(error)
                refused[track.index] = said
            else:
                tracks.append(track.index)
    return Rest(tuple(tracks), refused)


def join(
    path: Path,
    container: str,
    source: Path,
    facts: VideoFacts,
    rest: Rest,
    *,
    encoding: Encoding,
    folder: Path,
    segments: Sequence[Segment],
) -> None:
    """Write a file of finished segments and the rest of the source.

    Args:
        path: The file, which exists and is written over.
        container: FFmpeg's name of its format.
        source: The source.
        facts: What it holds.
        rest: What of it goes along.
        encoding: How the segments are encoded.
        folder: Where they lie.
        segments: All of them, in order.

    Raises:
        FFmpegError: See `superres.video.encode.writing`.
        PictureError: The source cannot be read any more.
    """

    def copy_of_first(target: OutputContainer) -> VideoStream:
        with av.open(file_url(folder / segments[0].name)) as first:
            return _copy_video(target, first.streams.video[0], encoding)

    def packets(stream: VideoStream) -> Iterator[Packet[VideoStream]]:
        return _joined(folder, segments, facts, stream)

    _write(file_url(path), container, source, facts, rest, copy_of_first, packets)


def stream_out(
    file: BinaryIO,
    container: str,
    source: Path,
    facts: VideoFacts,
    rest: Rest,
    *,
    encoding: Encoding,
    packets: VideoPackets,
) -> None:
    """Write the video while it is encoded, and the rest of the source, into a pipe.

    Args:
        file: Takes the bytes; it need not be able to seek.
        container: FFmpeg's name of the format.
        source: The source.
        facts: What it holds.
        rest: What of it goes along.
        encoding: How the video is encoded.
        packets: Encodes into the stream that it is given.

    Raises:
        FFmpegError: See `superres.video.encode.writing`.
        PictureError: The source cannot be read any more.
    """
    _write(
        file,
        container,
        source,
        facts,
        rest,
        lambda target: add_video(target, encoding),
        packets,
    )


def _write(
    file: str | BinaryIO,
    container: str,
    source: Path,
    facts: VideoFacts,
    rest: Rest,
    add: Callable[[OutputContainer], VideoStream],
    packets: VideoPackets,
) -> None:
    options = _muxer_options(container, facts)
    with (
        open_video(source) as given,
        av.open(file, "w", format=container, container_options=options) as target,
    ):
        copies: dict[int, Stream] = {}
        for stream in given.streams:  # in the source's order
            if stream.index == facts.index:
                video = copies[stream.index] = add(target)
                _tag_video(video, given.streams[facts.index], facts)
            elif stream.index in rest.tracks:
                copies[stream.index] = _copy_track(target, stream)
        target.metadata.update(_kept_tags(given.metadata))
        target.set_chapters(given.chapters())
        video = cast("VideoStream", copies.pop(facts.index))
        tracks = [given.streams[index] for index in copies]
        others = _track_packets(given.demux(tracks), copies) if tracks else iter(())
        # By time, or the muxer would hold one stream in memory until the other has come as far.
        for packet in heapq.merge(packets(video), others, key=_seconds):
            target.mux(packet)


def _joined(
    folder: Path, segments: Sequence[Segment], facts: VideoFacts, stream: VideoStream
) -> Iterator[Packet[VideoStream]]:
    """Yield the packets of all segments with their decoding times, which segments cannot know.

    A packet's decoding time is the time stamp that stands `delay` places before its own in order:
    it grows, and is never later than the packet's own, as no packet stands further back than that.
    """
    base = facts.time_base
    step = max(1, round(1 / (facts.rate * base)))
    delay = max(segment.delay for segment in segments)
    stamps: list[int] = []  # a heap
    place = 0
    for segment in segments:
        with av.open(file_url(folder / segment.name)) as part:
            for packet in part.demux(video=0):
                if packet.pts is None:
                    continue  # av's own, to flush decoders
                unit = fraction(packet.time_base)
                assert unit is not None
                packet.pts = segment.start + round(packet.pts * unit / base)
                heapq.heappush(stamps, packet.pts)
                early = segments[0].start - (delay - place) * step
                packet.dts = early if place < delay else heapq.heappop(stamps)
                packet.duration = segment.duration or step
                packet.time_base = base
                packet.stream = stream
                place += 1
                yield packet


def _track_packets(
    packets: Iterator[Packet[Stream]], copies: dict[int, Stream]
) -> Iterator[Packet[Stream]]:
    """Yield the packets of the other streams, times made to grow, which muxers insist on."""
    last: dict[int, int] = {}
    while True:
        try:
            packet = next(packets, None)
        except FFmpegError:
            return  # the source ends in a broken place; what came before is kept
        if packet is None:
            return
        index = packet.stream_index
        if packet.dts is None:
            if packet.pts is None:
                continue  # av's own, to flush decoders
            packet.dts = packet.pts
        packet.dts = max(packet.dts, last.get(index, packet.dts))
        if packet.pts is not None:
            packet.pts = max(packet.pts, packet.dts)
        last[index] = packet.dts
        packet.stream = copies[index]
        yield packet


def _copy_video(target: OutputContainer, stream: VideoStream, encoding: Encoding) -> VideoStream:
    copy = target.add_stream_from_template(stream, opaque=True)
    copy.time_base = encoding.time_base
    tag(copy, encoding)  # not every codec says it in its packets
    if copy.codec_context.name == "hevc" and target.format.name in ("mp4", "mov"):
        copy.codec_context.codec_tag = "hvc1"  # the one that Apple's players know
    return copy


def _copy_track(target: OutputContainer, stream: Stream) -> Stream:
    # Any: av's types promise a stream with a codec, attachments and data have none.
    template: Any = stream
    copy: Stream = (
        target.add_stream_from_template(template, opaque=True)
        if getattr(stream, "codec_context", None) is not None
        else target.add_stream_from_template(template)
    )
    copy.metadata.update(_kept_tags(stream.metadata))
    copy.disposition = stream.disposition
    return copy


def _tag_video(video: VideoStream, source: Stream, facts: VideoFacts) -> None:
    video.metadata.update(_kept_tags(facts.video_metadata))
    video.disposition = source.disposition
    if facts.display:
        video.set_display_matrix(facts.display)


def _kept_tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in tags.items()
        if name.lower() not in _OWN_TAGS and not name.startswith(_STATISTICS)
    }


def _muxer_options(container: str, facts: VideoFacts) -> dict[str, str]:
    if container not in ("mp4", "mov"):
        return {}
    flags = "+faststart"  # players on the web begin before all is loaded
    if any("." in name for name in facts.metadata):
        flags += "+use_metadata_tags"  # Apple's own names, such as com.apple.quicktime.make
    return {"movflags": flags}


def _seconds(packet: Packet[Any]) -> Fraction | float:
    base = packet.time_base
    return (packet.dts or 0) * base.numerator / base.denominator
