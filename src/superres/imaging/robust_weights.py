"""Robust weights of a frame's pixels, against ghosts of moving objects and errors.

A pixel is compared with the large picture's prediction. Small differences are noise, or detail that
the picture lacks, which is what frames are fused for: they grow with the picture's gradient. The
weight falls with larger differences (S. Geman, D. McClure, 1987), of a single pixel, for dead
pixels, or averaged over its neighbourhood, for moving objects.
Judging by neighbourhoods is the idea of Wronski et al., ACM ToG 2019, arXiv:1905.03277.
"""

from __future__ import annotations

import numpy as np

from superres.imaging.planes import blurred, slopes
from superres.imaging.sampler import Floats, Planes

_ALONE = 4.0  # standard deviations that a single pixel may differ by
_TOGETHER = 3.0  # and a neighbourhood
_WINDOW_PX = 1.5
_SLACK_PX = 0.35  # times the gradient: the allowed error of detail and registration
_NOISE_FLOOR = 0.5 / 255  # rounding to 8 bits alone gives 0.3


def noise_of(error: Planes, usable: Floats) -> float:
    """Return the standard deviation of the noise in a frame's differences, by their median."""
    values = np.abs(error[:, usable > 0.5])
    return max(_NOISE_FLOOR, 1.4826 * float(np.median(values))) if values.size else _NOISE_FLOOR


def robust_weights(error: Planes, predicted: Planes, usable: Floats, noise: float) -> Floats:
    """Return the weight of each pixel of a frame.

    Args:
        error: (C, h, w) the frame minus its prediction.
        predicted: (C, h, w).
        usable: (h, w) 1 or 0.
        noise: Standard deviation of the noise, in unit pixels.

    Returns:
        (h, w) 0 to 1.
    """
    down, right = slopes(predicted.mean(axis=0))
    slack = _SLACK_PX**2 * blurred(down**2 + right**2, 1.0)
    alone = np.square(error).mean(axis=0)
    near = np.stack([blurred(plane * usable, _WINDOW_PX) for plane in error])
    together = np.square(near).mean(axis=0)
    # Averaging over the window reduces the noise.
    averaged = noise**2 / (4.0 * np.pi * _WINDOW_PX**2)
    weights = usable * _falling(alone / (_ALONE**2 * (noise**2 + slack)))
    return weights * _falling(together / (_TOGETHER**2 * (averaged + slack)))


def _falling(excess: Floats) -> Floats:
    return 1.0 / np.square(1.0 + np.square(excess))
