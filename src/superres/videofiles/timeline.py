"""Timeline of a video file: one clock for all of its streams.

Each stream of a file stamps its packets, and the stamps of two streams need not agree with each
other, nor with what a player shows. `videofiles.survey` settles what they mean for the whole file;
a `Timeline` holds that, and hands out the packets at the times of the result.
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
        first: The first one's number in its stream.
        shift: What is added to their stamps, in the stream's time base.
        since: When sound begins that was cut out of more, in the result's time; FFmpeg leaves out
            the packet that holds its first moment. None for no such.
        until: When sound ends, as other sound begins, in the result's time; None if it goes on.
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
    """What the stamps of a file mean in the time of its result.

    Attributes:
        parts: The parts of each stream, by its index; a stream that is not here is as it is.
        counts: Of a video that does not say when its frames are shown, what their times are, in
            the order of showing: the packets' times of decoding, or a count of them. "" where it
            says.
        reordered: Whether such frames may be shown in another order than they are decoded in.
        step: Of a counted video, the time from frame to frame, in its time base.
        lead_ins: What comes before the first packet that is seen or heard, by the stream's index.
        notes: What was settled, in words.
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

        Where another part begins, and at the end, it yields None: what the decoder still holds has
        to come out there, and nothing that follows is predicted from it.

        Args:
            container: The file, opened anew.
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
        """Yield those packets of other streams that are seen or heard, at the result's times.

        Args:
            container: The file, opened anew.
            streams: The streams.
            hides: Whether the result can hide what is only decoded, as MP4 can; if not, nothing of
                what was cut away is left at the beginning.
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
                if not lead_in.needed <= number < lead_in.shown or not (hides or lead_in.own):
                    continue
            # Of what overlaps at a joint the end goes: what begins needs its first packet.
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
