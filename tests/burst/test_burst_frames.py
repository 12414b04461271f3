from __future__ import annotations

import numpy as np
import pytest

from superres.burst.frames import MAX_BURST_PIXELS, check_total, copies, filled, read_burst
from superres.errors import ArgumentError

RANDOM = np.random.default_rng(11)


def frame(*shape: int, dtype: str = "uint8") -> np.ndarray:
    if dtype == "float32":
        return RANDOM.random(shape, np.float32)
    return RANDOM.integers(1, np.iinfo(dtype).max, shape, dtype)


@pytest.mark.parametrize(
    ("frames", "masks", "message", "hint"),
    [
        ([], None, "at least one frame, got none", "pass a list of arrays"),
        ([frame(8)], None, "got shape (8,)", "each an array of its own"),
        ([frame(2, 9, 9, 3)], None, "got shape (2, 9, 9, 3)", "each an array of its own"),
        ([frame(0, 9, 3)], None, "not empty, got shape (0, 9, 3)", "pass a list of frames"),
        (
            [frame(9, 10, 3), frame(9, 10, 3), frame(10, 9, 3)],
            None,
            "frame 2 is 10 x 9 x 3 uint8, the first is 9 x 10 x 3 uint8",
            "one size",
        ),
        (
            [frame(9, 9), frame(9, 9, dtype="uint16")],
            None,
            "frame 1 is 9 x 9 uint16, the first is 9 x 9 uint8",
            "depth",
        ),
        (
            [frame(9, 9), frame(9, 9, 1)],
            None,
            "frame 1 is 9 x 9 x 1 uint8, the first is 9 x 9 uint8",
            "number of channels",
        ),
        ([frame(7, 90)] * 2, None, "at least 8 x 8 px, got 7 x 90", "or a single one"),
        (
            [frame(9, 10)] * 2,
            [np.ones((9, 10))],
            "2 frames of 9 x 10 px need 2 masks of that size, got [(9, 10)]",
            "nonzero where it is valid",
        ),
        (
            [frame(9, 10, 3)],
            [np.ones((9, 10, 3))],
            "1 frames of 9 x 10 px need 1 masks of that size, got [(9, 10, 3)]",
            "one (H, W) array",
        ),
    ],
)
def test_frames_that_make_no_burst_are_refused_with_their_sizes(
    frames: list[np.ndarray], masks: list[np.ndarray] | None, message: str, hint: str
):
    with pytest.raises(ArgumentError) as caught:
        read_burst(frames, masks)
    assert message in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize("dtype", ["bool", "complex64"])
def test_frames_that_are_no_numbers_of_a_picture_are_refused(dtype: str):
    with pytest.raises(ArgumentError, match=dtype):
        read_burst([np.ones((9, 9), dtype)], None)


def test_a_single_frame_may_be_one_pixel():
    assert read_burst([np.array([[51]], np.uint8)], None).planes[0].tolist() == [
        [[pytest.approx(0.2)]]
    ]


def test_the_cap_on_pixels_is_itself_allowed_and_one_frame_more_is_not():
    check_total(4, (2**12, 2**12), MAX_BURST_PIXELS)
    with pytest.raises(ArgumentError) as caught:
        check_total(5, (2**12, 2**12), MAX_BURST_PIXELS)
    assert "5 frames of 4096 x 4096 px (height x width) are 83,886,080" in caught.value.message
    assert "the limit is 67,108,864" in caught.value.message


def test_a_burst_over_the_cap_is_refused_before_its_pixels_are_read():
    huge = np.broadcast_to(np.uint8(7), (2**13, 2**13))
    with pytest.raises(ArgumentError, match="134,217,728 pixels"):
        read_burst([huge, huge], None)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(("channels", "planes"), [(0, 1), (1, 1), (2, 1), (3, 3), (4, 3), (6, 6)])
def test_planes_are_the_channels_before_alpha_as_unit_pixels(
    dtype: str, channels: int, planes: int
):
    given = frame(9, 10, *([channels] if channels else []), dtype=dtype)
    burst = read_burst([given], None)
    white = 1.0 if dtype == "float32" else np.iinfo(dtype).max
    exact = given.reshape(9, 10, -1)[..., :planes].transpose(2, 0, 1) / white
    assert burst.planes[0].dtype == np.float32
    assert (burst.size, burst.shape) == ((9, 10), given.shape)
    np.testing.assert_allclose(burst.planes[0], exact, atol=1e-6)


def test_a_pixel_is_valid_only_if_mask_alpha_and_its_number_all_say_so():
    given = frame(9, 10, 4, dtype="float32") + 0.1
    given[1, 1, 3] = 0.0
    given[2, 2, 0] = np.nan
    given[3, 3, 1] = -np.inf
    given[4, 4, 3] = np.nan
    mask = np.full((9, 10), 255, np.uint8)
    mask[5, 5] = 0
    burst = read_burst([given], [mask])
    holes = np.argwhere(burst.valid[0] == 0.0).tolist()
    assert holes == [[i, i] for i in range(1, 6)]
    assert np.isfinite(burst.planes[0]).all()


def test_only_whole_numbers_are_clipped_and_any_of_the_colours_clips_a_pixel():
    given = np.full((9, 10, 4), 100, np.uint16)
    given[1, 1, 2], given[2, 2, 0], given[3, 3, 3], given[4, 4, 1] = 0, 65535, 65535, 65534
    clipped = read_burst([given], None).clipped[0]
    assert np.argwhere(clipped).tolist() == [[1, 1], [2, 2]]
    assert not read_burst([np.ones((9, 9), np.float32)], None).clipped[0].any()


def test_copies_name_the_earliest_equal_frame_but_never_the_reference():
    a, b = frame(8, 8), frame(8, 8)
    assert copies([a, b, a.copy(), b.copy(), a.copy()], 2) == {0: 2, 3: 1, 4: 2}
    assert copies([a, b], 0) == {}


def test_copies_are_found_whatever_the_order_of_their_bytes():
    a = frame(8, 9, 3)
    assert copies([a, np.asfortranarray(a), a[:, ::-1][:, ::-1]], 0) == {1: 0, 2: 0}


def test_a_hole_is_filled_by_what_lies_around_it_and_nothing_else_moves():
    planes = np.tile(np.linspace(0, 1, 30, dtype=np.float32), (2, 30, 1))
    valid = np.ones((30, 30), np.float32)
    valid[8:20, 5:17] = 0.0
    broken = np.where(valid > 0.5, planes, 1e6).astype(np.float32)
    made = filled(broken, valid)
    assert np.array_equal(made[:, valid > 0.5], planes[:, valid > 0.5])
    assert float(np.abs(made - planes).max()) < 0.25
    assert float(broken[0, 10, 10]) == pytest.approx(1e6)  # the input is left alone


def test_one_valid_pixel_fills_the_whole_plane_and_none_fills_nothing():
    planes = np.zeros((1, 20, 25), np.float32)
    planes[0, 3, 4] = 0.6
    valid = np.zeros((20, 25), np.float32)
    assert filled(planes, valid) is planes
    valid[3, 4] = 1.0
    np.testing.assert_allclose(filled(planes, valid), 0.6, atol=1e-5)


@pytest.mark.parametrize("size", [(20, 70), (7, 300), (400, 9)])
def test_a_single_valid_pixel_fills_a_picture_of_any_size(size):
    planes, valid = np.zeros((2, *size), np.float32), np.zeros(size, np.float32)
    planes[:, 3, 4], valid[3, 4] = (0.25, 0.75), 1.0
    made = filled(planes, valid)
    np.testing.assert_allclose(made[0], 0.25, atol=1e-5)
    np.testing.assert_allclose(made[1], 0.75, atol=1e-5)
