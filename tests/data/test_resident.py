"""Pairs in memory: sizes, the small picture, and other depths and channels."""

from pathlib import PurePath

import numpy as np
import pytest
import pyvips
import torch
from toy_format import know_toys, put_bands

from superres.data.folders import find_pictures
from superres.data.resident import load_resident
from superres.images.resize import resize
from superres.watch import Watch


def save(path, pixels):
    pyvips.Image.new_from_array(pixels).write_to_file(str(path))


def load(folder, *, scale=2, channels=3, smallest=4):
    return load_resident(
        find_pictures([folder]),
        scale=scale,
        channels=channels,
        smallest=smallest,
        device=torch.device("cpu"),
        watch=Watch(print),
    )


def test_large_pictures_are_cropped_to_a_multiple_and_made_small_by_our_bicubic(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (25, 32, 3), np.uint8)
    save(tmp_path / "a.png", pixels)
    pairs = load(tmp_path, scale=3)
    assert pairs.sizes.tolist() == [[8, 10]]
    np.testing.assert_array_equal(pairs.large.reshape(24, 30, 3), pixels[:24, :30])
    expected = np.clip(np.floor(resize(pixels[:24, :30], scale=1 / 3) + 0.5), 0, 255)
    np.testing.assert_array_equal(pairs.small.reshape(8, 10, 3), expected)


def test_pictures_lie_end_to_end_in_the_order_of_their_names(tmp_path):
    for name, level in (("b.png", 20), ("a.png", 10)):
        save(tmp_path / name, np.full((12, 16, 3), level, np.uint8))
    pairs = load(tmp_path)
    assert pairs.starts.tolist() == [0, 48]
    assert pairs.small[47].tolist() == [10, 10, 10]
    assert pairs.small[48].tolist() == [20, 20, 20]
    assert pairs.large[4 * 48].tolist() == [20, 20, 20]


@pytest.mark.parametrize(("channels", "expected"), [(3, [77, 77, 77]), (1, [77])])
def test_grey_and_16_bit_pictures_become_8_bit_of_the_networks_channels(
    tmp_path, channels, expected
):
    image = pyvips.Image.new_from_array(np.full((12, 12), 77 * 257, np.uint16))
    image.copy(interpretation="grey16").write_to_file(str(tmp_path / "a.png"))
    pairs = load(tmp_path, channels=channels)
    assert pairs.large[0].tolist() == expected


def test_a_raster_of_bands_that_are_no_colours_is_left_out_by_name(tmp_path, monkeypatch, capsys):
    know_toys(monkeypatch)
    rng = np.random.default_rng(0)
    for name, count in (("a", 2), ("b", 6)):
        put_bands(tmp_path / f"{name}.toy", rng.integers(0, 256, (24, 24, count)).astype(np.uint8))
    save(tmp_path / "c.png", rng.integers(0, 256, (24, 24, 3), np.uint8))
    assert [PurePath(name).name for name in load(tmp_path).names] == ["c.png"]
    told = capsys.readouterr().out
    assert "a.toy has 2 bands that are no colours; training takes grey or RGB" in told
    assert "b.toy has 6 bands" in told
