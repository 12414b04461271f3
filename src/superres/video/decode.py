"""Video decoder: frames in order, with time stamps; lost frames replaced."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.error import FFmpegError

from superres.errors import PictureError
from superres.videofiles.probe import VideoFacts, open_video
from superres.videofiles.stamps import is_shown

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

_MOST_REORDERED = 17  # later packets that may be shown before a packet, in any codec
_FIELD = 0.75  # of a frame's duration: a packet closer to a frame is its second field


@dataclass(frozen=True, slots=True)
class Still:
    """A frame and when it is shown.

    Attributes:
        frame: The decoded frame; its own stamp may differ.
        stamp: When it is shown, in the stream's time base; later than the frame before.
        duration: For how long, in the time base; 0 if the file does not say.
        seconds: When it is shown, in seconds.
        repeated: Whether it replaces a neighbour that could not be decoded.
    """

    frame: av.VideoFrame
    stamp: int
    duration: int
    seconds: float
    repeated: bool


class _FrameMissingError(Exception):
    """The decoder did not return a frame."""


@dataclass(slots=True)
class _Flaws:
    """Faults found in a video so far; times are in seconds."""

    packets: int = 0
    frames: int = 0
    repeated: list[float] = field(default_factory=list[float])
    damaged: list[float] = field(default_factory=list[float])
    unstamped: int = 0
    moved: int = 0
    resized: tuple[float, tuple[int, int]] | None = None


class FrameReader:
    """Decodes a video once, from start to end, and counts its faults.

    Every packet of a video is a frame, identified by its time stamp. One that went in and has not
    come out when later ones do is lost: the frame before it is repeated in its place, or at the
    beginning the one after it. Where stamps do not say when frames are shown, they still identify
    frames, and the times are assigned in order.

    Args:
        source: The file.
        facts: Its facts.
    """

    def __init__(self, source: Path, facts: VideoFacts) -> None:
        self._source = source
        self._facts = facts
        self._step = max(1, round(1 / (facts.rate * facts.time_base)))
        self._flaws = _Flaws()
        self._last: Still | None = None
        self._due: list[int] = []  # a heap of the stamps that went in and are not out yet
        self._inside: dict[int, int] = {}  # packets that only count: number by stamp
        self._lost_unstamped = 0
        self._strict = False

    @property
    def repeated(self) -> tuple[float, ...]:
        """Times of the frames that replace lost ones, in seconds."""
        return tuple(self._flaws.repeated)

    def frames(self) -> Iterator[Still]:
        """Decode the frames.

        Raises:
            PictureError: No frame can be decoded.
        """
        given = 0
        # Decoders that work on several frames at a time are fast, but lose good frames next to a
        # bad one. At the first missing frame, decoding restarts frame by frame.
        for threads, strict in (("AUTO", True), ("SLICE", False)):
            self._flaws, self._last = _Flaws(), None
            self._due, self._inside, self._lost_unstamped, self._strict = [], {}, 0, strict
            try:
                for number, still in enumerate(self._pass(threads)):
                    if number >= given:
                        given += 1
                        yield still
                return
            except _FrameMissingError:
                continue

    def notes(self) -> list[str]:
        """Describe the video's faults; complete once all frames are read."""
        facts, flaws, notes = self._facts, self._flaws, list[str]()
        if flaws.repeated:
            notes.append(
                f"{_counted(len(flaws.repeated), 'frame')} could not be decoded and repeat a "
                f"neighbour, at {_times(flaws.repeated)}"
            )
        if flaws.damaged:
            notes.append(
                f"{_counted(len(flaws.damaged), 'frame')} are damaged and used as far as they "
                f"could be decoded, at {_times(flaws.damaged)}"
            )
        if flaws.unstamped:
            notes.append(
                f"{_counted(flaws.unstamped, 'frame')} had no time stamp and follow at "
                f"{float(facts.rate):g} frames/s"
            )
        if flaws.moved:
            notes.append(f"{_counted(flaws.moved, 'time stamp')} ran backwards and were corrected")
        if flaws.resized:
            seconds, (height, width) = flaws.resized
            notes.append(
                f"frames become {width}x{height} at {_times([seconds])}; they are resized to "
                f"{facts.size[1]}x{facts.size[0]}, the first size"
            )
        if facts.counted and facts.frames and facts.frames > flaws.frames:
            notes.append(
                f"the file should have {facts.frames} frames and ended after {flaws.frames}"
            )
        notes += facts.timeline.notes
        if facts.interlaced:
            notes.append("its frames are interlaced and upscaled as they are")
        return notes

    def not_kept(self) -> list[str]:
        """Name what the frames that are read do not hold."""
        parts = av.VideoFormat(self._facts.pix_fmt).components
        return ["transparency"] if any(part.is_alpha for part in parts) else []

    def _pass(self, threads: str) -> Iterator[Still]:
        """Decode the whole file in one pass."""
        with open_video(self._source) as container:
            stream = container.streams[self._facts.index]
            assert isinstance(stream, av.VideoStream)  # as the probe found
            stream.thread_type = threads
            place = self._place_in_order if self._facts.timeline.reordered else self._place
            for packet in self._facts.timeline.video_packets(container, stream):
                if packet is not None:
                    self._expect(packet)
                for frame in self._decode(stream, packet):
                    yield from place(frame)
                if packet is None:
                    stream.codec_context.flush_buffers()  # so that it accepts packets again
        if self._last is None:
            packets = self._flaws.packets
            raise PictureError(
                f"none of the {packets} frames of {self._source} can be decoded"
                if packets
                else f"{self._source} holds no frames",
                "the file may be damaged, or be truncated; download it again",
            )
        yield from self._repeats(None)

    def _expect(self, packet: Packet[VideoStream]) -> None:
        self._flaws.packets += 1
        if packet.pts is not None and is_shown(packet, self._facts.codec):
            heapq.heappush(self._due, packet.pts)
            if self._facts.timeline.reordered:
                self._inside[packet.pts] = self._flaws.packets

    def _decode(
        self, stream: VideoStream, packet: Packet[VideoStream] | None
    ) -> list[av.VideoFrame]:
        """Decode one packet; None drains the decoder."""
        if packet is not None and not packet.size:
            return []  # the decoder would take it for the end; its stamp stays due
        try:
            return stream.decode(packet)
        except FFmpegError as error:
            if self._strict:
                raise _FrameMissingError from error
            self._lost_unstamped += packet is not None and packet.pts is None
            return []

    def _place(self, frame: av.VideoFrame) -> Iterator[Still]:
        """Yield the lost frames before a decoded one, then that one."""
        while self._lost_unstamped and self._last:
            self._lost_unstamped -= 1
            yield self._still(self._last.frame, self._last.stamp + self._step, repeated=True)
        stamp = frame.pts if frame.pts is not None else frame.dts
        if stamp is None:
            self._flaws.unstamped += 1
            stamp = 0 if self._last is None else self._last.stamp + self._step
        yield from self._repeats(stamp, frame)
        if self._last and stamp <= self._last.stamp:
            self._flaws.moved += 1
            stamp = self._last.stamp + 1
        yield from self._shown(frame, stamp)

    def _place_in_order(self, frame: av.VideoFrame) -> Iterator[Still]:
        """Yield the lost frames before a decoded one, then that one at the next time."""
        number = self._inside.pop(frame.pts, None) if frame.pts is not None else None
        if number is not None:
            latest = number - _MOST_REORDERED
            for stamp in [at for at, which in self._inside.items() if which < latest]:
                del self._inside[stamp]
                yield from self._repeats(self._due[0] + 1, frame)
        while self._due and self._last and self._due[0] <= self._last.stamp:
            heapq.heappop(self._due)  # a frame that no packet announced
        if self._due:
            stamp = self._due[0]
        else:
            stamp = 0 if self._last is None else self._last.stamp + self._step
        yield from self._shown(frame, stamp)

    def _shown(self, frame: av.VideoFrame, stamp: int) -> Iterator[Still]:
        """Yield a frame, and count its faults."""
        seconds = float(stamp * self._facts.time_base)
        if (frame.height, frame.width) != self._facts.size and not self._flaws.resized:
            self._flaws.resized = (seconds, (frame.height, frame.width))
        if frame.is_corrupt:
            self._flaws.damaged.append(seconds)
        self._flaws.unstamped += self._facts.timeline.counts == "all"
        yield self._still(frame, stamp)
        until = stamp + _FIELD * self._step if frame.interlaced_frame else stamp
        while self._due and self._due[0] <= until:
            heapq.heappop(self._due)

    def _repeats(
        self, before: int | None, following: av.VideoFrame | None = None
    ) -> Iterator[Still]:
        """Yield a frame for each stamp that is overdue."""
        while self._due and (before is None or self._due[0] < before):
            stamp = heapq.heappop(self._due)
            neighbour = self._last.frame if self._last else following
            if neighbour is None or (self._last and stamp <= self._last.stamp):
                continue
            if self._strict:
                raise _FrameMissingError
            yield self._still(neighbour, stamp, repeated=True)

    def _still(self, frame: av.VideoFrame, stamp: int, *, repeated: bool = False) -> Still:
        seconds = float(stamp * self._facts.time_base)
        if repeated:
            self._flaws.repeated.append(seconds)
        self._flaws.frames += 1
        self._last = Still(frame, stamp, int(frame.duration or 0), seconds, repeated)
        return self._last


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _times(seconds: list[float]) -> str:
    """List the first few times."""
    listed = ", ".join(f"{at:.3f} s" for at in seconds[:5])
    return listed if len(seconds) <= 5 else f"{listed} and more"
