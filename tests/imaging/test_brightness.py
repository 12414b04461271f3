from __future__ import annotations

import numpy as np
import pytest

from superres.imaging.brightness import compare_brightness
from superres.imaging.motion import centre_of, identity_motion
from superres.imaging.sampler import Sampler


def compared(reference: np.ndarray, frame: np.ndarray):
    size = reference.shape[1:]
    sampler = Sampler(identity_motion().places(size) + centre_of(size), size)
    return compare_brightness(reference, frame, sampler, np.ones(size, bool))


@pytest.fixture
def planes(scene) -> np.ndarray:
    return scene[::4, ::4].transpose(2, 0, 1).astype(np.float32) / 255


def test_gain_and_offset_are_found_for_each_channel(planes):
    gain, offset = np.array([0.7, 1.0, 1.3]), np.array([0.1, -0.02, 0.0])
    changed = (planes * gain[:, None, None] + offset[:, None, None]).astype(np.float32)
    changed[:, 10:30, 10:30] = 0.9  # something in the way
    found = compared(planes, changed)
    np.testing.assert_allclose(found.gain, gain, rtol=0.02)
    np.testing.assert_allclose(found.offset, offset, atol=0.01)
    np.testing.assert_allclose(found.equalised(changed)[:, 40:], planes[:, 40:], atol=0.01)


def test_flat_frames_differ_by_an_offset_alone():
    flat = np.full((1, 20, 20), 0.4, np.float32)
    found = compared(flat, flat + np.float32(0.1))
    assert found.gain[0] == pytest.approx(1.0, abs=1e-3)
    assert found.offset[0] == pytest.approx(0.1, abs=1e-3)
