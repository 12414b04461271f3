"""Sample makers: a step's input and truth, made from its patches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from superres.synthesis.burst_config import BurstConfig
from superres.synthesis.bursts import burst_canvas, make_bursts
from superres.synthesis.clip_config import ClipConfig
from superres.synthesis.clips import clip_canvas, make_clips
from superres.train.recipe import Recipe

_SALT = 0xC0947  # so that counts are other numbers than what patches are drawn by

# Takes small and large patches, the step's number and the shard of its batch, on which alone chance
# may depend besides the recipe's seed.
Make = Callable[[Tensor, Tensor, int, int], tuple[Tensor, Tensor]]


@dataclass(frozen=True, slots=True)
class SampleMaker:
    """What is drawn for a step, and what becomes of it.

    Attributes:
        edge: Edge of what is drawn, in small pixels.
        description: How the network's input comes to be, for the card.
        make: Makes input and truth; None takes the small and the large patches.
    """

    edge: int
    description: str
    make: Make | None = None


def burst_sample_maker(config: BurstConfig, recipe: Recipe, scale: int) -> SampleMaker:
    """Return how bursts are made of large patches alone; all of a step have as many frames.

    Input is (b, T, C + 3, patch, patch), truth (b, C, scale*patch, scale*patch).
    """
    patch, seed = recipe.data.patch, recipe.seed

    def make(_: Tensor, large: Tensor, step: int, shard: int) -> tuple[Tensor, Tensor]:
        return make_bursts(
            large,
            config,
            scale=scale,
            patch=patch,
            count=frame_count(config.frames, (seed, step)),
            seed=(seed, step, shard),
        )

    description = (
        f"bursts of up to {config.frames} frames, moved by up to {config.shift:g} px and "
        f"{config.turn_degrees:g} degrees, noise of {config.noise[0]:g} to "
        f"{config.noise[1]:g} of 255, downscaled by MATLAB's bicubic"
    )
    return SampleMaker(burst_canvas(config, patch), description, make)


def frame_count(most: int, seed: tuple[int, ...]) -> int:
    """Return how many frames the bursts of a step have: 1 to `most`, drawn evenly."""
    return int(np.random.default_rng((*seed, _SALT)).integers(1, most + 1))


def clip_sample_maker(config: ClipConfig, recipe: Recipe, scale: int) -> SampleMaker:
    """Return how clips are made of large patches alone.

    Input is (b, T, C, patch, patch), truth (b, T, C, scale*patch, scale*patch).
    """
    patch = recipe.data.patch

    def make(_: Tensor, large: Tensor, step: int, shard: int) -> tuple[Tensor, Tensor]:
        return make_clips(large, config, scale=scale, patch=patch, seed=(recipe.seed, step, shard))

    noise = f", noise of up to {config.noise[1]:g} of 255" if config.noise[1] else ""
    description = (
        f"clips of {config.frames} frames from pictures, the camera moved by up to "
        f"{config.speed:g} px a frame, up to {config.objects} things before them by up to "
        f"{config.object_speed:g}{noise}, downscaled by MATLAB's bicubic"
    )
    return SampleMaker(clip_canvas(config, patch), description, make)
