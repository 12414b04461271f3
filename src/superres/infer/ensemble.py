"""Geometric self-ensemble: a network's mean output over the eight flips and rotations."""

from __future__ import annotations

from collections.abc import Callable

from superres.images.canvas import HOST, Canvas, Planes

_RUNS = 8


def run_ensemble(
    run: Callable[[Planes], Planes], tiles_NCHW: Planes, canvas: Canvas = HOST
) -> Planes:
    """Run a network on the eight orientations of its input, turn the outputs back, and average.

    From Timofte et al., CVPR 2016, "Seven ways to improve example-based single image super
    resolution". Quarter turns of a tile that is not square swap its sides.

    Args:
        run: Maps (N, C, h, w) to (N, C, s*h, s*w), for both orders of the sides.
        tiles_NCHW: (N, C, h, w) float32.
        canvas: Where they lie.

    Returns:
        (N, C, s*h, s*w) float32.
    """
    total: Planes | None = None
    # Orientations of one shape are consecutive, for runtimes that compile for a shape.
    for turns in (0, 2, 1, 3):
        turned = canvas.turned(tiles_NCHW, turns)
        for flip in (False, True):
            answer = run(canvas.flipped(turned) if flip else turned)
            restored = canvas.turned(canvas.flipped(answer) if flip else answer, -turns)
            total = restored if total is None else total + restored
    assert total is not None
    return total * (1 / _RUNS)
