import os
import time
from pathlib import Path

import numpy as np
import pytest

from superres.images.resize import resize
from superres.video.cuts import SceneCuts
from superres.video.decode import FrameReader
from superres.videofiles.colour import ToRgb
from superres.videofiles.probe import probe

SIZE = (90, 160)
CLIPS = os.environ.get("SUPERRES_CLIPS", "")


def scene(seed, height=120, width=400):
    """Return a scene wider than a frame: structures of all sizes, in [0, 1]."""
    rng = np.random.default_rng(seed)
    total = np.full((height, width, 3), 0.45)
    for step in (4, 9, 20, 45):
        coarse = rng.standard_normal((height // step + 2, width // step + 2, 3))
        total += 0.09 * resize(coarse, size=(height, width))
    return total.clip(0, 1).astype(np.float32)


def view(picture, left=0, top=0):
    return picture[top : top + SIZE[0], left : left + SIZE[1]]


def begins(frames):
    """Return the numbers of the frames that are said to begin a scene."""
    cuts = SceneCuts()
    return [number for number, frame in enumerate(frames) if cuts.begins_scene(frame)]


def test_the_first_frame_and_every_hard_cut_begin_a_scene():
    frames = [view(scene(n // 5), left=n % 5) for n in range(25)]
    assert begins(frames) == [0, 5, 10, 15, 20]


def test_a_cut_to_a_scene_of_the_same_colours_is_found():
    frames = [view(scene(0))] * 3 + [view(scene(0))[::-1]] * 3
    assert begins(frames) == [0, 3]


@pytest.mark.parametrize("step", [2, 12, -24])
def test_a_pan_begins_no_scene(step):
    picture = scene(1)
    lefts = range(0, 240, step) if step > 0 else range(240, 0, step)
    assert begins([view(picture, left) for left in lefts]) == [0]


def test_a_shaking_camera_begins_no_scene():
    picture, rng = scene(2), np.random.default_rng(0)
    assert begins([view(picture, *rng.integers(0, (30, 20))) for _ in range(20)]) == [0]


def test_a_zoom_begins_no_scene():
    picture = scene(3, 180, 320)
    frames = []
    for n in range(12):
        large = resize(picture, scale=0.6 * 1.05**n).astype(np.float32)
        top, left = (large.shape[0] - SIZE[0]) // 2, (large.shape[1] - SIZE[1]) // 2
        frames.append(view(large, left, top))
    assert begins(frames) == [0]


@pytest.mark.parametrize("gain", [1.5, 50.0])
def test_a_flash_begins_no_scene_nor_does_its_end(gain):
    frames = [view(scene(4), left=n) for n in range(12)]
    for number in (4, 5, 9):
        frames[number] = (frames[number] * gain + 0.3).clip(0, 1)
    assert begins(frames) == [0]


def test_a_fade_to_black_and_back_begins_no_scene():
    levels = [*np.linspace(1, 0, 12), 0, 0, *np.linspace(0, 1, 12)]
    assert begins([view(scene(5)) * np.float32(level) for level in levels]) == [0]


def test_a_new_scene_after_black_begins_where_it_is_seen():
    black = np.zeros((*SIZE, 3), np.float32)
    assert begins([view(scene(6))] * 3 + [black] * 4 + [view(scene(7))] * 3) == [0, 7]


def test_one_scene_that_dissolves_into_another_begins_none():
    levels = np.linspace(0, 1, 20, dtype=np.float32)
    assert begins([view(scene(8)) * (1 - x) + view(scene(9)) * x for x in levels]) == [0]


def test_noise_begins_no_scene():
    rng = np.random.default_rng(0)
    noisy = [view(scene(10)) + rng.normal(0, 0.1, (*SIZE, 3)).astype(np.float32) for _ in range(8)]
    assert begins([one.clip(0, 1) for one in noisy]) == [0]


def test_noise_without_a_picture_begins_no_scene():
    rng = np.random.default_rng(0)
    assert begins(rng.normal(0.5, 0.01, (8, *SIZE, 3)).astype(np.float32)) == [0]


@pytest.mark.parametrize("size", [(1, 1), (7, 500), (24, 32)])
def test_frames_of_any_size_can_be_told_apart(size):
    one, other = (resize(view(scene(seed)), size=size).astype(np.float32) for seed in (0, 1))
    assert begins([one, one, other, other]) == ([0, 2] if min(size) > 5 else [0])


@pytest.mark.slow
def test_a_frame_of_360_lines_takes_less_than_a_millisecond():
    frames = [resize(view(scene(n)), size=(360, 640)).astype(np.float32) for n in range(2)]
    cuts, spent = SceneCuts(), []
    for number in range(40):
        start = time.thread_time()
        cuts.begins_scene(frames[number // 10 % 2])
        spent.append(time.thread_time() - start)
    assert np.median(spent) < 1e-3


@pytest.mark.skipif(not CLIPS, reason="SUPERRES_CLIPS names no folder with the real clips")
def test_real_clips_one_after_the_other_have_the_cuts_that_are_seen_in_them():
    def frames():
        for name in ("bigbuckbunny", "bikes"):
            path = Path(CLIPS) / f"{name}.mp4"
            facts = probe(path)
            to_rgb = ToRgb(facts.size, facts.colour)
            yield from (to_rgb(still.frame) for still in FrameReader(path, facts).frames())

    assert begins(frames()) == [0, *(132 + cut for cut in (0, 30, 76, 137, 187, 242))]
