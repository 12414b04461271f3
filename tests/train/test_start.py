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
        f"network.pretrained={published}",
    ]
    if architecture == "span":
        changes += ["network.config.fused=true"]
    else:
        changes += ["network.config.residual=false"]
        changes += ['network.reinitialise=["looks.", "refinements."]']
    lines: list[str] = []
    report = train(
        load_recipe(f"{architecture}-x4", changes),
        TrainingOptions(tmp_path / "run", (picture,), budget=Budget(steps=2)),
        watch=Watch(on_note=lines.append),
    )
    assert any("weights were taken from span" in line for line in lines)
    after = load_network(report.model)[0].state_dict()
    assert theirs.keys() <= after.keys()
    moved = {name: (after[name] - value).abs().max() for name, value in theirs.items()}
    assert all(step < 0.02 for step in moved.values())
    # Two steps of a warm-up may leave a single bias where it is.
    assert all(step > 0 for name, step in moved.items() if name.endswith("weight"))
