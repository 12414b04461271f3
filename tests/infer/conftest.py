"""Small networks of every architecture, written as both kinds of model files once a run."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import nn

from superres.infer.export import export_onnx
from superres.models.catalog import network_config
from superres.models.checkpoint import card_for, load_network, save_network
from superres.models.files import ModelFile, open_model_file

SHAPES = {  # few features, so that a test takes milliseconds; one scale each, all scales together
    "lean": {"features": 16, "blocks": 2, "scale": 4},
    "srcnn": {"features": [8, 4], "scale": 3},
    "fsrcnn": {"features": 8, "shrunk": 4, "mappings": 2, "scale": 2},
    "espcn": {"features": 8, "refined": 4, "scale": 3},
    "edsr": {"features": 8, "blocks": 2, "scale": 4},
}


def build_network(architecture: str) -> nn.Module:
    """Return a network whose answers are of the size of pictures, and vary."""
    torch.manual_seed(1)
    network = network_config(architecture, SHAPES[architecture]).build()
    if architecture == "fsrcnn":  # its deconvolution starts at nearly nothing
        nn.init.normal_(network.get_submodule("enlarge").get_parameter("weight"), std=0.05)
    return network


@pytest.fixture(scope="session")
def model_file(tmp_path_factory) -> Callable[[str], ModelFile]:
    """Return a function that writes an architecture's files at its first call."""
    folder: Path = tmp_path_factory.mktemp("models")

    @cache
    def write(architecture: str) -> ModelFile:
        path = folder / f"{architecture}.safetensors"
        card = card_for(f"small {architecture}", architecture, SHAPES[architecture])
        save_network(build_network(architecture), card, path, half=True)
        network, card = load_network(path)
        export_onnx(network, card, path.with_suffix(".onnx"))
        return open_model_file(path)

    return write
