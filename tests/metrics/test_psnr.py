from __future__ import annotations

import math

import numpy as np
import pytest

from superres.metrics import Protocol, psnr

ONES = np.ones((32, 32, 3), np.uint8)
ZEROS = np.zeros((32, 32, 3), np.uint8)


# RGB is 20 log10(255). Luma is 20 log10(255² / 219) = 49.4527249, but the field's tools hold it in
# single precision and print 49.4527218.
def test_all_ones_against_all_twos_has_the_known_values():
    rgb = psnr(ONES, ONES * 2, protocol=Protocol(channels="rgb"))
    assert rgb == pytest.approx(48.1308036, abs=1e-6)
    assert psnr(ONES, ONES * 2) == pytest.approx(49.4527218, abs=1e-6)


def test_identical_pictures_are_infinitely_close_and_black_on_white_is_zero():
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    assert psnr(picture, picture.copy()) == math.inf
    rgb = Protocol(channels="rgb")
    assert psnr(ZEROS, ZEROS + 255, protocol=rgb) == pytest.approx(0.0, abs=1e-12)


def test_grey_pictures_are_compared_as_they_are():
    grey, other = ONES[..., 0], ONES[..., 0] * 2
    for channels in ("luma", "rgb"):
        protocol = Protocol(channels=channels)
        assert psnr(grey, other, protocol=protocol) == pytest.approx(48.1308036, abs=1e-6)
        with_axis = psnr(grey[..., None], other[..., None], protocol=protocol)
        assert with_axis == pytest.approx(48.1308036, abs=1e-6)


def test_luma_is_not_rounded():
    restored = ZEROS.copy()
    restored[..., 2] = 1  # 24.966 / 255 of a level: rounding would make it 0
    expected = 20 * math.log10(255 / (24.966 / 255))
    assert psnr(restored, ZEROS) == pytest.approx(expected, abs=1e-4)  # single precision


def test_the_mean_runs_over_all_channels_together():
    restored = ZEROS.copy()
    restored[..., 0] = 10
    expected = 10 * math.log10(255**2 / (100 / 3))
    assert psnr(restored, ZEROS, protocol=Protocol(channels="rgb")) == pytest.approx(expected)
