"""One video in, one larger video out, and a report: the main path, readable top to bottom."""

from __future__ import annotations

import itertools
import os
import time
from array import array
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from numpy.typing import NDArray

from superres.atomic import atomic_write, os_errors_as
from superres.infer.prefetch import prefetch
from superres.model_pool import ModelPool
from superres.upscaler import Upscaler
from superres.version import __version__
from superres.video.colour import FromRgb, ToRgb, numbers_of
from superres.video.decode import FrameReader, Still
from superres.video.encode import Segment, encode, segment_format, write_segment, writing
from superres.video.encoding import Encoding
from superres.video.enlarge import (
    LOOKED_BACK,
    FrameEnlarger,
    VideoNetworks,
    enlarge_each,
    enlarge_in_order,
    open_networks,
)
from superres.video.join import join, stream_out
from superres.video.manifest import WorkFolder, fingerprint, open_work, work_folder_of
from superres.video.pictures import picture_name, write_frame, write_times
from superres.video.plan import Kind, Plan, VideoOptions, check_video_target, make_plan
from superres.video.probe import probe
from superres.video.report import VideoReport, make_report
from superres.watch import Watch

Unit = NDArray[np.float32]
Enlarged = tuple[Still, Unit]

_QUEUED_SMALL, _QUEUED_LARGE = 3, 2  # frames that wait before and after the network


def enlarge_video(
    source: Path,
    target: Path | BinaryIO,
    options: VideoOptions,
    *,
    kind: Kind = "file",
    watch: Watch | None = None,
    models: ModelPool | None = None,
) -> VideoReport:
    """Enlarge one video, frame by frame, keeping all else that it holds.

    A run that was killed goes on where its last finished segment ends, if it is called again with
    the same source, target and options; the result is the one of an unbroken run.

    Args:
        source: The video.
        target: The file or folder to make, which appears whole or not at all; or a stream that
            takes the bytes as they come.
        options: What to make, and how.
        kind: Whether a path is a video file, or a folder of frames.
        watch: Told of each choice and fallback, and the frames done and all of them, if known.
        models: What other jobs have loaded; None loads for this one alone.

    Returns:
        What was done.

    Raises:
        PictureError: The source is no video, holds no frames, or too large ones.
        OutputError: The target is the source, exists, or cannot be written.
        ArgumentError: Scale, size, codec or container cannot be.
        BackendError: The network or the encoder failed.
    """
    began = time.perf_counter()
    watch, models = watch or Watch(), models or ModelPool()
    part = watch.part()
    check_video_target(source, target, options.overwrite, kind)
    facts = probe(source)
    upscaler = open_networks(options.model, options.run, models, watch)
    plan = make_plan(source, facts, target, kind, options, upscaler.offered)
    looked_back = 0
    if isinstance(upscaler, VideoNetworks):
        network = enlarge_in_order(
            upscaler, plan.route, part, segment_frames=options.segment_frames
        )
        looked_back = LOOKED_BACK
    else:
        network = enlarge_each(upscaler, plan.route, part)
    reader = FrameReader(source, facts)
    run = _Run(plan, network, part, reader, looked_back=looked_back)
    if isinstance(target, Path):
        work = open_work(
            work_folder_of(target), _command(plan, options, upscaler), overwrite=options.overwrite
        )
        if work.segments:
            watch.note(f"going on after frame {work.frames} of an earlier run")
        run.went_on_at = work.frames
        make = _make_folder if plan.encoding is None else _make_file
        make(target, run, work, options.segment_frames)
    else:
        _make_stream(target, run)
    return make_report(
        plan,
        target,
        upscaler,
        run.reader,
        went_on_at=run.went_on_at,
        made=run.made,
        seconds=time.perf_counter() - began,
        watch=watch,
    )


@dataclass(slots=True)
class _Run:
    """One video on its way, and how far it is."""

    plan: Plan
    network: FrameEnlarger
    part: Watch
    reader: FrameReader
    looked_back: int = 0
    went_on_at: int = 0
    made: int = 0
    times: array[float] = field(default_factory=lambda: array("d"))

    def frames(self) -> Generator[Enlarged]:
        """Yield all frames that are not finished yet, larger.

        Three threads work at a time: one decodes, one cuts tiles, runs them and joins them, and
        the caller's own encodes. The queues between them are short, so memory is bounded.
        """
        facts = self.plan.facts
        waiting: deque[Still] = deque()  # frames that the network holds
        first = max(0, self.went_on_at - self.looked_back)

        def decoded() -> Iterator[Unit]:
            to_rgb = ToRgb(facts.size, facts.colour)
            for number, still in enumerate(self.reader.frames()):
                self.times.append(still.seconds)
                if number >= first:  # decoding on from within would not be exact
                    rgb = to_rgb(still.frame)
                    if number >= self.went_on_at:
                        waiting.append(still)
                    yield rgb

        small = prefetch(decoded(), _QUEUED_SMALL)
        enlarged = self.network(small, self.went_on_at - first)
        large = prefetch(enlarged, _QUEUED_LARGE, part=self.part)
        for frame in large:
            yield waiting.popleft(), frame
            self.made += 1
            self.part.progress(self.went_on_at + self.made, facts.frames)


def _make_file(target: Path, run: _Run, work: WorkFolder, segment_frames: int) -> None:
    """Encode what is missing segment by segment, then join all of them into the target."""
    plan, encoding = run.plan, run.plan.encoding
    assert encoding is not None
    format = segment_format(encoding)
    with closing(run.frames()) as enlarged:
        frames = _coded(enlarged, encoding)
        for number in itertools.count(len(work.segments)):
            first = next(frames, None)
            if first is None:
                break
            part = itertools.chain((first,), itertools.islice(frames, segment_frames - 1))
            work.add(write_segment(work.path, number, format, part, encoding))
    with atomic_write(target) as temporary, writing(target):
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


def _make_folder(target: Path, run: _Run, work: WorkFolder, segment_frames: int) -> None:
    """Write what is missing frame by frame, then give the work folder the target's name."""
    facts = run.plan.facts
    bits = numbers_of(facts.pix_fmt, facts.colour, facts.size).bits
    with closing(run.frames()) as frames:
        while True:
            stamps: list[int] = []
            for still, rgb in itertools.islice(frames, segment_frames):
                name = picture_name(work.frames + len(stamps) + 1)
                write_frame(work.path / name, rgb, bits=bits)
                stamps.append(still.stamp)
            if not stamps:
                break
            name = picture_name(work.frames + 1)
            work.add(Segment(name, len(stamps), stamps[0], delay=0, duration=0))
    write_times(work.path, run.times)
    with os_errors_as(target):
        if target.exists():
            target.rmdir()  # it is empty, which was checked
        work.path.rename(target)
    work.forget(target)


def _make_stream(target: BinaryIO, run: _Run) -> None:
    """Encode and join at once, as the bytes can never be taken back."""
    plan, encoding = run.plan, run.plan.encoding
    assert encoding is not None
    with closing(run.frames()) as enlarged, writing("-"):
        frames = _coded(enlarged, encoding)
        stream_out(
            target,
            plan.container,
            plan.source,
            plan.facts,
            plan.rest,
            encoding=encoding,
            packets=lambda stream: encode(stream, frames),
        )


def _coded(enlarged: Iterator[Enlarged], encoding: Encoding) -> Iterator[av.VideoFrame]:
    """Turn larger frames into what is encoded, each at its own time."""
    from_rgb = FromRgb(encoding.pix_fmt, encoding.numbers, encoding.colour, encoding.size)
    for still, rgb in enlarged:
        frame = from_rgb(rgb, still.frame)
        frame.time_base = encoding.time_base
        frame.pts = still.stamp
        frame.duration = still.duration
        yield frame


def _command(
    plan: Plan, options: VideoOptions, upscaler: Upscaler | VideoNetworks
) -> dict[str, Any]:
    """Return all that the frames depend on: a run may only go on with the same."""
    backend, encoding = upscaler.facts(plan.route), plan.encoding
    cards = [engine.card for engine in upscaler.engines(plan.route)]
    return {
        "source": fingerprint(plan.source),
        "video_stream": plan.facts.index,
        "model": options.model,
        "networks": [(card.name, card.weights_sha256) for card in cards],
        "size": plan.route.target,
        "tile": options.run.tile,
        "ensemble": options.run.ensemble,
        "backend": backend and [backend.name, backend.device, backend.precision],
        "encoder": encoding and encoding.encoder,
        "encoder_options": encoding and encoding.options,
        "pix_fmt": encoding and encoding.pix_fmt,
        "segment_frames": options.segment_frames,
        "cores": os.cpu_count(),  # encoders cut their work by it
        "superres": __version__,
        "av": av.__version__,
    }
