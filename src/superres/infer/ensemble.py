"""Geometric self-ensemble: a network's mean output over the eight flips and rotations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Tiles = NDArray[np.float32]
_HEIGHT, _WIDTH = 2, 3  # axes of (N, C, H, W)


def run_ensemble(run: Callable[[Tiles], Tiles], tiles_NCHW: Tiles) -> Tiles:
    """Run a network on the eight orientations of its input, turn the outputs back, and average.

    From Timofte et al., CVPR 2016, "Seven ways to improve example-based single image super
    resolution". Quarter turns of a tile that is not square swap its sides.

    Args:
        run: Maps (N, C, h, w) to (N, C, s*h, s*w), for both orders of the sides.
        tiles_NCHW: (N, C, h, w) float32.

    Returns:
        (N, C, s*h, s*w) float32.
    """
    total: Tiles | None = None
    # Orientations of one shape are consecutive, for runtimes that compile for a shape.
    for turns, flip in ((0, False), (0, True), (2, False), (2, True),
                        (1, False), (1, True), (3, False), (3, True)):  # fmt: skip
        answer = _restore(run(_orient(tiles_NCHW, turns, flip)), turns, flip)
        if total is None:
            total = answer.copy()
        else:
            total += answer
    assert total is not None
    return np.multiply(total, np.float32(1 / 8), out=total)


def _orient(tiles_NCHW: Tiles, turns: int, flip: bool) -> Tiles:
    turned = np.rot90(tiles_NCHW, turns, (_HEIGHT, _WIDTH))
    return np.ascontiguousarray(turned[..., ::-1] if flip else turned)


def _restore(answers_NCHW: Tiles, turns: int, flip: bool) -> Tiles:
    flipped = answers_NCHW[..., ::-1] if flip else answers_NCHW
    return np.rot90(flipped, -turns, (_HEIGHT, _WIDTH))
