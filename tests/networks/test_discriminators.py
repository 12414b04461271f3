"""Discriminators: sizes, spectral norms, and invalid configs."""

from typing import Any, cast

import pytest
import torch
from torch import nn

from superres.errors import ArgumentError, ModelError, UnknownNameError
from superres.networks.discriminators import DISCRIMINATORS, discriminator_config
from superres.networks.spectral import spectral_conv
from superres.networks.vgg_discriminator import VggDiscriminator


def build(name, edge=32, channels=3, features=4):
    torch.manual_seed(0)
    return discriminator_config(name, {"features": features}, edge=edge, channels=channels).build()


@pytest.mark.parametrize("edge", [32, 96, 150, 256])
def test_vgg_judges_a_whole_picture_of_any_patch_size(edge):
    assert build("vgg", edge)(torch.rand(2, 3, edge, edge)).shape == (2, 1)


def test_vgg_has_the_shape_of_its_papers_networks():
    def shape(edge):  # with an eighth of their features
        network = build("vgg", edge, features=8)
        assert isinstance(network, VggDiscriminator)
        convolutions = [one for one in network.modules() if isinstance(one, nn.Conv2d)]
        return [8 * one.out_channels for one in convolutions], 8 * network.hidden.in_features

    eight = [64, 64, 128, 128, 256, 256, 512, 512]
    assert shape(96) == (eight, 512 * 6 * 6)  # SRGAN, figure 4
    assert shape(128) == ([*eight, 512, 512], 512 * 4 * 4)  # ESRGAN's release


def test_vgg_refuses_pictures_of_another_size():
    with pytest.raises(ArgumentError, match="32×32 px, got 40×32"):
        build("vgg")(torch.rand(1, 3, 40, 32))


@pytest.mark.parametrize("size", [(8, 8), (9, 31), (64, 40)])
def test_the_unet_judges_each_pixel_of_any_size(size):
    assert build("unet")(torch.rand(2, 3, *size)).shape == (2, 1, *size)


def test_the_unet_has_as_many_weights_as_real_esrgans():
    network = discriminator_config("unet", {}, edge=256, channels=3).build()
    # Real-ESRGAN's release: 64 features, kernels of 3 and 4, biases at head and tail alone.
    kernels = 3 * 64 * 9 + 16 * (64 * 128 + 128 * 256 + 256 * 512)
    kernels += 9 * (512 * 256 + 256 * 128 + 128 * 64 + 64 * 64 + 64 * 64 + 64)
    assert sum(one.numel() for one in network.parameters()) == kernels + 64 + 1


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_no_normalised_convolution_amplifies(name):
    network = build(name).train()
    x = torch.rand(2, 3, 32, 32)
    for _ in range(30):  # steps of the power iteration
        network(x)
    layers = [one for one in network.modules() if nn.utils.parametrize.is_parametrized(one)]
    assert len(layers) == {"unet": 8, "vgg": 5}[name]
    for layer in layers:
        assert isinstance(layer.weight, torch.Tensor)
        largest = torch.linalg.svdvals(layer.weight.detach().flatten(1))[0]
        assert float(largest) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_a_score_does_not_depend_on_the_rest_of_the_batch(name):
    network = build(name).eval()
    a, b = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    together = network(torch.cat((a, b)))
    torch.testing.assert_close(together[:1], network(a), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_it_learns_to_tell_noise_from_smooth_pictures_in_bf16_and_channels_last(name):
    network = build(name, features=8).train()
    cast("Any", network).to(memory_format=torch.channels_last)  # torch has no overload for it
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(25):
        noise = torch.rand(2, 3, 32, 32, generator=generator)
        smooth = nn.functional.avg_pool2d(noise, 9, 1, 4)
        batch = torch.cat((noise, smooth)).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            real, fake = network(batch).float().chunk(2)
        loss = nn.functional.softplus(-real).mean() + nn.functional.softplus(fake).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert all(one.dtype == torch.float32 for one in network.state_dict().values())
    assert loss.detach() < 1.2  # guessing gives 2 log 2 = 1.386


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_its_state_round_trips(name):
    one, other = build(name).eval(), build(name)
    for parameter in other.parameters():
        nn.init.normal_(parameter)
    other.load_state_dict(one.state_dict())
    x = torch.rand(1, 3, 32, 32)
    assert torch.equal(one(x), other.eval()(x))


def test_one_channel_makes_a_discriminator_for_grey():
    assert build("unet", channels=1)(torch.rand(1, 1, 16, 16)).shape == (1, 1, 16, 16)


def test_what_a_recipe_gets_wrong_is_named():
    with pytest.raises(UnknownNameError, match="did you mean 'unet'"):
        discriminator_config("unett", {}, edge=32, channels=3)
    with pytest.raises(UnknownNameError, match="did you mean 'features'"):
        discriminator_config("vgg", {"feature": 3}, edge=32, channels=3)
    with pytest.raises(ModelError, match=r"features: .* got 0"):
        discriminator_config("vgg", {"features": 0}, edge=32, channels=3)
    with pytest.raises(ModelError, match=r"edge: .* got 16"):
        discriminator_config("vgg", {}, edge=16, channels=3)


def test_spectral_norms_are_torchs_in_values_state_and_gradients():
    torch.manual_seed(0)
    ours = spectral_conv(5, 7, 3, bias=False).train()
    theirs = nn.utils.parametrizations.spectral_norm(nn.Conv2d(5, 7, 3, padding=1, bias=False))
    theirs.load_state_dict(ours.state_dict())
    for _ in range(4):
        x = torch.rand(2, 5, 8, 8)
        one, other = ours(x), theirs.train()(x)
        torch.testing.assert_close(one, other)
        gradients = [
            torch.autograd.grad(value.square().sum(), list(layer.parameters()))[0]
            for value, layer in ((one, ours), (other, theirs))
        ]
        torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-4)
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))
    before = ours.state_dict()["parametrizations.weight.0._u"].clone()
    ours(x)
    assert torch.equal(ours.state_dict()["parametrizations.weight.0._u"], before)
