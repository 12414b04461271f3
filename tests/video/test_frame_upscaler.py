"""Networks over a video: a run that goes on makes what an unbroken one makes, cuts begin anew."""

import threading

import numpy as np
import pytest

from superres.infer.route import Route
from superres.upscaler import Upscaler
from superres.video.frame_upscaler import LOOKED_BACK, VideoNetworks, upscale_each, upscale_in_order
from superres.watch import Watch

ROUTE = Route((2,), (36, 64))
SEGMENT = 10


class Counting:
    """Stands in for an engine: each frame larger, with a pattern as strong as it has seen many."""

    def __init__(self):
        self.seen = 0

    def restart(self):
        self.seen = 0

    def upscale(self, frame):
        self.seen += 1
        large = frame.repeat(2, 0).repeat(2, 1)
        large[::2] += self.seen / 1000
        large[1::2] -= self.seen / 1000
        return large


class Networks(VideoNetworks):
    def __init__(self):  # opens nothing
        self.counting = Counting()

    def engines(self, route):
        return (self.counting,)


def scene(seed, count):
    """Return frames of a picture that moves a little."""
    picture = np.random.default_rng(seed).random((18, 40, 3), np.float32)
    picture = 0.1 + 0.8 * picture.repeat(2, 0).repeat(2, 1)[:18]
    return [picture[:, t % 4 : t % 4 + 32] for t in range(count)]


def upscaled(frames, looked_back=0):
    run = upscale_in_order(Networks(), ROUTE, Watch(), segment_frames=SEGMENT)
    return list(run(iter(frames), looked_back))


@pytest.mark.parametrize("resumed_at", [SEGMENT, 2 * SEGMENT])
def test_a_run_that_goes_on_at_a_segment_makes_the_frames_of_an_unbroken_one(resumed_at):
    frames = [*scene(1, 14), *scene(2, 16)]
    whole = upscaled(frames)
    assert len(whole) == 30
    rest = upscaled(frames[resumed_at - LOOKED_BACK :], LOOKED_BACK)
    assert len(rest) == 30 - resumed_at
    assert all(map(np.array_equal, whole[resumed_at:], rest))


def test_history_is_forgotten_where_a_scene_begins_and_only_warmed_up_at_a_segment():
    frames = [*scene(1, 14), *scene(2, 8)]
    whole = upscaled(frames)
    seen = [
        round(500 * float((large[::2] - large[1::2]).mean()))
        for large, frame in zip(whole, frames, strict=True)
    ]
    assert seen[:10] == list(range(1, 11))
    assert seen[10:14] == list(range(LOOKED_BACK + 1, LOOKED_BACK + 5))
    assert seen[14:20] == list(range(1, 7))
    assert seen[20:] == [7, 8]


class Repeating(Upscaler):
    """Stands in for one: makes frames larger when so many are under way, or after a moment."""

    def __init__(self, at_once):
        self.at_once = at_once
        self.all_here = threading.Barrier(at_once + 1)

    def engines(self, route, watch):
        return (self,)

    def pictures_at_once(self, height, width):
        assert (height, width) == (18, 32)
        return self.at_once

    def frame(self, frame, route, watch):
        self.all_here.wait(10)
        return frame.repeat(2, 0).repeat(2, 1)


@pytest.mark.parametrize("at_once", [1, 4, 16])
def test_as_many_frames_are_under_way_as_fill_a_device_and_one_more_and_leave_in_order(at_once):
    frames = scene(3, 2 * (at_once + 1))
    large = list(upscale_each(Repeating(at_once), ROUTE, Watch())(iter(frames), 0))
    assert len(large) == len(frames)
    assert all(np.array_equal(a[::2, ::2], b) for a, b in zip(large, frames, strict=True))
