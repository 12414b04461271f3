"""Fusion of aligned frames by a burst network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from superres import zoo
from superres.imaging.aligned import Aligned
from superres.imaging.motion import Motion, centre_of
from superres.imaging.sampler import Floats, Places, Planes, inside
from superres.infer.burst import BurstEngine
from superres.infer.burst_input import frame_input
from superres.model_pool import ModelPool
from superres.runtimes.open import open_runtime
from superres.upscaler import RunOptions
from superres.watch import Watch

_BELIEVED = 0.25  # pixels of a lower weight are hidden from the network, so they leave no ghost
_FARTHEST_PX = 0.75  # from a pixel to its nearest sample: a little over half a diagonal
_TOLD_PX = 0.499  # beyond this, another sample would be the nearest

Size = tuple[int, int]


def open_network(
    model: str, scale: float, run: RunOptions, watch: Watch, models: ModelPool | None = None
) -> BurstEngine:
    """Return the engine of the network that fuses at a scale, or at the next larger one available.

    Args:
        model: A family, a model or a model file.
        scale: Large size over small size; above the largest network's, that network is used.
        run: The run options; ensembles are for single-frame networks.
        watch: Notified of each choice and fallback.
        models: The loaded models, which jobs share; None opens it for this call alone.

    Raises:
        UnknownNameError: There is no such model.
        ModelError: Its file cannot be used, or it is a single-frame model.
        BackendError: No backend can run it.
    """
    offered = zoo.scales(model)
    chosen = min((one for one in offered if one >= scale), default=max(offered))
    opened = (models or ModelPool()).burst_network(model, chosen, run, watch)
    return BurstEngine(
        opened.file.card,
        opened.runtime,
        tile=run.tile,
        fallback=lambda watch: open_runtime(opened.file, run.exact(), takes="burst", watch=watch),
        watch=watch,
    )


def fuse_aligned(
    engine: BurstEngine, frames: Sequence[Aligned], weights: Sequence[Floats], base: Planes
) -> Planes:
    """Fuse frames at the network's own scale.

    An RGB network gets colours together, but grey, and each band of multi-band frames, as three
    equal channels, as in `upscaler`.

    Args:
        engine: The network.
        frames: The reference first.
        weights: (h, w) per frame, the confidence in its pixels; ignored for the reference.
        base: (C, h, w) the reference, with invalid pixels filled.

    Returns:
        (C, scale*h, scale*w) unit pixels, unclamped.
    """
    size = (base.shape[1], base.shape[2])
    places = [nearest_samples(frame.motion, size) for frame in frames]
    valid = [(weight >= _BELIEVED).astype(np.float32) for weight in weights]
    valid[0] = np.maximum(frames[0].usable, 1.0 - _shown(valid[1:], places[1:]))
    planes = [base, *(frame.planes for frame in frames[1:])]
    channels = engine.card.channels
    together = len(base) == channels

    def fused(part: slice) -> Planes:
        def source(index: int, rows: slice, columns: slice) -> NDArray[np.float32]:
            made = frame_input(planes[index][part], valid[index], places[index][:, rows, columns])
            if together:
                return made
            return np.concatenate((np.repeat(made[:1], channels, axis=0), made[1:]))

        large_HWC = engine.fuse(source, count=len(frames), height=size[0], width=size[1])
        return large_HWC.transpose(2, 0, 1)

    if together:
        return fused(slice(None))
    return np.stack([fused(slice(band, band + 1)).mean(axis=0) for band in range(len(base))])


def nearest_samples(motion: Motion, size: Size) -> Places:
    """Return where each pixel of the reference lies on a frame, as `frame_input` takes it.

    `frame_input` picks the nearest sample, so that must be the right one, and reads its distance
    along the reference's axes, which differ from a rotated frame's. A pixel without a near sample,
    because it is occluded or outside, is placed beyond the frame.

    Returns:
        (2, h, w) rows and columns in pixels of the frame, whose first pixel is at 0.
    """
    centre = centre_of(size)
    nearest = np.rint(motion.inverse(size) + centre)
    within = inside(nearest, size, 0.0)
    rows, columns = (
        axis.clip(0, length - 1).astype(np.intp) for axis, length in zip(nearest, size, strict=True)
    )
    offsets = (motion.places(size) + centre)[:, rows, columns] - np.indices(size, np.float32)
    within &= (np.abs(offsets) <= _FARTHEST_PX).all(axis=0)
    told = nearest - offsets.clip(-_TOLD_PX, _TOLD_PX)
    return np.where(within, told, np.float32(-2.0)).astype(np.float32)


def _shown(valid: Sequence[NDArray[np.float32]], places: Sequence[Places]) -> NDArray[np.float32]:
    """Return 1 where any of the frames covers a pixel of the reference, 0 elsewhere."""
    shown = np.zeros(places[0].shape[1:], np.float32)
    for one, where in zip(valid, places, strict=True):
        np.maximum(shown, frame_input(one[None], one, where)[-1], out=shown)
    return shown
