"""Timeline of a video file: one clock for all of its streams.

Each stream of a file stamps its packets, and the stamps of two streams need not agree with each
other, nor with what a player shows. `videofiles.survey` resolves them for the whole file; a
`Timeline` holds the outcome, and yields the packets at the result's times.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from superres.videofiles.stamps import LeadIn, read_packets

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

_NO_LEAD_IN = LeadIn()


@dataclass(frozen=True, slots=True)
class Part:
    """Packets of a stream that follow one clock.

    Attributes:
        first: Number of the first one in its stream.
        shift: Added to their stamps, in the stream's time base.
        since: Start of audio that was cut out of a longer recording, in the result's time; FFmpeg
            leaves out the packet with its first moment. None for other parts.
        until: End of audio, where other audio begins, in the result's time; None if it continues.
        shown: Whether they are shown or heard.
    """

    first: int
    shift: int
    since: int | None = None
    until: int | None = None
    shown: bool = True


_UNMOVED = Part(0, 0)


@dataclass(frozen=True, slots=True)
class Timeline:
    """Times of a file's packets in its result.

    Attributes:
        parts: The parts of each stream, by its index; a stream without any is unchanged.
        counts: For a video without presentation times, the source of its frames' times, in
            presentation order: the packets' decoding times, or a count of them. "" for other
            videos.
        reordered: Whether such frames may be shown in another order than they are decoded.
        step: For a counted video, the time from frame to frame, in its time base.
        lead_ins: The packets before the first one that is seen or heard, by stream index.
        notes: What was corrected.
    """

    parts: Mapping[int, Sequence[Part]] = field(default_factory=dict[int, Sequence[Part]])
    counts: Literal["", "decoded", "all"] = ""
    reordered: bool = False
    step: Fraction = Fraction(1)
    lead_ins: Mapping[int, LeadIn] = field(default_factory=dict[int, LeadIn])
    notes: tuple[str, ...] = ()

    def video_packets(
        self, container: InputContainer, stream: VideoStream
    ) -> Iterator[Packet[VideoStream] | None]:
        """Yield all packets of the video, at the result's times.

        At the start of another part, and at the end, it yields None: the decoder has to be drained
        there, and nothing that follows is predicted from what is before.

        Args:
            container: The file, newly opened.
            stream: Its video.
        """
        parts = self.parts.get(stream.index, (_UNMOVED,))
        begun = {part.first for part in parts[1:]}
        for number, packet in enumerate(read_packets(container, [stream])):
            if number in begun:
                yield None
            if self.counts == "all":
                packet.dts = round(number * self.step)
            if self.counts:
                packet.pts = packet.dts
            part = _part(parts, number)
            _move(packet, part)
            if part.shown:
                yield packet
        yield None

    def track_packets(
        self, container: InputContainer, streams: Sequence[Stream], *, hides: bool
    ) -> Iterator[Packet[Stream]]:
        """Yield the packets of other streams that are seen or heard, at the result's times.

        Args:
            container: The file, newly opened.
            streams: The streams.
            hides: Whether the result can hide what is only decoded, as MP4 can before time 0;
                elsewhere nothing that was cut away remains.
        """
        numbers = {stream.index: -1 for stream in streams}
        for packet in read_packets(container, streams):
            index = packet.stream_index
            numbers[index] += 1
            number, part = numbers[index], _part(self.parts.get(index, (_UNMOVED,)), numbers[index])
            _move(packet, part)
            end = (packet.pts or 0) + (packet.duration or 0)
            if packet.is_discard and (part.since is None or end <= part.since):
                lead_in = self.lead_ins.get(index, _NO_LEAD_IN)
                hidden = hides and packet.pts is not None and packet.pts < 0
                if not lead_in.needed <= number < lead_in.shown or not (hidden or lead_in.own):
                    continue
            # An overlap at a joint is cut from the earlier part: the later needs its first packet.
            middle = end - (packet.duration or 0) // 2
            if part.shown and (part.until is None or middle <= part.until):
                yield packet


def _move(packet: Packet[Stream] | Packet[VideoStream], part: Part) -> None:
    if part.shift:
        if packet.pts is not None:
            packet.pts += part.shift
        if packet.dts is not None:
            packet.dts += part.shift


def _part(parts: Sequence[Part], number: int) -> Part:
    """Return the part that a packet belongs to, by its number."""
    return parts[max(0, bisect.bisect_right(parts, number, key=_first) - 1)]


def _first(part: Part) -> int:
    return part.first
