import numpy as np
import pytest

from flicker import flicker
from superres.errors import ArgumentError
from superres.images.resize import resize
from superres.metrics import Protocol


def picture(height=64, width=80, seed=0):
    coarse = np.random.default_rng(seed).standard_normal((height // 6, width // 6))
    return np.clip(128 + 50 * resize(coarse, size=(height, width)), 0, 255).astype(np.uint8)


def test_a_clip_that_stands_does_not_flicker():
    frames = [picture()] * 3
    found = flicker(frames, frames)
    assert (found.tof_px, found.warping_error, found.true_warping_error) == (0, 0, 0)


def test_brightness_that_alternates_makes_the_warping_error_computed_by_hand():
    # Flat frames do not move; from 100 to 110 and back each difference is 10/255.
    restored = [np.full((40, 40), 100 + 10 * (n % 2), np.uint8) for n in range(4)]
    truth = [np.full((40, 40), 105, np.uint8)] * 4
    found = flicker(restored, truth)
    assert found.tof_px == 0
    assert found.warping_error == pytest.approx((10 / 255) ** 2, rel=1e-6)
    assert found.true_warping_error == 0


def test_a_restoration_that_stands_while_the_truth_moves_is_off_by_the_motion():
    large = picture(80, 160)
    truth = [large[:64, 20 - 2 * n : 148 - 2 * n] for n in range(3)]
    found = flicker([truth[0]] * 3, truth, protocol=Protocol(border=8))
    assert found.tof_px == pytest.approx(2, abs=0.1)


def test_a_restoration_that_moves_with_the_truth_has_no_error_but_noise_has():
    large = picture(80, 160)
    truth = [large[:64, 20 - 2 * n : 148 - 2 * n] for n in range(3)]
    rng = np.random.default_rng(0)
    noisy = [np.clip(one + rng.normal(0, 8, one.shape), 0, 255).astype(np.uint8) for one in truth]
    good, bad = flicker(truth, truth), flicker(noisy, truth)
    assert good.tof_px == 0
    assert good.warping_error == good.true_warping_error < 1e-4
    # Two frames of independent noise differ by twice its variance.
    assert bad.warping_error == pytest.approx(2 * (8 / 255) ** 2, rel=0.1)
    assert bad.tof_px > 0.05


def test_frames_that_show_nothing_in_common_have_no_warping_error(monkeypatch):
    monkeypatch.setattr("flicker.seen_in_both", lambda there, back: np.zeros(there.shape[1:], bool))
    found = flicker([picture(seed=0), picture(seed=1)], [picture(seed=0), picture(seed=1)])
    assert np.isnan(found.warping_error)
    assert np.isnan(found.true_warping_error)
    assert found.tof_px == 0


@pytest.mark.parametrize(
    ("restored", "truth", "message"),
    [
        (2, 3, "the restored video ends after 2 frames"),
        (3, 2, "the true video ends after 2 frames"),
        (1, 1, "two frames at least"),
    ],
)
def test_videos_of_unlike_or_too_few_frames_are_refused(restored, truth, message):
    frame = np.zeros((8, 8), np.uint8)
    with pytest.raises(ArgumentError, match=message):
        flicker([frame] * restored, [frame] * truth)


def test_a_protocol_of_rgb_is_refused():
    with pytest.raises(ArgumentError, match="luma"):
        flicker([], [], protocol=Protocol(channels="rgb"))
