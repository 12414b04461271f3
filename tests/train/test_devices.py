from __future__ import annotations

import pytest
import torch
from torch import nn

from superres.train.devices import Devices, open_fabric
from superres.train.recipe_file import load_recipe
from superres.watch import Watch


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_network_sees_pictures_unrounded(precision):
    recipe = load_recipe("default-x4", [f"precision={precision}"])
    fabric = open_fabric(Devices("cpu"), recipe, watch=Watch())
    network = fabric.setup(nn.Identity())
    levels = torch.arange(256) / 255  # bf16 rounds nearly all of them
    assert torch.equal(network(levels), levels)


def test_convolutions_run_in_the_precision_asked_for():
    recipe = load_recipe("default-x4", ["precision=bf16"])
    fabric = open_fabric(Devices("cpu"), recipe, watch=Watch())
    seen: list[torch.dtype] = []
    convolution = nn.Conv2d(1, 1, 1)
    convolution.register_forward_hook(lambda layer, given, answer: seen.append(answer.dtype))
    network = fabric.setup(nn.Sequential(convolution))
    assert network(torch.zeros(1, 1, 4, 4)).dtype == torch.float32
    assert seen == [torch.bfloat16]
