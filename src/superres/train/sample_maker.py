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

_SALT = 0xC0947  # so that frame counts are independent of the drawing of patches

# Takes small and large patches, the step's number and the shard of its batch; randomness may depend
# only on the last two and the recipe's seed.
Make = Callable[[Tensor, Tensor, int, int], tuple[Tensor, Tensor]]


@dataclass(frozen=True, slots=True)
class SampleMaker:
    """The patches to draw for a step, and their conversion into input and truth.

    Attributes:
        edge: Edge of the drawn patches, in small pixels.
        description: The origin of the network's input, for the card.
        make: Makes input and truth; None takes the small and the large patches.
    """

    edge: int
    description: str
    make: Make | None = None


def burst_sample_maker(config: BurstConfig, recipe: Recipe, scale: int) -> SampleMaker:
    """Return the sample maker of bursts, from large patches; all bursts of a step are equally long.

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
    """Return the number of frames in a step's bursts: 1 to `most`, uniformly drawn."""
    return int(np.random.default_rng((*seed, _SALT)).integers(1, most + 1))


def clip_sample_maker(config: ClipConfig, recipe: Recipe, scale: int) -> SampleMaker:
    """Return the sample maker of clips, from large patches.

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
