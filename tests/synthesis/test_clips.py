"""Clips made from pictures: deterministic, consistent with their truths, and moving as drawn."""

import pytest
import torch

from superres.degrade.downscale import resize_batch
from superres.errors import ArgumentError
from superres.layers.motion import flow_between
from superres.synthesis.clip_config import ClipConfig
from superres.synthesis.clips import clip_canvas, make_clips

MOVING = ClipConfig(frames=4, speed=1.0, sway=0.0, turn_degrees=0.0, zoom=0.0, still=0.0, objects=0)


def pictures(config, patch, scale, batch=2):
    torch.manual_seed(0)
    edge = scale * clip_canvas(config, patch)
    coarse = torch.rand(batch, 3, edge // 6, edge // 6)
    return torch.nn.functional.interpolate(coarse, size=(edge, edge), mode="bicubic").clamp(0, 1)


def test_one_seed_makes_one_clip_and_another_seed_another():
    large = pictures(MOVING, 16, 2)
    one, truth = make_clips(large, MOVING, scale=2, patch=16, seed=(1, 2))
    again, _ = make_clips(large, MOVING, scale=2, patch=16, seed=(1, 2))
    other, _ = make_clips(large, MOVING, scale=2, patch=16, seed=(1, 3))
    assert one.shape == (2, 4, 3, 16, 16)
    assert truth.shape == (2, 4, 3, 32, 32)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_small_frames_are_the_truths_made_small_and_rounded():
    config = MOVING.model_copy(update={"objects": 2, "turn_degrees": 0.5, "zoom": 0.01})
    small, truth = make_clips(pictures(config, 16, 3), config, scale=3, patch=16, seed=(0,))
    expected = resize_batch(truth.flatten(0, 1), scale=1 / 3)
    assert (small.flatten(0, 1) - expected.clamp(0, 1)).abs().max() <= 0.5 / 255 + 1e-6
    assert torch.equal((small * 255).round() / 255, small)


def test_a_still_clip_shows_one_frame_over_and_over():
    config = MOVING.model_copy(update={"still": 1.0, "objects": 2})
    small, _ = make_clips(pictures(config, 16, 2), config, scale=2, patch=16, seed=(0,))
    assert torch.equal(small, small[:, :1].expand_as(small))


def test_the_camera_keeps_its_speed_and_frames_stay_as_sharp_as_each_other():
    small, _ = make_clips(pictures(MOVING, 32, 2), MOVING, scale=2, patch=32, seed=(5,))
    flows = [flow_between(small[:, t], small[:, t - 1])[..., 6:-6, 6:-6] for t in (1, 2, 3)]
    moves = torch.stack([flow.flatten(2).median(2).values for flow in flows])
    assert moves.abs().max() > 0.1
    assert (moves - moves[:1]).abs().max() < 0.1
    assert moves.abs().max() <= MOVING.speed + 0.1
    sharpness = (small[..., 1:] - small[..., :-1]).square().mean((2, 3, 4))
    assert (sharpness.amax(1) / sharpness.amin(1)).max() < 1.2


def test_a_picture_of_another_size_is_refused_with_the_size_that_is_needed():
    with pytest.raises(ArgumentError, match="cut out scale"):
        make_clips(torch.zeros(1, 3, 40, 40), MOVING, scale=2, patch=16, seed=(0,))
