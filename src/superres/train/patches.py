"""The pairs of patches of a step, as the recipe's degradation makes them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from superres.data.crops import draw_patches
from superres.data.emphasis import emphasised
from superres.data.folders import find_pictures
from superres.data.pairs import load_resident_pairs
from superres.data.resident import ResidentPairs, load_resident
from superres.degrade.burst import burst_margin
from superres.degrade.burst_config import BurstConfig
from superres.degrade.chain import degrade_batch
from superres.degrade.clip_config import ClipConfig
from superres.degrade.clips import clip_canvas
from superres.degrade.config import DegradationConfig
from superres.degrade.load import load_degradation
from superres.errors import ArgumentError
from superres.models.config import NetworkConfig
from superres.train.bursts import Bursts
from superres.train.clips import Clips
from superres.train.recipe import Recipe

_CLEAN = "bicubic"


class Patches:
    """All pictures of a run, and the chain that makes small patches of large ones.

    Args:
        pairs: The pictures.
        chain: How small patches are made of the large ones; None takes the small pictures.
        recipe: Patch, batch and seed.
        share: Which process this is, of how many.
        description: How the small patches come to be, for the card.
    """

    def __init__(
        self,
        pairs: ResidentPairs,
        chain: DegradationConfig | None,
        recipe: Recipe,
        *,
        share: tuple[int, int],
        description: str,
    ) -> None:
        self.scale = pairs.scale
        self.description = description
        self._pairs = pairs
        self._chain = chain
        self._recipe = recipe
        self._share = share

    def draw(self, step: int, piece: int) -> tuple[Tensor, Tensor]:
        """Return one piece of this process's part of a batch.

        It depends on the seed, the step and the part alone, so a run that goes on after a stop
        sees what an unbroken one would have seen.

        Args:
            step: The step's number.
            piece: Which of the pieces that the batch is cut into.

        Returns:
            Small (b, C, patch, patch) and large (b, C, scale*patch, scale*patch) in [0, 1].
        """
        recipe, (process, processes) = self._recipe, self._share
        pieces = recipe.optimizer.accumulate
        part = process * pieces + piece
        small, large = draw_patches(
            self._pairs,
            patch=recipe.data.patch,
            batch=recipe.data.batch,
            seed=recipe.seed,
            step=step,
            share=(part, processes * pieces),
        )
        if self._chain is not None:
            seed = (recipe.seed, step, part)
            degraded = degrade_batch(large, self._chain, scale=self.scale, seed=seed)
            small = degraded.contiguous(memory_format=torch.channels_last)
        return small, large


def load_patches(
    recipe: Recipe,
    config: NetworkConfig,
    *,
    data: tuple[Path, ...],
    pairs: tuple[Path, Path] | None,
    share: tuple[int, int],
    device: torch.device,
    notice: Callable[[str], None],
) -> Patches | Bursts | Clips:
    """Read a run's pictures into the device's memory.

    Args:
        recipe: Patch, batch, seed, and degradation, bursts or clips.
        config: Scale, channels and frames of the network.
        data: Folders, packs and files of large pictures.
        pairs: A folder of small and one of large pictures instead.
        share: Which process this is, of how many.
        device: Where the pixels shall lie.
        notice: Called with one line for each picture that is left out.

    Raises:
        DataError: No usable pictures, or pairs that do not fit together.
        ArgumentError: Both kinds of data are given, or pairs and a degradation, or what a network
            of one frame and one of many do not share.
    """
    chain, patch = recipe.degradation.chain, recipe.data.patch
    frames = _frames(recipe, config, paired=pairs is not None)
    if pairs is not None and (data or chain != _CLEAN):
        what = f"the degradation {chain}" if chain != _CLEAN else "other data"
        raise ArgumentError(
            f"paired folders and {what} are both asked for",
            "pairs bring their own small pictures: give them alone, with a recipe that "
            f"degrades by {_CLEAN}",
        )
    load = (
        partial(load_resident, find_pictures(data))
        if pairs is None
        else partial(load_resident_pairs, *pairs)
    )
    resident = load(
        scale=config.scale,
        channels=config.channels,
        smallest=max(_canvas(frames, patch), config.minimum),
        device=device,
        notice=notice,
    )
    drawn_from = emphasised(resident, recipe.data.emphasis)
    if isinstance(frames, BurstConfig):
        return Bursts(drawn_from, frames, recipe, share=share)
    if isinstance(frames, ClipConfig):
        return Clips(drawn_from, frames, recipe, share=share)
    if pairs is not None:
        degradation, words = None, "unknown: the small pictures were given"
    elif chain == _CLEAN:
        degradation = None
        words = "bicubic as MATLAB's imresize makes it (antialiased), rounded to 8 bits"
    else:
        degradation = load_degradation(chain, recipe.degradation.changes)
        words = f"the chain {chain} of superres degrade"
    return Patches(
        drawn_from,
        degradation,
        recipe,
        share=share,
        description=words,
    )


def _frames(
    recipe: Recipe, config: NetworkConfig, *, paired: bool
) -> BurstConfig | ClipConfig | None:
    """Return how bursts or clips are made; None for networks of one frame.

    Raises:
        ArgumentError: The recipe or the data are of another kind.
    """
    name = recipe.network.architecture
    kind = {"one": "one frame", "many": "bursts", "video": "clips"}[config.frames]
    for section, made in ((recipe.burst, "bursts"), (recipe.clips, "clips")):
        if section is not None and kind != made:
            raise ArgumentError(
                f"the recipe makes {made}, {name} takes {kind}",
                f"leave [{'burst' if made == 'bursts' else made}] out, or choose another network: "
                "docs/networks.md",
            )
    if config.frames == "one":
        return None
    if paired or recipe.degradation.chain != _CLEAN:
        what = "paired folders" if paired else f"the degradation {recipe.degradation.chain}"
        raise ArgumentError(
            f"{name} takes {kind}, which {what} cannot make",
            "give large pictures with --data; [burst] or [clips] of the recipe says how frames "
            "are made",
        )
    if config.frames == "many":
        return recipe.burst or BurstConfig()
    return recipe.clips or ClipConfig()


def _canvas(frames: BurstConfig | ClipConfig | None, patch: int) -> int:
    """Return the edge that small pictures must have."""
    if isinstance(frames, BurstConfig):
        return patch + 2 * burst_margin(frames, patch)
    return clip_canvas(frames, patch) if frames else patch
