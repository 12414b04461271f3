"""Paired folders: matched by name, checked, and loaded unchanged."""

import numpy as np
import pytest
import pyvips
import torch

from superres.data.pairs import (
    LEAST_AGREEMENT,
    check_pairs,
    find_pairs,
    load_resident_pairs,
    measure_alignment,
)
from superres.errors import DataError, PictureError
from superres.images.resize import resize
from superres.watch import Watch

SCALE = 2


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    pyvips.Image.new_from_array(pixels).write_to_file(str(path))


def scene(seed, size=(96, 120)):
    """Return a picture (H, W, 3) of coarse and fine detail."""
    rng = np.random.default_rng(seed)
    layers = [
        resize(rng.normal(size=(n, n)), size=size)[..., None] * n**-0.5 for n in (6, 12, 24, 48)
    ]
    levels = 128 + 90 * np.sum(layers, axis=0) / np.std(np.sum(layers, axis=0)) / 2
    tint = np.array([1.0, 0.9, 0.8])
    return np.clip(np.rint(levels * tint), 0, 255).astype(np.uint8)


def made_small(large, scale=SCALE):
    height, width = (edge // scale * scale for edge in large.shape[:2])
    return np.clip(np.rint(resize(large[:height, :width], scale=1 / scale)), 0, 255).astype(
        np.uint8
    )


@pytest.fixture
def folders(tmp_path):
    for seed in range(3):
        large = scene(seed)
        save(tmp_path / "large" / f"{seed}.png", large)
        save(tmp_path / "small" / f"{seed}.png", made_small(large))
    return tmp_path / "small", tmp_path / "large"


def load(small, large, **more):
    values = {"scale": SCALE, "channels": 3, "smallest": 8, "watch": Watch(print), **more}
    return load_resident_pairs(small, large, device=torch.device("cpu"), **values)


@pytest.mark.parametrize("name", ["baby.png", "baby_x4.png", "babyx4.png", "baby-X2.webp"])
def test_names_match_with_and_without_a_mark_of_scale(tmp_path, name):
    save(tmp_path / "s" / "deep" / name, np.zeros((8, 8), np.uint8))
    save(tmp_path / "l" / "deep" / "baby.tif", np.zeros((8, 8), np.uint8))
    (pair,) = find_pairs(tmp_path / "s", tmp_path / "l")
    assert (pair.small.path.name, pair.large.path.name) == (name, "baby.tif")


def test_a_large_name_that_ends_like_a_mark_is_taken_whole(tmp_path):
    for folder in ("s", "l"):
        for name in ("box4.png", "bo.png"):
            save(tmp_path / folder / name, np.zeros((8, 8), np.uint8))
    names = [
        (pair.small.path.name, pair.large.path.name)
        for pair in find_pairs(tmp_path / "s", tmp_path / "l")
    ]
    assert names == [("bo.png", "bo.png"), ("box4.png", "box4.png")]


def test_pictures_without_a_counterpart_are_named_on_both_sides(folders):
    small, large = folders
    (small / "0.png").rename(small / "other.png")
    with pytest.raises(DataError) as caught:
        find_pairs(small, large)
    assert f"1 of 3 small pictures have no counterpart ({small / 'other.png'})" in str(caught.value)
    assert f"1 of 3 large pictures have no counterpart ({large / '0.png'})" in str(caught.value)


def test_two_small_pictures_of_one_large_one_are_named(folders):
    small, large = folders
    save(small / "1x2.png", np.zeros((8, 8), np.uint8))
    with pytest.raises(DataError, match=r"1\.png and .*1x2\.png are both the small picture of 1"):
        find_pairs(small, large)


def test_a_folder_that_is_none_is_named(folders, tmp_path):
    with pytest.raises(DataError, match="none is not a folder"):
        find_pairs(folders[0], tmp_path / "none")


def test_good_pairs_pass_also_with_up_to_scale_minus_one_pixels_more(folders):
    small, large = folders
    save(large / "1.png", np.pad(scene(1), ((0, 1), (0, 1), (0, 0))))
    check_pairs(find_pairs(small, large), SCALE)


@pytest.mark.parametrize(
    ("size", "hint"),
    [
        ((98, 120), "up to 1 px more"),
        ((95, 120), "up to 1 px more"),
        ((144, 180), "the scale of this pair is 3"),
    ],
)
def test_the_first_pair_of_a_wrong_size_is_named_with_both_sizes(folders, size, hint):
    small, large = folders
    for name in ("1.png", "2.png"):
        save(large / name, scene(1, size))
    with pytest.raises(DataError) as caught:
        check_pairs(find_pairs(small, large), SCALE)
    message = str(caught.value)
    assert f"1.png has {size[0]}×{size[1]} px" in message
    assert "of 48×60 px gives 96×120 at ×2" in message
    assert hint in message


def test_a_grey_picture_is_no_pair_of_a_coloured_one(folders):
    small, large = folders
    save(small / "2.png", made_small(scene(2))[..., 0])
    with pytest.raises(DataError, match=r"2\.png is grey, but .*2\.png is rgb"):
        check_pairs(find_pairs(small, large), SCALE)


def test_an_unreadable_picture_is_named(folders):
    small, large = folders
    (small / "1.png").write_bytes(b"no picture")
    with pytest.raises(PictureError, match=r"1\.png"):
        check_pairs(find_pairs(small, large), SCALE)


def test_other_pictures_of_the_right_size_are_refused(folders):
    small, large = folders
    save(small / "1.png", made_small(scene(7)))
    with pytest.raises(DataError, match=r"1\.png and .*1\.png show different pictures"):
        check_pairs(find_pairs(small, large), SCALE)


def test_a_shifted_pair_is_refused_with_its_shift(folders):
    small, large = folders
    wide = scene(5, (104, 128))
    save(large / "1.png", wide[2:98, 5:125])
    save(small / "1.png", made_small(wide[:96, 8:128]))
    with pytest.raises(DataError, match=r"lies 1\.0\d px lower and 1\.[45]\d px further left"):
        check_pairs(find_pairs(small, large), SCALE)


def test_only_a_sample_is_decoded_for_its_alignment(folders):
    small, large = folders
    save(small / "2.png", made_small(scene(7)))
    pairs = find_pairs(small, large)
    check_pairs(pairs, SCALE, sample=2)
    with pytest.raises(DataError, match="different pictures"):
        check_pairs(pairs, SCALE, sample=3)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.25, -0.5), (1.75, 2.0), (-3.0, 0.5)])
def test_shifts_are_measured_to_a_tenth_of_a_pixel_through_noise(shift):
    fine = scene(3, (400, 480))[..., 0]
    top, left = (round(-4 * pixels) for pixels in shift)  # a picture shifted down starts higher up
    moved = resize(fine[40 + top : 360 + top, 40 + left : 440 + left], scale=0.25)
    noisy = moved + np.random.default_rng(0).normal(0, 5, moved.shape)
    found = measure_alignment(noisy, resize(fine[40:360, 40:440], scale=0.25))
    assert (found.down, found.right) == pytest.approx(shift, abs=0.1)
    assert found.agreement > LEAST_AGREEMENT


def test_flat_pictures_agree_with_flat_ones_alone():
    flat = np.full((30, 40), 99.0)
    assert measure_alignment(flat, flat + 20).agreement == 1.0
    assert measure_alignment(flat, scene(0, (30, 40))[..., 0]).agreement == 0.0


def test_noise_on_a_smooth_picture_is_not_taken_for_a_shift(folders):
    small, large = folders
    rows, columns = np.mgrid[:96, :120]
    blob = 200 * np.exp(-((rows - 48) ** 2 + (columns - 60) ** 2) / 900.0)
    save(large / "1.png", blob.astype(np.uint8)[..., None].repeat(3, 2))
    noise = np.random.default_rng(4).normal(0, 8, (48, 60))
    noisy = np.clip(made_small(blob) + noise, 0, 255).astype(np.uint8)
    save(small / "1.png", noisy[..., None].repeat(3, 2))
    found = measure_alignment(noisy, made_small(blob))
    assert max(abs(found.down), abs(found.right)) > 0.5
    check_pairs(find_pairs(small, large), SCALE)


def test_resident_pairs_hold_the_given_small_pictures_and_the_cropped_large_ones(folders):
    small, large = folders
    given = made_small(scene(1)) // 2
    save(small / "1.png", given)
    save(large / "1.png", np.pad(scene(1), ((0, 1), (0, 0), (0, 0))))
    pairs = load(small, large)
    assert pairs.sizes.tolist() == [[48, 60]] * 3
    count = 48 * 60
    np.testing.assert_array_equal(pairs.small[count : 2 * count].reshape(48, 60, 3), given)
    np.testing.assert_array_equal(pairs.large[4 * count : 8 * count].reshape(96, 120, 3), scene(1))


def test_pairs_smaller_than_a_patch_are_left_out_by_name(folders):
    small, large = folders
    save(large / "1.png", scene(1, (40, 40)))
    save(small / "1.png", made_small(scene(1, (40, 40))))
    said: list[str] = []
    pairs = load(small, large, smallest=21, watch=Watch(said.append))
    assert len(pairs.sizes) == 2
    assert any("1.png" in line and "too small" in line for line in said)
