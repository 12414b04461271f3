"""Turns of pictures, against FFmpeg's own reading of its display matrices."""

from __future__ import annotations

import av
import numpy as np
import pytest
from clips import write_clip

from superres.videofiles.probe import probe
from superres.videofiles.turn import NO_TURN, Turn, turn_of

ONE = 1 << 16
PIXELS = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)  # 0 1 2 above 3 4 5


@pytest.mark.parametrize(("matrix", "shown"), [
    ((ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30), [[0, 1, 2], [3, 4, 5]]),
    # A point to the right, (1, 0), is shown below, (0, 1): clockwise by 90 degrees.
    ((0, ONE, 0, -ONE, 0, 0, 0, 0, 1 << 30), [[3, 0], [4, 1], [5, 2]]),
    ((-ONE, 0, 0, 0, -ONE, 0, 0, 0, 1 << 30), [[5, 4, 3], [2, 1, 0]]),
    ((0, -ONE, 0, ONE, 0, 0, 0, 0, 1 << 30), [[2, 5], [1, 4], [0, 3]]),
    ((-ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30), [[2, 1, 0], [5, 4, 3]]),
    ((ONE, 0, 0, 0, -ONE, 0, 0, 0, 1 << 30), [[3, 4, 5], [0, 1, 2]]),
    ((0, ONE, 0, ONE, 0, 0, 0, 0, 1 << 30), [[0, 3], [1, 4], [2, 5]]),
    ((0, -ONE, 0, -ONE, 0, 0, 0, 0, 1 << 30), [[5, 2], [4, 1], [3, 0]]),
])  # fmt: skip
def test_a_frame_is_turned_and_flipped_as_its_matrix_says(matrix, shown):
    turn = turn_of(matrix)
    assert turn is not None
    assert turn.apply(PIXELS)[..., 0].tolist() == shown
    assert turn.size((2, 3)) == np.shape(shown)


@pytest.mark.parametrize(("degrees", "columns"), [(90, 24), (180, 32), (270, 24), (0, 32)])
def test_ffmpegs_rotations_are_counted_counterclockwise(tmp_path, degrees, columns):
    """FFmpeg says by how much the stored frame is turned counterclockwise to be shown."""
    source = write_clip(tmp_path / "a.mp4", codec="mpeg4", rotation=degrees)
    turn = turn_of(probe(source).display)
    assert turn is not None
    with av.open(str(source)) as clip:
        told = next(clip.decode(video=0)).rotation
    pixels = np.arange(24 * 32).reshape(24, 32, 1)
    assert np.array_equal(turn.apply(pixels), np.rot90(pixels, told // 90))
    assert turn.size((24, 32))[1] == columns


def test_no_matrix_is_no_turn():
    assert turn_of(None) == NO_TURN == Turn()


@pytest.mark.parametrize("matrix", [
    (46341, 46341, 0, -46341, 46341, 0, 0, 0, 1 << 30),  # 45 degrees
    (2 * ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30),  # a stretch
    (0, 0, 0, 0, 0, 0, 0, 0, 0),
])  # fmt: skip
def test_more_than_a_turn_is_not_taken_for_one(matrix):
    assert turn_of(matrix) is None
