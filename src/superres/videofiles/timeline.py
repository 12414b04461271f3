"""Timeline of a video file: one clock for all of its streams.

Each stream of a file stamps its packets, and the stamps of two streams need not agree with each
other, nor with what a player shows. `read_timeline` reads all of them once and settles, for the
whole file, where its time begins, where its clock jumps and by how much, and which stamps only
count packets. A `Timeline` then hands out the packets at the times of the result.

A jump is believed if every stream of sound and pictures that goes on makes it, for then two
recordings were joined. One that a single stream makes is a gap, or a flaw of that stream.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from superres.videofiles.stamps import (
    LeadIn,
    Run,
    Stamps,
    Stretch,
    clock_may_jump,
    has_no_clock,
    read_packets,
    read_stamps,
)

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

_ABSOLUTE_S = 10  # a file that begins later than this shows what its recorder's clock read
_SAME_JUMP_S = 2  # streams that jump by amounts nearer than this to each other jump together
_MOST_TRIED = 50  # jumps of another stream
_OVERLAP_S = Fraction(1, 2)  # of sound at a joint is left out, so that pictures go on at once
_ROUNDING_S = Fraction(1, 1000)  # of a packet's length
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
        start: When the first frame is shown, in seconds; None if that is unknown.
        rate: Frames a second, on average; None if that is unknown.
        frames: How many frames there are, or should be; None if that is unknown.
        counted: Whether the file itself says how many there should be.
        notes: What was settled, in words.
    """

    parts: Mapping[int, Sequence[Part]] = field(default_factory=dict[int, Sequence[Part]])
    counts: Literal["", "decoded", "all"] = ""
    reordered: bool = False
    step: Fraction = Fraction(1)
    lead_ins: Mapping[int, LeadIn] = field(default_factory=dict[int, LeadIn])
    start: Fraction | None = None
    rate: Fraction | None = None
    frames: int | None = None
    counted: bool = False
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


def read_timeline(
    container: InputContainer,
    index: int,
    rate: Fraction,
    stretches: Mapping[int, Sequence[Stretch]],
) -> Timeline:
    """Read all stamps of a file, and settle what they mean.

    Args:
        container: The file, opened anew.
        index: Which of its streams is the video.
        rate: Frames a second, as far as the file says.
        stretches: What its edit lists show, of streams with more than one stretch.
    """
    stream = container.streams[index]
    stamps = dict(read_stamps(container, stretches))
    counts = _counts(container, stamps[index])
    if counts == "all":
        stamps[index] = _as_counted(stamps[index], rate)
    main = {
        other: one
        for other, one in stamps.items()
        if one.runs and (other == index or one.kind == "audio")
    }
    joints = _joints(main)
    spans = [
        {other: span for other, one in main.items() if (span := _span(one, joints, other, part))}
        for part in range(len(joints) + 1)
    ]
    unit, video = stamps[index].base, stamps[index]
    shift, notes = _beginning(main, spans[0], index, absolute=not clock_may_jump(container))
    shifts = [shift]
    for before, after in pairwise(spans):
        shifts.append(shifts[-1] + _gap(before, after, index))
        notes.append(_joint_in_words(before, after, index, shifts))
    shifts = [round(one / unit) * unit for one in shifts]  # frames keep their distances
    shown = [(one, span[index]) for one, span in zip(shifts, spans, strict=True) if index in span]
    expected = _expected(container, stream, video) if index not in stretches else None
    parts = {
        other: _parts(one, joints, other, shifts, [span.get(other) for span in spans])
        for other, one in stamps.items()
        if any(shifts)
    }
    for other, held in stretches.items():
        parts[other] = _parts_of_stretches(held, stamps[other], shifts[0])
    return Timeline(
        parts=parts,
        counts=counts,
        reordered=bool(counts) and _may_reorder(stream),
        step=1 / (rate * unit),
        lead_ins={other: one.lead_in for other, one in stamps.items()},
        start=shown[0][0] + shown[0][1].begin if shown else None,
        rate=_mean_rate([span for _, span in shown]),
        frames=expected or video.shown or None,
        counted=expected is not None,
        notes=tuple(notes),
    )


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


def _counts(container: InputContainer, video: Stamps) -> Literal["", "decoded", "all"]:
    if has_no_clock(container) or (video.timeless and video.timeless == video.shown):
        return "all"
    return "decoded" if video.shown and video.unstamped == video.shown else ""


def _may_reorder(stream: Stream) -> bool:
    """Say whether a video's codec shows frames in another order than it decodes them in."""
    context = getattr(stream, "codec_context", None)
    return context is None or bool(context.codec.reorder)


def _as_counted(video: Stamps, rate: Fraction) -> Stamps:
    """Return the stamps of a video without any, as if it had said that its frames go on at once."""
    last = (video.shown - 1) / rate
    run = Run(0, 0, Fraction(0), last, last + 1 / rate, video.shown)
    return replace(video, runs=(run,) if video.shown else ())


# Joints: where the clock of the whole file jumps.


@dataclass(frozen=True, slots=True)
class _Joint:
    """Where two recordings were joined.

    Attributes:
        place: The first packet after it, among all of the file.
        runs: The run that begins after it, of each stream that goes on, by the stream's index.
    """

    place: int
    runs: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class _Jump:
    stream: int
    run: int  # the one that begins after it
    place: int
    amount: Fraction


def _joints(main: Mapping[int, Stamps]) -> list[_Joint]:
    """Return the jumps that all streams make, out of those that single ones do."""
    by_stream = {
        index: [
            _Jump(index, number, after.place, after.begin - before.end)
            for number, (before, after) in enumerate(pairwise(one.runs), 1)
        ]
        for index, one in main.items()
    }
    joints: list[_Joint] = []
    used = set[_Jump]()
    jumps = (jump for held in by_stream.values() for jump in held)
    for jump in sorted(jumps, key=_place):
        if jump in used:
            continue
        others = [
            held
            for index, held in by_stream.items()
            if main[index].places[0] < jump.place <= main[index].places[-1] and index != jump.stream
        ]
        alike = [_alike(jump, held, used) for held in others]
        found = [other for other in alike if other is not None]
        if len(found) == len(others):
            used.update(found, [jump])
            runs = {one.stream: one.run for one in (jump, *found)}
            joints.append(_Joint(jump.place, runs))
    return joints


def _place(jump: _Jump) -> int:
    return jump.place


def _alike(jump: _Jump, held: Sequence[_Jump], used: set[_Jump]) -> _Jump | None:
    """Return the first jump of another stream that can be the same one; None if none can."""
    begin = bisect.bisect_right(held, jump.place, key=_place)
    for other in held[begin : begin + _MOST_TRIED]:
        if other not in used and abs(other.amount - jump.amount) < _SAME_JUMP_S:
            return other
    return None


def _span(one: Stamps, joints: Sequence[_Joint], index: int, part: int) -> Run | None:
    """Return all runs of a stream between two joints as one; None if there are none."""
    begins = [0, *(_run_after(one, joint, index) for joint in joints), len(one.runs)]
    runs = one.runs[begins[part] : begins[part + 1]]
    if not runs:
        return None
    return Run(
        runs[0].first,
        runs[0].place,
        min(run.begin for run in runs),
        max(run.last for run in runs),
        max(run.end for run in runs),
        sum(run.shown for run in runs),
    )


def _run_after(one: Stamps, joint: _Joint, index: int) -> int:
    """Return which run of a stream is the first after a joint."""
    if index in joint.runs:
        return joint.runs[index]
    return sum(run.place < joint.place for run in one.runs)


def _parts(
    one: Stamps,
    joints: Sequence[_Joint],
    index: int,
    shifts: Sequence[Fraction],
    spans: Sequence[Run | None],
) -> tuple[Part, ...]:
    """Return the parts of a stream."""
    firsts = [0]
    for joint in joints:
        own = joint.runs.get(index)
        firsts.append(
            one.runs[own].first if own is not None else bisect.bisect_left(one.places, joint.place)
        )
    until: int | None = None
    parts: list[Part] = []
    for first, shift, span in reversed(list(zip(firsts, shifts, spans, strict=True))):
        parts.insert(0, Part(first, round(shift / one.base), None, until))
        if span is not None and one.kind == "audio":
            until = round((span.begin + shift) / one.base)
    return tuple(parts)


def _parts_of_stretches(
    stretches: Sequence[Stretch], one: Stamps, shift: Fraction
) -> tuple[Part, ...]:
    """Return the parts of a stream whose edit list shows several stretches."""
    moved = round(shift / one.base)
    parts = [Part(held.first, held.shift + moved, shown=held.shown) for held in stretches]
    if one.kind == "audio":
        parts = [
            replace(part, since=held.since + moved, until=held.until + moved)
            for part, held in zip(parts, stretches, strict=True)
        ]
    if not parts or parts[0].first > 0:
        parts.insert(0, Part(0, moved))
    return tuple(parts)


# Times of the whole file.


def _beginning(
    main: Mapping[int, Stamps], begins: Mapping[int, Run], video: int, *, absolute: bool
) -> tuple[Fraction, list[str]]:
    """Return what moves a file's beginning to where its result begins, in seconds, and notes."""
    if not begins:
        return Fraction(0), []
    earliest = min(run.begin for run in begins.values())
    openings = [main[index].opening for index, run in begins.items() if run.begin == earliest]
    leads = max(openings) + _ROUNDING_S
    zero = earliest
    if video in begins and begins[video].begin - earliest <= leads:
        zero = begins[video].begin  # of the sound before, which no picture goes with, one packet
    if absolute and -leads <= zero <= _ABSOLUTE_S:
        return Fraction(0), []
    note = f"the source's clock begins at {float(zero):.3f} s, and the result's at 0"
    return -zero, [note] if zero else []


def _gap(before: Mapping[int, Run], after: Mapping[int, Run], video: int) -> Fraction:
    """Return what moves the time after a joint to where that before it ends, in seconds."""
    going_on = before.keys() & after.keys()
    return max(
        before[index].end
        - after[index].begin
        - (_OVERLAP_S if video in going_on and index != video else 0)
        for index in going_on
    )


def _joint_in_words(
    before: Mapping[int, Run], after: Mapping[int, Run], video: int, shifts: Sequence[Fraction]
) -> str:
    index = video if video in after else min(after)
    at = float(after[index].begin + shifts[-1])
    jump = float(after[index].begin - before.get(index, min(before.values(), key=_end)).end)
    return f"the source's clock jumps by {jump:.3f} s; what follows goes on at {at:.3f} s"


def _end(run: Run) -> Fraction:
    return run.end


def _mean_rate(spans: Sequence[Run]) -> Fraction | None:
    time = sum((span.last - span.begin for span in spans), Fraction(0))
    steps = sum(span.shown - 1 for span in spans)
    return steps / time if time > 0 else None


def _expected(container: InputContainer, stream: Stream, video: Stamps) -> int | None:
    """Return how many frames a file says that it shows; None if it does not."""
    if not stream.frames:
        return None
    if "mov" in container.format.name.split(","):
        # What is counted includes what an edit list cuts away; the index leaves that out.
        listed = sum(not entry.is_discard for entry in stream.index_entries)
        return listed or stream.frames
    if container.format.name == "avi" and video.runs:
        # What is counted are times at which a frame may stand.
        run = video.runs[-1]
        step = (run.last - run.begin) / max(1, run.shown - 1)
        missing = stream.frames * video.base - run.last - video.base
        return video.shown + (int(missing / step) if step and missing > 0 else 0)
    return stream.frames
