from __future__ import annotations

import math

import numpy as np
import pytest

from superres.errors import ArgumentError
from superres.metrics.cpsnr import RegisteredProtocol, cpsnr

RANDOM = np.random.default_rng(0)
TRUTH = RANDOM.integers(1000, 60000, (30, 34)).astype(np.uint16)


def test_one_value_off_by_one_in_a_picture_of_64_has_the_ratio_worked_out_by_hand():
    # 8 x 8 px remain, and one of them is off by 64: the bias is 1, (63² + 63) / 64 = 63 is left.
    truth = RANDOM.integers(1000, 60000, (14, 14)).astype(np.uint16)
    restored = truth.copy()
    restored[6, 6] -= 64
    assert cpsnr(restored, truth) == pytest.approx(10 * math.log10(65535**2 / 63), abs=1e-9)


@pytest.mark.parametrize("shift", [(-3, 3), (0, 0), (2, -1)])
@pytest.mark.parametrize("bias", [0, 500])
def test_shifts_of_up_to_three_pixels_and_a_bias_cost_nothing(shift, bias):
    restored = np.roll(TRUTH, shift, (0, 1)) + np.uint16(bias)
    assert cpsnr(restored, TRUTH) == math.inf


def test_a_shift_of_four_pixels_costs_everything():
    assert cpsnr(np.roll(TRUTH, 4, 0), TRUTH) < 15


def test_clouded_pixels_do_not_count_wherever_the_truth_is_shifted():
    restored, truth = np.roll(TRUTH, (1, -2), (0, 1)), TRUTH.copy()
    clear = np.ones(TRUTH.shape, bool)
    truth[5:15, 8:20] = 65535
    assert cpsnr(restored, truth) < 30
    clear[5:15, 8:20] = False
    assert cpsnr(restored, truth, clear=clear) == math.inf


def test_the_bias_is_that_of_clear_pixels_alone():
    restored, clear = TRUTH + np.uint16(100), np.ones(TRUTH.shape, bool)
    restored[10:20] += 1000
    clear[10:20] = False
    # Aligned without a shift, only clear pixels count, and their bias is 100.
    assert cpsnr(restored, TRUTH, clear=clear) == math.inf


def test_it_equals_the_definition_written_out():
    restored = (TRUTH + RANDOM.normal(0, 900, TRUTH.shape)).astype(np.uint16)
    clear = RANDOM.random(TRUTH.shape) < 0.8
    best = -math.inf
    for u in range(7):
        for v in range(7):
            total = bias = count = 0.0
            cells = [
                (float(TRUTH[u + y, v + x]), float(restored[3 + y, 3 + x]))
                for y in range(24)
                for x in range(28)
                if clear[u + y, v + x]
            ]
            count = len(cells)
            bias = sum(h - s for h, s in cells) / count
            total = sum((h - (s + bias)) ** 2 for h, s in cells)
            best = max(best, -10 * math.log10(total / count / 65535**2))
    assert cpsnr(restored, TRUTH, clear=clear) == pytest.approx(best, abs=1e-9)


def test_the_peak_and_the_border_can_be_chosen():
    noisy = (TRUTH + RANDOM.normal(0, 900, TRUTH.shape)).astype(np.uint16)
    lower = cpsnr(noisy, TRUTH, protocol=RegisteredProtocol(peak=16383.0))
    assert cpsnr(noisy, TRUTH) - lower == pytest.approx(20 * math.log10(65535 / 16383))
    shifted = np.roll(TRUTH, 1, 0)
    assert cpsnr(shifted, TRUTH, protocol=RegisteredProtocol(border=0)) < 15


def test_each_channel_has_its_own_bias_and_all_share_the_shift():
    truth = RANDOM.integers(50, 200, (20, 20, 3)).astype(np.uint8)
    restored = truth + np.array([5, 0, 9], np.uint8)
    assert cpsnr(np.roll(restored, 2, 1), truth) == math.inf
    restored[..., 1] = np.roll(restored[..., 1], 1, 0)
    assert cpsnr(restored, truth) < 30


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ArgumentError, match="one size and depth"):
        cpsnr(TRUTH[1:], TRUTH)
    with pytest.raises(ArgumentError, match="leaves no pixels"):
        cpsnr(TRUTH[:6, :6], TRUTH[:6, :6])
    with pytest.raises(ArgumentError, match="no pixel of the truth is clear"):
        cpsnr(TRUTH, TRUTH, clear=np.zeros(TRUTH.shape))
    with pytest.raises(ArgumentError, match="the mask is"):
        cpsnr(TRUTH, TRUTH, clear=np.ones((3, 3)))
    with pytest.raises(ArgumentError, match="at least 0"):
        RegisteredProtocol(border=-1)
