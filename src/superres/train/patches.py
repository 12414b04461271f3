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
from superres.degrade.chain import degrade_batch
from superres.degrade.load import load_degradation
from superres.errors import ArgumentError
from superres.layers.config import NetworkConfig
from superres.synthesis.burst_config import BurstConfig
from superres.synthesis.clip_config import ClipConfig
from superres.train.recipe import Recipe
from superres.train.sample_maker import SampleMaker, burst_sample_maker, clip_sample_maker
from superres.watch import Watch

_CLEAN = "bicubic"


class Patches:
    """All pictures of a run, and what a network is shown of them.

    Args:
        pairs: The pictures.
        sample_maker: What is drawn, and what becomes of it.
        recipe: Batch and seed.
        share: Which process this is, of how many.
    """

    def __init__(
        self,
        pairs: ResidentPairs,
        sample_maker: SampleMaker,
        recipe: Recipe,
        *,
        share: tuple[int, int],
    ) -> None:
        self.scale = pairs.scale
        self.description = sample_maker.description
        self._pairs = pairs
        self._making = sample_maker
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
            Small (b, C, patch, patch) and large (b, C, scale*patch, scale*patch) in [0, 1], or what
            bursts and clips are.
        """
        recipe, (process, processes) = self._recipe, self._share
        pieces = recipe.optimizer.accumulate
        part = process * pieces + piece
        small, large = draw_patches(
            self._pairs,
            patch=self._making.edge,
            batch=recipe.data.batch,
            seed=recipe.seed,
            step=step,
            share=(part, processes * pieces),
        )
        make = self._making.make
        return make(small, large, step, part) if make else (small, large)


def load_patches(
    recipe: Recipe,
    config: NetworkConfig,
    *,
    data: tuple[Path, ...],
    pairs: tuple[Path, Path] | None,
    share: tuple[int, int],
    device: torch.device,
    watch: Watch,
) -> Patches:
    """Read a run's pictures into the device's memory.

    Args:
        recipe: Patch, batch, seed, and degradation, bursts or clips.
        config: Scale, channels and kind of input of the network.
        data: Folders, packs and files of large pictures.
        pairs: A folder of small and one of large pictures instead.
        share: Which process this is, of how many.
        device: Where the pixels shall lie.
        watch: Told of each picture that is left out.

    Raises:
        DataError: No usable pictures, or pairs that do not fit together.
        ArgumentError: Both kinds of data are given, or pairs and a degradation, or what a network
            of one frame and one of many do not share.
    """
    chain = recipe.degradation.chain
    sample_maker = _sample_maker(recipe, config, paired=pairs is not None)
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
        smallest=max(sample_maker.edge, config.minimum),
        device=device,
        watch=watch,
    )
    drawn_from = emphasised(resident, recipe.data.emphasis)
    return Patches(drawn_from, sample_maker, recipe, share=share)


def _sample_maker(recipe: Recipe, config: NetworkConfig, *, paired: bool) -> SampleMaker:
    """Return what is drawn for a step, and what becomes of it.

    Raises:
        ArgumentError: The recipe or the data are of another kind than the network's.
    """
    name = recipe.network.architecture
    kind, make = _SEQUENCES.get(config.input, ("one frame", None))
    for section, made in ((recipe.burst, "bursts"), (recipe.clips, "clips")):
        if section is not None and kind != made:
            raise ArgumentError(
                f"the recipe makes {made}, {name} takes {kind}",
                f"leave [{'burst' if made == 'bursts' else made}] out, or choose another network: "
                "docs/networks.md",
            )
    if make is None:
        return _pair_maker(recipe, config.scale, paired=paired)
    if paired or recipe.degradation.chain != _CLEAN:
        what = "paired folders" if paired else f"the degradation {recipe.degradation.chain}"
        raise ArgumentError(
            f"{name} takes {kind}, which {what} cannot make",
            "give large pictures with --data; [burst] or [clips] of the recipe says how frames "
            "are made",
        )
    return make(recipe, config.scale)


def _bursts(recipe: Recipe, scale: int) -> SampleMaker:
    return burst_sample_maker(recipe.burst or BurstConfig(), recipe, scale)


def _clips(recipe: Recipe, scale: int) -> SampleMaker:
    return clip_sample_maker(recipe.clips or ClipConfig(), recipe, scale)


# What networks of more than single pictures are shown, and what makes it of large pictures.
_SEQUENCES: dict[str, tuple[str, Callable[[Recipe, int], SampleMaker]]] = {
    "burst": ("bursts", _bursts),
    "video": ("clips", _clips),
}


def _pair_maker(recipe: Recipe, scale: int, *, paired: bool) -> SampleMaker:
    """Return what makes small patches of large ones, for networks of single pictures."""
    patch, chain = recipe.data.patch, recipe.degradation.chain
    if paired:
        return SampleMaker(patch, "unknown: the small pictures were given")
    if chain == _CLEAN:
        words = "bicubic as MATLAB's imresize makes it (antialiased), rounded to 8 bits"
        return SampleMaker(patch, words)
    degradation = load_degradation(chain, recipe.degradation.changes)

    def degraded(_: Tensor, large: Tensor, step: int, part: int) -> tuple[Tensor, Tensor]:
        small = degrade_batch(large, degradation, scale=scale, seed=(recipe.seed, step, part))
        return small.contiguous(memory_format=torch.channels_last), large

    changed = ", with the recipe's changes" if recipe.degradation.changes else ""
    return SampleMaker(patch, f"the chain {chain} of superres degrade{changed}", degraded)
