"""The bursts of a step and their truths, made anew from the large pictures."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from superres.data.crops import draw_patches
from superres.data.resident import ResidentPairs
from superres.degrade.burst import burst_margin, make_bursts
from superres.degrade.burst_config import BurstConfig
from superres.train.recipe import Recipe

_SALT = 0xC0947  # so that counts are other numbers than what patches are drawn by


class Bursts:
    """All pictures of a run, and how bursts are made of them; it stands in for `Patches`.

    Args:
        pairs: The pictures; only the large ones are used.
        config: How frames differ.
        recipe: Patch, batch and seed.
        share: Which process this is, of how many.
    """

    def __init__(
        self, pairs: ResidentPairs, config: BurstConfig, recipe: Recipe, *, share: tuple[int, int]
    ) -> None:
        self.scale = pairs.scale
        self.description = (
            f"bursts of up to {config.frames} frames, moved by up to {config.shift:g} px and "
            f"{config.turn_degrees:g} degrees, noise of {config.noise[0]:g} to "
            f"{config.noise[1]:g} of 255, made small by MATLAB's bicubic"
        )
        self._pairs = pairs
        self._config = config
        self._recipe = recipe
        self._share = share

    def draw(self, step: int, piece: int) -> tuple[Tensor, Tensor]:
        """Return one piece of this process's part of a batch; see `Patches.draw`.

        All bursts of a step have as many frames.

        Returns:
            Bursts (b, T, C + 3, patch, patch) and large (b, C, scale*patch, scale*patch).
        """
        recipe, (process, processes) = self._recipe, self._share
        pieces = recipe.optimizer.accumulate
        part = process * pieces + piece
        patch = recipe.data.patch
        _, canvas = draw_patches(
            self._pairs,
            patch=patch + 2 * burst_margin(self._config, patch),
            batch=recipe.data.batch,
            seed=recipe.seed,
            step=step,
            share=(part, processes * pieces),
        )
        return make_bursts(
            canvas,
            self._config,
            scale=self.scale,
            patch=patch,
            count=frame_count(self._config.frames, (recipe.seed, step)),
            seed=(recipe.seed, step, part),
        )


def frame_count(most: int, seed: tuple[int, ...]) -> int:
    """Return how many frames the bursts of a step have: 1 to `most`, drawn evenly."""
    return int(np.random.default_rng((*seed, _SALT)).integers(1, most + 1))
