"""Estimate of a camera's blur: the one that best predicts held-out frames.

A large picture made from half of the frames, under one blur, predicts what the other half shows.
Too wide a blur cannot produce the detail that they have; too narrow a one leaves the detail of the
large picture undetermined. Only frames with slightly different views provide this information.
Cameras that sharpen have a blur narrower than the bicubic's. Wider ones are not tried: in the few
steps taken here, undoing a wide blur looks like a bad prediction.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from superres.imaging.aligned import Aligned
from superres.imaging.forward_model import Blur, ForwardModel
from superres.imaging.planes import slopes
from superres.imaging.reconstruction import gather_planes, project
from superres.imaging.sampler import Floats, Planes, inside

CANDIDATES: tuple[Blur, ...] = ("bicubic", 0.35, 0.25, 0.15)
_FEWEST = 4  # frames; two to make the picture and two to test it
_MOST = 32  # more add no information
_CROP_PX = 192  # edge of the central crop that is used of large frames
_CLEARLY = 0.93  # of the bicubic's error. Where bicubic is true, others reach 0.97 by chance.
_STEPS = 15  # with fewer, a blur that is easy to undo looks better than it is
_FLAT = 0.5  # fraction of a frame, the flattest, where all blurs look the same


def estimate_blur(aligned: Sequence[Aligned], start: Planes, trust: float) -> Blur:
    """Return the blur that explains the frames, or MATLAB's bicubic if they do not determine it.

    Args:
        aligned: The frames, the reference first.
        start: (C, H, W) the reference, upscaled.
        trust: See `backproject`.
    """
    if len(aligned) < _FEWEST:
        return CANDIDATES[0]
    step = -(-len(aligned) // _MOST)
    frames, start = _middle([_grey(one) for one in aligned[::step]], start.mean(axis=0)[None])
    small, large = frames[0].planes.shape[1:], start.shape[1:]
    errors: list[float] = []
    for blur in CANDIDATES:
        forward_model = ForwardModel((small[0], small[1]), (large[0], large[1]), blur)
        made = project(frames[::2], start, forward_model, trust=trust, rounds=1, steps=_STEPS)
        seen = forward_model.blur(made.planes)
        off = np.concatenate([_off(frame, forward_model, seen) for frame in frames[1::2]])
        errors.append(float(np.median(off)))  # not the mean, since objects move in some frames
    best = int(np.argmin(errors))
    return CANDIDATES[best if errors[best] < _CLEARLY * errors[0] else 0]


def _off(frame: Aligned, forward_model: ForwardModel, seen: Planes) -> Floats:
    """Return a frame's prediction errors where its gradients are steep enough to be informative."""
    sampler = forward_model.sampler(frame.motion.places(forward_model.small))
    down, right = slopes(frame.planes[0])
    steep = down**2 + right**2
    informative = (frame.usable > 0.5) & (steep >= np.quantile(steep, _FLAT))
    return np.abs(frame.planes - gather_planes(sampler, seen))[:, informative].ravel()


def _grey(frame: Aligned) -> Aligned:
    return Aligned(frame.index, frame.planes.mean(axis=0)[None], frame.usable, frame.motion)


def _middle(frames: list[Aligned], start: Planes) -> tuple[list[Aligned], Planes]:
    """Crop large frames to their middle; positions are from the centre, so motions stay valid."""
    small, large = frames[0].planes.shape[1:], start.shape[1:]
    edges = [max(0, (length - _CROP_PX) // 2) for length in small]
    scales = [to // of for of, to in zip(small, large, strict=True)]
    if not any(edges) or any(of * s != to for of, s, to in zip(small, scales, large, strict=True)):
        return frames, start
    rows, columns = (slice(e, n - e) for e, n in zip(edges, small, strict=True))
    size = (small[0] - 2 * edges[0], small[1] - 2 * edges[1])
    centre = (np.array(size, np.float32)[:, None, None] - 1.0) / 2.0
    cut: list[Aligned] = []
    for frame in frames:
        motion = frame.motion.cut(rows, columns)
        usable = frame.usable[rows, columns] * inside(motion.places(size) + centre, size, 0.0)
        cut.append(Aligned(frame.index, frame.planes[:, rows, columns], usable, motion))
    rows, columns = (slice(e * s, n - e * s) for e, s, n in zip(edges, scales, large, strict=True))
    return cut, start[:, rows, columns]
