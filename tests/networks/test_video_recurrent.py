"""The recurrent video network: without history, on still scenes, and at cuts."""

import pytest
import torch
from moving_scene import scene, view

from superres.layers.bicubic_reduction import BicubicReduction
from superres.layers.sequences import Recurrent
from superres.networks.catalog import network_config
from superres.networks.video_recurrent import VideoRecurrentConfig

SMALL = {"features": 8, "blocks": 1, "history_blocks": 1, "memory": 4}


def build(scale=2, spread=0.0):
    torch.manual_seed(0)
    config = network_config("video_recurrent", {**SMALL, "scale": scale})
    assert isinstance(config, VideoRecurrentConfig)
    network = config.build().double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(spread * torch.randn_like(parameter))
    return config, network


def clip(moves):
    picture = scene(48, 48).double()
    return torch.stack([view(picture, down, right, 48, 48) for down, right in moves], 1)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_frame_without_history_is_leans_answer(scale):
    _, network = build(scale)
    lean = network_config("lean", {"features": 8, "blocks": 1, "scale": scale}).build().double()
    lean.load_state_dict({name: network.state_dict()[name] for name in lean.state_dict()})
    frame = torch.rand(2, 3, 32, 48, dtype=torch.float64)
    with torch.inference_mode():
        assert torch.allclose(network(frame[:, None])[:, 0], lean(frame), atol=1e-12)


def test_it_is_a_recurrent_network_and_says_its_needs():
    config, network = build()
    assert isinstance(network, Recurrent)
    assert config.input == "video"
    assert network.aligned == config.aligned


def test_a_still_clip_comes_to_rest():
    _, network = build(spread=0.01)
    with torch.inference_mode():
        made = network(clip([(0, 0)] * 16))[0]
    changes = (made[1:] - made[:-1]).abs().amax((1, 2, 3))
    assert changes[-1] < 1e-3
    assert changes[-1] < 0.05 * changes[0]


def test_what_was_seen_before_is_brought_to_where_the_frame_shows_it():
    _, network = build()
    moving = clip([(0, 0), (2, -1)])
    large = torch.nn.functional.interpolate(moving[:, 0], scale_factor=2.0, mode="bicubic")
    memory = torch.zeros(1, 4, 48, 48, dtype=torch.float64)
    with torch.inference_mode():
        aligned = network.align(moving[:, 1], moving[:, 0], large, memory)
    believed, history = aligned[:, 3:4], aligned[:, 4:] / aligned[:, 3:4].clamp(min=0.1)
    inner = (..., slice(6, -6), slice(6, -6))
    assert believed[inner].min() > 0.8
    assert history[:, :3][inner].abs().mean() < 0.01
    brought = history[:, 3:15] + moving[:, 1].repeat_interleave(4, 1)
    expected = torch.nn.functional.interpolate(moving[:, 1], scale_factor=2.0, mode="bicubic")
    expected = torch.nn.functional.pixel_unshuffle(expected, 2)
    assert (brought - expected)[inner].abs().mean() < 0.01
    assert believed[:, :, -1].mean() < 0.1  # two rows came into view from below


def test_history_is_forgotten_where_the_frame_before_shows_something_else():
    _, network = build(spread=0.01)
    one, other = clip([(0, 0)]), 1.0 - clip([(9, 9)])
    with torch.inference_mode():
        cut = network(torch.cat((one, other), 1))[:, 1]
        alone = network(other)[:, 0]
        stayed = network(torch.cat((other, other), 1))[:, 1]
    assert (cut - alone).abs().mean() < 0.2 * (stayed - alone).abs().mean()


def test_the_loss_of_a_frame_teaches_what_is_kept_of_the_one_before():
    _, network = build(spread=0.05)
    network(clip([(0, 0), (1, 0)]))[:, 1].square().mean().backward()
    for layer in (network.history.keep, network.history.look):
        assert layer.weight.grad is not None
        assert layer.weight.grad.abs().max() > 0


def test_what_restores_sees_as_far_as_the_halo_and_no_further():
    config, network = build(spread=0.05)
    edge = 2 * config.halo + 3
    before = torch.rand(1, config.aligned, edge, edge, dtype=torch.float64)
    after = before.clone()
    after[..., edge // 2, edge // 2] += 0.5
    with torch.inference_mode():
        pairs = zip(network.restore(before), network.restore(after), strict=True)
        changed = [((one - other).abs().amax((0, 1)) > 0).nonzero() for one, other in pairs]
    small = torch.cat((changed[0] // config.scale, changed[1]))
    assert (small - edge // 2).abs().max() == config.halo


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_reduction_is_matlabs_inside_a_picture(scale):
    from superres.degrade.downscale import resize_batch

    large = torch.rand(1, 3, 12 * scale, 10 * scale, dtype=torch.float64)
    expected = resize_batch(large, scale=1 / scale)
    found = BicubicReduction(scale)(large.float())
    assert torch.allclose(found[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2], atol=1e-5)
