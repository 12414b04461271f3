"""Measures of known flaws, in any depth and layout."""

from __future__ import annotations

import numpy as np
import pytest
import pyvips
from picture_files import encoded, vips_image
from toy_format import know_toys, put_bands

from superres.images import flaws
from superres.images.flaws import Flaws, measure_flaws
from superres.media import open_picture


def scene(height=192, width=224, seed=3):
    """Grey values (H, W) with the spectrum of sharp photographs: amplitudes fall as 1 / f."""
    rng = np.random.default_rng(seed)
    f = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    f[0, 0] = 1.0
    waves = np.fft.rfft2(rng.standard_normal((height, width))) / f
    waves[0, 0] = 0.0
    field = np.fft.irfft2(waves, (height, width))
    # Large parts are almost flat, as sky and walls are.
    contrast = 26.0 * np.clip(np.linspace(-0.6, 1.2, width), 0.06, 1.0)
    return np.clip(128 + field / field.std() * contrast, 0, 255)


def rgb(grey):
    return np.rint(np.stack([grey, grey, grey], -1)).clip(0, 255).astype(np.uint8)


def flaws_of_png(pixels):
    return measure_flaws(open_picture(encoded(pixels, "png")))


def through_jpeg(pixels, quality):
    image = pyvips.Image.new_from_buffer(encoded(pixels, "jpeg", Q=quality), "")
    return image.numpy()


def test_a_sharp_clean_picture_has_no_flaws():
    found = flaws_of_png(rgb(scene()))
    assert found.block_edges < 0.3
    assert found.noise < 1  # that of rounding, in the flattest parts
    assert 0.1 < found.sharpness < 0.6


@pytest.mark.parametrize("sigma", [4.0, 8.0, 16.0])
def test_noise_is_found_and_its_strength_is_told(sigma):
    noise = np.random.default_rng(0).standard_normal((192, 224)) * sigma
    assert flaws_of_png(rgb(scene() + noise)).noise == pytest.approx(sigma, rel=0.2)


def test_the_edges_between_a_jpegs_blocks_grow_as_its_quality_falls():
    pixels = rgb(scene())
    edges = [
        flaws_of_png(through_jpeg(pixels, quality)).block_edges for quality in (95, 75, 50, 20)
    ]
    assert edges == sorted(edges)
    assert edges[0] < 0.9 < edges[2]


def test_a_jpegs_blocks_are_found_where_the_picture_was_cut_off_its_grid():
    pixels = through_jpeg(rgb(scene()), 30)
    assert flaws_of_png(pixels[3:, 5:]).block_edges == pytest.approx(
        flaws_of_png(pixels).block_edges, rel=0.2
    )


def test_blur_takes_sharpness_away():
    sharp = vips_image(rgb(scene()))
    blurred = (sharp.gaussblur(sigma, min_ampl=0.01).numpy() for sigma in (0.5, 0.8, 1.0))
    values = [flaws_of_png(pixels).sharpness for pixels in (sharp.numpy(), *blurred)]
    assert values == sorted(values, reverse=True)
    assert values[-2] < 0.09 < values[1]


@pytest.mark.parametrize("value", [0, 7, 128, 255])
def test_a_flat_picture_has_no_flaws(value):
    assert flaws_of_png(np.full((64, 80, 3), value, np.uint8)) == Flaws(0.0, 0.0, 1.0)


def test_a_drawing_of_lines_on_white_is_not_taken_for_noise():
    pixels = np.full((256, 256, 3), 255, np.uint8)
    rng = np.random.default_rng(0)
    for top, left in rng.integers(0, 240, (120, 2)):
        pixels[top : top + 2, left : left + 15] = 20
        pixels[top : top + 12, left : left + 2] = 20
    found = flaws_of_png(pixels)
    assert found.noise == 0
    assert found.block_edges < 0.3
    assert found.sharpness > 0.1


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 3), (5, 5), (9, 8), (64, 3)])
def test_pictures_too_small_to_tell_have_no_flaws(shape):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    found = flaws_of_png(pixels)
    assert (found.block_edges, found.noise) == (0, 0)


@pytest.mark.parametrize("depth", ["uint16", "float32"])
def test_flaws_are_told_in_8_bit_levels_whatever_the_depth(depth):
    noise = np.random.default_rng(0).standard_normal((192, 224)) * 6
    pixels = rgb(scene() + noise)
    deep = pixels.astype(np.uint16) * 257 if depth == "uint16" else pixels / np.float32(255)
    found = measure_flaws(open_picture(encoded(deep, "tiff")))
    expected = flaws_of_png(pixels)
    for name in ("block_edges", "noise", "sharpness"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-3)


def test_grey_pictures_are_measured_as_the_same_in_colour():
    pixels = rgb(scene())
    grey, colour = flaws_of_png(pixels[..., :1]), flaws_of_png(pixels)
    assert grey.sharpness == pytest.approx(colour.sharpness, rel=1e-3)


def test_what_is_transparent_is_not_looked_at():
    pixels = np.concatenate([rgb(scene()), np.full((192, 224, 1), 255, np.uint8)], axis=2)
    whole = flaws_of_png(pixels)
    hidden = np.random.default_rng(0).integers(0, 256, (64, 224, 3))
    pixels[:64, :, :3], pixels[:64, :, 3] = hidden, 0
    found = flaws_of_png(pixels)
    assert found.noise < 1
    assert found.sharpness == pytest.approx(whole.sharpness, rel=0.15)
    pixels[..., 3] = 0
    assert flaws_of_png(pixels) == Flaws(0.0, 0.0, 1.0)


def test_measurements_beyond_black_and_white_and_holes_in_them_raise_nothing():
    pixels = (rgb(scene()) / np.float32(255)).astype(np.float32)
    pixels[5, 7] = np.nan
    pixels[100, 100] = np.inf
    pixels[:, :64] *= 1e30
    found = measure_flaws(open_picture(encoded(pixels, "tiff")))
    assert all(np.isfinite([found.block_edges, found.noise, found.sharpness]))


def test_a_large_picture_is_looked_at_in_at_most_64_windows_from_edge_to_edge(monkeypatch):
    seen = []
    monkeypatch.setattr(flaws, "flaws_of", lambda windows: seen.extend(y.shape for y in windows))
    rows, columns = np.mgrid[0:1300, 0:700]
    pixels = ((rows + columns) % 256).astype(np.uint8)[..., None]
    measure_flaws(open_picture(encoded(pixels, "png")))
    assert 30 < len(seen) <= 64
    assert set(seen) <= {(64, 64), (20, 64), (64, 60), (20, 60)}


@pytest.mark.parametrize("place", [0, 1, 4])
def test_each_band_of_a_raster_is_looked_at_and_not_the_first_alone(tmp_path, monkeypatch, place):
    know_toys(monkeypatch)
    bands = [scene(seed=seed) for seed in range(5)]
    clean = put_bands(tmp_path / "clean.toy", np.rint(np.stack(bands, -1)).astype(np.uint8))
    noise = np.random.default_rng(9).normal(0, 12, bands[0].shape)
    bands = [band if index == place else band + noise for index, band in enumerate(bands)]
    stack = np.rint(np.stack(bands, -1)).clip(0, 255).astype(np.uint8)
    noisy = put_bands(tmp_path / "noisy.toy", stack)
    assert measure_flaws(open_picture(clean)).noise < 1
    assert measure_flaws(open_picture(noisy)).noise > 5
