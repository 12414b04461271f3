"""How much a restored video flickers: where it moves otherwise than the truth, and what it changes.

tOF: M. Chu, Y. Xie, J. Mayer, L. Leal-Taixé, N. Thuerey, "Learning temporal coherence via
self-supervision for GAN-based video generation", 2020: the mean absolute difference between the
motion of the restored frames and that of the true ones, here of rows plus columns. The authors'
program prints the mean length of the difference instead, of Farneback's flow.

Warping error: W.-S. Lai, J.-B. Huang, O. Wang, E. Shechtman, E. Yumer, M.-H. Yang, "Learning blind
video temporal consistency", 2018: the mean squared difference between each frame and the next one
brought back along the motion, over pixels that both show. Motion and mask are those of the truth,
where the paper's are the input's.

Both go by the flow in `flow`, so numbers of other programs are not to be put beside these.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from flow import Flow, Plane, dense_flow, followed, seen_in_both
from superres.errors import ArgumentError
from superres.metrics.protocol import PEAK, Protocol, comparable

Frame = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Flicker:
    """How a restored video changes from frame to frame; 0 everywhere is best.

    Attributes:
        tof_px: tOF, pixels a frame: the mean over pixels and pairs of frames of how far the motion
            differs along rows plus how far along columns.
        warping_error: Of the restored frames, on a scale of 0 to 1; the mean over pairs of frames.
            NaN if no two frames of the truth show the same.
        true_warping_error: The same of the truth, which no restoration should fall far below.
    """

    tof_px: float
    warping_error: float
    true_warping_error: float


def flicker(
    restored: Iterable[Frame], truth: Iterable[Frame], *, protocol: Protocol | None = None
) -> Flicker:
    """Compare how two videos change from frame to frame; of each, two frames are held at a time.

    Args:
        restored: Frames as for `psnr`, at least two.
        truth: As many, of the same shape and dtype.
        protocol: How they are compared; None is `Protocol()`. Of RGB, luma is compared.

    Raises:
        ArgumentError: The frames cannot be compared (see `protocol.comparable`), the protocol asks
            for RGB, there are fewer than two, or not as many of one as of the other.
    """
    protocol = protocol or Protocol()
    if protocol.channels != "luma":
        raise ArgumentError(
            "motion is taken from luma, the protocol asks for RGB", 'use Protocol(channels="luma")'
        )
    differences: list[float] = []
    errors: list[float] = []
    true_errors: list[float] = []
    last: tuple[Plane, Plane] | None = None
    for ours, true in _planes(restored, truth, protocol):
        if last is not None:
            motion = dense_flow(last[1], true)
            differences.append(flow_difference(dense_flow(last[0], ours), motion))
            seen = seen_in_both(motion, dense_flow(true, last[1]))
            if seen.any():
                errors.append(warping_error(last[0], ours, motion, seen))
                true_errors.append(warping_error(last[1], true, motion, seen))
        last = ours, true
    if not differences:
        raise ArgumentError("flicker is seen in two frames at least", "compare longer videos")
    return Flicker(_mean(differences), _mean(errors), _mean(true_errors))


def flow_difference(one: Flow, other: Flow) -> float:
    """Return the mean absolute difference of two flows, rows and columns added, in pixels."""
    return float(np.abs(one - other).sum(axis=0).mean())


def warping_error(first: Plane, second: Plane, flow: Flow, seen: NDArray[np.bool_]) -> float:
    """Return the mean squared difference along a flow, on a scale of 0 to 1.

    Args:
        first: (H, W) on a scale of 0 to 255.
        second: The next plane, same shape.
        flow: (2, H, W), from the first to the second.
        seen: (H, W), the pixels that count; at least one.
    """
    difference = (followed(second, flow)[0] - first)[seen] / PEAK
    return float(np.square(difference, dtype=np.float64).mean())


def _planes(
    restored: Iterable[Frame], truth: Iterable[Frame], protocol: Protocol
) -> Iterator[tuple[Plane, Plane]]:
    """Yield what is compared of each frame, (H, W) on a scale of 0 to 255."""
    for number, (ours, true) in enumerate(zip_longest(restored, truth)):
        if ours is None or true is None:
            raise ArgumentError(
                f"the {'restored' if ours is None else 'true'} video ends after {number} frames, "
                "the other goes on",
                "compare videos of the same frames",
            )
        one, other = comparable(ours, true, protocol)
        yield one[..., 0].astype(np.float32), other[..., 0].astype(np.float32)


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
