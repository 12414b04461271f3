"""Video jobs: one video upscaled, from the input to the report; the main path."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from superres.errors import ArgumentError
from superres.jobs.outputs import check_outputs
from superres.jobs.pipes import NO_PIPES, Pipes
from superres.jobs.report import VideoReport, network_facts
from superres.jobs.spec import VideoJob
from superres.jobs.video_plan import plan_video
from superres.media import MAX_PIXELS
from superres.model_pool import ModelPool
from superres.upscaler import Upscaler
from superres.video.decode import FrameReader
from superres.video.frame_folder import open_folder
from superres.video.frame_upscaler import (
    LOOKED_BACK,
    VideoNetworks,
    open_networks,
    upscale_each,
    upscale_in_order,
)
from superres.video.kept import findings
from superres.video.manifest import (
    fingerprint,
    locked_work,
    open_work,
    software,
    take_over,
    work_folder_of,
)
from superres.video.picture_frames import PictureReader, open_animation
from superres.video.production import (
    VideoPlan,
    VideoRun,
    make_animation,
    make_file,
    make_folder,
    make_stream,
)
from superres.videofiles.codec_options import CodecOptions
from superres.videofiles.probe import VideoFacts, ffmpeg_errors_as_ours, probe
from superres.videofiles.survey import survey
from superres.watch import Watch


def upscale_video(
    job: VideoJob, models: ModelPool, watch: Watch, pipes: Pipes = NO_PIPES
) -> VideoReport:
    """Upscale one video, frame by frame, keeping all other contents.

    A killed run resumes after its last finished segment when called again with the same job; the
    result equals that of an uninterrupted run.

    Args:
        job: The video and its options. A path is written atomically.
        models: The loaded models, which jobs share.
        watch: Notified of each choice and fallback, and of finished frames out of all, if known.
        pipes: The stream that receives the bytes as they are produced, if the target is `-`.

    Returns:
        What was done.

    Raises:
        PictureError: The source is not a video, holds no frames, or too large ones.
        OutputError: The target is the source, exists, is being made by another run, or cannot be
            written.
        ArgumentError: Scale, size, codec or container is not possible.
        BackendError: The network or the encoder failed.
        Cancelled: The watch was cancelled; the same job resumes where this run ended.
    """
    with ffmpeg_errors_as_ours(job.source), _owned(job, watch):
        return _upscale(job, models, watch, pipes)


@contextmanager
def _owned(job: VideoJob, watch: Watch) -> Generator[None]:
    """Check a job's output, and let no other run make it within the block."""
    check_outputs(job)
    if not isinstance(job.target, Path):
        yield
        return
    with locked_work(job.target, watch):
        check_outputs(job)  # another run may just have made it
        yield


def _upscale(job: VideoJob, models: ModelPool, watch: Watch, pipes: Pipes) -> VideoReport:
    began = time.perf_counter()
    target = pipes.open_target(job.target)
    facts, reader = _open(job)
    upscaler = open_networks(job.model, job.run, models, watch)
    plan = plan_video(job, facts, upscaler.offered)
    if plan.encoding is None and job.codec != CodecOptions():
        watch.note("the codec and its options are for videos: the result is pictures")
    part, looked_back = watch.part(), 0
    if isinstance(upscaler, VideoNetworks):
        network = upscale_in_order(upscaler, plan.route, part, segment_frames=job.segment_frames)
        looked_back = LOOKED_BACK
    else:
        network = upscale_each(upscaler, plan.route, part)
    run = VideoRun(plan, network, part, reader, looked_back=looked_back)
    if isinstance(target, Path):
        folder, command = work_folder_of(target), _command(job, plan, upscaler)
        if plan.encoding and (other := take_over(folder, command, watch)):
            watch.note(f"the finished frames in {other} are used")
        work = open_work(folder, command, overwrite=job.existing == "replace")
        if work.segments:
            watch.note(f"resuming after frame {work.frames} of an earlier run")
        run.resumed_at = work.frames
        pictures = make_folder if job.form == "folder" else make_animation
        make = make_file if plan.encoding else pictures
        make(target, run, work, job.segment_frames)
    else:
        make_stream(target, run)
    found = findings(plan, target, reader.notes(), run.times, reader.not_kept())
    seconds = time.perf_counter() - began
    return VideoReport(
        source=job.names[0],
        target=job.names[1],
        model=upscaler.model,
        scale=plan.route.target[1] / facts.size[1],
        input_size=plan.turn.size(facts.size),
        output_size=plan.turn.size(plan.route.target),
        frames=run.resumed_at + run.made,
        resumed_at=run.resumed_at,
        seconds=seconds,
        fps=run.made / seconds,
        codec=found.codec,
        pix_fmt=found.pix_fmt,
        **network_facts(upscaler.state(plan.route, watch)),
        kept=found.kept,
        not_kept=found.not_kept,
        repeated=reader.repeated,
        notes=tuple(dict.fromkeys((*watch.notes, *found.notes))),
    )


def _open(job: VideoJob) -> tuple[VideoFacts, FrameReader | PictureReader]:
    """Return the facts of a source, and the reader of its frames."""
    is_folder, max_pixels = job.source.is_dir(), job.max_pixels or MAX_PIXELS
    if job.fps is not None and not is_folder:
        raise ArgumentError(
            f"{job.source} has its own times, but {job.fps:g} frames/s are requested",
            "leave --fps out; it is for folders of frames",
        )
    if is_folder:
        pictures = open_folder(job.source, job.fps, max_pixels=max_pixels)
    else:
        pictures = open_animation(job.source, max_pixels=max_pixels)
    if pictures is None:
        facts = survey(job.source, probe(job.source, job.stream))
        return facts, FrameReader(job.source, facts)
    if job.stream:
        raise ArgumentError(
            f"stream {job.stream} was requested, but {job.source} holds pictures, not streams",
            "leave --stream out; it is for videos",
        )
    return pictures.facts, PictureReader(pictures)


def _command(job: VideoJob, plan: VideoPlan, upscaler: Upscaler | VideoNetworks) -> dict[str, Any]:
    """Return everything the frames depend on, which a resumed run must match."""
    backend, encoding = upscaler.facts(plan.route), plan.encoding
    cards = [engine.card for engine in upscaler.engines(plan.route)]
    return {
        "source": fingerprint(job.source),
        "video_stream": plan.facts.index,
        "rate": str(plan.facts.rate),
        "turn": plan.encoding is None and dataclasses.astuple(plan.turn),
        "model": job.model,
        "networks": [(card.name, card.weights_sha256) for card in cards],
        "size": plan.route.target,
        "tile": job.run.tile,
        "ensemble": job.run.ensemble,
        "backend": backend and [backend.name, backend.device, backend.precision],
        "encoder": encoding and encoding.encoder,
        "encoder_options": encoding and encoding.options,
        "pix_fmt": encoding and encoding.pix_fmt,
        "segment_frames": job.segment_frames,
        **software(),
    }
