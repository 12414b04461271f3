from __future__ import annotations

import numpy as np
import pytest

from superres.burst.fuse import FuseOptions, fuse_burst
from superres.imaging.forward_model import ForwardModel
from superres.imaging.motion import Motion, similarity
from synthesise import Shaking, make_burst


def frames_under(blur: float, scene: np.ndarray) -> list[np.ndarray]:
    """Return shifted frames of a grey scene under a Gaussian blur, noisy and rounded."""
    random = np.random.default_rng(0)
    large = scene.mean(axis=2)[None].astype(np.float32)
    forward_model = ForwardModel((60, 70), (240, 280), blur)
    blurred, frames = forward_model.blur(large)[0], []
    for index in range(10):
        down, right = random.uniform(-2, 2, 2) * (index > 0)
        places = Motion(similarity(down, right, 0.0)).places((60, 70))
        frame = forward_model.sampler(places).gather(blurred) + random.normal(0, 1, (60, 70))
        frames.append(np.clip(np.rint(frame), 0, 255).astype(np.uint8))
    return frames


@pytest.mark.parametrize("blur", [0.15, 0.25])
def test_a_blur_narrower_than_the_bicubic_is_found_to_two_tenths_of_a_pixel(scene, blur):
    found = fuse_burst(frames_under(blur, scene), FuseOptions(reference=0)).blur
    assert found == pytest.approx(blur, abs=0.201)


def test_the_bicubic_is_not_left_without_need(pictures):
    for seed, picture in enumerate(pictures[:2]):
        burst = make_burst(picture, count=5, scale=3, seed=seed, shaking=Shaking())
        assert fuse_burst(burst.frames, FuseOptions(scale=3, reference=0)).blur == "bicubic"


def test_three_frames_cannot_tell_and_take_the_bicubic(scene):
    frames = frames_under(0.2, scene)[:3]
    assert fuse_burst(frames, FuseOptions(model="bicubic", reference=0)).blur == "bicubic"
