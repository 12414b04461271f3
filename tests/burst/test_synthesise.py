from __future__ import annotations

import numpy as np
import pytest

from superres.errors import ArgumentError
from synthesise import Shaking, make_burst


def test_a_seed_gives_the_same_burst_and_fewer_frames_its_beginning(scene):
    one = make_burst(scene, count=4, scale=4, seed=5, shaking=Shaking(exposure=0.1))
    other = make_burst(scene, count=2, scale=4, seed=5, shaking=Shaking(exposure=0.1))
    for a, b in zip(one.frames, other.frames, strict=False):
        np.testing.assert_array_equal(a, b)
    different = make_burst(scene, count=2, scale=4, seed=6, shaking=Shaking())
    assert (different.frames[0] != one.frames[0]).any()


def test_the_truth_fits_the_first_frame(burst):
    height, width = burst.frames[0].shape[:2]
    assert burst.truth.shape == (4 * height, 4 * width, 3)
    np.testing.assert_array_equal(burst.motions[0], np.eye(3))
    coarse = burst.truth.reshape(height, 4, width, 4, 3).mean(axis=(1, 3))
    assert abs(coarse - burst.frames[0]).mean() < 4  # the aliasing of a box, and noise


def test_too_small_a_picture_is_refused():
    with pytest.raises(ArgumentError, match="leaves nothing of frames"):
        make_burst(np.zeros((60, 60, 3), np.uint8), count=2, scale=4, seed=0, shaking=Shaking())
