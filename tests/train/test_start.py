"""What a run starts from, and what of it stays as it is."""

import numpy as np
import pytest
import pyvips
import torch

from superres.errors import RecipeError
from superres.modelfiles.checkpoint import load_network
from superres.networks.catalog import network_config
from superres.optim.schedule import Budget
from superres.train.loop import TrainingOptions, train
from superres.train.recipe import NetworkSection
from superres.train.recipe_file import load_recipe
from superres.train.start import freeze
from superres.watch import Watch

SMALL = ("network.config.features=8", "network.config.blocks=1", "data.patch=8", "data.batch=2")


def section(*frozen):
    return NetworkSection(architecture="lean", frozen=frozen)


def build():
    return network_config("lean", {"features": 8, "blocks": 1}).build()


def test_frozen_parameters_end_as_they_began_and_others_do_not(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    picture = tmp_path / "large.png"
    pyvips.Image.new_from_array(pixels).write_to_file(str(picture))
    recipe = load_recipe("default-x4", [*SMALL, 'network.frozen=["head.", "body."]'])
    report = train(
        recipe,
        TrainingOptions(tmp_path / "run", (picture,), budget=Budget(steps=3)),
        watch=Watch(),
    )
    torch.manual_seed(recipe.seed)
    before = network_config("lean", recipe.network.config).build().state_dict()
    after = load_network(report.model)[0].state_dict()
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert same == {name for name in before if name.startswith(("head.", "body."))}


def test_a_name_that_fits_no_parameter_is_an_error_that_lists_them():
    with pytest.raises(RecipeError, match=r"'neck\.', but no parameter of lean starts with it"):
        freeze(build(), section("head.", "neck."))


def test_something_is_left_to_train():
    with pytest.raises(RecipeError, match="leaves no parameter of lean to train"):
        freeze(build(), section("head.", "body.", "tail."))
