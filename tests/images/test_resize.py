from __future__ import annotations

import math
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from superres.errors import ArgumentError, UnknownNameError
from superres.images.kernels import Border, Kernel
from superres.images.resize import resize, resize_rows

BENCHMARKS = Path(__file__).resolve().parents[3] / "shared" / "data" / "benchmarks"
KERNELS = ("nearest", "bilinear", "bicubic", "lanczos3")


def ramp(n: int) -> np.ndarray:
    return np.arange(n * n, dtype=np.float64).reshape(n, n)


def by_the_formula(signal: np.ndarray, out_length: int, scale: float, mirror: bool) -> np.ndarray:
    """One axis in plain Python: a widened bicubic at each centre, its weights summing to 1."""
    shrink = min(scale, 1.0)
    result: list[float] = []
    for out in range(out_length):
        centre = (out + 0.5) / scale - 0.5
        reach = math.ceil(2.0 / shrink) + 1
        total = weight_sum = 0.0
        for i in range(math.floor(centre) - reach, math.floor(centre) + reach + 2):
            d = abs(centre - i) * shrink
            weight = 0.0
            if d <= 1:
                weight = 1.5 * d**3 - 2.5 * d**2 + 1
            elif d <= 2:
                weight = -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
            source = i
            while not 0 <= source < len(signal):
                if not mirror:
                    source = min(max(source, 0), len(signal) - 1)
                else:
                    source = -1 - source if source < 0 else 2 * len(signal) - 1 - source
            total += weight * signal[source]
            weight_sum += weight
        result.append(total / weight_sum)
    return np.array(result)


# The three vectors are MATLAB R2019b's, printed to six decimals.
def test_shrinking_an_8x8_ramp_gives_the_numbers_of_matlab():
    expected = [[12.383789, 16.631836], [46.368164, 50.616211]]
    np.testing.assert_allclose(resize(ramp(8), size=(2, 2)), expected, atol=1e-6)
    np.testing.assert_allclose(resize(ramp(8), scale=0.25), expected, atol=1e-6)


def test_shrinking_without_antialiasing_gives_the_numbers_of_matlab():
    expected = [
        [0.543981, 1.935185, 3.326389],
        [6.108796, 7.5, 8.891204],
        [11.673611, 13.064815, 14.456019],
    ]
    result = resize(ramp(4), size=(3, 3), antialias=False)
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_a_size_with_two_different_scales_gives_the_numbers_of_matlab():
    expected = [2.184525, 3.319137, 4.468841, 5.62046, 6.772078, 7.921782, 9.056394]
    np.testing.assert_allclose(resize(ramp(8), size=(5, 7))[0], expected, atol=1e-6)


@pytest.mark.parametrize("scale", [0.3, 0.5, 1.0, 1.7, 4.0])
@pytest.mark.parametrize("border", ["mirror", "clamp"])
def test_each_axis_follows_the_formula_at_any_scale(scale: float, border: Border):
    signal = np.random.default_rng(1).random(11)
    expected = by_the_formula(signal, math.ceil(11 * scale), scale, mirror=border == "mirror")
    tall = resize(np.repeat(signal[:, None], 3, axis=1), scale=scale, border=border)
    np.testing.assert_allclose(tall, np.tile(expected[:, None], tall.shape[1]), atol=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("size", [(2, 3), (9, 4), (31, 40), (1, 1)])
def test_a_constant_stays_constant(kernel: Kernel, size: tuple[int, int]):
    result = resize(np.full((9, 10, 3), 0.7), size=size, kernel=kernel)
    assert result.shape == (*size, 3)
    np.testing.assert_allclose(result, 0.7, atol=1e-12)


def test_a_given_scale_is_used_exactly_and_the_size_rounded_up():
    result = resize(ramp(7), scale=0.5)
    assert result.shape == (4, 4)
    assert np.abs(result - resize(ramp(7), size=(4, 4))).max() > 0.1


def test_nearest_doubles_each_pixel_and_halving_takes_pixels_that_exist():
    np.testing.assert_array_equal(
        resize(ramp(3), scale=2, kernel="nearest"), ramp(3).repeat(2, 0).repeat(2, 1)
    )
    assert set(resize(ramp(6), scale=0.5, kernel="nearest").ravel()) <= set(ramp(6).ravel())


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_resize_to_its_own_size_changes_nothing(kernel: Kernel):
    np.testing.assert_array_equal(resize(ramp(5), size=(5, 5), kernel=kernel), ramp(5))


def test_borders_differ_at_the_edge_and_nowhere_else():
    image = np.random.default_rng(2).random((40, 40))
    apart = resize(image, scale=0.5) - resize(image, scale=0.5, border="clamp")
    assert np.abs(apart[:2]).max() > 0.0
    np.testing.assert_array_equal(apart[2:-2, 2:-2], 0.0)


def test_results_overshoot_unless_each_pass_is_rounded_to_8_bits():
    image = np.zeros((16, 16))
    image[:, 8:] = 255.0
    assert resize(image, scale=2).max() > 255.0
    rounded = resize(image, scale=2, rounding="uint8-each-pass")
    assert rounded.min() == 0.0
    assert rounded.max() == 255.0
    np.testing.assert_array_equal(rounded, np.rint(rounded))


def test_rounding_happens_after_the_first_pass_too():
    image = np.random.default_rng(3).integers(0, 256, (24, 24)).astype(np.uint8)
    once = np.clip(np.floor(resize(image, scale=0.5) + 0.5), 0, 255)
    height_first = np.stack([by_the_formula(c, 12, 0.5, True) for c in image.T.astype(float)], 1)
    height_first = np.clip(np.floor(height_first + 0.5), 0, 255)
    both = np.stack([by_the_formula(row, 12, 0.5, True) for row in height_first])
    result = resize(image, scale=0.5, rounding="uint8-each-pass")
    np.testing.assert_array_equal(result, np.clip(np.floor(both + 0.5), 0, 255))
    assert np.abs(result - once).max() == 1.0


@pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="the benchmark pictures are not here")
@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", ["Set5/HR/butterfly", "Set5/HR/woman", "Set14/HR/bridge"])
def test_published_small_pictures_come_out_bit_for_bit(name: str, scale: int):
    pyvips = pytest.importorskip("pyvips")
    large = pyvips.Image.new_from_file(str(BENCHMARKS / f"{name}.png")).numpy()
    published = str(BENCHMARKS / f"{name}.png").replace("HR", f"LR_x{scale}")
    large = large[: large.shape[0] // scale * scale, : large.shape[1] // scale * scale]
    small = resize(large, scale=1 / scale, border="clamp", rounding="uint8-each-pass")
    np.testing.assert_array_equal(small, pyvips.Image.new_from_file(published).numpy())


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("border", ["mirror", "clamp"])
@pytest.mark.parametrize(
    ("in_size", "out_size"),
    [
        ((40, 30), (160, 120)),
        ((97, 61), (33, 20)),
        ((5, 7), (50, 3)),
        ((64, 9), (7, 70)),
        ((1, 1), (4, 4)),
        ((3, 2), (1, 1)),
        ((300, 4), (2, 9)),
    ],
)
def test_rows_equal_the_whole(
    in_size: tuple[int, int], out_size: tuple[int, int], kernel: Kernel, border: Border
):
    image = np.random.default_rng(4).random((*in_size, 3)).astype(np.float32)
    blocks = (image[start : start + 7] for start in range(0, in_size[0], 7))
    rows = resize_rows(blocks, in_size=in_size, out_size=out_size, kernel=kernel, border=border)
    result = np.concatenate(list(rows))
    assert result.dtype == np.float32
    whole = resize(image, size=out_size, kernel=kernel, border=border)
    np.testing.assert_allclose(result, whole, atol=1e-5)


def test_rows_of_grey_pictures_without_a_channel_axis_keep_their_shape():
    image = np.random.default_rng(5).random((20, 30)).astype(np.float32)
    result = np.concatenate(list(resize_rows([image], in_size=(20, 30), out_size=(33, 11))))
    np.testing.assert_allclose(result, resize(image, size=(33, 11)), atol=1e-5)


@pytest.mark.parametrize("out_size", [(3000, 200), (12000, 800)])
def test_memory_for_rows_is_far_below_the_size_of_the_picture(out_size: tuple[int, int]):
    block = np.zeros((32, 400, 3), np.float32)
    tracemalloc.start()
    blocks = (block for _ in range(6016 // 32))
    rows = sum(len(b) for b in resize_rows(blocks, in_size=(6016, 400), out_size=out_size))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == out_size[0]
    assert peak < 6_000_000  # the input takes 29 MB, the larger output 115 MB


@pytest.mark.parametrize("rows", [15, 17])
def test_blocks_that_do_not_make_up_the_picture_are_an_error(rows: int):
    with pytest.raises(ArgumentError, match="16"):
        list(resize_rows([np.zeros((rows, 4), np.float32)], in_size=(16, 4), out_size=(8, 8)))


def test_wrong_requests_are_errors_that_say_what_came():
    image = ramp(4)
    with pytest.raises(ArgumentError, match="scale=None and size=None"):
        resize(image)
    with pytest.raises(ArgumentError, match="exactly one"):
        resize(image, scale=2, size=(8, 8))
    with pytest.raises(ArgumentError, match="-1"):
        resize(image, scale=-1)
    with pytest.raises(ArgumentError, match=r"\(0, 3\)"):
        resize(image, size=(0, 3))
    with pytest.raises(ArgumentError, match=r"\(0, 4\)"):
        resize(np.zeros((0, 4)), scale=2)
    with pytest.raises(ArgumentError, match=r"\(1, 3, 4, 4\)"):
        resize(np.zeros((1, 3, 4, 4)), scale=2)
    with pytest.raises(UnknownNameError, match="bicubci") as caught:
        resize(image, scale=2, kernel="bicubci")  # type: ignore[arg-type]
    assert "bicubic" in caught.value.hint
    with pytest.raises(UnknownNameError, match="reflect"):
        resize(image, scale=2, border="reflect")  # type: ignore[arg-type]
