"""The verb `blend`: what it writes, what it says, and what it refuses."""

import json
from pathlib import Path

import pytest
import torch

from superres.cli.main import main
from superres.modelfiles.checkpoint import card_for, load_network, save_network
from superres.networks.catalog import network_config

CONFIG = {"scale": 2, "features": 8, "blocks": 1}


@pytest.fixture
def models(tmp_path):
    paths = []
    for seed, name in enumerate(("a", "b")):
        torch.manual_seed(seed)
        network = network_config("lean", CONFIG).build()
        paths.append(str(tmp_path / f"{name}.safetensors"))
        save_network(network, card_for(name, "lean", CONFIG), tmp_path / f"{name}.safetensors")
    return paths


def test_a_blend_is_written_and_its_path_told(models, tmp_path, capsys):
    target = tmp_path / "half.safetensors"
    assert main(["blend", *models, "-o", str(target)]) == 0
    out, err = capsys.readouterr()
    assert out == f"{target}\n"
    assert "0.5 a " in err
    assert "independently trained" in err
    network, card = load_network(target)
    assert card.name == "half"
    one, two = (load_network(tmp_path / f"{name}.safetensors")[0] for name in "ab")
    for key, weight in network.state_dict().items():
        mean = (one.state_dict()[key] + two.state_dict()[key]) / 2
        torch.testing.assert_close(weight, mean)


def test_the_report_as_json_carries_the_card(models, tmp_path, capsys):
    target = tmp_path / "x.safetensors"
    assert main(["blend", *models, "--alpha", "0.2", "-o", str(target), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["model"], told["alpha"]) == (str(target), 0.2)
    assert told["card"]["weights_sha256"] == load_network(target)[1].weights_sha256


def test_an_existing_file_is_kept_unless_told_otherwise(models, tmp_path, capsys):
    target = str(tmp_path / "c.safetensors")
    assert main(["blend", *models, "-o", target, "--alpha", "0"]) == 0
    before = load_network_hash(target)
    assert main(["blend", *models, "-o", target]) == 1
    assert "already exists" in capsys.readouterr().err
    assert load_network_hash(target) == before
    assert main(["blend", *models, "-o", target, "--overwrite"]) == 0
    assert load_network_hash(target) != before


@pytest.mark.parametrize("index", [0, 1])
def test_a_blend_never_replaces_what_it_is_made_of(index, models, capsys):
    before = load_network_hash(models[index])
    assert main(["blend", *models, "-o", models[index], "--overwrite"]) == 1
    assert "is itself an input" in capsys.readouterr().err
    assert load_network_hash(models[index]) == before


def load_network_hash(path: str) -> str:
    return load_network(Path(path))[1].weights_sha256


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["-o", "x.onnx"], 1, "does not end in .safetensors"),
        (["-o", "x.safetensors", "--alpha", "1.1"], 2, "--alpha"),
    ],
)
def test_what_cannot_be_written_is_refused(models, more, code, message, capsys):
    assert main(["blend", *models, *more]) == code
    assert message in capsys.readouterr().err


def test_an_export_can_be_blended(models, tmp_path):
    assert main(["export", models[0], "--full"]) == 0
    source, target = tmp_path / "a.onnx", tmp_path / "same.safetensors"
    (tmp_path / "a.safetensors").unlink()
    assert main(["blend", str(source), str(source), "-o", str(target)]) == 0
    theirs = load_network(source)[0].state_dict()
    assert all(torch.equal(w, theirs[k]) for k, w in load_network(target)[0].state_dict().items())
