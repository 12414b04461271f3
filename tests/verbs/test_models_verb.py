from __future__ import annotations

import json
from pathlib import Path

import pytest

from superres.cli.main import main
from superres.layers.graphs import image_graphs
from superres.modelfiles.card import Card, DataSource, Score, Training
from superres.modelfiles.files import ModelFile

CARD = Card(
    name="tiny-x3",
    architecture="espcn",
    config={"scale": 3, "features": 8},
    scale=3,
    halo=4,
    graphs=image_graphs(3, 3),
    parameters=12345,
    licence="CC0-1.0",
    training=Training(
        data=(DataSource(name="Drawings", licence="CC0-1.0"),), steps=2000, minutes=1.5
    ),
    scores=(Score(set="Set5", psnr_db=30.125, ssim=0.875, protocol="luma, border 3 px"),),
    weights_sha256="ab" * 32,
)


@pytest.fixture(autouse=True)
def _one_model(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ModelFile(CARD, onnx=Path("w/tiny-x3.onnx"), safetensors=None)
    monkeypatch.setattr("superres.zoo.embedded_models", lambda: [model])
    monkeypatch.setattr("superres.zoo.on_hub", list)
    monkeypatch.setattr("superres.zoo.lookup", lambda name: model)


@pytest.mark.parametrize("words", [["models"], ["models", "list"]])
def test_models_are_listed_with_their_needs_and_scores(words, capsys):
    assert main(words) == 0
    header, row, *_ = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["name", "scale", "network"]
    assert row.split() == [
        "tiny-x3",
        "×3",
        "espcn",
        "12,345",
        "Set5",
        "30.12",
        "CC0-1.0",
        "package",
    ]


def test_models_of_the_hub_are_listed_beside_those_of_the_package(monkeypatch, capsys):
    monkeypatch.setattr("superres.zoo.on_hub", lambda: [CARD.model_copy(update={"name": "far-x3"})])
    assert main(["models"]) == 0
    told = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [(line[0], line[-1]) for line in told[1:3]] == [
        ("tiny-x3", "package"),
        ("far-x3", "hub"),
    ]
    assert main(["models", "--json"]) == 0
    (far,) = json.loads(capsys.readouterr().out)["hub"]
    assert far["scores"][0]["psnr_db"] == 30.125


@pytest.mark.parametrize("words", [["models", "--json"], ["models", "list", "--json"]])
def test_the_list_as_json_holds_the_cards(words, capsys):
    assert main(words) == 0
    (told,) = json.loads(capsys.readouterr().out)["models"]
    assert told["scores"][0]["psnr_db"] == 30.125
    assert told["files"] == {"onnx": str(Path("w/tiny-x3.onnx"))}


def test_recipes_without_a_model_of_their_name_are_listed_for_training(monkeypatch, capsys):
    model = ModelFile(CARD.model_copy(update={"name": "espcn-x4"}), onnx=None, safetensors=None)
    monkeypatch.setattr("superres.zoo.embedded_models", lambda: [model])
    assert main(["models"]) == 0
    told = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["vdsr-x4", "×4", "vdsr"] in told
    assert ["espcn-x4", "×4", "espcn"] not in told
    assert main(["models", "--json"]) == 0
    recipes = json.loads(capsys.readouterr().out)["recipes"]
    assert {"name": "vdsr-x4", "architecture": "vdsr", "scale": 4} in recipes


def test_the_card_is_shown_line_by_line_without_what_is_empty(capsys):
    assert main(["models", "info", "tiny-x3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "halo          4 input px" in lines
    assert "data          Drawings (CC0-1.0)" in lines
    assert "score         Set5: 30.12 dB, SSIM 0.8750; luma, border 3 px" in lines
    assert not any(line.startswith("started from") for line in lines)


def test_the_card_of_a_model_that_is_not_here_says_how_it_comes(monkeypatch, capsys):
    model = ModelFile(CARD, onnx=None, safetensors=None)
    monkeypatch.setattr("superres.zoo.lookup", lambda name: model)
    assert main(["models", "info", "tiny-x3"]) == 0
    assert "superres models pull" in capsys.readouterr().out.splitlines()[-1]


def test_the_card_as_json_is_the_card(capsys):
    assert main(["models", "info", "tiny-x3", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    del told["files"]
    assert Card.model_validate(told) == CARD


@pytest.fixture
def _pulls(monkeypatch: pytest.MonkeyPatch) -> None:
    def pull(name, *, watch):
        watch.note(f"fetching {name}")
        watch.progress(1, 2)
        return [Path("cache/a.onnx"), Path("cache/a.safetensors")]

    monkeypatch.setattr("superres.zoo.download", pull)


@pytest.mark.usefixtures("_pulls")
def test_pulling_prints_where_the_files_lie_and_says_what_it_fetches_beside(capsys):
    assert main(["models", "pull", "a"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [str(Path("cache/a.onnx")), str(Path("cache/a.safetensors"))]
    assert err == "fetching a\n"


@pytest.mark.usefixtures("_pulls")
def test_pulling_as_json_lists_the_files(capsys):
    assert main(["models", "pull", "a", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {
        "name": "a",
        "files": [str(Path("cache/a.onnx")), str(Path("cache/a.safetensors"))],
    }


def test_a_model_of_many_frames_says_so(monkeypatch, capsys):
    assert main(["models", "info", "tiny-x3"]) == 0
    assert "frames" not in capsys.readouterr().out
    many = ModelFile(CARD.model_copy(update={"input": "burst"}), onnx=None, safetensors=None)
    monkeypatch.setattr("superres.zoo.lookup", lambda name: many)
    assert main(["models", "info", "tiny-x3"]) == 0
    assert "frames        any number: superres burst runs it" in capsys.readouterr().out
