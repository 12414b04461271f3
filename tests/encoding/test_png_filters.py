"""PNG filters, undone as the specification says."""

import numpy as np
import pytest

from superres.encoding import png_filters
from superres.encoding.png_filters import filtered


def paeth(left, upper, corner):
    """The predictor in the specification's words, chapter 9.4."""
    estimate = left + upper - corner
    misses = [abs(estimate - one) for one in (left, upper, corner)]
    return (left, upper, corner)[misses.index(min(misses))]


def unfiltered(lines, above, step):
    rows = []
    before = [0] * (lines.shape[1] - 1) if above is None else above.tolist()
    for line in lines.tolist():
        kind, row = line[0], []
        for index, byte in enumerate(line[1:]):
            left = row[index - step] if index >= step else 0
            corner = before[index - step] if index >= step else 0
            guess = {0: 0, 1: left, 2: before[index], 4: paeth(left, before[index], corner)}[kind]
            row.append((byte + guess) % 256)
        rows.append(row)
        before = row
    return np.array(rows, np.uint8)


@pytest.mark.parametrize("step", [1, 2, 3, 4, 6, 8])
@pytest.mark.parametrize("filter", ["none", "sub", "up", "paeth"])
@pytest.mark.parametrize("first", [True, False])
def test_rows_come_back_from_each_filter(filter, step, first, monkeypatch):
    rng = np.random.default_rng(step)
    monkeypatch.setattr(png_filters, "_PIECE_BYTES", 5 * 4 * step)  # several pieces, one cut
    for width in (1, 2, 7):
        rows = rng.integers(0, 256, (13, width * step), np.uint8)
        above = None if first else rng.integers(0, 256, width * step, np.uint8)
        lines = filtered(rows, above, filter, step)
        assert lines.shape == (13, 1 + width * step)
        assert np.array_equal(unfiltered(lines, above, step), rows)


def test_paeth_predicts_all_triples_of_neighbours_as_the_specification_does():
    values = np.array([0, 1, 2, 63, 64, 127, 128, 129, 200, 254, 255], np.uint8)
    left, upper, corner = (grid.ravel() for grid in np.meshgrid(values, values, values))
    for one, other, third in zip(left, upper, corner, strict=True):
        rows = np.array([[third, other], [one, 0]], np.uint8)
        guess = -int(filtered(rows, None, "paeth", 1)[1, 2]) % 256
        assert guess == paeth(int(one), int(other), int(third))


def test_flat_rows_become_zeros_but_for_the_first_pixel():
    rows = np.full((4, 12), 77, np.uint8)
    lines = filtered(rows, None, "paeth", 3)
    assert np.count_nonzero(lines[:, 1:]) == 3
