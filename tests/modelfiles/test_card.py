"""Cards: older formats, errors for newer ones, and graphs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from superres.errors import ModelError
from superres.layers.graphs import image_graphs
from superres.modelfiles.card import Card, check_input, parse_card
from superres.modelfiles.checkpoint import card_for
from superres.networks.catalog import network_config

# As in the files of those models.
OLD = json.loads(Path(__file__).with_name("cards_of_format_1.json").read_text())
INPUTS = {"default-x4": "image", "burst-x4": "burst", "video-x4": "video"}


@pytest.mark.parametrize("old", OLD, ids=[old["name"] for old in OLD])
def test_a_card_of_format_1_is_read_as_its_network_says(old):
    assert old["format"] == 1
    card = parse_card(json.dumps(old), "old.onnx")
    config = network_config(card.architecture, card.config)
    assert card.format == 2
    assert card.input == config.input == INPUTS[card.name]
    assert card.graphs == config.graphs
    kept = set(old) - {"format", "frames"}
    assert {key: json.loads(card.model_dump_json())[key] for key in kept} == {
        key: old[key] for key in kept
    }


@pytest.mark.parametrize(
    ("architecture", "values"),
    [
        ("burst_recurrent", {"features": 8, "nodes": 3, "channels": 1, "scale": 2}),
        ("highres_net", {"features": 8, "most": 9, "scale": 3}),
        ("video_recurrent", {"memory": 5, "scale": 3}),
        ("lean", {"scale": 2}),
    ],
)
def test_format_1_of_every_architecture_comes_to_the_graphs_of_today(architecture, values):
    card = card_for("one", architecture, values)
    old = json.loads(card.model_dump_json())
    old["frames"] = {"image": "one", "burst": "many", "video": "video"}[old.pop("input")]
    del old["graphs"]
    assert parse_card(json.dumps({**old, "format": 1}), "old") == card


def test_the_oldest_cards_say_nothing_of_frames_and_mean_one():
    old = {key: value for key, value in OLD[0].items() if key != "frames"}
    assert parse_card(json.dumps(old), "old").input == "image"


def test_cards_are_written_in_format_2_with_their_graphs():
    written = json.loads(card_for("one", "video_recurrent", {"scale": 2}).model_dump_json())
    assert written["format"] == 2
    assert "frames" not in written
    align, restore = written["graphs"]
    assert (align["name"], align["exact"], align["whole"]) == ("align", True, True)
    assert [port["scale"] for port in restore["outputs"]] == [2, 1]
    assert parse_card(json.dumps(written), "new").model_dump(mode="json") == written


def test_a_newer_card_says_that_it_is():
    with pytest.raises(ModelError, match=r"of format 7, this superres reads up to 2.*\n.*upgrade"):
        parse_card(json.dumps({**OLD[0], "format": 7}), "new.onnx")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"scale": 0}, "scale: .*greater than or equal to 1"),
        ({"input": "burst", "graphs": []}, "graphs: "),
        ({"frames": "some"}, "input: "),
        ({"architecture": "unknown", "frames": "many"}, "graphs: Field required"),
    ],
)
def test_a_card_that_cannot_be_right_is_an_error_that_names_the_field(change, reason):
    with pytest.raises(ModelError, match=reason):
        parse_card(json.dumps({**OLD[0], **change}), "bad.onnx")


def test_another_kind_of_input_is_refused_with_the_verb_that_takes_it():
    card = parse_card(json.dumps(OLD[1]), "burst.onnx")
    check_input(card, "burst")
    with pytest.raises(ModelError, match=r"takes bursts .*, videos were .*\n.*superres burst"):
        check_input(card, "video")


def test_a_graph_that_a_card_does_not_list_is_an_error():
    card = Card(
        name="one", architecture="lean", config={}, scale=2, halo=3, graphs=image_graphs(3, 2)
    )
    with pytest.raises(ModelError, match="has the graphs enlarge, step was requested"):
        card.graph("step")
