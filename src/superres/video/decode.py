"""Video decoder: frames in order with time stamps, lost ones replaced."""

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

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

_BROKEN_READS = 100  # so many in a row, and the rest of the file is given up
_FIELD = 0.75  # of a frame's duration: a packet that is nearer to a frame is its second field


@dataclass(frozen=True, slots=True)
class Still:
    """A frame and when it is shown.

    Attributes:
        frame: The decoded frame; its own stamp may be another one.
        stamp: When it is shown, in the stream's time base; larger than that of the frame before.
        duration: For how long, in the time base; 0 if the file does not say.
        seconds: When it is shown, in seconds.
        repeated: Whether it stands in for a neighbour that could not be decoded.
    """

    frame: av.VideoFrame
    stamp: int
    duration: int
    seconds: float
    repeated: bool


class _FrameMissingError(Exception):
    """A frame did not come out of the decoder."""


@dataclass(slots=True)
class _Flaws:
    """What was wrong with a video so far; times are in seconds."""

    packets: int = 0
    frames: int = 0
    repeated: list[float] = field(default_factory=list[float])
    damaged: list[float] = field(default_factory=list[float])
    unstamped: int = 0
    moved: int = 0
    resized: tuple[float, tuple[int, int]] | None = None


class FrameReader:
    """Decodes a video once, from its beginning to its end, and keeps count of what was wrong.

    Every packet of a video is a frame, which is known by its time stamp. One that went in and did
    not come out when later ones do is lost: the frame before it is shown again in its place, or
    at the beginning the one after it.

    Args:
        source: The file.
        facts: What it holds.
    """

    def __init__(self, source: Path, facts: VideoFacts) -> None:
        self._source = source
        self._facts = facts
        self._step = max(1, round(1 / (facts.rate * facts.time_base)))
        self._flaws = _Flaws()
        self._last: Still | None = None
        self._due: list[int] = []  # a heap of the stamps that went in and did not come out yet
        self._lost_unstamped = 0
        self._strict = False

    @property
    def repeated(self) -> tuple[float, ...]:
        """When frames are shown, in seconds, that stand in for lost ones."""
        return tuple(self._flaws.repeated)

    def frames(self) -> Iterator[Still]:
        """Decode the frames.

        Raises:
            PictureError: No frame can be decoded.
        """
        given = 0
        # Decoders that work on several frames at a time are fast, and lose good frames beside a
        # bad one. At the first that is missing all is decoded again, frame by frame.
        for threads, strict in (("AUTO", True), ("SLICE", False)):
            self._flaws, self._last = _Flaws(), None
            self._due, self._lost_unstamped, self._strict = [], 0, strict
            try:
                for number, still in enumerate(self._pass(threads)):
                    if number >= given:
                        given += 1
                        yield still
                return
            except _FrameMissingError:
                continue

    def notes(self) -> list[str]:
        """Return what was wrong with the video, in words; complete when all frames are read."""
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
        if facts.interlaced:
            notes.append("its frames are interlaced and upscaled as they are")
        return notes

    def _pass(self, threads: str) -> Iterator[Still]:
        """Decode the whole file once."""
        with open_video(self._source) as container:
            stream = container.streams[self._facts.index]
            assert isinstance(stream, av.VideoStream)  # the probe found it there
            stream.thread_type = threads
            for packet in _packets(container, stream):
                if packet is not None:
                    self._expect(packet)
                for frame in self._decode(stream, packet):
                    yield from self._place(frame)
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
        # Of VP8, packets that are never shown are frames to predict from: RFC 6386, section 9.1.
        shown = self._facts.codec != "vp8" or not packet.size or bytes(packet)[0] & 0x10
        if packet.pts is not None and not packet.is_discard and shown:
            heapq.heappush(self._due, packet.pts)

    def _decode(
        self, stream: VideoStream, packet: Packet[VideoStream] | None
    ) -> list[av.VideoFrame]:
        """Decode one packet, or with None what the decoder still holds."""
        if packet is not None and not packet.size:
            return []  # to the decoder it would mean the end; its stamp stays due
        try:
            return stream.decode(packet)
        except FFmpegError as error:
            if self._strict:
                raise _FrameMissingError from error
            self._lost_unstamped += packet is not None and packet.pts is None
            return []

    def _place(self, frame: av.VideoFrame) -> Iterator[Still]:
        """Yield a decoded frame, and before it those that were lost."""
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
        seconds = float(stamp * self._facts.time_base)
        if (frame.height, frame.width) != self._facts.size and not self._flaws.resized:
            self._flaws.resized = (seconds, (frame.height, frame.width))
        if frame.is_corrupt:
            self._flaws.damaged.append(seconds)
        yield self._still(frame, stamp)
        until = stamp + _FIELD * self._step if frame.interlaced_frame else stamp
        while self._due and self._due[0] <= until:
            heapq.heappop(self._due)

    def _repeats(
        self, before: int | None, following: av.VideoFrame | None = None
    ) -> Iterator[Still]:
        """Yield a frame for each stamp that should have come out by now."""
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


def _packets(
    container: InputContainer, stream: VideoStream
) -> Iterator[Packet[VideoStream] | None]:
    """Yield the packets of a stream, over broken places, and at the end None."""
    broken = 0
    while broken < _BROKEN_READS:
        try:
            for packet in container.demux(stream):
                if not packet.size and packet.dts is None and packet.pts is None:
                    break  # av's own, to flush the decoder
                broken = 0
                yield packet
            break
        except FFmpegError:
            broken += 1
    yield None


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _times(seconds: list[float]) -> str:
    """Return the first few of some times."""
    listed = ", ".join(f"{at:.3f} s" for at in seconds[:5])
    return listed if len(seconds) <= 5 else f"{listed} and more"
