from __future__ import annotations

import numpy as np
import pytest

from superres.errors import ArgumentError
from superres.images.kernels import axis_bands, axis_weights, mirrored, target_size

KERNELS = ("nearest", "bilinear", "bicubic", "lanczos3")


def test_weights_are_trimmed_to_the_taps_that_count():
    indices, weights = axis_weights(
        8, 4, scale=0.5, kernel="bicubic", antialias=True, border="mirror"
    )
    assert indices.shape == weights.shape == (4, 8)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    assert indices[0].tolist() == [2, 1, 0, 0, 1, 2, 3, 4]


def test_clamped_borders_repeat_the_last_sample():
    indices, _ = axis_weights(8, 4, scale=0.5, kernel="bicubic", antialias=True, border="clamp")
    assert indices[0].tolist() == [0, 0, 0, 0, 1, 2, 3, 4]
    assert indices[3].tolist() == [3, 4, 5, 6, 7, 7, 7, 7]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("in_length", "out_length"), [(40, 160), (97, 13), (3, 50), (2, 1)])
@pytest.mark.parametrize("length", [1, 8, 1000])
def test_bands_hold_the_same_weights(kernel: str, in_length: int, out_length: int, length: int):
    request = {
        "scale": out_length / in_length,
        "kernel": kernel,
        "antialias": True,
        "border": "mirror",
    }
    signal = np.random.default_rng(0).random(in_length)
    indices, weights = axis_weights(in_length, out_length, **request)
    bands = axis_bands(in_length, out_length, **request, length=length)
    assert max(len(band.matrix) for band in bands) == min(length, out_length)
    result = np.concatenate([band.matrix @ signal[band.start : band.stop] for band in bands])
    np.testing.assert_allclose(result, (signal[indices] * weights).sum(axis=1), atol=1e-12)


def test_a_scale_gives_a_size_rounded_up_and_a_size_gives_two_scales():
    assert target_size((7, 9), 0.5, None) == ((4, 5), (0.5, 0.5))
    assert target_size((8, 10), None, (4, 20)) == ((4, 20), (0.5, 2.0))


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_scale_that_is_no_positive_number_is_an_error(scale: float):
    with pytest.raises(ArgumentError, match="scale"):
        axis_weights(4, 4, scale=scale, kernel="bicubic", antialias=True, border="mirror")
    with pytest.raises(ArgumentError, match="scale"):
        target_size((4, 4), scale, None)


def test_mirroring_repeats_the_edge_sample_and_turns_back_at_either_end():
    assert mirrored(np.arange(-4, 8), 3).tolist() == [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1]
    assert mirrored(np.arange(1, 4), 1).tolist() == [0, 0, 0]
