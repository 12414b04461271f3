from __future__ import annotations

import numpy as np
import pytest

from superres.imaging.motion import MODELS, Motion, centre_of, similarity
from superres.imaging.registration import pyramid, register
from superres.imaging.sampler import Sampler
from synthesise import Shaking, make_burst


def levels(frame: np.ndarray) -> list:
    return pyramid(frame.astype(np.float32).mean(axis=2) / 255)


def error_px(found: Motion, true: np.ndarray, size: tuple[int, int]) -> float:
    return float(np.hypot(*(found.places(size) - Motion(true).places(size))).mean())


def seen_through(plane: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return a smooth plane as a frame that moved sees it."""
    size = plane.shape
    return Sampler(Motion(matrix).places(size) + centre_of(size), size).gather(plane)


# The bound is the project's: 0.05 small px without noise, 0.1 with 5/255. Measured: 0.01 and 0.02.
@pytest.mark.parametrize(("noise", "bound"), [(0.0, 0.05), (5.0, 0.1)])
@pytest.mark.parametrize("model", MODELS)
def test_motions_are_found_to_a_fraction_of_a_pixel(pictures, noise, bound, model):
    shaking = Shaking(turn_degrees=0.0 if model == "translation" else 1.0, noise=noise)
    errors: list[float] = []
    for seed, picture in enumerate(pictures):
        burst = make_burst(picture, count=3, scale=3, seed=seed, shaking=shaking)
        reference, size = levels(burst.frames[0]), burst.frames[0].shape[:2]
        for frame, true in zip(burst.frames[1:], burst.motions[1:], strict=True):
            errors.append(error_px(register(reference, levels(frame), model).motion, true, size))
    assert np.mean(errors) <= bound
    assert max(errors) <= 2 * bound


def test_a_long_shift_and_a_turn_of_four_degrees_are_found(scene):
    plane = scene.mean(axis=2).astype(np.float32)[::2, ::2] / 255
    true = similarity(-14.3, 21.8, 4.0)
    found = register(pyramid(plane), pyramid(seen_through(plane, true)), "rotation")
    assert error_px(found.motion, true, plane.shape) < 0.05
    assert found.motion.turn_degrees == pytest.approx(4.0, abs=0.02)


@pytest.mark.parametrize("model", ["affine", "homography"])
def test_stretched_and_tilted_frames_are_found(scene, model):
    plane = scene.mean(axis=2).astype(np.float32)[::2, ::2] / 255
    true = np.array([[1.02, 0.01, 1.3], [-0.02, 0.99, -2.1], [0.0, 0.0, 1.0]])
    if model == "homography":
        true[2, :2] = 1e-4, -2e-4
    found = register(pyramid(plane), pyramid(seen_through(plane, true)), model)
    assert error_px(found.motion, true, plane.shape) < 0.05


def test_brightness_does_not_move_a_frame(burst):
    reference, size = levels(burst.frames[0]), burst.frames[0].shape[:2]
    darker = burst.frames[3] * 0.6 + 20
    found = register(reference, levels(darker), "rotation")
    assert error_px(found.motion, burst.motions[3], size) < 0.05


def test_something_in_the_way_does_not_move_a_frame(burst):
    reference, size = levels(burst.frames[0]), burst.frames[0].shape[:2]
    covered = burst.frames[3].copy()
    covered[5:20, 8:25] = 255
    found = register(reference, levels(covered), "rotation")
    assert error_px(found.motion, burst.motions[3], size) < 0.1


def test_likeness_tells_the_same_scene_from_another(burst, pictures):
    reference = levels(burst.frames[0])
    height, width = burst.frames[0].shape[:2]
    other = pictures[1][:height, :width]
    assert register(reference, levels(burst.frames[5]), "rotation").likeness > 0.9
    assert register(reference, levels(other), "rotation").likeness < 0.3
