"""Production of an upscaled video, as a file, a folder, an animation or a stream."""

from __future__ import annotations

import itertools
from array import array
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import av

from superres.atomic import atomic_write, os_errors_as
from superres.frame import Unit
from superres.infer.prefetch import prefetch
from superres.infer.route import Route
from superres.media import open_picture, write_picture
from superres.metadata.header import Animation, Metadata
from superres.video.decode import FrameReader, Still
from superres.video.encode import Segment, encode, segment_format, write_segment, writing
from superres.video.frame_folder import picture_name, write_frame, write_times
from superres.video.frame_upscaler import FrameUpscaler
from superres.video.join import Rest, join, stream_out
from superres.video.manifest import WorkFolder
from superres.video.picture_frames import PictureReader
from superres.videofiles.colour import FromRgb, ToRgb, numbers_of
from superres.videofiles.encoding import Encoding
from superres.videofiles.probe import VideoFacts
from superres.videofiles.turn import NO_TURN, Turn
from superres.watch import Watch

Upscaled = tuple[Still, Unit]

_QUEUED_SMALL, _QUEUED_LARGE = 3, 2  # frames that wait before and after the network


@dataclass(frozen=True, slots=True)
class VideoPlan:
    """Plan of an upscaled video.

    Attributes:
        source: The video.
        facts: Its facts.
        route: The passes by which its frames reach their new size.
        container: FFmpeg's name of the result's container; "" for pictures.
        encoding: How the result is encoded; None for pictures: a folder of frames, an animation.
        rest: The parts of the source that are copied.
        turn: How stored frames become the shown ones: players apply it to a file, and a folder
            gets turned frames.
    """

    source: Path
    facts: VideoFacts
    route: Route
    container: str
    encoding: Encoding | None
    rest: Rest
    turn: Turn = NO_TURN


@dataclass(slots=True)
class VideoRun:
    """One video in progress.

    Attributes:
        plan: The plan of the result.
        network: Upscales the frames.
        part: Receives the number of frames done, and of all frames if known; it stops the network
            when nobody waits for the result any more.
        reader: Decodes the source.
        looked_back: Warm-up frames before the first missing one.
        resumed_at: Frames that an earlier run had finished.
        made: Frames that this run has finished.
        times: When each frame is shown, in seconds.
    """

    plan: VideoPlan
    network: FrameUpscaler
    part: Watch
    reader: FrameReader | PictureReader
    looked_back: int = 0
    resumed_at: int = 0
    made: int = 0
    times: array[float] = field(default_factory=lambda: array("d"))

    def frames(self) -> Generator[Upscaled]:
        """Yield all frames that are not finished yet, upscaled.

        Three threads work at a time: one decodes, one cuts tiles, runs them and joins them, and
        the caller's encodes. The queues between them are short, so memory is bounded.
        """
        facts = self.plan.facts
        waiting: deque[Still] = deque()  # frames in the network
        first = max(0, self.resumed_at - self.looked_back)

        def decoded() -> Iterator[Unit]:
            to_rgb = ToRgb(facts.size, facts.colour)
            for number, still in enumerate(self.reader.frames()):
                self.times.append(still.seconds)
                if number >= first:  # seeking would not be exact
                    rgb = to_rgb(still.frame)
                    if number >= self.resumed_at:
                        waiting.append(still)
                    yield rgb

        small = prefetch(decoded(), _QUEUED_SMALL)
        upscaled = self.network(small, self.resumed_at - first)
        large = prefetch(upscaled, _QUEUED_LARGE, part=self.part)
        for frame in large:
            yield waiting.popleft(), frame
            self.made += 1
            self.part.check()
            self.part.progress(self.resumed_at + self.made, facts.frames)


def make_file(target: Path, run: VideoRun, work: WorkFolder, segment_frames: int) -> None:
    """Encode the missing segments one by one, then join all of them into the target.

    Args:
        target: The video file, which appears whole or not at all.
        run: The video in progress.
        work: Its finished segments.
        segment_frames: Frames in a segment.

    Raises:
        SuperresError: The source, the network, the encoder or the disk failed.
    """
    plan, encoding = run.plan, run.plan.encoding
    assert encoding is not None
    format = segment_format(encoding)
    with closing(run.frames()) as upscaled:
        frames = _coded(upscaled, encoding)
        for number in itertools.count(len(work.segments)):
            first = next(frames, None)
            if first is None:
                break
            part = itertools.chain((first,), itertools.islice(frames, segment_frames - 1))
            work.add(write_segment(work.path, number, format, part, encoding))
    work.complete()
    with atomic_write(target) as temporary, writing(target, _other_container(target, work)):
        join(
            temporary,
            plan.container,
            plan.source,
            plan.facts,
            plan.rest,
            encoding=encoding,
            folder=work.path,
            segments=work.segments,
        )
    work.remove()


def make_folder(target: Path, run: VideoRun, work: WorkFolder, segment_frames: int) -> None:
    """Write the missing frames one by one, then rename the work folder to the target.

    Args:
        target: The folder, which is new or empty.
        run: The video in progress.
        work: Its finished segments.
        segment_frames: Frames that a killed run may lose.

    Raises:
        SuperresError: The source, the network or the disk failed.
    """
    _write_frames(run, work, segment_frames)
    write_times(work.path, run.times)
    with os_errors_as(target):
        if target.exists():
            target.rmdir()  # empty, as checked before
        work.path.rename(target)
    work.forget(target)


def make_animation(target: Path, run: VideoRun, work: WorkFolder, segment_frames: int) -> None:
    """Write the missing frames one by one, then encode all of them as an animated picture.

    Args:
        target: The picture, which appears whole or not at all.
        run: The video in progress.
        work: Its finished segments.
        segment_frames: Frames that a killed run may lose.

    Raises:
        SuperresError: The source, the network, the encoder or the disk failed.
    """
    _write_frames(run, work, segment_frames)
    work.complete()
    frames = [work.path / picture_name(number) for number in range(1, work.frames + 1)]
    first = open_picture(frames[0])
    starts_ms = [round(1000 * (at - run.times[0])) for at in run.times]
    last_ms = max(1, round(1000 / run.plan.facts.rate))
    delays = (*(after - at for at, after in pairwise(starts_ms)), last_ms)
    notes = write_picture(
        target,
        (block for frame in frames for block in open_picture(frame).rows()),
        height=first.height,
        width=first.width,
        bands=first.bands,
        values=first.values,
        metadata=Metadata(animation=Animation(delays) if len(frames) > 1 else None),
        planes=len(frames),
    )
    for note in notes:
        run.part.note(note)
    work.remove()


def _write_frames(run: VideoRun, work: WorkFolder, segment_frames: int) -> None:
    """Write the missing frames into the work folder."""
    facts = run.plan.facts
    bits = numbers_of(facts.pix_fmt, facts.colour, facts.size).bits
    with closing(run.frames()) as frames:
        while True:
            stamps: list[int] = []
            for still, rgb in itertools.islice(frames, segment_frames):
                name = picture_name(work.frames + len(stamps) + 1)
                write_frame(work.path / name, run.plan.turn.apply(rgb), bits=bits)
                stamps.append(still.stamp)
            if not stamps:
                break
            name = picture_name(work.frames + 1)
            work.add(Segment(name, len(stamps), stamps[0], delay=0, duration=0))


def make_stream(target: BinaryIO, run: VideoRun) -> None:
    """Encode and join in one pass, as bytes written to a pipe are final.

    Args:
        target: Takes the bytes; it need not be able to seek.
        run: The video in progress.

    Raises:
        SuperresError: The source, the network, the encoder or the pipe failed.
    """
    plan, encoding = run.plan, run.plan.encoding
    assert encoding is not None
    with closing(run.frames()) as upscaled, writing("-"):
        frames = _coded(upscaled, encoding)
        stream_out(
            target,
            plan.container,
            plan.source,
            plan.facts,
            plan.rest,
            encoding=encoding,
            packets=lambda stream: encode(stream, frames),
        )


def _other_container(target: Path, work: WorkFolder) -> str:
    """Return the hint for a container that rejects the finished segments."""
    suffix = ".mkv" if target.suffix.lower() != ".mkv" else ".mp4"
    return (
        f"its frames are kept in {work.path}: "
        f"the same command with -o {target.with_suffix(suffix)} only joins them"
    )


def _coded(upscaled: Iterator[Upscaled], encoding: Encoding) -> Iterator[av.VideoFrame]:
    """Convert upscaled frames for the encoder, each with its own time."""
    from_rgb = FromRgb(encoding.pix_fmt, encoding.numbers, encoding.colour, encoding.size)
    for still, rgb in upscaled:
        frame = from_rgb(rgb, still.frame)
        frame.time_base = encoding.time_base
        frame.pts = still.stamp
        frame.duration = still.duration
        yield frame
