"""Requested sizes: both edges or one, and what becomes of the shape."""

from __future__ import annotations

import pytest

from superres.cli.options import parse_size
from superres.errors import ArgumentError
from superres.jobs.size import settle_size, size_in_words


@pytest.mark.parametrize(("text", "size"), [
    ("1920x1080", (1080, 1920)), ("1920X1080", (1080, 1920)), (" 3000x ", (None, 3000)),
    ("x2000", (2000, None)), ("12×7", (7, 12)), ("12*7", (7, 12)),
])  # fmt: skip
def test_a_size_is_width_and_height_or_one_of_them(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["x", "", "wrong", "0x5", "5x0", "1x2x3", "12345678x1", "-3x"])
def test_what_is_not_a_size_is_refused_with_how_to_write_one(text):
    with pytest.raises(ArgumentError, match="--size takes width x height") as caught:
        parse_size(text)
    assert "1920x or x1080" in caught.value.hint


@pytest.mark.parametrize(("requested", "source", "shape", "expected"), [
    ((None, 300), (50, 100), "keep", (150, 300)),
    ((300, None), (50, 100), "keep", (300, 600)),
    ((None, 10), (7, 1000), "keep", (1, 10)),  # never below a pixel
    ((1080, 1920), (360, 640), "keep", (1080, 1920)),
    ((1080, 1920), (361, 640), "keep", (1080, 1920)),  # 1083 is as near as 1 pixel of the source
    ((1080, 1920), (480, 640), "fit", (1080, 1440)),
    ((1080, 1920), (100, 640), "fit", (300, 1920)),
    ((1080, 1920), (480, 640), "stretch", (1080, 1920)),
])  # fmt: skip
def test_a_size_is_settled_by_the_sources_shape(requested, source, shape, expected):
    assert settle_size(requested, source, shape) == expected


@pytest.mark.parametrize("requested", [(1080, 1920), (1000, 500), (100, 200)])
def test_a_size_of_another_shape_is_refused_with_those_of_the_sources(requested):
    with pytest.raises(ArgumentError, match="would distort a picture of 640x480") as caught:
        settle_size(requested, (480, 640), "keep")
    height, width = requested
    assert f"--size {width}x{width * 3 // 4} or {height * 4 // 3}x{height}" in caught.value.hint


@pytest.mark.parametrize(("size", "text"), [
    ((1080, 1920), "1920x1080"), ((None, 1920), "1920x"), ((1080, None), "x1080"),
])  # fmt: skip
def test_a_size_is_written_as_it_is_read(size, text):
    assert size_in_words(size) == text
    assert parse_size(text) == size


def test_a_size_of_nothing_is_refused():
    with pytest.raises(ArgumentError, match="neither width nor height"):
        settle_size((None, None), (1, 1), "keep")
