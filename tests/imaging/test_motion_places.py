from __future__ import annotations

import numpy as np
import pytest

from superres.imaging.motion import (
    Motion,
    centre_of,
    grid,
    identity_motion,
    mapped,
    similarity,
)

SIZE = (9, 12)
PROJECTIVE = np.array([[1.1, 0.05, 0.7], [-0.03, 0.95, -1.2], [0.004, -0.002, 1.0]])


def naive_places(matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    found = np.empty((2, *size))
    for row in range(size[0]):
        for column in range(size[1]):
            off = (row - (size[0] - 1) / 2, column - (size[1] - 1) / 2, 1.0)
            top, left, bottom = matrix @ off
            found[:, row, column] = top / bottom, left / bottom
    return found


@pytest.mark.parametrize("matrix", [similarity(1.5, -2.0, 7.0), PROJECTIVE, 3 * PROJECTIVE])
def test_places_are_the_matrix_times_each_pixel_from_the_centre(matrix: np.ndarray):
    np.testing.assert_allclose(Motion(matrix).places(SIZE), naive_places(matrix, SIZE), atol=1e-5)


def test_the_grid_of_an_even_axis_has_no_pixel_at_its_centre():
    rows, columns = grid((3, 4))
    assert rows.tolist() == [[-1.0], [0.0], [1.0]]
    assert columns.tolist() == [[-1.5, -0.5, 0.5, 1.5]]


def test_the_centre_turns_places_of_the_identity_into_pixel_indices():
    pixels = identity_motion().places(SIZE) + centre_of(SIZE)
    np.testing.assert_array_equal(pixels, np.indices(SIZE))


@pytest.mark.parametrize("degrees", [-170.0, -3.0, 0.0, 0.5, 90.0])
def test_a_similarity_tells_the_shift_and_the_angle_it_was_made_of(degrees: float):
    motion = Motion(similarity(2.5, -4.0, degrees))
    assert motion.shift == pytest.approx((2.5, -4.0))
    assert motion.turn_degrees == pytest.approx(degrees)


def test_a_quarter_turn_takes_a_pixel_on_the_right_to_one_below():
    rows, columns = np.array([[0.0]]), np.array([[5.0]])
    place = mapped(similarity(1.0, 2.0, 90.0), rows, columns)[:, 0, 0]
    np.testing.assert_allclose(place, (6.0, 2.0), atol=1e-6)


def test_a_matrix_times_a_number_is_the_same_motion():
    one, other = Motion(PROJECTIVE), Motion(-2.5 * PROJECTIVE)
    assert one.shift == pytest.approx(other.shift)
    np.testing.assert_allclose(one.places(SIZE), other.places(SIZE), atol=1e-5)


@pytest.mark.parametrize("matrix", [similarity(1.5, -2.0, 7.0), PROJECTIVE])
def test_places_of_the_inverse_lead_back(matrix: np.ndarray):
    back = Motion(matrix).inverse(SIZE).astype(np.float64)
    once_more = np.stack((back[0], back[1], np.ones(SIZE))).reshape(3, -1)
    top, left, bottom = matrix @ once_more
    rows, columns = grid(SIZE)
    np.testing.assert_allclose((top / bottom).reshape(SIZE), rows + 0 * columns, atol=1e-4)
    np.testing.assert_allclose((left / bottom).reshape(SIZE), columns + 0 * rows, atol=1e-4)


def test_a_constant_flow_is_undone_like_a_shift():
    flow = np.empty((2, *SIZE), np.float32)
    flow[0], flow[1] = 0.75, -1.25
    flowing = Motion(similarity(0.0, 0.0, 4.0), flow)
    shifted = Motion(similarity(0.75, -1.25, 4.0))
    np.testing.assert_allclose(flowing.places(SIZE), shifted.places(SIZE), atol=1e-5)
    np.testing.assert_allclose(flowing.inverse(SIZE), shifted.inverse(SIZE), atol=1e-4)


def test_a_flow_that_varies_softly_is_undone_to_a_thousandth_of_a_pixel():
    size = (40, 48)
    rows, columns = np.indices(size)
    flow = np.stack((1.5 * np.sin(columns / 9), np.cos(rows / 8))).astype(np.float32)
    back = Motion(np.eye(3), flow).inverse(size)
    exact = np.stack(
        (
            back[0] + 1.5 * np.sin((back[1] + 23.5) / 9),
            back[1] + np.cos((back[0] + 19.5) / 8),
        )
    )
    middle = (slice(None), slice(4, -4), slice(4, -4))  # beyond the edge the flow is held
    np.testing.assert_allclose(exact[middle], identity_motion().places(size)[middle], atol=2e-3)


def test_a_motion_cut_alike_at_both_ends_shows_the_middle_at_the_same_places():
    flow = np.random.default_rng(2).normal(size=(2, *SIZE)).astype(np.float32)
    motion = Motion(PROJECTIVE, flow)
    rows, columns = slice(2, 7), slice(3, 9)
    cut = motion.cut(rows, columns).places((5, 6))
    np.testing.assert_allclose(cut, motion.places(SIZE)[:, rows, columns], atol=1e-5)
    assert identity_motion().cut(rows, columns).flow is None
