"""Burst fusion: arrays of small frames in, one large array out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from superres.burst.alignment import (
    FrameReport,
    align_frames,
    follow_motion,
    whole_reference,
)
from superres.burst.choice import (
    BACKPROJECT,
    BICUBIC,
    DRIZZLE,
    NETWORK,
    choose_method,
)
from superres.burst.frames import Burst, copies, read_burst
from superres.burst.network import fuse_aligned, open_network
from superres.burst.options import FuseOptions
from superres.burst.outliers import register_by_majority
from superres.burst.reference import choose_reference, is_blank
from superres.errors import ArgumentError
from superres.frame import Pixels, Values, from_unit, to_unit
from superres.images.resize import resize
from superres.imaging.aligned import Aligned
from superres.imaging.blur import estimate_blur
from superres.imaging.drizzle import drizzle
from superres.imaging.forward_model import Blur, ForwardModel
from superres.imaging.reconstruction import Reconstruction, estimate_trust, project
from superres.imaging.sampler import Floats, Planes
from superres.infer.burst import BurstEngine
from superres.infer.route import plan_route
from superres.model_pool import ModelPool
from superres.upscaler import Upscaler
from superres.watch import Watch

_DEFAULT_BLUR: Blur = "bicubic"
_STEPS_AFTER = 4  # the start, its first correction, local motion, the final fusion


@dataclass(frozen=True, slots=True)
class Fused:
    """A fused picture, with the facts of its fusion.

    Attributes:
        pixels: The large picture, of the frames' dtype and number of axes.
        method: The method of fusion.
        model: The network that fused the frames, or that upscaled the reference, or `bicubic`.
        coverage: (H, W) the number of frames that cover each pixel, weighted by confidence.
        reference: Index of the frame that the others were aligned to.
        blur: The assumed point spread of a small pixel.
        frames: One report per frame, in the frames' order.
    """

    pixels: Pixels
    method: str
    model: str
    coverage: Floats
    reference: int
    blur: Blur
    frames: tuple[FrameReport, ...]


@dataclass(frozen=True, slots=True)
class _Work:
    """The input of a fusion method.

    Attributes:
        aligned: The aligned frames.
        base: (C, h, w) the reference, with invalid pixels filled.
        start: (C, H, W) the same, upscaled.
        first: (C, H, W) a first large picture of all frames.
        forward_model: The forward model of the frames.
        trust: Weight of the start relative to the frames.
        upscale: The function that upscaled the start.
        engine: The burst network, for the method `network`.
    """

    aligned: Sequence[Aligned]
    base: Planes
    start: Planes
    first: Planes
    forward_model: ForwardModel
    trust: float
    upscale: Callable[[Planes, tuple[int, int]], Planes]
    engine: BurstEngine | None


def fuse(
    frames: Sequence[NDArray[np.generic]],
    *,
    scale: float = 4,
    reference: int | None = None,
    method: str | None = None,
    model: str | None = None,
    masks: Sequence[NDArray[np.generic]] | None = None,
) -> Pixels:
    """Fuse small frames of one scene into one large picture.

    Args:
        frames: (H, W) or (H, W, C) each, of one shape and dtype: uint8, uint16, or float32 with
            black at 0 and white at 1. C as in `Bands.of`, or more than 4 bands.
        scale: Large size over small size, at least 1.
        reference: Index of the frame whose view the result has; None chooses one.
        method: `network`, `backproject` or `drizzle`; None takes the one that suits the model.
        model: The model that fuses frames, or upscales the reference: a name, file or `bicubic`.
        masks: (H, W) per frame, nonzero where its pixels are valid.

    Returns:
        The large picture, same dtype and number of axes.

    Raises:
        ArgumentError: Frames do not match each other, or an argument is out of range.
    """
    options = FuseOptions(scale=scale, reference=reference, method=method, model=model)
    return fuse_burst(frames, options, masks=masks).pixels


def fuse_burst(
    frames: Sequence[NDArray[np.generic]],
    options: FuseOptions,
    *,
    masks: Sequence[NDArray[np.generic]] | None = None,
    unread: Mapping[int, str] | None = None,
    watch: Watch | None = None,
    models: ModelPool | None = None,
) -> Fused:
    """Fuse small frames, with a report on each.

    Args:
        frames: See `fuse`.
        options: The options of the fusion.
        masks: See `fuse`.
        unread: The reasons to drop the placeholders of unreadable files, by index.
        watch: Notified of each dropped frame, excluded pixels, each choice and fallback, and the
            finished steps: one per frame, and a few more.
        models: The loaded models, which jobs share; None loads them for this call alone.

    Raises:
        ArgumentError: See `fuse`.
        Cancelled: The job was cancelled.
    """
    watch, models = watch or Watch(), models or ModelPool()
    steps = itertools.count()

    def step() -> None:
        watch.check()
        watch.progress(next(steps), len(frames) + _STEPS_AFTER)

    choice = choose_method(options.method, options.model)
    burst = read_burst(frames, masks)
    silent = {*copies(frames, 0), *(unread or ())}
    silent |= {i for i, planes in enumerate(burst.planes) if is_blank(planes.mean(axis=0))}
    registered = register_by_majority(
        burst,
        [index for index in range(len(frames)) if index not in silent],
        choose=lambda burst: _reference(burst, options.reference),
        align=lambda burst, chosen, step: align_frames(
            frames, burst, chosen, options.motion, step, unread=unread
        ),
        step=step,
        watch=watch,
    )
    burst, chosen = registered.burst, registered.chosen
    aligned, reports = registered.aligned, registered.reports
    for report in reports:
        if report.dropped:
            watch.note(f"frame {report.index} is dropped: {report.dropped}")
    if len(aligned) == 1 < len(frames):
        watch.note(f"no other frame is usable: only frame {chosen} is upscaled")
    step()
    base = whole_reference(burst, chosen, aligned)
    large = plan_route(burst.size, (4,), options.scale, None).target
    upscaler = None
    if choice.reference_model != BICUBIC:
        upscaler = models.upscaler(choice.reference_model, options.run)
    upscale = partial(_resized, upscaler=upscaler, values=burst.values, watch=watch)
    upscaled = upscale(_with_alpha(base, frames[chosen]), large)
    start, alpha = upscaled[: len(base)], upscaled[len(base) :]
    forward_model = ForwardModel(burst.size, large, _DEFAULT_BLUR)
    made = Reconstruction(start, (aligned[0].usable,))
    model = choice.reference_model
    if len(aligned) > 1:
        step()
        trust = options.trust * estimate_trust(aligned, start, forward_model)
        if options.blur != "auto":
            forward_model = ForwardModel(burst.size, large, options.blur)
        elif upscaler:  # not for bicubic, whose errors resemble those of too wide a blur
            forward_model = ForwardModel(burst.size, large, estimate_blur(aligned, start, trust))
        first = project(
            aligned, start, forward_model, trust=trust, rounds=1, steps=options.steps
        ).planes
        step()
        if options.local == "flow":
            aligned = follow_motion(aligned, burst, first, forward_model)
        step()
        engine = None
        if choice.fuser:
            model = choice.fuser
            engine = open_network(model, options.scale, options.run, watch, models)
        work = _Work(aligned, base, start, first, forward_model, trust, upscale, engine)
        made = _FUSERS[choice.method](work, options)
    told = {one.index: float(w.mean()) for one, w in zip(aligned, made.weights, strict=True)}
    unit = np.concatenate((made.planes, alpha.clip(0.0, 1.0))).transpose(1, 2, 0)
    pixels = from_unit(np.ascontiguousarray(unit, np.float32), burst.values)
    area = large[0] * large[1] / (burst.size[0] * burst.size[1])
    return Fused(
        pixels=pixels[..., 0] if len(burst.shape) == 2 else pixels,
        method=choice.method,
        model=model,
        coverage=(drizzle(aligned, made.weights, large, 1.0).weight * area).astype(np.float32),
        reference=chosen,
        blur=forward_model.kind,
        frames=tuple(replace(one, weight=told.get(one.index, 0.0)) for one in reports),
    )


def _reference(burst: Burst, requested: int | None) -> int:
    count = len(burst.planes)
    if requested is None:
        return choose_reference([planes.mean(axis=0) for planes in burst.planes])
    if not 0 <= requested < count:
        raise ArgumentError(
            f"frame {requested} was requested as the reference, but there are {count} frames",
            f"frames are counted from 0 to {count - 1}",
        )
    return requested


def _with_alpha(base: Planes, frame: NDArray[np.generic]) -> Planes:
    """Return the reference's planes, with its alpha if it has one."""
    if frame.ndim == 3 and frame.shape[2] in (2, 4):
        return np.concatenate((base, to_unit(frame[..., -1])[None]))
    return base


def _resized(
    planes: Planes,
    size: tuple[int, int],
    *,
    upscaler: Upscaler | None,
    values: Values,
    watch: Watch,
) -> Planes:
    """Return unit planes at a size, upscaled by a network if there is one, otherwise by bicubic."""
    if upscaler is None:
        return resize(planes.transpose(1, 2, 0), size=size).astype(np.float32).transpose(2, 0, 1)
    pixels = np.ascontiguousarray(planes.transpose(1, 2, 0), np.float32)
    large = upscaler(pixels, size=size, exact=values.exact, clamped=values.whole, watch=watch)
    return to_unit(large).transpose(2, 0, 1)


def _judged(work: _Work) -> Reconstruction:
    """Return the confidence in each pixel, from a comparison with a first large picture."""
    return project(
        work.aligned, work.start, work.forward_model, trust=work.trust, rounds=1, steps=0,
        current=work.first,
    )  # fmt: skip


def _by_drizzle(work: _Work, options: FuseOptions) -> Reconstruction:
    """Drizzle the frames, with holes filled from the start."""
    judged = _judged(work)
    drops = drizzle(work.aligned, judged.weights, work.forward_model.large, options.pixfrac)
    return Reconstruction(np.where(drops.weight > 0.0, drops.planes, work.start), judged.weights)


def _by_backprojection(work: _Work, options: FuseOptions) -> Reconstruction:
    return project(
        work.aligned, work.start, work.forward_model, trust=work.trust, rounds=options.rounds,
        steps=options.steps, current=work.first,
    )  # fmt: skip


def _by_network(work: _Work, options: FuseOptions) -> Reconstruction:
    """Fuse the frames by a network at its scale, and correct the result at the requested one."""
    assert work.engine is not None  # ensured by `choose_method`
    made = fuse_aligned(work.engine, work.aligned, _judged(work).weights, work.base)
    if made.shape[1:] != work.forward_model.large:
        made = work.upscale(made, work.forward_model.large)
    # Its result is close to the frames, but a correction gains 0.3 to 0.5 dB. A network that fails,
    # on frames unlike its training's, gets a lower weight, and rejects no pixels: the first picture
    # decides that. One that does well gets no higher weight: it has seen all of the frames.
    trust = min(work.trust, options.trust * estimate_trust(work.aligned, made, work.forward_model))
    return _by_backprojection(replace(work, start=made, trust=trust), options)


_FUSERS: dict[str, Callable[[_Work, FuseOptions], Reconstruction]] = {
    NETWORK: _by_network,
    BACKPROJECT: _by_backprojection,
    DRIZZLE: _by_drizzle,
}
