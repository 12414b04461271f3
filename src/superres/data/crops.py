"""Patches of a step: aligned random crops of small and large, with equal flips and rotations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from superres.data.resident import ResidentPairs
from superres.degrade.ragged import upload


def draw_patches(
    pairs: ResidentPairs,
    *,
    patch: int,
    batch: int,
    seed: int,
    step: int,
    shard: tuple[int, int] = (0, 1),
) -> tuple[Tensor, Tensor]:
    """Draw the patches of one step; they depend only on the seed and the step.

    There is no state between steps, so a resumed run sees the patches of an uninterrupted one.
    Pictures are drawn in proportion to their area, times their weight if they have one, so that
    all pixels of equal weight are equally likely.

    Args:
        pairs: The pictures.
        patch: Edge of the small patch in pixels.
        batch: Number of patches.
        shard: The part of the batch to gather, and the number of equal parts; all parts together
            are the batch that a single process would draw.
        seed: The run's seed.
        step: The step's number.

    Returns:
        Small (b, C, patch, patch) and large (b, C, scale*patch, scale*patch) in [0, 1], float32,
        in channels-last memory layout, on the pairs' device; b is batch / number of parts.
    """
    # Drawn by numpy, which mixes seed and step well and gives the same numbers on every machine;
    # torch's generators use only 32 bits of a seed.
    places = np.random.default_rng((seed, step)).random((batch, 4))
    part, parts = shard
    places = places[part * batch // parts : (part + 1) * batch // parts]
    sizes, starts = pairs.sizes.numpy(), pairs.starts.numpy()
    likely: NDArray[np.float64] = sizes.prod(1).astype(np.float64)
    if pairs.weights is not None:
        likely *= pairs.weights.numpy()
    ends = np.cumsum(likely)
    aims: NDArray[np.float64] = places[:, 0] * float(ends[-1])
    chosen = np.searchsorted(ends, aims, side="right")
    windows = _Windows(
        starts=starts[chosen],
        sizes=sizes[chosen],
        corners=(places[:, 1:3] * (sizes[chosen] - patch + 1)).astype(np.int64),
        symmetries=(places[:, 3] * 8).astype(np.int64),
        edge=patch,
    )
    return _cut(pairs.small, windows), _cut(pairs.large, windows.scaled(pairs.scale))


@dataclass(frozen=True, slots=True)
class _Windows:
    """Square windows of pictures that lie one after the other, row by row.

    Attributes:
        starts: (B,) first pixel of each window's picture.
        sizes: (B, 2) height and width of its picture.
        corners: (B, 2) row and column of its top left pixel.
        symmetries: From 0 to 7: 1 turns rows around, 2 columns, and 4 first swaps the two.
        edge: Edge of all windows.
    """

    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    corners: NDArray[np.int64]
    symmetries: NDArray[np.int64]
    edge: int

    def scaled(self, scale: int) -> _Windows:
        """Return the same windows of pictures larger by a whole factor."""
        return _Windows(
            self.starts * scale**2,
            self.sizes * scale,
            self.corners * scale,
            self.symmetries,
            self.edge * scale,
        )


def _cut(pixels: Tensor, windows: _Windows) -> Tensor:
    """Return patches (B, C, edge, edge) in [0, 1], flipped and turned, on the pixels' device."""
    edge, widths, symmetries = windows.edge, windows.sizes[:, 1], windows.symmetries
    # A pixel's index is linear in its row and column, also in a flipped or turned patch.
    is_up, is_left, is_turned = (symmetries & bit > 0 for bit in (1, 2, 4))
    first = windows.starts + windows.corners[:, 0] * widths + windows.corners[:, 1]
    first += np.where(is_up, (edge - 1) * widths, 0) + np.where(is_left, edge - 1, 0)
    down, right = np.where(is_up, -widths, widths), np.where(is_left, -1, 1)
    per_row, per_column = np.where(is_turned, right, down), np.where(is_turned, down, right)
    line = np.arange(edge)
    rows_BH1 = upload((first[:, None] + per_row[:, None] * line)[:, :, None], pixels.device)
    columns_B1W = upload((per_column[:, None] * line)[:, None], pixels.device)
    index_BHW = rows_BH1 + columns_B1W
    patches_BHWC = pixels.index_select(0, index_BHW.view(-1)).view(-1, edge, edge, pixels.shape[1])
    return patches_BHWC.permute(0, 3, 1, 2).float().div_(255.0)
