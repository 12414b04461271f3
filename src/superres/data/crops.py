"""Patches of a step: aligned random crops of small and large, with equal flips and rotations."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from superres.data.resident import ResidentPairs


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
    places = torch.from_numpy(np.random.default_rng((seed, step)).random((batch, 4)))
    part, parts = shard
    places = places[part * batch // parts : (part + 1) * batch // parts]
    sizes = pairs.sizes
    likely = sizes.prod(1).double()
    ends = (likely if pairs.weights is None else likely * pairs.weights).cumsum(0)
    chosen = torch.searchsorted(ends, places[:, 0].contiguous() * ends[-1], right=True)
    rooms = sizes[chosen] - patch + 1
    corners = (places[:, 1:3] * rooms).long()
    symmetry = (places[:, 3] * 8).long()

    small = _gather(pairs.small, pairs.starts[chosen], sizes[chosen, 1], corners, symmetry, patch)
    s = pairs.scale
    large = _gather(
        pairs.large,
        pairs.starts[chosen] * s * s,
        sizes[chosen, 1] * s,
        corners * s,
        symmetry,
        patch * s,
    )
    return small, large


def _gather(
    pixels: Tensor, starts: Tensor, widths: Tensor, corners: Tensor, symmetry: Tensor, patch: int
) -> Tensor:
    """Return (B, C, patch, patch) in [0, 1]; flips and turns are applied to the indices."""
    device = pixels.device
    starts, widths, corners, symmetry = (
        value.to(device).view(-1, 1, 1) if value.ndim == 1 else value.to(device)
        for value in (starts, widths, corners, symmetry)
    )
    line = torch.arange(patch, device=device)
    rows, columns = line.view(1, -1, 1), line.view(1, 1, -1)
    turned = (symmetry & 4) > 0
    y = torch.where(turned, columns, rows)
    x = torch.where(turned, rows, columns)
    y = torch.where((symmetry & 1) > 0, patch - 1 - y, y)
    x = torch.where((symmetry & 2) > 0, patch - 1 - x, x)
    index = starts + (y + corners[:, 0].view(-1, 1, 1)) * widths + x + corners[:, 1].view(-1, 1, 1)
    patches_BHWC = pixels[index.reshape(-1)].reshape(*index.shape, -1)
    return patches_BHWC.permute(0, 3, 1, 2).float().div_(255.0)
