"""Blends: weights between both parents', the card, and errors for different parents."""

import pytest
import torch

from superres.errors import ArgumentError, ModelError
from superres.modelfiles.blend import blend
from superres.modelfiles.card import Card, DataSource, Score, Training
from superres.modelfiles.checkpoint import card_for, load_network, save_network
from superres.networks.catalog import network_config

CONFIG = {"scale": 2, "features": 8, "blocks": 1}
OURS, THEIRS = DataSource(name="ours", licence="CC0-1.0"), DataSource(name="theirs", licence="MIT")


def saved(folder, name, architecture="lean", config=CONFIG, seed=0, **facts):
    """Write a model with initial weights and return its file."""
    torch.manual_seed(seed)
    path = folder / f"{name}.safetensors"
    card = card_for(name, architecture, config).model_copy(update=facts)
    save_network(network_config(architecture, config).build(), card, path)
    return path


@pytest.fixture
def parents(tmp_path):
    first = saved(
        tmp_path,
        "faithful",
        licence="CC0-1.0",
        training=Training(data=(OURS,), degradation="bicubic", steps=9),
        scores=(Score(set="Set5", psnr_db=30, ssim=0.9, protocol="luma"),),
    )
    origin = f"faithful {load_network(first)[1].weights_sha256[:12]}"
    second = saved(
        tmp_path,
        "sharp",
        seed=1,
        licence="MIT",
        training=Training(data=(OURS, THEIRS), degradation="bicubic", started_from=origin),
    )
    return first, second


@pytest.mark.parametrize("alpha", [0.0, 0.25, 1.0])
def test_each_weight_is_the_mean_of_its_two_parents(parents, alpha):
    one, two = (load_network(path)[0].state_dict() for path in parents)
    between = blend(*parents, alpha=alpha, name="x").network.state_dict()
    for key, weight in between.items():
        torch.testing.assert_close(weight, (1 - alpha) * one[key] + alpha * two[key])
    if alpha in (0.0, 1.0):
        assert all(torch.equal(between[key], (one, two)[int(alpha)][key]) for key in between)


def test_the_card_names_both_parents_and_drops_their_scores(parents, tmp_path):
    one, two = (load_network(path)[1] for path in parents)
    network, card, kin = blend(*parents, alpha=0.25, name="between")
    assert kin
    assert card.training.started_from == (
        f"blend with alpha 0.25: 0.75 faithful {one.weights_sha256[:12]}"
        f" + 0.25 sharp {two.weights_sha256[:12]}"
    )
    assert (card.name, card.scores, card.training.steps) == ("between", (), 0)
    assert card.training.data == (OURS, THEIRS)
    assert card.training.degradation == "bicubic"
    assert card.licence == "CC0-1.0 and MIT"
    save_network(network, card, tmp_path / "between.safetensors")
    again = load_network(tmp_path / "between.safetensors")[1]
    needs = {"halo", "scale", "channels", "minimum", "multiple_of", "config"}
    assert again.model_dump(include=needs) == one.model_dump(include=needs)


def test_a_licence_that_one_parent_does_not_tell_is_not_told(tmp_path, parents):
    silent = saved(tmp_path, "silent", seed=2)
    _, card, kin = blend(parents[0], silent, alpha=0.5, name="x")
    assert (card.licence, card.training.degradation) == ("", "")
    assert not kin


def test_counters_are_not_averaged(tmp_path):
    path = saved(tmp_path, "counted", "srresnet", {"scale": 2, "features": 4, "blocks": 1})
    counters = {
        key: value
        for key, value in blend(path, path, alpha=0.5, name="x").network.state_dict().items()
        if not value.is_floating_point()
    }
    assert counters
    assert all(value.dtype == torch.int64 for value in counters.values())


@pytest.mark.parametrize(
    ("architecture", "config", "message"),
    [
        ("espcn", {"scale": 2}, "faithful is a lean, other is a espcn"),
        ("lean", {**CONFIG, "blocks": 2}, "faithful has blocks 1, other has blocks 2"),
        ("lean", {**CONFIG, "scale": 3}, "faithful has scale 2, other has scale 3"),
    ],
)
def test_the_first_difference_of_two_networks_is_named(
    tmp_path, parents, architecture, config, message
):
    other = saved(tmp_path, "other", architecture, config)
    with pytest.raises(ModelError, match=message):
        blend(parents[0], other, alpha=0.5, name="x")


@pytest.mark.parametrize("alpha", [-0.1, 1.5, float("nan")])
def test_an_alpha_out_of_range_is_refused(parents, alpha):
    with pytest.raises(ArgumentError, match="alpha must be 0 to 1"):
        blend(*parents, alpha=alpha, name="x")


def test_the_card_of_a_blend_can_be_blended_again(tmp_path, parents):
    network, card, _ = blend(*parents, alpha=0.5, name="x")
    path = tmp_path / "x.safetensors"
    written = save_network(network, card, path)
    assert isinstance(written, Card)
    again = blend(path, parents[0], alpha=0.5, name="y").card
    assert f"0.5 x {written.weights_sha256[:12]}" in again.training.started_from
