"""Patches of a run: a function of the seed and the step, made ahead or not, from any step on."""

from __future__ import annotations

import itertools

import pytest
import torch
from small_runs import write_pictures

from superres.networks.catalog import network_config
from superres.train.patches import Patches, load_patches
from superres.train.recipe_file import load_recipe
from superres.watch import Watch

RECIPE = """
name = "tiny"
[network]
architecture = "lean"
config = { scale = 2, features = 8, blocks = 2 }
[data]
patch = 24
batch = 8
[optimizer]
accumulate = 2
"""


def patches(tmp_path, degradation: str = "real", more: str = "") -> Patches:
    pictures = tmp_path / "pictures"
    if not pictures.exists():
        write_pictures(pictures, count=3, cells=12, cell_px=8)
    path = tmp_path / "tiny.toml"
    path.write_text(f'{RECIPE}\n[degradation]\nname = "{degradation}"\n{more}')
    recipe = load_recipe(str(path))
    return load_patches(
        recipe,
        network_config(recipe.network.architecture, recipe.network.config),
        data=(pictures,),
        pairs=None,
        shard=(0, 1),
        device=torch.device("cpu"),
        watch=Watch(),
    )


@pytest.mark.parametrize("degradation", ["bicubic", "real", "bsrgan"])
@pytest.mark.parametrize("depth", [1, 2, 5])
def test_batches_made_ahead_are_those_drawn_one_by_one_at_any_depth(tmp_path, degradation, depth):
    drawn = patches(tmp_path, degradation)
    batches = drawn.ahead(0, depth)
    for step, micro_batch in itertools.product(range(3), range(2)):
        expected = drawn.draw(step, micro_batch)
        found = next(batches)
        assert all(map(torch.equal, found, expected)), (step, micro_batch)
    batches.close()


def test_a_resumed_run_sees_the_batches_of_an_uninterrupted_one(tmp_path):
    drawn = patches(tmp_path)
    unbroken = list(itertools.islice(drawn.ahead(0), 8))
    resumed = list(itertools.islice(patches(tmp_path).ahead(2), 4))
    for one, other in zip(unbroken[4:], resumed, strict=True):
        assert all(map(torch.equal, one, other))
    assert not torch.equal(unbroken[0][0], unbroken[4][0])


def test_clean_samples_of_a_degraded_batch_are_the_clean_patches(tmp_path):
    clean = patches(tmp_path, "bicubic").draw(0, 0)
    mixed = patches(tmp_path, "real", "changes = { clean = 0.5 }").draw(0, 0)
    assert torch.equal(clean[1], mixed[1])
    is_clean = (clean[0] == mixed[0]).all(3).all(2).all(1)
    assert 0 < int(is_clean.sum()) < len(is_clean)


def test_clean_patches_cost_few_operations(tmp_path):
    drawn = patches(tmp_path, "bicubic")
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        drawn.draw(0, 0)
    count = sum(event.name.startswith("aten::") for event in profile.events() or ())
    assert 0 < count <= 60
