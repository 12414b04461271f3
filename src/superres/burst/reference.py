"""Choice of the reference frame: a sharp and central one.

Frames are compared as thumbnails, all pairs of them, so that their order does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from superres.images.resize import resize
from superres.imaging.planes import blurred, detail, slopes
from superres.imaging.registration import correlate_phases
from superres.imaging.sampler import Plane

_THUMBNAIL_PX = 64  # of the longer edge
_TYPICAL = 0.95  # of the best median likeness, reached by frames that show the same as most
_SHARP = 0.85  # of the sharpest: blur from shake costs more than this
BLANK = 2e-3  # of unit pixels: the least detail of a frame that is not blank


def choose_reference(planes: Sequence[Plane]) -> int:
    """Return the index of the frame to align the others to.

    Of the frames that most others resemble and that are nearly as sharp as the sharpest of them, it
    is the one with the smallest shifts of the others.

    Args:
        planes: (h, w) each, one plane per frame.
    """
    if len(planes) == 1:
        return 0
    longest = max(planes[0].shape)
    part = min(1.0, _THUMBNAIL_PX / longest)
    small = [detail(resize(p, scale=part).astype(np.float32)) for p in planes]
    alike = np.zeros((len(small), len(small)))
    shifts = np.zeros((len(small), len(small), 2))
    for i, one in enumerate(small):
        for j in range(i + 1, len(small)):
            found, shift = correlate_phases(one, small[j])
            alike[i, j] = alike[j, i] = found
            shifts[i, j], shifts[j, i] = shift, (-shift[0], -shift[1])
    others = ~np.eye(len(small), dtype=bool)
    like = np.array([np.median(alike[i][others[i]]) for i in range(len(small))])
    sharp = np.array([sharpness(p) for p in planes]) * (like >= _TYPICAL * like.max())
    off = [float(np.hypot(*np.median(shifts[i][others[i]], axis=0))) for i in range(len(small))]
    eligible = np.flatnonzero(sharp >= _SHARP * sharp.max())
    return int(min(eligible, key=lambda i: (round(off[i]), -sharp[i])))


def sharpness(plane: Plane) -> float:
    """Return a plane's gradient relative to its brightness, which is the same for all exposures."""
    fine = blurred(plane, 1.0)
    down, right = slopes(fine)
    steep = float(np.sqrt(np.mean(down**2 + right**2)))
    return steep / (float(np.mean(np.abs(fine))) + BLANK)


def is_blank(plane: Plane) -> bool:
    """Return whether a plane has no detail that could be aligned."""
    return float(detail(plane).std()) < BLANK
