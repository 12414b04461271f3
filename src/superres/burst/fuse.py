"""Several small frames of one scene in, one large picture out: the path from arrays to arrays."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from superres import zoo
from superres.burst.backproject import Projection, estimate_trust, project
from superres.burst.blur import estimate_blur
from superres.burst.drizzle import drizzle
from superres.burst.formation import Blur, Formation
from superres.burst.frames import Burst, read_burst
from superres.burst.laid import Laid
from superres.burst.lay import FrameReport, Progress, follow_motion, lay_frames, whole_reference
from superres.burst.motion import MODELS, MotionModel
from superres.burst.reference import choose_reference
from superres.burst.sample import Floats, Planes
from superres.errors import ArgumentError, unknown_name
from superres.frame import Pixels, from_unit, to_unit
from superres.images.resize import resize
from superres.infer.backend import Notice, no_notice
from superres.upscaler import RunOptions, Upscaler, plan_route

BICUBIC = "bicubic"  # in place of a network
_DEFAULT_BLUR: Blur = "bicubic"
_STEPS_AFTER = 4  # the start, its first correction, what moves, the rest


@dataclass(frozen=True, slots=True)
class FuseOptions:
    """How a burst is fused; see docs/burst.md.

    Attributes:
        scale: Large size over small size, at least 1.
        reference: Index of the frame that the others are laid over; None chooses.
        method: `backproject` or `drizzle`.
        model: What enlarges the reference, from which back-projection starts: a family, a model, a
            model file, or `bicubic`.
        motion: `translation`, `rotation` (with translation), `affine` or `homography`.
        local: `flow` also follows what moves by itself within a frame; `none` does not.
        blur: What a small pixel sees: `bicubic`, the sigma of a Gaussian in small pixels, or `auto`
            for what explains the frames, where a network made the start.
        pixfrac: Drizzle's drop over a small pixel, 0 to 1.
        trust: How much back-projection's start is worth beside the frames, times what it finds.
        rounds: How often back-projection judges pixels, after a first time.
        steps: Of its conjugate gradients in each round.
        run: How the network is run.
    """

    scale: float = 4
    reference: int | None = None
    method: str = "backproject"
    model: str = zoo.DEFAULT
    motion: MotionModel = "rotation"
    local: Literal["flow", "none"] = "flow"
    blur: Blur | Literal["auto"] = "auto"
    pixfrac: float = 0.7
    trust: float = 1.0
    rounds: int = 2
    steps: int = 10
    run: RunOptions = field(default_factory=RunOptions)

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise unknown_name("fusion method", self.method, METHODS)
        if self.motion not in MODELS:
            raise unknown_name("motion model", str(self.motion), MODELS)
        if not 1.0 <= self.scale <= 64.0:
            raise ArgumentError(
                f"a burst is fused at a scale of 1 to 64, got {self.scale}", "try 2, 3 or 4"
            )
        if self.blur not in ("auto", "bicubic") and isinstance(self.blur, str):
            raise unknown_name("blur", self.blur, ("auto", "bicubic"))
        if not isinstance(self.blur, str) and not 0.0 < self.blur < 10.0:
            raise ArgumentError(
                f"the blur is auto, bicubic or a Gaussian's sigma of 0 to 10 px, got {self.blur}",
                "a camera's is about 0.4 small pixels",
            )


@dataclass(frozen=True, slots=True)
class Fused:
    """One large picture, and what it was made of.

    Attributes:
        pixels: Of the frames' dtype and number of axes.
        coverage: (H, W) how many frames each pixel was seen by, each as far as it was believed.
        reference: Index of the frame that the others were laid over.
        blur: What a small pixel was taken to see.
        frames: One report a frame, in the order of the frames.
    """

    pixels: Pixels
    coverage: Floats
    reference: int
    blur: Blur
    frames: tuple[FrameReport, ...]


@dataclass(frozen=True, slots=True)
class _Work:
    """What a method is given: frames, what is known of them, and a first large picture."""

    laid: Sequence[Laid]
    start: Planes
    first: Planes
    formation: Formation
    trust: float


def fuse(
    frames: Sequence[NDArray[np.generic]],
    *,
    scale: float = 4,
    reference: int | None = None,
    method: str = "backproject",
    model: str = zoo.DEFAULT,
    masks: Sequence[NDArray[np.generic]] | None = None,
) -> Pixels:
    """Fuse small frames of one scene into one large picture.

    Args:
        frames: (H, W) or (H, W, C) each, of one shape and dtype: uint8, uint16, or float32 with
            black at 0 and white at 1. C as in `Layout.of`, or more than 4 bands.
        scale: How much larger, 1 or more.
        reference: Index of the frame whose view the result has; None chooses.
        method: `backproject` or `drizzle`.
        model: What enlarges the reference: a model's name or file, or `bicubic`.
        masks: (H, W) a frame, nonzero where its pixels are valid.

    Returns:
        The large picture, same dtype and number of axes.

    Raises:
        ArgumentError: Frames do not fit together, or an argument is out of its range.
    """
    options = FuseOptions(scale=scale, reference=reference, method=method, model=model)
    return fuse_burst(frames, options, masks=masks).pixels


def fuse_burst(
    frames: Sequence[NDArray[np.generic]],
    options: FuseOptions,
    *,
    masks: Sequence[NDArray[np.generic]] | None = None,
    notice: Notice = no_notice,
    progress: Progress | None = None,
) -> Fused:
    """Fuse small frames, and tell what became of each.

    Args:
        frames: See `fuse`.
        options: What to make, and how.
        masks: See `fuse`.
        notice: Called with one line for each frame that is dropped, and each choice and fallback.
        progress: Called with the steps done and all steps: one a frame, and a few more.

    Raises:
        ArgumentError: See `fuse`.
    """
    steps = itertools.count()

    def step() -> None:
        if progress:
            progress(next(steps), len(frames) + _STEPS_AFTER)

    burst = read_burst(frames, masks)
    chosen = _reference(burst, options.reference)
    laid, reports = lay_frames(frames, burst, chosen, options.motion, step)
    for report in reports:
        if report.dropped:
            notice(f"frame {report.index} is dropped: {report.dropped}")
    if len(laid) == 1 < len(frames):
        notice(f"no other frame can be used: only frame {chosen} is enlarged")
    step()
    base = whole_reference(burst, chosen, laid)
    enlarged = _enlarged(base, frames[chosen], options, notice)
    start, alpha = enlarged[: len(base)], enlarged[len(base) :]
    large = (start.shape[1], start.shape[2])
    formation = Formation(burst.size, large, _DEFAULT_BLUR)
    made = Projection(start, (laid[0].usable,))
    if len(laid) > 1:
        step()
        trust = options.trust * estimate_trust(laid, start, formation)
        if options.blur != "auto":
            formation = Formation(burst.size, large, options.blur)
        elif options.model != BICUBIC:  # whose errors look like those of too wide a blur
            formation = Formation(burst.size, large, estimate_blur(laid, start, trust))
        first = project(laid, start, formation, trust=trust, rounds=1, steps=options.steps).planes
        step()
        if options.local == "flow":
            laid = follow_motion(laid, burst, first, formation)
        step()
        work = _Work(laid, start, first, formation, trust)
        made = METHODS[options.method](work, options)
    told = {one.index: float(w.mean()) for one, w in zip(laid, made.weights, strict=True)}
    unit = np.concatenate((made.planes, alpha.clip(0.0, 1.0))).transpose(1, 2, 0)
    pixels = from_unit(np.ascontiguousarray(unit, np.float32), burst.depth)
    area = large[0] * large[1] / (burst.size[0] * burst.size[1])
    return Fused(
        pixels=pixels[..., 0] if len(burst.shape) == 2 else pixels,
        coverage=(drizzle(laid, made.weights, large, 1.0).weight * area).astype(np.float32),
        reference=chosen,
        blur=formation.kind,
        frames=tuple(replace(one, weight=told.get(one.index, 0.0)) for one in reports),
    )


def _reference(burst: Burst, asked: int | None) -> int:
    count = len(burst.planes)
    if asked is None:
        return choose_reference([planes.mean(axis=0) for planes in burst.planes])
    if not 0 <= asked < count:
        raise ArgumentError(
            f"frame {asked} is to be the reference, but there are {count} frames",
            f"frames are counted from 0 to {count - 1}",
        )
    return asked


def _enlarged(
    base: Planes, frame: NDArray[np.generic], options: FuseOptions, notice: Notice
) -> Planes:
    """Return the reference enlarged, with its alpha if it has one, as unit planes."""
    pixels = base.transpose(1, 2, 0)
    channels = 1 if frame.ndim == 2 else frame.shape[2]
    if channels in (2, 4):
        alpha = to_unit(frame[..., -1:])
        pixels = np.concatenate((pixels, alpha), axis=2)
    pixels = np.ascontiguousarray(pixels, np.float32)
    if options.model == BICUBIC:
        size = plan_route((frame.shape[0], frame.shape[1]), (4,), options.scale, None).target
        return resize(pixels, size=size).astype(np.float32).transpose(2, 0, 1)
    upscaler = Upscaler(options.model, options.run, notice)
    if channels <= 4:
        return to_unit(upscaler(pixels, scale=options.scale)).transpose(2, 0, 1)
    bands = [upscaler(np.ascontiguousarray(band), scale=options.scale) for band in base]
    return np.stack([to_unit(band) for band in bands])


def _by_drizzle(work: _Work, options: FuseOptions) -> Projection:
    """Drizzle the frames, as a first large picture judges them; holes are filled from the start."""
    judged = project(
        work.laid, work.start, work.formation, trust=work.trust, rounds=1, steps=0,
        current=work.first,
    )  # fmt: skip
    drops = drizzle(work.laid, judged.weights, work.formation.large, options.pixfrac)
    return Projection(np.where(drops.weight > 0.0, drops.planes, work.start), judged.weights)


def _by_backprojection(work: _Work, options: FuseOptions) -> Projection:
    return project(
        work.laid, work.start, work.formation, trust=work.trust, rounds=options.rounds,
        steps=options.steps, current=work.first,
    )  # fmt: skip


METHODS: dict[str, Callable[[_Work, FuseOptions], Projection]] = {
    "backproject": _by_backprojection,
    "drizzle": _by_drizzle,
}
