"""Rows of a stream, taken in portions that differ from its blocks."""

from __future__ import annotations

import numpy as np
import pytest

from superres.images.row_stream import RowStream


@pytest.mark.parametrize("blocks", [[12], [1] * 12, [5, 0, 7], [2, 9, 1]])
@pytest.mark.parametrize("portions", [[12], [1] * 12, [3, 0, 4, 5], [11, 1]])
def test_portions_of_any_height_make_up_the_stream(blocks, portions):
    whole = np.random.default_rng(0).random((12, 3, 2))
    stream = RowStream(np.split(whole, np.cumsum(blocks)[:-1]))
    taken = [stream.take(count) for count in portions]
    assert [len(rows) for rows in taken] == portions
    np.testing.assert_array_equal(np.concatenate(taken), whole)


def test_no_block_is_pulled_before_it_is_needed():
    pulled: list[int] = []

    def blocks():
        for number in range(3):
            pulled.append(number)
            yield np.zeros((4, 1, 1))

    stream = RowStream(blocks())
    stream.take(4)
    assert pulled == [0]
    stream.take(1)
    assert pulled == [0, 1]
