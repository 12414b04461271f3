"""Requested sizes: one edge, a box, an exact size, and what another shape is."""

import pytest

from superres.errors import ArgumentError
from superres.infer.route import SizeRequest


@pytest.mark.parametrize(
    ("request_", "size", "expected"),
    [
        (SizeRequest(None, 3000), (200, 300), (2000, 3000)),
        (SizeRequest(2000, None), (200, 300), (2000, 3000)),
        (SizeRequest(None, 10), (667, 1000), (7, 10)),
        (SizeRequest(1, None), (1000, 10), (1, 1)),  # no edge is ever 0
        (SizeRequest(2000, 3000, "inside"), (300, 200), (2000, 1333)),
        (SizeRequest(2000, 3000, "inside"), (100, 300), (1000, 3000)),
        (SizeRequest(2000, 3000, "inside"), (200, 300), (2000, 3000)),
        (SizeRequest(None, 30, "inside"), (10, 20), (15, 30)),
        (SizeRequest(128, 192, "stretch"), (192, 128), (128, 192)),
        (SizeRequest(128, 192), (64, 96), (128, 192)),
    ],
)
def test_a_request_becomes_the_size_of_a_picture(request_, size, expected):
    assert request_.of(size) == expected


@pytest.mark.parametrize("size", [(1, 1), (7, 13), (333, 1000), (1000, 333), (2160, 4096)])
@pytest.mark.parametrize("box", [(1, 1), (100, 100), (481, 853), (2000, 3001)])
def test_what_fits_inside_a_box_fills_one_edge_of_it_and_crosses_none(size, box):
    height, width = SizeRequest(box[0], box[1], "inside").of(size)
    assert 1 <= height <= box[0]
    assert 1 <= width <= box[1]
    assert height == box[0] or width == box[1]


@pytest.mark.parametrize("edge", range(1, 300, 7))
def test_the_sizes_that_one_edge_gives_are_accepted_as_exact_ones(edge):
    for size in ((667, 1000), (1000, 667), (3, 1000)):
        for one in (SizeRequest(edge, None), SizeRequest(None, edge)):
            whole = one.of(size)
            assert SizeRequest(whole[0], whole[1]).of(size) == whole


@pytest.mark.parametrize(
    ("box", "size"), [((128, 192), (192, 128)), ((129, 192), (64, 96)), ((480, 640), (360, 640))]
)
def test_another_shape_is_refused_with_the_sizes_that_fit(box, size):
    with pytest.raises(ArgumentError, match="another shape") as caught:
        SizeRequest(box[0], box[1]).of(size)
    assert f"{box[1]}x{box[0]}" in caught.value.message
    assert f"{size[1]}x{size[0]}" in caught.value.message
    for one in (SizeRequest(box[0], None), SizeRequest(None, box[1])):
        height, width = one.of(size)
        assert f"{width}x{height}" in caught.value.hint
    assert "--fit" in caught.value.hint
    assert "--stretch" in caught.value.hint


@pytest.mark.parametrize(
    ("height", "width", "fit"),
    [(None, None, "exact"), (0, 5, "exact"), (5, -1, "inside"), (None, 5, "stretch")],
)
def test_requests_that_mean_nothing_are_refused(height, width, fit):
    with pytest.raises(ArgumentError):
        SizeRequest(height, width, fit)


def test_sizes_of_videos_may_be_off_their_shape_by_what_even_edges_need():
    wide = SizeRequest(720, 1280)
    with pytest.raises(ArgumentError, match="another shape"):
        wide.of((480, 854))
    assert wide.of((480, 854), slack_px=2.0) == (720, 1280)
    with pytest.raises(ArgumentError, match="another shape"):
        wide.of((480, 640), slack_px=2.0)
