"""Training patches: the small and large patches of each step."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from superres.data.ahead import made_ahead
from superres.data.crops import draw_patches
from superres.data.emphasis import emphasised
from superres.data.folders import find_pictures
from superres.data.pairs import load_resident_pairs
from superres.data.resident import ResidentPairs, load_resident
from superres.degrade.apply import degrade_batch
from superres.degrade.load import load_degradation
from superres.errors import ArgumentError
from superres.layers.config import NetworkConfig
from superres.synthesis.burst_config import BurstConfig
from superres.synthesis.clip_config import ClipConfig
from superres.train.recipe import Recipe
from superres.train.sample_maker import SampleMaker, burst_sample_maker, clip_sample_maker
from superres.watch import Watch

_CLEAN = "bicubic"
_AHEAD = 2  # batches that wait for their step


class Patches:
    """All pictures of a run, and the patches drawn from them.

    Args:
        pairs: The pictures.
        sample_maker: Converts drawn patches into the network's input and truth.
        recipe: The recipe, for batch and seed.
        shard: Rank of this process, and the number of processes.
    """

    def __init__(
        self,
        pairs: ResidentPairs,
        sample_maker: SampleMaker,
        recipe: Recipe,
        *,
        shard: tuple[int, int],
    ) -> None:
        self.scale = pairs.scale
        self.description = sample_maker.description
        self._pairs = pairs
        self._sample_maker = sample_maker
        self._recipe = recipe
        self._shard = shard

    def draw(self, step: int, micro_batch: int) -> tuple[Tensor, Tensor]:
        """Return one micro-batch of this process.

        It depends only on the seed, the step and the shard, so a resumed run sees the same patches
        as an uninterrupted one.

        Args:
            step: The step's number.
            micro_batch: Index among the `optimizer.accumulate` micro-batches.

        Returns:
            Small (b, C, patch, patch) and large (b, C, scale*patch, scale*patch) in [0, 1]; see
            `sample_maker` for bursts and clips.
        """
        recipe, (rank, ranks) = self._recipe, self._shard
        micro_batches = recipe.optimizer.accumulate
        shard = rank * micro_batches + micro_batch
        small, large = draw_patches(
            self._pairs,
            patch=self._sample_maker.edge,
            batch=recipe.data.batch,
            seed=recipe.seed,
            step=step,
            shard=(shard, ranks * micro_batches),
        )
        make = self._sample_maker.make
        return make(small, large, step, shard) if make else (small, large)

    def ahead(self, step: int, depth: int = _AHEAD) -> Generator[tuple[Tensor, ...]]:
        """Yield the micro-batches from a step on, as `draw` returns them, made ahead in a thread.

        Args:
            step: The first step's number.
            depth: Micro-batches that may wait for their use; the results do not depend on it.
        """
        keys = (
            (one, micro_batch)
            for one in itertools.count(step)
            for micro_batch in range(self._recipe.optimizer.accumulate)
        )
        return made_ahead(
            lambda key: self.draw(*key),
            keys,
            device=self._pairs.large.device,
            depth=depth,
        )


def load_patches(
    recipe: Recipe,
    config: NetworkConfig,
    *,
    data: tuple[Path, ...],
    pairs: tuple[Path, Path] | None,
    shard: tuple[int, int],
    device: torch.device,
    watch: Watch,
) -> Patches:
    """Read a run's pictures into the device's memory.

    Args:
        recipe: The recipe, for patch, batch, seed, and degradation, bursts or clips.
        config: The network's config, for scale, channels and kind of input.
        data: Folders, packs and files of large pictures.
        pairs: A folder of small and one of large pictures instead.
        shard: Rank of this process, and the number of processes.
        device: The device that holds the pixels.
        watch: Notified of skipped pictures and of other files.

    Raises:
        DataError: No usable pictures, or pairs that do not match.
        ArgumentError: Both kinds of data are given, or pairs with a degradation, or data or
            settings that the network's kind of input excludes.
    """
    if config.channels not in (1, 3):
        raise ArgumentError(
            f"a network of {config.channels} channels is requested, pictures are drawn with 1 or 3",
            "set channels to 3 (RGB) or 1 (grey) in the recipe's network.config",
        )
    degradation = recipe.degradation.name
    sample_maker = _sample_maker(recipe, config, paired=pairs is not None)
    if pairs is not None and (data or degradation != _CLEAN):
        what = f"the degradation {degradation}" if degradation != _CLEAN else "other data"
        raise ArgumentError(
            f"paired folders and {what} are both requested",
            "pairs bring their own small pictures: give them alone, with a recipe that "
            f"degrades by {_CLEAN}",
        )
    load = (
        partial(load_resident, find_pictures(data, watch))
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
    return Patches(drawn_from, sample_maker, recipe, shard=shard)


def _sample_maker(recipe: Recipe, config: NetworkConfig, *, paired: bool) -> SampleMaker:
    """Return the sample maker for the network's kind of input.

    Raises:
        ArgumentError: The recipe or the data do not suit that kind.
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
    if paired or recipe.degradation.name != _CLEAN:
        what = "paired folders" if paired else f"the degradation {recipe.degradation.name}"
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


# The input of burst and video networks, with its sample maker.
_SEQUENCES: dict[str, tuple[str, Callable[[Recipe, int], SampleMaker]]] = {
    "burst": ("bursts", _bursts),
    "video": ("clips", _clips),
}


def _pair_maker(recipe: Recipe, scale: int, *, paired: bool) -> SampleMaker:
    """Return the sample maker of small patches from large ones, for single-frame networks."""
    patch, name = recipe.data.patch, recipe.degradation.name
    if paired:
        return SampleMaker(patch, "unknown: the small pictures were given")
    if name == _CLEAN:
        words = "bicubic as in MATLAB's imresize (antialiased), rounded to 8 bits"
        return SampleMaker(patch, words)
    degradation = load_degradation(name, recipe.degradation.changes)

    def degraded(bicubic: Tensor, large: Tensor, step: int, shard: int) -> tuple[Tensor, Tensor]:
        seed = (recipe.seed, step, shard)
        small = degrade_batch(large, degradation, scale=scale, seed=seed, bicubic_BCHW=bicubic)
        return small.contiguous(memory_format=torch.channels_last), large

    changed = ", with the recipe's changes" if recipe.degradation.changes else ""
    return SampleMaker(patch, f"the degradation {name} of superres degrade{changed}", degraded)
