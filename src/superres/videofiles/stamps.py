"""Time stamps of a video file's packets, read once without decoding."""

from __future__ import annotations

import bisect
from array import array
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from av.error import FFmpegError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream

_BROKEN_READS = 100  # failed reads in a row after which the rest of the file is given up
# FFmpeg's AVFMT_TS_DISCONT and AVFMT_NOTIMESTAMPS: clocks that may jump, and files without one.
_JUMPS, _NO_STAMPS = 0x200, 0x80
_GUESSES: Final = ("avi",)  # presentation times are guessed from a packet count
_BACK_S = Fraction(1, 10)  # a stream that goes back by less is merely out of order
_AHEAD_S = 10  # a shorter gap is a pause in the recording
_UNUSUAL = 10  # times the previous step; below it, frames are just that rare
_LEAD_IN_S = Fraction(1, 10)  # of audio before what is heard is enough for any decoder
_MOST_AHEAD = 1000  # packets examined that are decoded but not shown


@dataclass(frozen=True, slots=True)
class Run:
    """Packets of a stream with continuous stamps; times are the file's, in seconds.

    Attributes:
        first: Number of the first one in its stream.
        place: Its index among all packets of the file.
        begin: When the earliest is presented.
        last: When the latest is presented.
        end: When that ends.
        shown: How many are presented: shown or heard.
    """

    first: int
    place: int
    begin: Fraction
    last: Fraction
    end: Fraction
    shown: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """Packets of a track that one entry of its edit list shows; times are in its time base.

    Attributes:
        first: Number of the first one in its stream.
        shift: Added to the times that FFmpeg gives them.
        since: When it begins, in the file's time.
        until: When it ends.
        shown: Whether it is shown at all.
    """

    first: int
    shift: int
    since: int
    until: int
    shown: bool = True


@dataclass(frozen=True, slots=True)
class LeadIn:
    """Packets at a stream's beginning that are decoded but not shown or heard.

    Attributes:
        needed: Number of the first packet that the decoder of what follows needs.
        shown: Number of the first packet that is shown or heard.
        own: Whether they are the codec's own, not something that was cut away.
    """

    needed: int = 0
    shown: int = 0
    own: bool = True


@dataclass(frozen=True, slots=True)
class Stamps:
    """Time stamps of a stream.

    Attributes:
        kind: Kind of the stream ("video", "audio", ...).
        base: The unit of its stamps, in seconds.
        places: Each packet's index among all packets of the file.
        runs: Its packets between jumps, except those without any time.
        shown: How many are shown or heard.
        unstamped: How many of them have no presentation time.
        timeless: How many have no decoding time either.
        opening: How long the first one is shown or heard, in seconds.
        lead_in: The packets before it.
    """

    kind: str
    base: Fraction
    places: Sequence[int]
    runs: tuple[Run, ...]
    shown: int
    unstamped: int
    timeless: int
    opening: Fraction
    lead_in: LeadIn


def clock_may_jump(container: InputContainer) -> bool:
    """Return whether a file's format has a clock that starts anywhere, and may jump."""
    return bool(container.format.flags & _JUMPS)


def has_no_clock(container: InputContainer) -> bool:
    """Return whether a file is a bare stream of packets."""
    return bool(container.format.flags & _NO_STAMPS)


def guesses_times(container: InputContainer) -> bool:
    """Return whether presentation times are guessed, so that only decoding times are reliable."""
    return container.format.name in _GUESSES


# Any: packets of any stream.
def read_packets(
    container: InputContainer, streams: Sequence[Stream] | None = None
) -> Iterator[Packet[Any]]:
    """Yield the packets of some or all streams, skipping damage."""
    broken = 0 if streams is None or streams else _BROKEN_READS
    while broken < _BROKEN_READS:
        try:
            for packet in container.demux() if streams is None else container.demux(*streams):
                if not packet.size and packet.dts is None and packet.pts is None:
                    continue  # from av itself, to flush a decoder
                broken = 0
                yield packet
            return
        except FFmpegError:
            broken += 1


def is_shown(packet: Packet[Any], codec: str) -> bool:
    """Return whether a packet is shown or heard, not only decoded."""
    # VP8's packets that are never shown are reference frames: RFC 6386, section 9.1.
    hidden = codec == "vp8" and packet.size and not bytes(packet)[0] & 0x10
    return not (packet.is_discard or hidden)


def stretch_of(stretches: Sequence[Stretch], number: int) -> Stretch | None:
    """Return the stretch of a stream that a packet belongs to, by its number."""
    place = bisect.bisect_right(stretches, number, key=lambda one: one.first)
    return stretches[place - 1] if place else None


def read_stamps(
    container: InputContainer, stretches: Mapping[int, Sequence[Stretch]]
) -> Mapping[int, Stamps]:
    """Read the stamps of all streams of a newly opened file, by stream index.

    Args:
        container: The file.
        stretches: The stretches of streams that have more than one, by stream index.
    """
    guesses, may_jump = guesses_times(container), clock_may_jump(container)
    readers = {
        stream.index: _Reader(
            stream, stretches.get(stream.index, ()), guesses=guesses, may_jump=may_jump
        )
        for stream in container.streams
    }
    for place, packet in enumerate(read_packets(container)):
        if packet.stream_index in readers:  # streams that begin far into the file may be unknown
            readers[packet.stream_index].add(packet, place)
    return {index: reader.finish() for index, reader in readers.items()}


@dataclass(slots=True)
class _OpenRun:
    first: int
    place: int
    begin: int
    last: int
    end: int
    shown: int = 0


class _Reader:
    """Collects the stamps of one stream."""

    def __init__(
        self, stream: Stream, stretches: Sequence[Stretch], *, guesses: bool, may_jump: bool
    ) -> None:
        self._stretches = stretches
        context = getattr(stream, "codec_context", None)
        self._kind, self._codec = stream.type, context.name if context is not None else ""
        base = stream.time_base
        self._base = Fraction(base.numerator, base.denominator) if base else Fraction(1, 90_000)
        self._guesses, self._may_jump = guesses and stream.type == "video", may_jump
        self._places = array("q")
        self._runs: list[_OpenRun] = []
        self._shown = self._unstamped = self._timeless = 0
        self._stamp: int | None = None
        self._step = 0
        # For audio: samples a second, and where the audible part begins.
        self._rate = int(getattr(context, "sample_rate", 0) or 0) if self._kind == "audio" else 0
        self._silent_until = -(2**63)
        self._ahead: deque[tuple[int, int]] = deque(maxlen=_MOST_AHEAD)  # number and time
        self._first: tuple[int, int, int] | None = None  # number, time and length

    def add(self, packet: Packet[Stream], place: int) -> None:
        """Add the next packet's stamps."""
        number, pts, dts = len(self._places), packet.pts, packet.dts
        self._places.append(place)
        stretch = stretch_of(self._stretches, number)
        if stretch is not None:
            pts = pts + stretch.shift if pts is not None else None
            dts = dts + stretch.shift if dts is not None else None
        time = dts if pts is None or self._guesses else pts
        if not is_shown(packet, self._codec) or (stretch is not None and not stretch.shown):
            if self._first is None and time is not None:
                self._ahead.append((number, time))
            return
        self._shown += 1
        self._unstamped += pts is None or self._guesses
        self._timeless += time is None
        stamp = time if dts is None else dts
        if time is None or stamp is None:
            return
        length = int(packet.duration or 0)
        if self._first is None:
            self._first = (number, time, length)
        if self._rate and packet.has_sidedata("skip_samples"):
            self._silent_until = time + self._skipped(packet)
        if time < self._silent_until:
            time, length = self._silent_until, max(0, time + length - self._silent_until)
        if not self._runs or self._jumps(stamp):
            self._runs.append(_OpenRun(number, place, time, time, time))
        run = self._runs[-1]
        run.begin, run.last = min(run.begin, time), max(run.last, time)
        run.end, run.shown = max(run.end, time + length), run.shown + 1
        if self._stamp is not None and stamp > self._stamp:
            self._step = stamp - self._stamp
        self._stamp = stamp

    def finish(self) -> Stamps:
        """Return the collected stamps."""
        length = self._first[2] if self._first else 0
        return Stamps(
            kind=self._kind,
            base=self._base,
            places=self._places,
            runs=tuple(self._run(run) for run in self._runs),
            shown=self._shown,
            unstamped=self._unstamped,
            timeless=self._timeless,
            opening=length * self._base,
            lead_in=self._lead_in(),
        )

    def _skipped(self, packet: Packet[Stream]) -> int:
        """Return how much audio from the start of a packet is not heard, in ticks."""
        # FFmpeg's AV_PKT_DATA_SKIP_SAMPLES begins with a sample count, little endian.
        data = bytes(packet.get_sidedata("skip_samples"))
        return round(int.from_bytes(data[:4], "little") / (self._rate * self._base))

    def _jumps(self, stamp: int) -> bool:
        if not self._may_jump or self._stamp is None:
            return False
        ahead = (stamp - self._stamp) * self._base
        unusual = 0 < _UNUSUAL * self._step < stamp - self._stamp
        return ahead < -_BACK_S or (ahead > _AHEAD_S and unusual)

    def _run(self, run: _OpenRun) -> Run:
        end = run.end
        if end == run.last and run.shown > 1:  # no packet states its duration
            end += round((run.last - run.begin) / (run.shown - 1))
        return Run(
            run.first,
            run.place,
            run.begin * self._base,
            run.last * self._base,
            end * self._base,
            run.shown,
        )

    def _lead_in(self) -> LeadIn:
        if self._first is None or not self._ahead:
            return LeadIn()
        number, time, _ = self._first
        if self._kind != "audio":
            return LeadIn(0, number, own=False)
        enough = time - _LEAD_IN_S / self._base
        needed = next((one for one, at in self._ahead if at >= enough), number)
        return LeadIn(needed, number, own=needed == 0)
