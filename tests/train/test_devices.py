from __future__ import annotations

import pytest
import torch
from torch import nn

from superres.optim.muon import Muon
from superres.train.devices import Devices, open_fabric
from superres.train.forward import Forward
from superres.train.recipe_file import load_recipe
from superres.watch import Watch


def forward_in(precision, network):
    recipe = load_recipe("default-x4", [f"precision={precision}"])
    fabric = open_fabric(Devices("cpu"), recipe, watch=Watch())
    return Forward(network, Muon([], network.parameters(), rate=0.0, other_rate=0.0), fabric)


class Aside(nn.Module):
    """A picture that goes past a layer."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(1, 1, 1)
        nn.init.zeros_(self.layer.weight)
        nn.init.zeros_(self.layer.get_parameter("bias"))

    def forward(self, x):
        return x + self.layer(x)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_network_sees_pictures_unrounded(precision):
    forward = forward_in(precision, Aside())
    levels = (torch.arange(256) / 255).view(1, 1, 16, 16)  # bf16 rounds nearly all of them
    for _ in range(3):  # from the second step on, weights are cast together
        forward.begin_step()
        assert torch.equal(forward(levels)[-1], levels)


@pytest.mark.parametrize(
    ("precision", "dtype"), [("bf16", torch.bfloat16), ("fp32", torch.float32)]
)
def test_convolutions_run_in_the_precision_asked_for(precision, dtype):
    network = nn.Sequential(nn.Conv2d(1, 1, 1))
    seen: list[torch.dtype] = []
    network[0].register_forward_hook(lambda layer, given, answer: seen.append(answer.dtype))
    forward = forward_in(precision, network)
    for _ in range(3):
        forward.begin_step()
        assert forward(torch.zeros(1, 1, 4, 4))[-1].dtype == torch.float32
    assert seen == [dtype] * 3
    assert network[0].weight.dtype == torch.float32
