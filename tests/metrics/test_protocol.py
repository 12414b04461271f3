from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from superres.errors import ArgumentError, UnknownNameError
from superres.metrics import Protocol, psnr, ssim


def test_the_protocol_says_itself_in_words():
    assert Protocol(border=4).describe() == (
        "luma (BT.601, 16-235), border 4 px, rounded to 8 bits"
    )
    assert Protocol(channels="rgb", rounding="none").describe() == "RGB, border 0 px, not rounded"


@pytest.mark.parametrize("border", [-1, 2.0, True, "4"])
def test_a_border_that_is_no_count_of_pixels_is_an_error(border: object):
    with pytest.raises(ArgumentError, match="border"):
        Protocol(border=border)  # type: ignore[arg-type]


def test_unknown_names_are_errors_that_suggest_the_nearest():
    with pytest.raises(UnknownNameError) as caught:
        Protocol(channels="lumma")  # type: ignore[arg-type]
    assert "luma" in caught.value.hint
    with pytest.raises(UnknownNameError):
        Protocol(rounding="uint16")  # type: ignore[arg-type]


@pytest.mark.parametrize("score", [psnr, ssim])
@pytest.mark.parametrize(
    ("restored", "truth", "words"),
    [
        (np.zeros((20, 20), np.uint8), np.zeros((20, 21), np.uint8), r"\(20, 20\).*\(20, 21\)"),
        (np.zeros((20, 20), np.uint8), np.zeros((20, 20, 1), np.uint8), r"\(20, 20, 1\)"),
        (np.zeros((20, 20), np.uint8), np.zeros((20, 20), np.uint16), "uint8.*uint16"),
        (np.zeros((20, 20)), np.zeros((20, 20)), "float64"),
        (np.zeros((20, 20, 4), np.uint8), np.zeros((20, 20, 4), np.uint8), r"\(20, 20, 4\)"),
        (np.zeros(20, np.uint8), np.zeros(20, np.uint8), r"\(20,\)"),
        (np.zeros((8, 20), np.uint8), np.zeros((8, 20), np.uint8), "border of 4 px"),
        (np.full((20, 20), np.nan, np.float32), np.zeros((20, 20), np.float32), "144 values"),
    ],
)
def test_pictures_that_cannot_be_compared_are_an_error(
    score, restored: np.ndarray, truth: np.ndarray, words: str
):
    with pytest.raises(ArgumentError, match=words):
        score(restored, truth, protocol=Protocol(border=4))


@pytest.mark.parametrize("score", [psnr, ssim])
def test_the_same_pixels_score_the_same_at_every_depth(score):
    generator = np.random.default_rng(0)
    restored, truth = generator.integers(0, 256, (2, 24, 26, 3)).astype(np.uint8)
    expected = score(restored, truth)
    assert score(restored * np.uint16(257), truth * np.uint16(257)) == pytest.approx(expected)
    unit = [(picture / 255).astype(np.float32) for picture in (restored, truth)]
    assert score(*unit) == pytest.approx(expected)


def test_the_border_is_left_out_on_every_edge():
    truth = np.full((30, 31, 3), 100, np.uint8)
    restored = truth.copy()
    restored[:4] = restored[-4:] = 0
    restored[:, :4] = restored[:, -4:] = 0
    assert psnr(restored, truth, protocol=Protocol(border=4)) == np.inf
    assert ssim(restored, truth, protocol=Protocol(border=4)) == pytest.approx(1.0)
    assert psnr(restored, truth, protocol=Protocol(border=3)) < 30


def test_rounding_clips_and_rounds_both_and_can_be_left_out():
    truth = np.full((16, 16), 1.0, np.float32)
    restored = np.full((16, 16), 1.2, np.float32)
    assert psnr(restored, truth) == np.inf
    unrounded = psnr(restored, truth, protocol=Protocol(rounding="none"))
    assert unrounded == pytest.approx(-20 * np.log10(0.2), abs=1e-5)
    truth[:], restored[:] = 100.4 / 255, 99.6 / 255
    assert psnr(restored, truth) == np.inf


def test_metrics_import_nothing_heavy():
    code = (
        "import sys, superres.metrics; heavy = {'torch', 'pyvips', 'openvino', 'pydantic'};"
        "sys.exit(bool(heavy & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
