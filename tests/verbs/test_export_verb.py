"""The verb `export`: what it writes runs, and what it refuses."""

import json

import numpy as np
import pytest
import torch

import superres
from superres.cli.main import main
from superres.modelfiles.checkpoint import card_for, save_network
from superres.networks.catalog import network_config

CONFIG = {"scale": 2, "features": 8, "blocks": 1}


@pytest.fixture
def trained(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "mine.safetensors"
    save_network(network_config("lean", CONFIG).build(), card_for("mine", "lean", CONFIG), path)
    return path


def test_an_exported_model_stands_beside_its_source_and_upscales(trained, capsys):
    assert main(["export", str(trained)]) == 0
    target = trained.with_suffix(".onnx")
    assert capsys.readouterr().out.strip() == str(target)
    large = superres.load(str(target), precision="fp32")(np.zeros((5, 6, 3), np.uint8))
    assert large.shape == (10, 12, 3)


def test_full_weights_take_twice_the_room(trained, tmp_path):
    for name, options in (("half", []), ("full", ["--full"])):
        assert main(["export", str(trained), "-o", str(tmp_path / f"{name}.onnx"), *options]) == 0
    half, full = ((tmp_path / f"{name}.onnx").stat().st_size for name in ("half", "full"))
    assert full > half + 1000


def test_the_result_can_be_read_by_machines(trained, capsys):
    assert main(["export", str(trained), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    target = trained.with_suffix(".onnx")
    assert (told["file"], told["bytes"]) == (str(target), target.stat().st_size)
    assert (told["precision"], told["card"]["name"]) == ("fp16", "mine")


def test_an_existing_file_is_kept(trained, capsys):
    target = trained.with_suffix(".onnx")
    target.write_bytes(b"mine")
    assert main(["export", str(trained), "-o", str(target)]) == 1
    assert target.read_bytes() == b"mine"
    assert "already exists" in capsys.readouterr().err


def test_a_target_of_another_kind_is_refused(trained, tmp_path):
    assert main(["export", str(trained), "-o", str(tmp_path / "x.pt")]) == 1
