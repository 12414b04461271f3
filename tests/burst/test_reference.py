from __future__ import annotations

import numpy as np

from superres.burst.reference import choose_reference, is_blank
from superres.imaging.planes import blurred


def grey(frames) -> list[np.ndarray]:
    return [frame.astype(np.float32).mean(axis=2) / 255 for frame in frames]


def test_a_blurred_frame_is_not_chosen(burst):
    planes = grey(burst.frames)
    central = choose_reference(planes)
    planes[central] = blurred(planes[central], 1.5)
    assert choose_reference(planes) != central


def test_the_frame_in_the_middle_is_chosen(scene):
    plane = scene.mean(axis=2).astype(np.float32)[::2, ::2] / 255
    views = [plane[10:90, 20 + x : 110 + x] for x in (-18, -12, 0, 12, 18)]
    assert choose_reference(views) == 2


def test_a_sharper_frame_of_another_scene_is_not_chosen(burst, pictures):
    height, width = burst.frames[0].shape[:2]
    planes = grey([pictures[2][:height, :width] // 2 * 2, *burst.frames])
    assert choose_reference(planes) != 0


def test_the_choice_does_not_depend_on_the_order(burst):
    planes = grey(burst.frames)
    chosen = choose_reference(planes)
    order = np.random.default_rng(0).permutation(len(planes))
    assert order[choose_reference([planes[i] for i in order])] == chosen


def test_noise_alone_is_no_detail():
    flat = np.random.default_rng(0).normal(0.5, 1 / 255, (60, 80)).astype(np.float32)
    assert is_blank(flat)
    flat[20:40, 20:40] += 0.05
    assert not is_blank(flat)
