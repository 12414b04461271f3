"""Burst networks: numbers of frames, masks, halo, and initial output."""

import pytest
import torch

from superres.errors import ArgumentError
from superres.layers.sequences import BurstNetwork
from superres.layers.supervised import Supervised
from superres.networks.burst_recurrent import BurstRecurrentConfig
from superres.networks.catalog import ARCHITECTURES, network_config
from superres.networks.highres_net import HighresNetConfig

SMALL = {  # few features, so that a test takes milliseconds
    "burst_recurrent": {"features": 8, "blocks": 1, "frame_blocks": 1},
    "highres_net": {"features": 4, "blocks": 1, "most": 8},
}


def build(name: str, scale: int = 2, channels: int = 3, **values):
    torch.manual_seed(0)
    config = network_config(name, {**SMALL[name], "scale": scale, "channels": channels, **values})
    network = config.build().double().eval()
    with torch.no_grad():  # some layers are initialised near zero
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return config, network


def burst(count: int, height: int = 6, width: int = 7, channels: int = 3) -> torch.Tensor:
    """Return frames (1, T, C + 3, H, W) with offsets and a few masked pixels after the first."""
    torch.manual_seed(1)
    frames = torch.rand(1, count, channels + 3, height, width, dtype=torch.float64)
    frames[:, :, channels : channels + 2] -= 0.5
    frames[:, :, -1] = (frames[:, :, -1] > 0.2).double()
    frames[:, 0, channels:-1] = 0.0
    frames[:, 0, -1] = 1.0
    return frames


def test_every_network_of_many_frames_is_tested_here():
    many = {name for name, one in ARCHITECTURES.items() if one.config().input == "burst"}
    assert set(SMALL) == many


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(("count", "size"), [(1, (1, 1)), (2, (1, 9)), (5, (7, 4))])
def test_bursts_of_any_length_and_size_come_out_scale_times_larger(name, scale, count, size):
    _, network = build(name, scale)
    with torch.inference_mode():
        large = network(burst(count, *size).expand(2, -1, -1, -1, -1))
    assert large.shape == (2, 3, size[0] * scale, size[1] * scale)


@pytest.mark.parametrize("name", SMALL)
def test_grey_networks_take_one_colour(name):
    _, network = build(name, channels=1)
    with torch.inference_mode():
        assert network(burst(3, channels=1)).shape == (1, 1, 12, 14)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("count", range(1, 9))
def test_every_frame_counts_whether_they_are_odd_or_even_in_number(name, count):
    _, network = build(name)
    frames = burst(count)
    frames[:, :, -1] = 1.0
    with torch.inference_mode():
        before = network(frames)
        for index in range(count):
            after = frames.clone()
            after[:, index, :3] += 0.5
            assert (network(after) - before).abs().max() > 1e-6, index


@pytest.mark.parametrize("name", SMALL)
def test_what_a_masked_pixel_holds_does_not_matter(name):
    _, network = build(name)
    frames = burst(4)
    other = torch.where(frames[:, :, -1:] > 0, frames, torch.rand_like(frames))
    other[:, :, -1] = frames[:, :, -1]
    assert not torch.equal(other, frames)
    with torch.inference_mode():
        assert torch.equal(network(other), network(frames))


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_frames_that_are_masked_everywhere_change_nothing(name, count):
    _, network = build(name)
    frames = burst(count)
    masked = burst(3)
    masked[:, :, -1] = 0.0
    with torch.inference_mode():
        assert torch.equal(network(torch.cat((frames, masked), 1)), network(frames))


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_a_changed_pixel_of_any_frame_is_felt_as_far_as_the_halo_and_no_further(name, count):
    config, network = build(name)
    middle = config.halo + 1
    frames = burst(count, 2 * middle + 1, 2 * middle + 1)
    frames[:, :, -1] = 1.0
    farthest = 0
    with torch.inference_mode():
        calm = network(frames)
        for index in range(count):
            after = frames.clone()
            after[:, index, :5, middle, middle] += 5.0
            changed = (network(after) - calm).abs().amax((0, 1)) > 0
            reached = [int(line) // config.scale - middle for line in changed.any(1).nonzero()]
            farthest = max(farthest, -min(reached), max(reached))
    if name == "burst_recurrent" and count > 1:
        assert farthest == config.halo  # for any number of frames
    elif isinstance(config, HighresNetConfig) and count == config.most:
        assert farthest == config.halo  # it grows with the rounds of fusions
    else:
        assert farthest <= config.halo


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_has_a_gradient_from_the_first_step_on(name):
    network = network_config(name, SMALL[name]).build()
    network.train()(burst(3, 8, 8).float()).square().mean().backward()
    still = [key for key, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


@pytest.mark.parametrize("name", SMALL)
def test_frames_may_be_given_one_by_one(name):
    _, network = build(name)
    assert isinstance(network, BurstNetwork)
    frames = burst(5)
    with torch.inference_mode():
        assert torch.equal(network.fuse(iter(frames.unbind(1))), network(frames))


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_half_of_the_frames_are_supervised_as_well(count):
    _, network = build("burst_recurrent")
    assert isinstance(network, Supervised)
    frames = burst(count)
    with torch.inference_mode():
        outputs = network.outputs(frames)
        assert len(outputs) == min(count, 2)
        assert torch.equal(outputs[0], network(frames[:, : max(1, count // 2)]))
        assert torch.equal(outputs[-1], network(frames))


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("count", [1, 3, 6])
def test_a_network_goes_on_from_what_it_keeps(name, count):
    config, network = build(name)
    assert isinstance(config, BurstRecurrentConfig | HighresNetConfig)
    assert isinstance(network, BurstNetwork)
    reference, *others = burst(count).unbind(1)
    states = tuple(torch.zeros(1, c, 6, 7).double() for c in network.states.values())
    with torch.inference_mode():
        for frame in others:
            states = network.step(reference, frame, *states)
            assert [state.shape[1] for state in states] == list(config.states.values())
        assert torch.equal(network.finish(reference, *states), network(burst(count)))


def test_more_frames_than_a_highres_net_was_made_for_are_refused():
    _, network = build("highres_net")
    with pytest.raises(ArgumentError, match="at most 8 frames"):
        network(burst(9))
