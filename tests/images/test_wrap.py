"""Pictures padded with themselves: their rows, the padding's extent, and what is cropped."""

import numpy as np
import pytest

from superres.images.wrap import plan_wrap

PICTURE = np.random.default_rng(0).random((7, 5, 2), dtype=np.float32)


@pytest.mark.parametrize("heights", [(7,), (1,) * 7, (3, 4)])
@pytest.mark.parametrize(
    ("axes", "padding"), [("xy", (20, 20)), ("x", (0, 20)), ("y", (20, 0)), ("none", (0, 0))]
)
def test_a_padded_picture_is_numpys_and_cropping_gives_the_picture_back(axes, padding, heights):
    wrap = plan_wrap(axes, (7, 5), (7, 5), reach=20.0, align=1)
    assert wrap.padding == padding
    blocks = np.split(PICTURE, np.cumsum(heights)[:-1])
    padded = list(wrap.pad(blocks))
    around = [(each, each) for each in (*padding, 0)]
    np.testing.assert_array_equal(np.concatenate(padded), np.pad(PICTURE, around, mode="wrap"))
    assert np.concatenate(padded).shape[:2] == wrap.padded_size
    np.testing.assert_array_equal(np.concatenate(list(wrap.crop(padded))), PICTURE)


@pytest.mark.parametrize("size", [1, 2, 48, 100, 512])
@pytest.mark.parametrize("target", [1, 3, 77, 100, 768, 2048])
def test_the_padding_has_exactly_the_scale_of_the_picture_and_holds_the_reach(size, target):
    wrap = plan_wrap("xy", (size, size), (target, target), reach=33.3, align=8)
    (padding, _), (cropped, _) = wrap.padding, wrap.cropped
    assert padding * target == cropped * size
    assert 33.3 <= padding <= 33.3 + max(8, size)


def test_the_padding_is_aligned_where_that_costs_little():
    assert plan_wrap("y", (512, 512), (2048, 2048), reach=33.0, align=8).padding == (40, 0)
    assert plan_wrap("x", (512, 512), (768, 768), reach=33.0, align=8).padding == (0, 40)
    assert plan_wrap("x", (500, 500), (501, 501), reach=33.0, align=8).padding == (0, 500)
