from __future__ import annotations

import numpy as np
import pytest

from superres.images.resize import resize
from superres.imaging.forward_model import ForwardModel
from superres.imaging.motion import Motion, identity_motion
from synthesise import Shaking, make_burst

RANDOM = np.random.default_rng(0)


def frame_of(forward_model: ForwardModel, large: np.ndarray, motion: Motion) -> np.ndarray:
    sampler = forward_model.sampler(motion.places(forward_model.small))
    return np.stack([sampler.gather(plane) for plane in forward_model.blur(large)])


@pytest.mark.parametrize(("small", "scale"), [((10, 13), 4), ((9, 12), 3), ((11, 8), 2)])
def test_the_reference_is_what_matlabs_bicubic_makes_small(small, scale):
    large = RANDOM.random((1, small[0] * scale, small[1] * scale), np.float32)
    forward_model = ForwardModel(small, (large.shape[1], large.shape[2]), "bicubic")
    made = frame_of(forward_model, large, identity_motion())[0]
    np.testing.assert_allclose(made, resize(large[0], scale=1 / scale), atol=2e-6)


def test_shifted_frames_are_those_of_the_benchmark(scene):
    burst = make_burst(
        scene, count=4, scale=4, seed=3, shaking=Shaking(turn_degrees=0.0, noise=0.0)
    )
    small, large = burst.frames[0].shape[:2], burst.truth.shape[:2]
    planes = (burst.truth.transpose(2, 0, 1)).astype(np.float32)
    for frame, matrix in zip(burst.frames, burst.motions, strict=True):
        made = frame_of(ForwardModel(small, large, "bicubic"), planes, Motion(matrix))
        inner = np.s_[:, 5:-5, 5:-5]  # beyond, frames show what the truth has not
        off = abs(made.clip(0, 255) - frame.transpose(2, 0, 1))[inner]
        assert off.max() <= 0.51  # rounding


@pytest.mark.parametrize("blur", ["bicubic", 0.4])
@pytest.mark.parametrize("large", [(40, 52), (25, 33)])
def test_unblur_is_the_transpose_of_blur(blur, large):
    forward_model = ForwardModel((10, 13), large, blur)
    picture = RANDOM.random((2, *large), np.float32)
    blurred = forward_model.blur(picture)
    other = RANDOM.random(blurred.shape, np.float32)
    forward = float((blurred * other).sum())
    assert float((picture * forward_model.unblur(other)).sum()) == pytest.approx(forward, rel=1e-5)


@pytest.mark.parametrize("blur", ["bicubic", 0.1, 0.7])
def test_a_blur_keeps_a_constant(blur):
    blurred = ForwardModel((8, 8), (32, 32), blur).blur(np.full((1, 32, 32), 0.25, np.float32))
    np.testing.assert_allclose(blurred, 0.25, rtol=1e-5)
