"""The clips of a step and their truths, made anew from the large pictures."""

from __future__ import annotations

from torch import Tensor

from superres.degrade.clip_config import ClipConfig
from superres.degrade.clips import clip_canvas, make_clips
from superres.train.making import Making
from superres.train.recipe import Recipe


def making_of_clips(config: ClipConfig, recipe: Recipe, scale: int) -> Making:
    """Return how clips are made of large patches alone.

    Input is (b, T, C, patch, patch), truth (b, T, C, scale*patch, scale*patch).
    """
    patch = recipe.data.patch

    def make(_: Tensor, large: Tensor, step: int, part: int) -> tuple[Tensor, Tensor]:
        return make_clips(large, config, scale=scale, patch=patch, seed=(recipe.seed, step, part))

    noise = f", noise of up to {config.noise[1]:g} of 255" if config.noise[1] else ""
    description = (
        f"clips of {config.frames} frames from pictures, the camera moved by up to "
        f"{config.speed:g} px a frame, up to {config.objects} things before them by up to "
        f"{config.object_speed:g}{noise}, made small by MATLAB's bicubic"
    )
    return Making(clip_canvas(config, patch), description, make)
