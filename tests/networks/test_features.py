"""Trunks: names of layers, the normalisation, and weights that do not fit."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from superres.errors import ArgumentError, ModelError, UnknownNameError
from superres.networks.features import FeatureNetwork, load_weights


class Holder(nn.Module):
    def __init__(self, trunk, layers):
        super().__init__()
        self.features = FeatureNetwork(trunk, layers)


@pytest.fixture
def saved(tmp_path):
    """Write a short trunk's random weights as fp16, and return them with their file."""
    torch.manual_seed(0)
    weights = {
        "features.0.weight": torch.randn(64, 3, 3, 3).half(),
        "features.0.bias": torch.randn(64),
        "features.2.weight": torch.randn(64, 64, 3, 3).half() / 20,
        "features.2.bias": torch.randn(64),
        "lpips.0.weight": torch.rand(1, 64, 1, 1),
    }
    save_file(weights, tmp_path / "w.safetensors")
    return weights, tmp_path / "w.safetensors"


def test_answers_are_those_of_the_layers_that_their_names_say(saved):
    weights, path = saved
    wanted = ("relu1_2", "conv1_1", "conv1_2", "pool1")
    holder = Holder("vgg16", wanted)
    with pytest.raises(ModelError, match="does not fit"):
        load_weights(Holder("vgg16", ("conv2_1",)), path)
    load_weights(holder, path)
    x_BCHW = torch.rand(1, 3, 9, 12)
    with torch.inference_mode():
        found = holder.features(x_BCHW)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)  # of ImageNet
    spread = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    f = functional.conv2d(
        (x_BCHW - mean) / spread,
        weights["features.0.weight"].float(),
        weights["features.0.bias"],
        padding=1,
    )
    expected = {"conv1_1": f}
    f = functional.conv2d(
        f.clamp_min(0), weights["features.2.weight"].float(), weights["features.2.bias"], padding=1
    )
    expected |= {"conv1_2": f, "relu1_2": f.clamp_min(0)}
    expected["pool1"] = functional.max_pool2d(f.clamp_min(0), 2)
    assert list(found) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


@pytest.mark.parametrize(
    ("trunk", "layer", "index", "channels"),
    [  # indices of the layers in the published weight files
        ("vgg16", "conv2_1", 5, 128),
        ("vgg16", "conv3_3", 14, 256),
        ("vgg16", "conv4_3", 21, 512),
        ("vgg16", "conv5_3", 28, 512),
        ("alexnet", "conv2", 3, 192),
        ("alexnet", "conv5", 10, 256),
    ],
)
def test_a_trunk_ends_at_the_last_layer_asked_for(trunk, layer, index, channels):
    network = FeatureNetwork(trunk, (layer,))
    assert [name for name, _ in network.named_children()] == [str(n) for n in range(index + 1)]
    assert network.state_dict()[f"{index}.weight"].shape[0] == channels


@pytest.mark.parametrize(("trunk", "layer"), [("vgg16", "relu5_3"), ("alexnet", "relu5")])
def test_a_picture_one_pixel_too_small_is_refused_and_the_smallest_works(trunk, layer):
    network = FeatureNetwork(trunk, (layer,))
    smallest = {"vgg16": 16, "alexnet": 31}[trunk]
    with torch.inference_mode():
        assert network(torch.rand(1, 3, smallest, smallest))[layer].shape[-2:] == (1, 1)
        with pytest.raises(ArgumentError, match=f"got {smallest}×{smallest - 1}"):
            network(torch.rand(1, 3, smallest, smallest - 1))


def test_a_grey_picture_is_seen_as_three_equal_channels():
    network = FeatureNetwork("vgg16", ("conv1_1",))
    grey = torch.rand(1, 1, 8, 8)
    with torch.inference_mode():
        found, expected = network(grey), network(grey.expand(1, 3, 8, 8))
    torch.testing.assert_close(found["conv1_1"], expected["conv1_1"])


def test_loaded_weights_are_frozen_fp32(saved):
    holder = Holder("vgg16", ("relu1_2",))
    load_weights(holder, saved[1])
    assert not any(one.requires_grad for one in holder.parameters())
    assert {one.dtype for one in holder.parameters()} == {torch.float32}


def test_weights_of_another_shape_name_tensor_and_shapes(saved, tmp_path):
    weights, _ = saved
    save_file({**weights, "features.0.weight": torch.zeros(64, 3, 11, 11)}, tmp_path / "x")
    with pytest.raises(ModelError, match=r"features.0.weight should be \(64, 3, 3, 3\), found \("):
        load_weights(Holder("vgg16", ("conv1_1",)), tmp_path / "x")


@pytest.mark.parametrize("content", [None, b"", b"no safetensors"])
def test_a_missing_or_damaged_file_is_a_model_error(content, tmp_path):
    if content is not None:
        (tmp_path / "w").write_bytes(content)
    with pytest.raises(ModelError, match="cannot be read"):
        load_weights(Holder("vgg16", ("conv1_1",)), tmp_path / "w")


def test_an_unknown_layer_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'conv5_3'"):
        FeatureNetwork("vgg16", ("conv5_4",))
    with pytest.raises(ArgumentError, match="no layer"):
        FeatureNetwork("vgg16", ())
