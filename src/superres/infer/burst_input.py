"""Inputs of a burst network, frame by frame.

`layers.sequences` defines them, and `synthesis.burst_input` makes the same for training.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from superres.frame import BURST_EXTRAS, Unit


def frame_input(frame_Chw: Unit, valid_hw: Unit | None, places_2HW: Unit) -> Unit:
    """Resample a frame at pixels of the reference: all of them, or those of a tile.

    Args:
        frame_Chw: The frame, or the needed part of it, in [0, 1].
        valid_hw: 1 where its samples are valid and 0 where not; None if all are.
        places_2HW: Row and column of each pixel of the reference on the frame, in its pixels, the
            first of which has its centre at 0. Places beyond the frame become invalid.

    Returns:
        (C + 3, H, W); 0 where invalid.
    """
    channels, height, width = frame_Chw.shape
    nearest = np.floor(places_2HW + np.float32(0.5))
    rows, columns = nearest.astype(np.intp)
    valid = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    index = rows.clip(0, height - 1) * width + columns.clip(0, width - 1)
    if valid_hw is not None:
        valid &= valid_hw.reshape(-1)[index] > 0.5
    made = np.zeros((channels + BURST_EXTRAS, *valid.shape), np.float32)
    # Not multiplied by the mask: invalid samples may be NaN.
    np.copyto(made[:channels], frame_Chw.reshape(channels, -1)[:, index], where=valid)
    np.copyto(made[channels:-1], nearest - places_2HW, where=valid)
    made[-1] = valid
    return made


def fill_reference(reference_XHW: Unit, others: Iterable[Unit]) -> Unit:
    """Return the reference with its gaps filled by the mean of the other frames' valid samples.

    Args:
        reference_XHW: (C + 3, H, W) as `frame_input` makes it.
        others: The other frames, likewise; they are requested only if there is a gap.

    Returns:
        The reference, whose mask still marks the gaps; black where no frame is valid.
    """
    valid = reference_XHW[-1] > 0
    if valid.all():
        return reference_XHW
    colours = len(reference_XHW) - BURST_EXTRAS
    total = np.zeros((colours + 1, *valid.shape), np.float32)
    for other_XHW in others:
        total[:-1] += other_XHW[:colours]
        total[-1] += other_XHW[-1]
    filled = reference_XHW.copy()
    mean = total[:-1] / np.maximum(total[-1], 1.0)
    np.copyto(filled[:colours], mean, where=~valid)
    return filled
