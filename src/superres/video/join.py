"""Container writer: the encoded video and, packet by packet, the source's other streams."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import av

from superres.video.encode import Segment, add_video, tag
from superres.video.projection import APPLES_BOX, MUXER_OPTIONS, boxes_of, carrying
from superres.videofiles.boxes import hide
from superres.videofiles.containers import BY_NAME
from superres.videofiles.encoding import Encoding
from superres.videofiles.probe import PICTURES, VideoFacts, file_url, fraction, open_video

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

# Tags that say how a file was made, not what it shows: the new container writes its own.
_OWN_TAGS = {
    "major_brand", "minor_version", "compatible_brands", "encoder", "duration",
    "timecode",  # set on the video, wherever the source has it
}  # fmt: skip
_LEAST_STEP_S = Fraction(1, 8000)  # at least one tick of any audio, so a distinct time there
_STATISTICS = ("_STATISTICS_", "BPS", "NUMBER_OF_", "DURATION")  # by mkvmerge, of the old stream


@dataclass(frozen=True, slots=True)
class Rest:
    """The parts of the source that are copied along with the video.

    Attributes:
        tracks: Indices of the source's streams that the container can hold.
        refused: Why it cannot hold the others, by index.
        timecode: Whether the time code of the first frame is copied, if there is one.
    """

    tracks: tuple[int, ...]
    refused: dict[int, str]
    timecode: bool = True


def place_of_video(facts: VideoFacts, rest: Rest) -> int:
    """Return the video's index in the result, where covers and attachments come last."""
    last = {track.index for track in facts.tracks if track.kind in ("attachment", "cover")}
    return sum(index < facts.index for index in rest.tracks if index not in last)


VideoPackets = Callable[["VideoStream"], Iterator["Packet[VideoStream]"]]


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
    most_packets: int | None = None,
) -> None:
    """Write a file of finished segments and the rest of the source.

    Args:
        path: The file, which exists and is overwritten.
        container: FFmpeg's name of its format.
        source: The source.
        facts: The source's facts.
        rest: The parts of it that are copied.
        encoding: How the segments are encoded.
        folder: Their folder.
        segments: All of them, in order.
        most_packets: Limit on packets written of the source's other streams; None for no limit.

    Raises:
        FFmpegError: See `superres.video.encode.writing`.
        PictureError: The source can no longer be read.
    """

    def copy_of_first(target: OutputContainer) -> VideoStream:
        with av.open(file_url(folder / segments[0].name)) as first:
            stream = first.streams.video[0]
            packet = next(packet for packet in first.demux(stream) if packet.size)
            with carrying(stream, packet, facts.carried, container) as template:
                return _copy_video(target, template, encoding, stream.codec_context.extradata)

    def packets(stream: VideoStream) -> Iterator[Packet[VideoStream]]:
        return _joined(folder, segments, facts, stream)

    url = file_url(path)
    _write(url, container, source, facts, rest, copy_of_first, packets, most_packets=most_packets)
    if container == "mp4" and boxes_of(facts.carried):
        hide(path, APPLES_BOX)


def stream_out(
    file: BinaryIO,
    container: str,
    source: Path,
    facts: VideoFacts,
    rest: Rest,
    *,
    encoding: Encoding,
    packets: VideoPackets,
    most_packets: int | None = None,
) -> None:
    """Write the video, while it is encoded, and the rest of the source into a pipe.

    Args:
        file: Takes the bytes; it need not be able to seek.
        container: FFmpeg's name of the format.
        source: The source.
        facts: The source's facts.
        rest: The parts of it that are copied.
        encoding: How the video is encoded.
        packets: Encodes into the stream that it is given.
        most_packets: Limit on packets written of the source's other streams; None for no limit.

    Raises:
        FFmpegError: See `superres.video.encode.writing`.
        PictureError: The source can no longer be read.
    """
    _write(
        file,
        container,
        source,
        facts,
        rest,
        lambda target: add_video(target, encoding),
        packets,
        most_packets=most_packets,
    )


def _write(
    file: str | BinaryIO,
    container: str,
    source: Path,
    facts: VideoFacts,
    rest: Rest,
    add: Callable[[OutputContainer], VideoStream],
    packets: VideoPackets,
    *,
    most_packets: int | None = None,
) -> None:
    options = _muxer_options(container, facts)
    covers = _covers(source, facts, rest)
    with ExitStack() as stack:
        given = None if facts.codec == PICTURES else stack.enter_context(open_video(source))
        target = stack.enter_context(
            av.open(file, "w", format=container, container_options=options)
        )
        if given is None:
            for packet in packets(add(target)):
                target.mux(packet)
            return
        copies: dict[int, Stream] = {}
        for stream in given.streams:  # in the source's order
            if stream.index == facts.index:
                video = copies[stream.index] = add(target)
                _tag_video(video, given.streams[facts.index], facts, rest)
            elif stream.index in covers:
                _add_cover(target, stream, covers[stream.index])
            elif stream.index in rest.tracks:
                copies[stream.index] = _copy_track(target, stream)
        target.metadata.update(_kept_tags(given.metadata))
        target.set_chapters(given.chapters())
        video = cast("VideoStream", copies.pop(facts.index))
        tracks = [given.streams[index] for index in copies]
        hides = container in ("mp4", "mov")  # by an edit list
        packets_of_tracks = facts.timeline.track_packets(given, tracks, hides=hides)
        others = _track_packets(packets_of_tracks, copies) if tracks else iter(())
        others = itertools.islice(others, most_packets)
        for packet in covers.values():
            if packet.stream.container is target:
                target.mux(packet)
        # By time, or the muxer would buffer one stream until the other catches up.
        for packet in heapq.merge(packets(video), others, key=_seconds):
            target.mux(packet)


def _joined(
    folder: Path, segments: Sequence[Segment], facts: VideoFacts, stream: VideoStream
) -> Iterator[Packet[VideoStream]]:
    """Yield the packets of all segments with their decoding times, which segments cannot know.

    A packet's decoding time is the time stamp `delay` places before its own in sorted order: it
    increases, and is never later than the packet's own, as no packet is further out of order.
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
                    continue  # from av itself, to flush decoders
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
    """Yield the packets of the other streams with increasing times, as muxers require.

    Audio of a time already passed is left out: a stream that runs backwards by itself repeats it.
    """
    last: dict[int, int] = {}
    for packet in packets:
        index = packet.stream_index
        if packet.dts is None:
            if packet.pts is None:
                continue  # its time is unknown
            packet.dts = packet.pts
        copy, before = copies[index], last.get(index)
        if before is not None and packet.dts <= before:
            if copy.type == "audio" and packet.dts + (packet.duration or 0) <= before:
                continue
            packet.dts = before + _least_step(packet, copy)
        if packet.pts is not None:
            packet.pts = max(packet.pts, packet.dts)
        last[index] = packet.dts
        packet.stream = copy
        yield packet


def _least_step(packet: Packet[Stream], copy: Stream) -> int:
    """Return the least time between two packets, in the first argument's time base."""
    if copy.type not in ("audio", "video"):
        return 0  # several may be shown together
    return math.ceil(_LEAST_STEP_S / packet.time_base)


def _copy_video(
    target: OutputContainer, stream: VideoStream, encoding: Encoding, extradata: bytes | None
) -> VideoStream:
    copy = target.add_stream_from_template(stream, opaque=True)
    copy.codec_context.extradata = extradata  # in the form that matches the packets
    copy.time_base = encoding.time_base
    copy.codec_context.framerate = encoding.rate  # timecode tracks count by it
    tag(copy, encoding)  # not every codec stores it in its packets
    if copy.codec_context.name == "hevc" and target.format.name in ("mp4", "mov"):
        copy.codec_context.codec_tag = "hvc1"  # the tag that Apple's players know
    return copy


def _copy_track(target: OutputContainer, stream: Stream) -> Stream:
    # Any: av's types promise a stream with a codec; attachments and data have none.
    template: Any = stream
    copy: Stream = (
        target.add_stream_from_template(template, opaque=True)
        if getattr(stream, "codec_context", None) is not None
        else target.add_stream_from_template(template)
    )
    copy.metadata.update(_kept_tags(stream.metadata))
    copy.disposition = stream.disposition
    return copy


def _covers(source: Path, facts: VideoFacts, rest: Rest) -> dict[int, Packet[Stream]]:
    """Return the one packet of each cover picture that is copied, by its stream's index.

    A demuxer returns them first, without times. They have their own reader, so that no packets of
    other streams are skipped.
    """
    wanted = {track.index for track in facts.tracks if track.kind == "cover"} & set(rest.tracks)
    found: dict[int, Packet[Stream]] = {}
    if wanted:
        with open_video(source) as given:
            for packet in given.demux([given.streams[index] for index in wanted]):
                if packet.size:
                    found.setdefault(packet.stream_index, packet)
                if len(found) == len(wanted):
                    break
    return found


def _add_cover(target: OutputContainer, stream: Stream, packet: Packet[Stream]) -> None:
    """Add a cover picture as the container stores it; see `Container.covers`."""
    if BY_NAME[target.format.name].covers == "attachment":
        kind = stream.codec_context.name.replace("mjpeg", "jpeg")
        name = stream.metadata.get("filename", f"cover.{kind.replace('jpeg', 'jpg')}")
        mimetype = stream.metadata.get("mimetype", f"image/{kind}")
        target.add_attachment(name, mimetype, bytes(packet))
    else:
        packet.stream = _copy_track(target, stream)
        packet.pts = packet.dts = 0


def _tag_video(video: VideoStream, source: Stream, facts: VideoFacts, rest: Rest) -> None:
    video.metadata.update(_kept_tags(facts.video_metadata))
    if facts.timecode and rest.timecode:
        video.metadata["timecode"] = facts.timecode
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
    flags = "+faststart"  # web players start before the whole file is loaded
    if any("." in name for name in facts.metadata):
        flags += "+use_metadata_tags"  # Apple's own names, such as com.apple.quicktime.make
    options = {"movflags": flags}
    if container == "mp4" and boxes_of(facts.carried):
        options |= MUXER_OPTIONS
    return options


def _seconds(packet: Packet[Any]) -> Fraction | float:
    base = packet.time_base
    return (packet.dts or 0) * base.numerator / base.denominator
