"""RCAN: the paper's size, and the effect of pooling over the frame."""

import torch
from torch import nn

from superres.networks.rcan import RcanConfig


def test_the_default_has_the_papers_parameters():
    with torch.device("meta"):
        network = RcanConfig().build()
    count = sum(p.numel() for p in network.parameters())
    assert count == 15_592_355  # 15.59 M in the tables of those who compare with it


def test_names_are_those_of_the_authors_checkpoints():
    with torch.device("meta"):
        names = set(RcanConfig().build().state_dict())
    assert {"head.0.weight", "body.0.body.0.body.3.conv_du.2.bias"} <= names
    assert {"body.9.body.20.weight", "body.10.weight", "tail.0.2.weight", "tail.1.bias"} <= names


def test_a_far_pixel_has_an_influence_through_the_pooled_means_alone():
    torch.manual_seed(0)
    config = RcanConfig(features=8, groups=1, blocks=1, reduction=4, scale=2)
    network = config.build().double()
    before = torch.rand(1, 3, 40, 8, dtype=torch.float64)
    after = before.clone()
    after[..., -1, :] += 1.0
    rows = slice(0, 20)
    with torch.inference_mode():
        assert not torch.equal(network(after)[..., rows, :], network(before)[..., rows, :])
        for name, layer in network.named_modules():
            if name.endswith("conv_du"):  # weights that no longer depend on the means
                assert isinstance(layer, nn.Sequential)
                assert isinstance(layer[2].weight, nn.Parameter)
                layer[2].weight.zero_()
        assert torch.equal(network(after)[..., rows, :], network(before)[..., rows, :])
    assert not config.exact_halo


def test_no_fresh_weighing_begins_shut():
    torch.manual_seed(0)
    network = RcanConfig(groups=1).build()
    shut = []

    def note(layer, inputs, output):
        shut.append(not bool((output > 0).any()))

    for name, layer in network.named_modules():
        if name.endswith("conv_du.1"):
            layer.register_forward_hook(note)
    with torch.inference_mode():
        network(torch.rand(1, 3, 8, 8))
    assert shut == [False] * 20
