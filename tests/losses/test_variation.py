"""Total variation against its formula."""

import numpy as np
import pytest
import torch

from superres.losses.variation import total_variation


def test_it_is_the_sum_of_the_mean_steps_down_and_across():
    a = np.random.default_rng(0).random((2, 3, 5, 7))
    expected = np.abs(np.diff(a, axis=2)).mean() + np.abs(np.diff(a, axis=3)).mean()
    assert float(total_variation(torch.from_numpy(a))) == pytest.approx(expected)


@pytest.mark.parametrize(("size", "expected"), [((1, 4), 1.0), ((4, 1), 1.0), ((1, 1), 0.0)])
def test_a_direction_without_neighbours_counts_as_nothing(size, expected):
    ramp = torch.arange(float(size[0] * size[1])).reshape(1, 1, *size)
    assert float(total_variation(ramp)) == expected
