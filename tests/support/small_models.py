"""Small networks of every architecture, written as both kinds of model files once a run."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import nn

from superres.modelfiles.checkpoint import card_for, load_network, save_network
from superres.modelfiles.files import ModelFile, open_model_file
from superres.networks.catalog import network_config
from superres.runtimes.export import export_onnx

SHAPES = {  # few features, so that a test takes milliseconds; one scale each, all scales together
    "lean": {"features": 16, "blocks": 2, "scale": 4},
    "srcnn": {"features": [8, 4], "scale": 3},
    "fsrcnn": {"features": 8, "shrunk": 4, "mappings": 2, "scale": 2},
    "espcn": {"features": 8, "refined": 4, "scale": 3},
    "edsr": {"features": 8, "blocks": 2, "scale": 4},
    "rrdb": {"features": 8, "growth": 4, "blocks": 1, "scale": 2},
    "compact": {"features": 8, "convolutions": 4, "scale": 3},
    "span": {"features": 8, "scale": 4},
    "gated": {
        **{"features": 8, "blocks": 3, "looks": 2, "pooled": 2, "refinements": 1},
        **{"fold": 2, "residual": True, "scale": 2},
    },
    "smfanet": {"features": 8, "blocks": 2, "scale": 3},
    "rcan": {"features": 8, "groups": 2, "blocks": 2, "reduction": 4, "scale": 2},
    "swinir": {
        **{"features": 12, "depths": [2, 2], "heads": 2, "window": 4, "scale": 2},
        **{"upsampler": "nearest+conv", "residual": "3conv"},
    },
    "autoencoder": {"features": 8, "code": 8, "poolings": 2, "scale": 3},
    "convlstm": {"features": 8, "steps": 2, "scale": 2},
    "unet": {"features": 8, "depth": 2, "scale": 4},
    "vdsr": {"features": 8, "layers": 4, "scale": 2},
    "drcn": {"features": 8, "recursions": 3, "scale": 3},
    "drrn": {"features": 8, "units": 2, "scale": 2},
    "srdensenet": {"growth": 4, "blocks": 2, "layers": 2, "bottleneck": 8, "scale": 3},
    "lapsrn": {"features": 8, "depth": 2, "scale": 4},
    "srresnet": {"features": 8, "blocks": 2, "scale": 2},
    "msrresnet": {"features": 8, "blocks": 2, "scale": 4},
}
BOUND = 1e-5  # how far a backend's answer may be from torch's


def build_network(architecture: str) -> nn.Module:
    """Return a network whose answers are of the size of pictures, and vary."""
    torch.manual_seed(1)
    network = network_config(architecture, SHAPES[architecture]).build()
    for layer in network.modules():  # some layers begin at nearly nothing
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)) and layer.weight.std() < 0.02:
            nn.init.normal_(layer.weight, std=0.02)
    with torch.no_grad():  # normalisations begin as the identity, until they have seen pictures
        network.train()(torch.rand(2, 3, 16, 16))
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
