import pytest
import torch
from torch import nn

from superres.layers.deconvolution import deconvolution
from superres.layers.initialisation import (
    init_delta_orthogonal,
    init_detail,
    init_identity,
    init_rectified,
)


@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_a_signal_keeps_its_strength_through_many_rectified_layers(slope):
    torch.manual_seed(0)
    layers = [nn.Conv2d(64, 64, 3, padding=1, padding_mode="circular") for _ in range(10)]
    network = nn.Sequential(*(nn.Sequential(layer, nn.LeakyReLU(slope)) for layer in layers))
    init_rectified(network, slope=slope)
    with torch.inference_mode():
        strength = network(torch.randn(4, 64, 16, 16)).square().mean()
    assert 0.3 < strength < 3  # without the slope in the formula it would be 0.7**10 or 1.4**10


def test_a_deconvolution_keeps_a_rectified_signals_strength_too():
    torch.manual_seed(0)
    layer = deconvolution(64, 64, kernel=4, factor=2)
    init_rectified(layer)
    with torch.inference_mode():
        large = layer(torch.randn(4, 64, 16, 16).relu())[..., 1:-1, 1:-1]
    assert 0.8 < large.square().mean() < 1.25


def test_a_chain_of_rotations_keeps_every_pixel_and_its_energy_in_place():
    torch.manual_seed(0)
    layers = [nn.Conv2d(16, 16, 3, padding=1) for _ in range(32)]
    init_delta_orthogonal(layers, slope=1.0)  # a slope of 1 rectifies nothing
    x = torch.zeros(1, 16, 7, 9)
    x[0, :, 3, 4] = torch.randn(16)
    with torch.inference_mode():
        y = nn.Sequential(*layers)(x)
    energy_HW = y.square().sum((0, 1))
    torch.testing.assert_close(energy_HW[3, 4], x.square().sum())
    assert energy_HW.sum() == energy_HW[3, 4]


def test_rotations_keep_a_rectified_signals_strength():
    torch.manual_seed(0)
    layers = [nn.Conv2d(64, 64, 3, padding=1) for _ in range(10)]
    init_delta_orthogonal(layers, slope=0.25)
    network = nn.Sequential(*(nn.Sequential(layer, nn.LeakyReLU(0.25)) for layer in layers))
    with torch.inference_mode():
        strength = network(torch.randn(4, 64, 16, 16)).square().mean()
    assert 0.3 < strength < 3


def test_a_layer_led_by_detail_hardly_sees_how_bright_its_surroundings_are():
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 16, 5, bias=False)
    before = layer(torch.ones(1, 3, 5, 5)).abs().mean()
    init_detail(layer, gain=1.0)
    assert layer(torch.ones(1, 3, 5, 5)).abs().mean() < 0.4 * before


def test_a_chain_that_hands_on_begins_as_its_input():
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 4, 3, padding=1)]
    layers.append(nn.Conv2d(4, 1, 5, padding=2))
    init_identity(layers)
    x = torch.rand(2, 1, 9, 9)
    with torch.inference_mode():
        y = layers[2](layers[1](layers[0](x).relu()).relu())
    torch.testing.assert_close(y, x)
