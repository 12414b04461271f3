"""Flows: direction, zero without motion, and warping."""

import pytest
import torch
from moving_scene import scene, view

from superres.layers.motion import flow_between, warp


@pytest.mark.parametrize(("down", "right"), [(2, 0), (0, -3), (-5, 4)])
def test_a_camera_that_moves_by_whole_pixels_is_followed_in_sign_and_size(down, right):
    picture = scene()
    previous, frame = view(picture, 0, 0), view(picture, down, right)
    flow = flow_between(frame, previous)
    inner = flow[..., 8:-8, 8:-8]
    # What the frame shows at p was further down and right in the previous one, by the camera move.
    assert inner[:, 0].median() == pytest.approx(down, abs=0.05)
    assert inner[:, 1].median() == pytest.approx(right, abs=0.05)
    left = (warp(previous, flow, kernel="bicubic") - frame)[..., 8:-8, 8:-8].abs().mean()
    assert left < 0.05 * (previous - frame).abs().mean()


def test_equal_frames_have_no_flow_at_all():
    frame = view(scene(), 0, 0)
    assert flow_between(frame, frame.clone()).abs().max() == 0


def test_frames_that_are_nothing_alike_give_a_flow_that_stays_finite():
    one, other = view(scene(seed=1), 0, 0), view(scene(seed=2), 0, 0)
    assert flow_between(one, other).abs().max() < 64


@pytest.mark.parametrize("size", [(16, 16), (17, 45), (63, 30)])
def test_frames_of_any_size_from_sixteen_on_are_followed(size):
    picture = scene()
    previous, frame = view(picture, 0, 0, *size), view(picture, 1, 0, *size)
    flow = flow_between(frame, previous)
    assert flow.shape == (1, 2, *size)
    assert flow[:, 0].median() == pytest.approx(1.0, abs=0.3)


def test_warping_is_differentiable_in_the_picture_and_the_flow():
    picture = torch.rand(1, 2, 6, 7, dtype=torch.float64, requires_grad=True)
    flow = 0.3 + 0.2 * torch.rand(1, 2, 6, 7, dtype=torch.float64)
    flow.requires_grad_()
    assert torch.autograd.gradcheck(lambda x, f: warp(x, f, kernel="bicubic"), (picture, flow))
