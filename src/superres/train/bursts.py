"""The bursts of a step and their truths, made anew from the large pictures."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from superres.degrade.burst import burst_canvas, make_bursts
from superres.degrade.burst_config import BurstConfig
from superres.train.making import Making
from superres.train.recipe import Recipe

_SALT = 0xC0947  # so that counts are other numbers than what patches are drawn by


def making_of_bursts(config: BurstConfig, recipe: Recipe, scale: int) -> Making:
    """Return how bursts are made of large patches alone; all of a step have as many frames.

    Input is (b, T, C + 3, patch, patch), truth (b, C, scale*patch, scale*patch).
    """
    patch, seed = recipe.data.patch, recipe.seed

    def make(_: Tensor, large: Tensor, step: int, part: int) -> tuple[Tensor, Tensor]:
        return make_bursts(
            large,
            config,
            scale=scale,
            patch=patch,
            count=frame_count(config.frames, (seed, step)),
            seed=(seed, step, part),
        )

    description = (
        f"bursts of up to {config.frames} frames, moved by up to {config.shift:g} px and "
        f"{config.turn_degrees:g} degrees, noise of {config.noise[0]:g} to "
        f"{config.noise[1]:g} of 255, made small by MATLAB's bicubic"
    )
    return Making(burst_canvas(config, patch), description, make)


def frame_count(most: int, seed: tuple[int, ...]) -> int:
    """Return how many frames the bursts of a step have: 1 to `most`, drawn evenly."""
    return int(np.random.default_rng((*seed, _SALT)).integers(1, most + 1))
