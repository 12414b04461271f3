"""Back-projection of frames that are known exactly: waves, blurred and sampled by their formula."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from superres.images.resize import resize
from superres.imaging.aligned import Aligned
from superres.imaging.forward_model import ForwardModel
from superres.imaging.motion import Motion, similarity
from superres.imaging.reconstruction import Reconstruction, estimate_trust, project

SMALL, SCALE, SIGMA = (24, 28), 2, 0.45
LARGE = (SMALL[0] * SCALE, SMALL[1] * SCALE)
# (amplitude, cycles a small pixel down and right, phase)
WAVES = [(0.2, 0.06, 0.02, 0.3), (0.1, 0.02, 0.21, 1.1), (0.08, 0.24, -0.11, 2.0)]
SHIFTS = [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5), (0.25, -0.25), (-0.3, 0.2)]
INNER = np.s_[:, 8:-8, 8:-8]  # beyond, frames show what the large picture has not


def scene(rows: np.ndarray, columns: np.ndarray, sigma: float = 0.0):
    """Return waves at places in small pixels from the centre; a Gaussian blur only damps them."""
    total = np.full(np.broadcast(rows, columns).shape, 0.5)
    for amplitude, down, right, phase in WAVES:
        damped = amplitude * np.exp(-0.5 * (2 * np.pi * sigma) ** 2 * (down**2 + right**2))
        total += damped * np.cos(2 * np.pi * (down * rows + right * columns) + phase)
    return total[None].astype(np.float32)


def centres(length: int, scale: int = 1) -> np.ndarray:
    return (np.arange(length * scale) + 0.5) / scale - length / 2


def taken(shift: tuple[float, float], index: int = 0) -> Aligned:
    rows, columns = centres(SMALL[0])[:, None] + shift[0], centres(SMALL[1])[None] + shift[1]
    usable = (abs(rows) <= SMALL[0] / 2) & (abs(columns) <= SMALL[1] / 2)
    motion = Motion(similarity(*shift, 0.0))
    return Aligned(index, scene(rows, columns, SIGMA), usable.astype(np.float32), motion)


TRUTH = scene(centres(SMALL[0], SCALE)[:, None], centres(SMALL[1], SCALE)[None])


def start_of(frame: Aligned) -> np.ndarray:
    return resize(frame.planes[0], scale=SCALE).astype(np.float32)[None]


def fused(frames: Sequence[Aligned], start: np.ndarray, rounds: int = 2) -> Reconstruction:
    model = ForwardModel(SMALL, LARGE, SIGMA)
    trust = estimate_trust(frames, start, model)
    return project(frames, start, model, trust=trust, rounds=rounds, steps=30)


def rms(planes: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(planes[INNER]))))


def noisy(frames: Sequence[Aligned]) -> list[Aligned]:
    random = np.random.default_rng(5)
    return [
        replace(frame, planes=frame.planes + random.normal(0, 0.03, frame.planes.shape))
        for frame in frames
    ]


def test_frames_without_noise_give_a_smooth_scene_back():
    frames = [taken(shift, index) for index, shift in enumerate(SHIFTS)]
    start = start_of(frames[0])
    made = fused(frames, start)
    assert rms(start - TRUTH) > 5.0 / 255
    assert rms(made.planes - TRUTH) < 1.0 / 255
    # Only at the frames' steepest places is a pixel of theirs taken for less than it is.
    assert all(weight[8:-8, 8:-8].min() > 0.8 for weight in made.weights)


def test_the_more_the_start_is_trusted_the_less_it_is_changed():
    frames = [taken(shift, index) for index, shift in enumerate(SHIFTS)]
    start, model = start_of(frames[0]), ForwardModel(SMALL, LARGE, SIGMA)
    changes = [
        rms(project(frames, start, model, trust=trust, rounds=1, steps=30).planes - start)
        for trust in (1e2, 1e4, 1e6, 1e9)
    ]
    assert changes == sorted(changes, reverse=True)
    assert changes[0] > 3.0 / 255
    assert changes[-1] < 0.01 / 255


def test_a_picture_that_explains_its_frames_is_kept():
    frames = [taken(shift, index) for index, shift in enumerate(SHIFTS)]
    made = fused(frames, TRUTH.copy())
    assert rms(made.planes - TRUTH) < 0.3 / 255


@pytest.mark.parametrize("index", [1, 3, 5])
def test_a_frame_without_usable_pixels_is_left_out(index):
    frames = noisy([taken(shift, number) for number, shift in enumerate(SHIFTS)])
    start = start_of(frames[0])
    out = replace(
        frames[index], planes=np.ones_like(frames[index].planes), usable=np.zeros(SMALL, np.float32)
    )
    without = fused([frame for frame in frames if frame.index != index], start)
    made = fused([out if frame.index == index else frame for frame in frames], start)
    np.testing.assert_allclose(made.planes, without.planes, atol=1e-6)
    assert not made.weights[index].any()


@pytest.mark.parametrize("moved", [(0.0, 40.0), (-30.0, 0.0)])
def test_a_frame_that_does_not_overlap_the_reference_changes_nothing(moved):
    frames = noisy([taken(shift, number) for number, shift in enumerate(SHIFTS)])
    start = start_of(frames[0])
    far = taken(moved, len(frames))
    assert not far.usable.any()
    made, without = fused([*frames, far], start), fused(frames, start)
    np.testing.assert_allclose(made.planes, without.planes, atol=1e-6)


def test_where_no_frame_is_usable_the_start_stays_to_the_bit():
    frames = [replace(taken(shift), usable=np.zeros(SMALL, np.float32)) for shift in SHIFTS]
    start = start_of(frames[0])
    assert np.array_equal(fused(frames, start).planes, start)


def test_frames_that_share_no_pixel_mend_each_their_own_side():
    left = np.zeros(SMALL, np.float32)
    left[:, : SMALL[1] // 2] = 1.0
    frames = [
        replace(frame, usable=frame.usable * half)
        for shift in SHIFTS
        for frame, half in ((taken(shift), left), (taken((-shift[0], -shift[1])), 1.0 - left))
    ]
    start = start_of(taken((0.0, 0.0)))
    made = fused(frames, start).planes
    middle = LARGE[1] // 2
    for side in (np.s_[:, 8:-8, 8 : middle - 4], np.s_[:, 8:-8, middle + 4 : -8]):
        error = float(np.abs(made[side] - TRUTH[side]).mean())
        assert error < 0.4 * float(np.abs(start[side] - TRUTH[side]).mean())
