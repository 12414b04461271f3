"""Row buffer: any blocks give the rows of the whole picture, and wrong blocks are errors."""

from __future__ import annotations

import numpy as np
import pytest

from superres.errors import ArgumentError
from superres.frame import FLOAT32
from superres.infer.row_buffer import RowBuffer

HEIGHT, WIDTH, CHANNELS = 13, 5, 3
WHOLE = np.random.default_rng(3).random((HEIGHT, WIDTH, CHANNELS), np.float32)


def buffer_of(blocks, height=HEIGHT):
    return RowBuffer(blocks, FLOAT32, size=(height, WIDTH), channels=CHANNELS)


def cut(lengths):
    assert sum(lengths) == HEIGHT
    stops = np.cumsum(lengths)
    return [
        WHOLE[stop - length : stop] for stop, length in zip(stops.tolist(), lengths, strict=True)
    ]


def rows_by_hand(start, stop):
    """Mirror one row after another, as one would on paper."""
    return np.stack([WHOLE[row if row < HEIGHT else 2 * HEIGHT - 1 - row]
                     for row in range(start, stop)])  # fmt: skip


@pytest.mark.parametrize("lengths", [(13,), (1,) * 13, (6, 7), (0, 4, 0, 9, 0), (12, 1)])
@pytest.mark.parametrize(
    "windows",
    [[(5, 7)], [(0, 2), (9, 13)], [(1, 2), (7, 9), (12, 15)], [(0, 3), (11, 15)], [(12, 18)]],
)
def test_rows_that_are_skipped_are_not_mistaken_for_those_that_are_wanted(lengths, windows):
    buffer = buffer_of(cut(lengths))
    for start, stop in windows:
        np.testing.assert_array_equal(buffer.take(start, stop), rows_by_hand(start, stop))


@pytest.mark.parametrize("window", [(2, 5), (9, 20)])
def test_rows_that_are_forgotten_are_not_taken_for_others(window):
    buffer = buffer_of(cut((6, 7)))
    buffer.take(8, 10)
    with pytest.raises(AssertionError, match="those above 8 are gone"):
        buffer.take(*window)


@pytest.mark.parametrize("lengths", [(13,), (1,) * 13, (6, 7), (0, 4, 0, 9, 0), (12, 1)])
@pytest.mark.parametrize(
    "windows",
    [
        [(0, 13)],
        [(0, 4), (2, 6), (4, 8), (6, 10), (9, 13)],
        [(0, 5), (5, 10), (10, 15)],
        [(0, 8), (7, 19)],
        [(0, 3), (0, 3), (0, 7), (1, 2), (1, 13)],
    ],
)
def test_overlapping_windows_of_any_blocks_equal_the_whole_picture(lengths, windows):
    buffer = buffer_of(cut(lengths))
    for start, stop in windows:
        np.testing.assert_array_equal(buffer.take(start, stop), rows_by_hand(start, stop))


def test_no_block_is_pulled_before_its_rows_are_needed():
    pulled = []

    def blocks():
        for row in range(HEIGHT):
            pulled.append(row)
            yield WHOLE[row : row + 1]

    buffer = buffer_of(blocks())
    assert pulled == []
    buffer.take(0, 4)
    assert pulled == [0, 1, 2, 3]
    buffer.take(2, 4)
    assert pulled == [0, 1, 2, 3]
    buffer.take(3, 5)
    assert pulled == [0, 1, 2, 3, 4]


def test_the_reader_is_run_to_its_end_with_the_last_row():
    closed = []

    def blocks():
        yield WHOLE[:7]
        yield WHOLE[7:]
        closed.append(True)

    buffer = buffer_of(blocks())
    buffer.take(0, 7)
    assert not closed
    buffer.take(6, 8)
    assert closed


def test_what_the_reader_raises_after_its_last_row_is_not_lost():
    def blocks():
        yield WHOLE
        raise OSError("checksum")

    with pytest.raises(OSError, match="checksum"):
        buffer_of(blocks()).take(0, 1)


def test_a_picture_that_ends_early_says_how_many_rows_came():
    buffer = buffer_of([WHOLE[:4], WHOLE[4:9]])
    buffer.take(0, 9)
    with pytest.raises(ArgumentError) as caught:
        buffer.take(5, 10)
    assert caught.value.message == "the picture should have 13 rows, it ended after 9"
    assert caught.value.hint == "pass blocks that hold every row once"


@pytest.mark.parametrize(
    ("blocks", "last"),
    [([WHOLE, WHOLE[:2]], 15), ([WHOLE[:10], WHOLE[:4]], 14), ([WHOLE, WHOLE], 26)],
)
def test_blocks_beyond_the_height_are_refused_with_the_row_they_reach(blocks, last):
    with pytest.raises(ArgumentError, match=f"have 13 rows, blocks reach row {last}") as caught:
        buffer_of(blocks).take(0, 13)
    assert caught.value.hint == "pass the height of the whole picture"


@pytest.mark.parametrize(
    "block",
    [
        WHOLE[:, :4],
        WHOLE[..., :1],
        WHOLE[..., 0],
        WHOLE[None],
        WHOLE.astype(np.float64),
        (WHOLE * 255).astype(np.uint8),
        WHOLE.transpose(1, 0, 2),
    ],
)
def test_a_block_of_another_shape_or_type_is_refused_with_both(block):
    with pytest.raises(ArgumentError) as caught:
        buffer_of([block]).take(0, 1)
    assert f"rows must be (h, 5, 3) float32, got {block.shape} {block.dtype}" in str(caught.value)
    assert "to_unit" in caught.value.hint


def test_a_fault_in_a_later_block_leaves_earlier_rows_as_they_were():
    buffer = buffer_of([WHOLE[:6], WHOLE[6:].astype(np.float64)])
    np.testing.assert_array_equal(buffer.take(0, 6), WHOLE[:6])
    with pytest.raises(ArgumentError, match="float64"):
        buffer.take(2, 7)
    np.testing.assert_array_equal(buffer.take(2, 6), WHOLE[2:6])


def test_the_callers_blocks_are_never_written_to():
    blocks = [block.copy() for block in cut((6, 7))]
    for block in blocks:
        block.flags.writeable = False
    buffer = buffer_of(blocks)
    np.testing.assert_array_equal(buffer.take(0, 9), WHOLE[:9])
    np.testing.assert_array_equal(buffer.take(8, 16), rows_by_hand(8, 16))
