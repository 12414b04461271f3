from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import superres
from superres.burst import frames as limits
from superres.burst.fuse import FuseOptions, fuse_burst
from superres.errors import ArgumentError, UnknownNameError
from superres.imaging.motion import Motion, centre_of, similarity
from superres.imaging.sampler import Sampler
from superres.metrics import Protocol, psnr
from superres.watch import Watch
from synthesise import Shaking, make_burst

FAST = FuseOptions(model="bicubic", blur="bicubic", reference=0)  # no network, nothing estimated


def score(pixels: np.ndarray, truth: np.ndarray) -> float:
    return psnr(pixels, truth, protocol=Protocol(channels="rgb", border=4))


def fused(frames, options: FuseOptions = FAST, **more) -> np.ndarray:
    return fuse_burst(frames, options, **more).pixels


# --- what frames are for


@pytest.mark.parametrize("model", ["bicubic", "default"])
def test_psnr_rises_with_each_doubling_of_the_frames(burst, model):
    options = FuseOptions(model=model, reference=0)
    scores = [score(fused(burst.frames[:n], options), burst.truth) for n in (1, 2, 4, 8)]
    assert np.all(np.diff(scores) > 0.1)
    assert scores[-1] > scores[0] + 1.0


@pytest.mark.parametrize("count", [2, 3, 5])
def test_no_count_is_worse_than_one_frame(pictures, count):
    for seed, picture in enumerate(pictures):
        small = picture[:140, :160]
        made = make_burst(small, count=count, scale=2, seed=seed, shaking=Shaking(exposure=0.2))
        options = FuseOptions(scale=2, reference=0)
        alone = score(fused(made.frames[:1], options), made.truth)
        assert score(fused(made.frames, options), made.truth) > alone


def test_one_frame_is_what_upscale_makes_of_it(burst):
    frame = burst.frames[0]
    np.testing.assert_array_equal(superres.fuse([frame]), superres.upscale(frame, scale=4))


def test_the_order_of_frames_does_not_matter(burst):
    order = np.random.default_rng(3).permutation(8)
    place = int(np.flatnonzero(order == 0)[0])
    options = FuseOptions(model="bicubic", reference=place)
    shuffled = fused([burst.frames[i] for i in order], options)
    assert score(shuffled, burst.truth) == pytest.approx(
        score(fused(burst.frames), burst.truth), abs=0.05
    )


def test_copies_change_nothing_and_are_named(burst):
    frames = [*burst.frames[:3], burst.frames[0], burst.frames[2]]
    made = fuse_burst(frames, FAST)
    np.testing.assert_array_equal(made.pixels, fused(burst.frames[:3]))
    assert [f.dropped for f in made.frames[3:]] == [
        "it is a copy of frame 0",
        "it is a copy of frame 2",
    ]


def test_drizzle_is_better_than_its_sharpest_rival_without_a_network_at_eight_frames(burst):
    options = FuseOptions(model="bicubic", method="drizzle", reference=0)
    assert score(fused(burst.frames, options), burst.truth) > score(
        fused(burst.frames[:1]), burst.truth
    )


def test_bright_and_dark_frames_are_equalised(scene):
    plain = make_burst(scene, count=6, scale=4, seed=2, shaking=Shaking())
    uneven = make_burst(scene, count=6, scale=4, seed=2, shaking=Shaking(exposure=0.3))
    made = fuse_burst(uneven.frames, FAST)
    assert score(made.pixels, uneven.truth) > score(fused(plain.frames), plain.truth) - 0.3
    for report, gain in zip(made.frames, uneven.gains, strict=True):
        assert report.gain == pytest.approx((gain,) * 3, rel=0.02)


# --- what must not show


def test_a_thing_that_moves_leaves_no_ghost(burst):
    frames = [frame.copy() for frame in burst.frames]
    for index, frame in enumerate(frames[1:], start=1):
        frame[8:20, 4 * index : 4 * index + 10] = (250, 20, 20)
    made = fused(frames).astype(int)
    still = fused(burst.frames).astype(int)
    area = np.s_[32:80, 16:]
    assert abs(made - still)[area].mean() < 3
    assert np.percentile(abs(made - still)[area], 99.5) < 40


def test_a_thing_that_moves_in_the_reference_is_followed(scene):
    # A patch of the scene that shifts against the rest; with the flow it gains from all frames.
    burst = make_burst(scene, count=6, scale=4, seed=4, shaking=Shaking(noise=1.0))
    size = burst.frames[0].shape[:2]
    frames = [burst.frames[0]]
    for index, frame in enumerate(burst.frames[1:], start=1):
        moved = similarity(0.4 * index, -0.7 * index, 0.0)
        sampler = Sampler(Motion(moved).places(size) + centre_of(size), size)
        shifted = np.stack(
            [sampler.gather(plane) for plane in frame.transpose(2, 0, 1).astype(np.float32)], axis=2
        )
        patched = frame.copy()
        patched[10:38, 12:46] = np.clip(np.rint(shifted), 0, 255)[10:38, 12:46]
        frames.append(patched)
    area = np.s_[56:136, 72:160]
    flow = fused(frames)[area]
    none = fused(frames, FuseOptions(model="bicubic", reference=0, local="none"))[area]
    assert score(flow, burst.truth[area]) > score(none, burst.truth[area])


def test_dead_pixels_vanish_even_without_a_mask(burst):
    frames = [frame.copy() for frame in burst.frames]
    spots = np.random.default_rng(0).integers(4, 40, (12, 2))
    for frame in frames[1:]:
        frame[spots[:, 0], spots[:, 1]] = 255
    assert score(fused(frames), burst.truth) > score(fused(burst.frames), burst.truth) - 0.3


def test_masked_pixels_are_not_used_and_the_reference_is_filled_from_other_frames(burst):
    frames, masks = [f.copy() for f in burst.frames], [np.ones(f.shape[:2]) for f in burst.frames]
    for index in (0, 3):
        frames[index][10:22, 14:30] = 255  # a cloud
        masks[index][10:22, 14:30] = 0
    made = fused(frames, masks=masks)
    clear = fused(burst.frames)
    assert score(made, burst.truth) > score(clear, burst.truth) - 1.5
    area = np.s_[40:88, 56:120]
    assert abs(made[area].astype(int) - burst.truth[area]).mean() < 12


def test_nan_in_a_frame_is_as_good_as_masked(burst):
    frames = [f.astype(np.float32) / 255 for f in burst.frames]
    frames[2][5:12, 5:12] = np.nan
    frames[0][30, 30] = np.inf
    assert np.isfinite(fused(frames)).all()


# --- which frames are used


def test_unrelated_and_blank_frames_are_dropped_with_their_reasons(burst, pictures):
    height, width = burst.frames[0].shape[:2]
    other = pictures[1][:height, :width]
    frames = [*burst.frames[:4], other, np.zeros_like(other)]
    said: list[str] = []
    made = fuse_burst(frames, FAST, watch=Watch(on_note=said.append))
    np.testing.assert_array_equal(made.pixels, fused(burst.frames[:4]))
    assert "does not resemble the reference" in made.frames[4].dropped
    assert made.frames[5].dropped == "it shows no detail"
    assert [line.partition(":")[0] for line in said] == ["frame 4 is dropped", "frame 5 is dropped"]


def test_the_fallback_to_one_frame_is_announced(burst, pictures):
    height, width = burst.frames[0].shape[:2]
    said: list[str] = []
    made = fuse_burst(
        [burst.frames[0], pictures[1][:height, :width]], FAST, watch=Watch(on_note=said.append)
    )
    assert said[-1] == "no other frame is usable: only frame 0 is upscaled"
    np.testing.assert_array_equal(made.pixels, fused(burst.frames[:1]))


def test_black_frames_make_a_black_picture():
    black = [np.zeros((20, 24, 3), np.uint8), np.zeros((20, 24, 3), np.uint8)]
    black[1][0, 0] = 1
    assert fused(black, FuseOptions(model="bicubic")).max() <= 1


def test_coverage_counts_the_frames_that_saw_a_pixel(burst):
    made = fuse_burst(burst.frames, FAST)
    assert made.coverage.shape == burst.truth.shape[:2]
    assert 6 < np.median(made.coverage) <= 8.5
    weights = [report.weight for report in made.frames]
    assert min(weights) > 0.7
    assert made.reference == 0


# --- what frames may be


@pytest.mark.parametrize("shape", [(33, 47), (33, 47, 1), (33, 47, 2), (33, 47, 4), (33, 47, 7)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_every_layout_and_depth_comes_back_as_it_went_in(scene, shape, dtype):
    white = {"uint8": 255, "uint16": 65535, "float32": 1.0}[dtype]
    large = np.repeat(scene[:200, :260].mean(axis=2, keepdims=True), shape[-1], axis=2)
    whole = [large[y : y + 132 : 4, x : x + 188 : 4] for y, x in ((0, 0), (1, 2), (3, 1))]
    frames = [
        (
            (f / 255 * white).astype(dtype)[..., : shape[2]]
            if len(shape) == 3
            else (f[..., 0] / 255 * white).astype(dtype)
        )
        for f in whole
    ]
    if len(shape) == 3 and shape[2] in (2, 4):
        for frame in frames:
            frame[..., -1] = white
    quick = FuseOptions(model="bicubic", blur="bicubic", scale=3, rounds=1, steps=2)
    made = fused(frames, quick)
    assert made.dtype == frames[0].dtype
    assert made.shape == (99, 141, *shape[2:])
    if len(shape) == 3 and shape[2] in (2, 4):
        assert (made[..., -1] >= 0.99 * white).all()


@pytest.mark.parametrize("scale", [1, 1.7, 3])
def test_any_scale_from_1_up_is_made(burst, scale):
    made = fused(burst.frames[:3], FuseOptions(scale=scale, model="bicubic", reference=0))
    height, width = burst.frames[0].shape[:2]
    assert made.shape == (round(height * scale), round(width * scale), 3)


def test_frames_of_other_sizes_or_depths_are_refused(burst):
    with pytest.raises(ArgumentError, match=r"frame 1 is .* the first is"):
        superres.fuse([burst.frames[0], burst.frames[1][1:]])
    with pytest.raises(ArgumentError, match="uint16"):
        superres.fuse([burst.frames[0], burst.frames[1].astype(np.uint16)])
    with pytest.raises(ArgumentError, match="at least one frame"):
        superres.fuse([])
    with pytest.raises(ArgumentError, match="masks"):
        superres.fuse(burst.frames, masks=[np.ones((3, 3))])


def test_tiny_frames_are_refused_unless_there_is_one():
    tiny = [np.full((7, 9), value, np.uint8) for value in (1, 2)]
    with pytest.raises(ArgumentError, match="at least 8 x 8 px, got 7 x 9"):
        superres.fuse(tiny)
    assert fused(tiny[:1]).shape == (28, 36)


def test_progress_counts_every_step_and_never_goes_back(burst):
    seen: list[tuple[float, float | None]] = []
    fuse_burst(
        burst.frames[:3],
        FAST,
        watch=Watch(on_progress=lambda done, steps: seen.append((done, steps))),
    )
    assert seen == [(done, 7) for done in range(7)]


def test_more_pixels_than_the_cap_are_refused(burst, monkeypatch):
    monkeypatch.setattr(limits, "MAX_BURST_PIXELS", 1000)
    with pytest.raises(ArgumentError, match="the limit is 1,000"):
        superres.fuse(burst.frames)


def test_options_out_of_range_are_refused():
    with pytest.raises(UnknownNameError, match="drizle"):
        FuseOptions(method="drizle")
    bad: list[dict[str, Any]] = [{"scale": 0.5}, {"blur": -1.0}, {"motion": "shear"}]
    for one in bad:
        with pytest.raises(ArgumentError):
            FuseOptions(**one)
    with pytest.raises(ArgumentError, match="frame 9"):
        superres.fuse([np.zeros((9, 9), np.uint8)], reference=9)
