"""SPAN: the paper's size, its widened convolutions, and their merged form."""

import pytest
import torch
from torch.nn import functional

from superres.networks.span import SpanConfig


def build(**values):
    torch.manual_seed(0)
    network = SpanConfig(features=8, **values).build()
    with torch.no_grad():  # biases as large as weights: they matter at borders
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.3)
    return network


def test_the_fused_network_of_52_channels_has_the_papers_parameters():
    with torch.device("meta"):
        network = SpanConfig(features=52, fused=True).build()
    # The paper: 498 K at scale 4.
    assert sum(p.numel() for p in network.parameters()) == 498_208


def test_a_widened_convolution_is_the_authors_three_and_one_beside_them_at_borders_too():
    layer = build().double().get_submodule("block_1.c2_r")
    (w1, b1), (w2, b2), (w3, b3), (w, b) = (
        (layer.get_parameter(f"{name}.weight"), layer.get_parameter(f"{name}.bias"))
        for name in ("conv.0", "conv.1", "conv.2", "sk")
    )
    features = torch.randn(2, 8, 5, 7, dtype=torch.float64)
    # As in their training: zeros around the input, so the bias around the wide features.
    wide = functional.conv2d(functional.pad(features, (1, 1, 1, 1)), w1, b1)
    narrow = functional.conv2d(functional.conv2d(wide, w2, b2), w3, b3)
    torch.testing.assert_close(layer(features), narrow + functional.conv2d(features, w, b))


@pytest.mark.parametrize("size", [(1, 1), (9, 14)])
def test_the_fused_network_gives_the_same_answers_everywhere(size):
    network = build()
    fused = network.for_inference()
    small = torch.rand(2, 3, *size)
    with torch.inference_mode():
        torch.testing.assert_close(fused(small), network(small), rtol=1e-5, atol=1e-5)


def test_fusing_keeps_format_and_mode_and_a_fused_network_as_it_is():
    network = build(scale=2).double().eval()
    fused = network.for_inference().for_inference()
    assert not fused.training
    small = torch.rand(1, 3, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(fused(small), network(small), rtol=0, atol=1e-12)
    assert fused.config == network.config.model_copy(update={"fused": True})


def test_an_uncentred_network_takes_pixels_as_they_are():
    centred, uncentred = build(), build(centred=False)
    small = torch.rand(1, 3, 6, 6)
    with torch.inference_mode():
        moved = (small - torch.tensor([0.4488, 0.4371, 0.4040]).view(1, 3, 1, 1)) * 255
        torch.testing.assert_close(uncentred(moved), centred(small))
