"""Survey of a whole video file: its facts, completed from its packets' stamps.

The stamps of all streams are read once, and resolved together: where the file's time begins, where
its clock jumps and by how much, and which stamps only count packets.

A jump is accepted if every continuing audio and video stream makes it, for then two recordings
were joined. A jump in a single stream is a gap, or a flaw of that stream.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from superres.videofiles.edits import IGNORED, edit_lists, read_stretches
from superres.videofiles.probe import VideoFacts, open_video
from superres.videofiles.stamps import (
    Run,
    Stamps,
    Stretch,
    clock_may_jump,
    has_no_clock,
    read_stamps,
)
from superres.videofiles.timeline import Part, Timeline

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.stream import Stream

_ABSOLUTE_S = 10  # a file that begins later than this keeps its recorder's clock
# Streams that jump to times closer together than the first may jump together, as one of them may
# begin late; forward jumps must also differ in length or end by less than the second of these.
_SAME_BEGINNING_S, _SAME_JUMP_S = 30, 2
_MOST_TRIED = 50  # jumps of another stream
_OVERLAP_S = Fraction(1, 2)  # of audio at a joint is dropped, so that frames continue at once
_ROUNDING_S = Fraction(1, 1000)  # of a packet's length
_RATE_ERROR = Fraction(1, 100)  # of a rate: within it of the measured one, the file's is kept
_USUAL_ERROR = Fraction(1, 1000)  # likewise, for a standard rate
_USUAL_RATES = sorted(
    Fraction(rate * 1000, thousand) for rate in (24, 30, 60, 120) for thousand in (1000, 1001)
) + [Fraction(rate) for rate in (25, 50, 100)]


def survey(source: Path, facts: VideoFacts) -> VideoFacts:
    """Read the stamps of all packets of a video file, without decoding, and resolve its times.

    Args:
        source: The file.
        facts: The facts from its header.

    Returns:
        The same facts with the file's timeline, and with start, rate and number of frames from its
        packets.

    Raises:
        PictureError: The file cannot be read.
    """
    index = facts.index
    stretches = _stretches(source)
    with open_video(source) as container:
        stream = container.streams[index]
        stamps = dict(read_stamps(container, stretches))
        counts = _counts(container, stamps[index])
        absolute = not clock_may_jump(container)
        # How much of a file's own count several stretches leave is not known.
        expected = None if index in stretches else _expected(container, stream, stamps[index])
        reordered = bool(counts) and _may_reorder(stream)
    if counts == "all":
        stamps[index] = _as_counted(stamps[index], facts.rate)
    video = stamps[index]
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
    shifts, notes = _shifts(main, spans, index, absolute=absolute)
    shifts = [round(one / video.base) * video.base for one in shifts]  # frames keep their distances
    parts = {
        other: _parts(one, joints, other, shifts, [span.get(other) for span in spans])
        for other, one in stamps.items()
        if any(shifts)
    }
    for other, held in stretches.items():
        parts[other] = _parts_of_stretches(held, stamps[other], shifts[0])
    begins = [
        one + span[index].begin for one, span in zip(shifts, spans, strict=True) if index in span
    ]
    measured = _mean_rate([span[index] for span in spans if index in span])
    rate = settled_rate(facts.rate, measured, interlaced=facts.interlaced)
    # Those that determine the rate: a packet may be one of a frame's two fields.
    packets = max(1, round(measured / rate)) if measured and facts.interlaced else 1
    return replace(
        facts,
        timeline=Timeline(
            parts=parts,
            counts=counts,
            reordered=reordered,
            step=1 / (facts.rate * video.base),
            lead_ins={other: one.lead_in for other, one in stamps.items()},
            notes=tuple(notes),
        ),
        start=begins[0] if begins else facts.start,
        rate=rate,
        frames=expected or -(-video.shown // packets) or None,
        counted=expected is not None,
    )


def _stretches(source: Path) -> Mapping[int, Sequence[Stretch]]:
    """Return the stretches of streams whose edit lists show several, by stream index."""
    lists = edit_lists(source)
    if not lists:
        return {}
    with open_video(source) as edited, open_video(source, IGNORED) as stored:
        return read_stretches(lists, edited, stored)


def settled_rate(said: Fraction, measured: Fraction | None, *, interlaced: bool) -> Fraction:
    """Return a video's frames a second, from its file's statement and its stamps.

    Args:
        said: The file's statement.
        measured: The mean from its packets' stamps; None if there are too few.
        interlaced: Whether its frames hold two fields, so that a packet may be one of the two.
    """
    if measured is None:
        return said if said <= 1000 else Fraction(25)
    for packets in (1, 2) if interlaced else (1,):
        if abs(said * packets / measured - 1) <= _RATE_ERROR:
            return said
    usual = min(_USUAL_RATES, key=lambda rate: abs(rate - measured))
    if abs(usual / measured - 1) <= _USUAL_ERROR:
        return usual
    # For a frame in half an hour or more the nearest fraction would be 0.
    return measured.limit_denominator(1001) or Fraction(1, round(1 / measured))


def _counts(container: InputContainer, video: Stamps) -> Literal["", "decoded", "all"]:
    if has_no_clock(container) or (video.timeless and video.timeless == video.shown):
        return "all"
    return "decoded" if video.shown and video.unstamped == video.shown else ""


def _may_reorder(stream: Stream) -> bool:
    """Return whether a video's codec may show frames in another order than it decodes them."""
    context = getattr(stream, "codec_context", None)
    return context is None or bool(context.codec.reorder)


def _as_counted(video: Stamps, rate: Fraction) -> Stamps:
    """Return the stamps of a video without any, with its frames at a constant rate."""
    last = (video.shown - 1) / rate
    run = Run(0, 0, Fraction(0), last, last + 1 / rate, video.shown)
    return replace(video, runs=(run,) if video.shown else ())


# Joints: jumps of the whole file's clock.


@dataclass(frozen=True, slots=True)
class _Joint:
    """Joint of two recordings.

    Attributes:
        place: Index of the first packet after it, among all of the file.
        runs: The run that begins after it, of each continuing stream, by stream index.
    """

    place: int
    runs: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class _Jump:
    stream: int
    run: int  # the one that begins after it
    place: int
    amount: Fraction
    to: Fraction


def _joints(main: Mapping[int, Stamps]) -> list[_Joint]:
    """Return the jumps that all streams make, from those of single streams."""
    by_stream = {
        index: [
            _Jump(index, number, after.place, after.begin - before.end, after.begin)
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
    """Return the first jump of another stream that can be the same one, or None."""
    begin = bisect.bisect_right(held, jump.place, key=_place)
    for other in held[begin : begin + _MOST_TRIED]:
        apart, longer = abs(other.to - jump.to), abs(other.amount - jump.amount)
        alike = max(other.amount, jump.amount) < 0 or min(apart, longer) < _SAME_JUMP_S
        if other not in used and apart < _SAME_BEGINNING_S and alike:
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
    """Return the index of a stream's first run after a joint."""
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
    """Return the shift from a file's start to its result's, in seconds, and notes."""
    if not begins:
        return Fraction(0), []
    earliest = min(run.begin for run in begins.values())
    openings = [main[index].opening for index, run in begins.items() if run.begin == earliest]
    leads = max(openings) + _ROUNDING_S
    zero = earliest
    if video in begins and begins[video].begin - earliest <= leads:
        zero = begins[video].begin  # one packet of the audio before it, which has no picture
    if absolute and -leads <= zero <= _ABSOLUTE_S:
        return Fraction(0), []
    note = f"the source's clock begins at {float(zero):.3f} s, and the result's at 0"
    return -zero, [note] if zero else []


def _shifts(
    main: Mapping[int, Stamps], spans: Sequence[Mapping[int, Run]], video: int, *, absolute: bool
) -> tuple[list[Fraction], list[str]]:
    """Return each part's shift to its place in the result, in seconds, and notes."""
    shift, notes = _beginning(main, spans[0], video, absolute=absolute)
    shifts = [shift]
    for before, after in pairwise(spans):
        shifts.append(shifts[-1] + _gap(before, after, video))
        notes.append(_joint_in_words(before, after, video, shifts))
    return shifts, notes


def _gap(before: Mapping[int, Run], after: Mapping[int, Run], video: int) -> Fraction:
    """Return the shift of the time after a joint to the end of that before it, in seconds."""
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
    return f"the source's clock jumps by {jump:.3f} s; what follows continues at {at:.3f} s"


def _end(run: Run) -> Fraction:
    return run.end


def _mean_rate(spans: Sequence[Run]) -> Fraction | None:
    time = sum((span.last - span.begin for span in spans), Fraction(0))
    steps = sum(span.shown - 1 for span in spans)
    return steps / time if time > 0 else None


def _expected(container: InputContainer, stream: Stream, video: Stamps) -> int | None:
    """Return the number of frames that a file states; None if it states none."""
    if not stream.frames:
        return None
    if "mov" in container.format.name.split(","):
        # The count includes what an edit list cuts away; the index does not.
        listed = sum(not entry.is_discard for entry in stream.index_entries)
        return listed or stream.frames
    if container.format.name == "avi" and video.runs:
        # The count is of times at which there may be a frame.
        run = video.runs[-1]
        step = (run.last - run.begin) / max(1, run.shown - 1)
        missing = stream.frames * video.base - run.last - video.base
        return video.shown + (int(missing / step) if step and missing > 0 else 0)
    return stream.frames
