"""Alignment of frames to the reference in position and brightness, with rejection."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from superres.burst.frames import Burst, copies, filled
from superres.burst.reference import is_blank
from superres.imaging.aligned import Aligned
from superres.imaging.brightness import Brightness, compare_brightness
from superres.imaging.drizzle import drizzle
from superres.imaging.flow import local_flow
from superres.imaging.forward_model import ForwardModel
from superres.imaging.motion import Motion, MotionModel, centre_of, identity_motion
from superres.imaging.planes import blurred
from superres.imaging.registration import BLUR_PX, Fit, pyramid, register
from superres.imaging.sampler import Places, Plane, Planes, Sampler, inside

_LIKE = 0.4  # lowest correlation of detail of frames of one scene
_OVERLAP = 0.2  # fraction of a frame that must lie on the reference
_TELLING = 0.01  # with a gain or offset larger than this, clipped pixels are invalid
_WHITE = 255.0  # residuals are reported on this scale


@dataclass(frozen=True, slots=True)
class FrameReport:
    """The outcome for one frame.

    Attributes:
        index: Its index among the input frames.
        shift: (rows, columns) of its centre from the reference's, in small pixels.
        turn_degrees: Its angle to the reference.
        likeness: Correlation of its detail with the reference's, -1 to 1.
        residual: Robust standard deviation of its difference from the reference, of 255.
        gain: Its brightness over the reference's, one number per channel.
        offset: The offset added after the gain, of 255.
        weight: The mean confidence in its pixels, 0 to 1.
        dropped: The reason why it was not used; "" if it was.
    """

    index: int
    shift: tuple[float, float] = (0.0, 0.0)
    turn_degrees: float = 0.0
    likeness: float = 1.0
    residual: float = 0.0
    gain: tuple[float, ...] = ()
    offset: tuple[float, ...] = ()
    weight: float = 0.0
    dropped: str = ""


def align_frames(
    frames: Sequence[NDArray[np.generic]],
    burst: Burst,
    chosen: int,
    model: MotionModel,
    step: Callable[[], None],
    *,
    unread: Mapping[int, str] | None = None,
) -> tuple[list[Aligned], list[FrameReport]]:
    """Align all frames to the reference.

    Args:
        frames: The input frames, to find copies.
        burst: The same as planes and masks.
        chosen: Index of the reference.
        model: The motion model.
        step: Called before each frame.
        unread: The reasons why frames could not be read, by index.

    Returns:
        The frames that fit, the reference first, and a report on every frame.
    """
    base = burst.planes[chosen]
    levels = pyramid(base.mean(axis=0), burst.valid[chosen])
    flat = [is_blank(planes.mean(axis=0)) for planes in burst.planes]
    twins = copies(frames, chosen)
    aligned = [Aligned(chosen, base, burst.valid[chosen], identity_motion())]
    reports: list[FrameReport] = []
    ones, zeros = (1.0,) * len(base), (0.0,) * len(base)
    for index, planes in enumerate(burst.planes):
        step()
        if index == chosen:
            reports.append(FrameReport(index, gain=ones, offset=zeros))
            continue
        reason = unread.get(index, "") if unread else ""
        if reason:
            pass
        elif index in twins:
            reason = f"it is a copy of frame {twins[index]}"
        elif flat[index]:
            reason = "it shows no detail"
        elif flat[chosen]:
            reason = f"frame {chosen}, the reference, shows no detail"
        if reason:
            reports.append(FrameReport(index, likeness=0.0, dropped=reason))
            continue
        other = pyramid(planes.mean(axis=0), burst.valid[index])
        fit = register(levels, other, model)
        report = FrameReport(
            index, fit.motion.shift, fit.motion.turn_degrees, fit.likeness,
            fit.residual * _WHITE, dropped=_unfit(fit),
        )  # fmt: skip
        if report.dropped:
            reports.append(report)
            continue
        frame, brightness = _aligned_frame(burst, index, chosen, fit.motion)
        aligned.append(frame)
        reports.append(
            replace(
                report,
                gain=tuple(float(g) for g in brightness.gain),
                offset=tuple(float(o) * _WHITE for o in brightness.offset),
            )
        )
    return aligned, reports


def _unfit(fit: Fit) -> str:
    """Return why a frame cannot be used, or ""."""
    if fit.overlap < _OVERLAP:
        return f"{fit.overlap:.0%} of it lies on the reference, {_OVERLAP:.0%} are needed"
    if fit.likeness < _LIKE:
        return (
            f"it does not resemble the reference: their detail correlates by {fit.likeness:.2f}, "
            f"{_LIKE} is needed"
        )
    return ""


def _aligned_frame(
    burst: Burst, index: int, chosen: int, motion: Motion
) -> tuple[Aligned, Brightness]:
    """Match a frame to the reference in brightness."""
    size, base = burst.size, burst.planes[chosen]
    places = motion.places(size) + centre_of(size)
    sampler = Sampler(places, size)
    valid = burst.valid[index]
    both = inside(places, size, 0.0) & (valid > 0.5) & (sampler.gather(burst.valid[chosen]) > 0.9)
    brightness = compare_brightness(base, burst.planes[index], sampler, both)
    if (np.abs(brightness.gain - 1.0) + np.abs(brightness.offset)).max() > _TELLING:
        # A pixel that is clipped in only one exposure cannot be compared.
        valid = valid * ~burst.clipped[index]
    usable = (inside(places, size, 0.0) * valid).astype(np.float32)
    return Aligned(index, brightness.equalised(burst.planes[index]), usable, motion), brightness


def follow_motion(
    aligned: Sequence[Aligned], burst: Burst, large: Planes, forward_model: ForwardModel
) -> list[Aligned]:
    """Return the frames with their local motion, estimated against a first large picture."""
    size, base = burst.size, aligned[0]
    levels = pyramid(base.planes.mean(axis=0), base.usable)
    seen = forward_model.blur(large.mean(axis=0)[None])[0]

    def predict(places: Places) -> Plane:
        return blurred(forward_model.sampler(places).gather(seen), BLUR_PX)

    followed = [base]
    for frame in aligned[1:]:
        valid = burst.valid[frame.index]
        own = pyramid(frame.planes.mean(axis=0), valid)
        motion = local_flow(levels, own, frame.motion, predict)
        if motion.flow is not None:
            on_reference = inside(motion.places(size) + centre_of(size), size, 0.0)
            usable = (frame.usable * on_reference).astype(np.float32)
            followed.append(Aligned(frame.index, frame.planes, usable, motion))
        else:
            followed.append(frame)
    return followed


def whole_reference(burst: Burst, chosen: int, aligned: Sequence[Aligned]) -> Planes:
    """Return the reference, its invalid pixels filled from other frames where these are valid."""
    base, valid = burst.planes[chosen], burst.valid[chosen]
    if len(aligned) == 1 or (valid > 0.5).all():
        return base
    seen = drizzle(aligned[1:], [frame.usable for frame in aligned[1:]], burst.size, 1.0)
    known = np.maximum(valid, (seen.weight > 0.2).astype(np.float32))
    return filled(np.where(valid > 0.5, base, seen.planes), known)
