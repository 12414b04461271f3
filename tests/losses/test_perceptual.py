"""Perceptual losses with random trunks, against their formulas."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from superres.losses.perceptual import Perceptual, load_perceptual

LAYERS = {"conv1_2": 0.25, "relu2_1": 2.0}


@pytest.fixture
def loss(tmp_path):
    torch.manual_seed(0)
    fresh = Perceptual(LAYERS)
    save_file(fresh.state_dict(), tmp_path / "w.safetensors")
    return load_perceptual(tmp_path / "w.safetensors", LAYERS)


def test_it_is_the_weighted_sum_of_the_layers_mean_absolute_differences(loss):
    a, b = torch.rand(2, 3, 12, 10), torch.rand(2, 3, 12, 10)
    one, other = loss.features(a), loss.features(b)
    expected = sum(
        weight * np.abs(one[layer].numpy() - other[layer].numpy()).mean()
        for layer, weight in LAYERS.items()
    )
    assert expected > 0.01
    assert float(loss(a, b)) == pytest.approx(expected, rel=1e-5)


def test_its_gradient_reaches_the_restored_picture_alone(loss):
    a, b = torch.rand(1, 3, 8, 8, requires_grad=True), torch.rand(1, 3, 8, 8, requires_grad=True)
    loss(a, b).backward()
    assert a.grad is not None
    assert a.grad.abs().max() > 0
    assert b.grad is None
    assert all(one.grad is None for one in loss.parameters())


def test_before_and_after_the_rectifier_are_different_losses(loss):
    a, b = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)
    before, after = Perceptual({"conv1_1": 1.0}), Perceptual({"relu1_1": 1.0})
    after.load_state_dict(before.state_dict())
    with torch.inference_mode():
        assert before(a, b) > after(a, b) > 0
