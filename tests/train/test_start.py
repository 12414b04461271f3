"""What a run starts from, and what of it stays as it is."""

import numpy as np
import pytest
import pyvips
import torch

from superres.errors import RecipeError
from superres.models.catalog import network_config
from superres.models.checkpoint import load_network
from superres.train.loop import RunOptions, train
from superres.train.recipe import NetworkSection
from superres.train.recipe_file import load_recipe
from superres.train.schedule import Budget
from superres.train.start import freeze

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
        RunOptions(tmp_path / "run", (picture,), budget=Budget(steps=3)),
        notice=lambda line: None,
    )
    torch.manual_seed(recipe.seed)
    before = network_config("lean", recipe.network.config).build().state_dict()
    after = load_network(report.model)[0].state_dict()
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert same == {name for name in before if name.startswith(("head.", "body."))}


def test_a_name_that_fits_no_parameter_is_an_error_that_lists_them():
    with pytest.raises(RecipeError, match=r"'neck\.', no parameter of lean begins so"):
        freeze(build(), section("head.", "neck."))


def test_something_is_left_to_train():
    with pytest.raises(RecipeError, match="leaves no parameter of lean to train"):
        freeze(build(), section("head.", "body.", "tail."))


@pytest.mark.parametrize("architecture", ["span", "gated"])
def test_published_weights_of_a_merged_form_are_trained_as_they_are(tmp_path, architecture):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    picture, published = tmp_path / "large.png", tmp_path / "span.pth"
    pyvips.Image.new_from_array(pixels).write_to_file(str(picture))
    torch.manual_seed(0)
    theirs = network_config("span", {"features": 8, "fused": True}).build().state_dict()
    torch.save(theirs, published)
    changes = [
        *("network.config.features=8", "data.patch=8", "data.batch=2"),
        f"network.start_from={published}",
    ]
    if architecture == "span":
        changes += ["network.config.fused=true"]
    else:
        changes += ["network.config.residual=false"]
        changes += ['network.fresh=["looks.", "refinements."]']
    lines: list[str] = []
    report = train(
        load_recipe(f"{architecture}-x4", changes),
        RunOptions(tmp_path / "run", (picture,), budget=Budget(steps=2)),
        notice=lines.append,
    )
    assert any("start from span, the others afresh" in line for line in lines)
    after = load_network(report.model)[0].state_dict()
    assert theirs.keys() <= after.keys()
    # Biases may move by less than they are rounded to, in two steps of a warm-up.
    matrices = {name: value for name, value in theirs.items() if value.ndim > 1}
    moved = [(after[name] - value).abs().max() for name, value in matrices.items()]
    assert all(0 < step < 0.001 for step in moved)
