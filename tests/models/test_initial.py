import pytest
import torch
from torch import nn

from superres.models.deconvolution import deconvolution
from superres.models.initial import begin_rectified


@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_a_signal_keeps_its_strength_through_many_rectified_layers(slope):
    torch.manual_seed(0)
    layers = [nn.Conv2d(64, 64, 3, padding=1, padding_mode="circular") for _ in range(10)]
    network = nn.Sequential(*(nn.Sequential(layer, nn.LeakyReLU(slope)) for layer in layers))
    begin_rectified(network, slope=slope)
    with torch.inference_mode():
        strength = network(torch.randn(4, 64, 16, 16)).square().mean()
    assert 0.3 < strength < 3  # without the slope in the formula it would be 0.7**10 or 1.4**10


def test_a_deconvolution_keeps_a_rectified_signals_strength_too():
    torch.manual_seed(0)
    layer = deconvolution(64, 64, kernel=4, factor=2)
    begin_rectified(layer)
    with torch.inference_mode():
        large = layer(torch.randn(4, 64, 16, 16).relu())[..., 1:-1, 1:-1]
    assert 0.8 < large.square().mean() < 1.25
