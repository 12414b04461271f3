"""The clips of a step and their truths, made anew from the large pictures."""

from __future__ import annotations

from torch import Tensor

from superres.data.crops import draw_patches
from superres.data.resident import ResidentPairs
from superres.degrade.clip_config import ClipConfig
from superres.degrade.clips import clip_canvas, make_clips
from superres.train.recipe import Recipe


class Clips:
    """All pictures of a run, and how clips are made of them; it stands in for `Patches`.

    Args:
        pairs: The pictures; only the large ones are used.
        config: How clips move.
        recipe: Patch, batch and seed.
        share: Which process this is, of how many.
    """

    def __init__(
        self, pairs: ResidentPairs, config: ClipConfig, recipe: Recipe, *, share: tuple[int, int]
    ) -> None:
        self.scale = pairs.scale
        noise = f", noise of up to {config.noise[1]:g} of 255" if config.noise[1] else ""
        self.description = (
            f"clips of {config.frames} frames from pictures, the camera moved by up to "
            f"{config.speed:g} px a frame, up to {config.objects} things before them by up to "
            f"{config.object_speed:g}{noise}, made small by MATLAB's bicubic"
        )
        self._pairs = pairs
        self._config = config
        self._recipe = recipe
        self._share = share

    def draw(self, step: int, piece: int) -> tuple[Tensor, Tensor]:
        """Return one piece of this process's part of a batch; see `Patches.draw`.

        Returns:
            Clips (b, T, C, patch, patch) and large (b, T, C, scale*patch, scale*patch).
        """
        recipe, (process, processes) = self._recipe, self._share
        pieces = recipe.optimizer.accumulate
        part = process * pieces + piece
        patch = recipe.data.patch
        _, canvas = draw_patches(
            self._pairs,
            patch=clip_canvas(self._config, patch),
            batch=recipe.data.batch,
            seed=recipe.seed,
            step=step,
            share=(part, processes * pieces),
        )
        return make_clips(
            canvas, self._config, scale=self.scale, patch=patch, seed=(recipe.seed, step, part)
        )
