"""Picture files by name, and rows that do not fit the header."""

import io
from pathlib import Path

import numpy as np
import pytest

from superres.errors import ArgumentError, OutputError, PictureError, UnknownNameError
from superres.frame import UINT8, Bands
from superres.media import (
    format_for,
    is_picture,
    is_written,
    open_picture,
    picture_suffixes,
    read_pixels,
    write_picture,
)
from superres.metadata.header import Metadata

WRITTEN = {"png": "png", "jpg": "jpeg", "jpeg": "jpeg", "tif": "tiff", "tiff": "tiff",
           "webp": "webp", "avif": "avif"}  # fmt: skip


def write(*blocks, height=4, width=6, target: Path | io.BytesIO, format: str | None = "png"):
    write_picture(
        target, blocks, height=height, width=width, bands=Bands.of(3), values=UINT8,
        metadata=Metadata(), format=format,
    )  # fmt: skip


def rows(height, width=6, channels=3, dtype="uint8"):
    return np.zeros((height, width, channels), dtype)


@pytest.mark.parametrize(("suffix", "name"), WRITTEN.items())
def test_a_suffix_in_any_case_and_a_name_give_the_same_format(suffix, name):
    for target in (Path(f"a.{suffix}"), Path(f"b.c.{suffix.upper()}"), suffix, suffix.upper()):
        assert format_for(target).name == name
    assert is_picture(f"a.{suffix}")
    assert is_written(f"A.{suffix.upper()}")
    assert f".{suffix}" in picture_suffixes()


@pytest.mark.parametrize("name", ["a.txt", "a", "png", ".png", "a.png.part"])
def test_other_names_are_no_pictures(name):
    assert not is_picture(name)
    assert not is_written(name)


def test_a_format_that_is_read_only_is_a_picture_that_is_not_written():
    assert is_picture("a.heic")
    assert not is_written("a.heic")
    for target in (Path("a.heic"), "heic"):
        with pytest.raises(OutputError, match="cannot be written") as caught:
            format_for(target)
        assert caught.value.hint


@pytest.mark.parametrize("target", [Path("a.xyz"), Path("a"), "xyz", "", ".png"])
def test_an_unknown_format_is_refused_with_those_there_are(target):
    with pytest.raises(UnknownNameError) as caught:
        format_for(target)
    assert "png" in str(caught.value)


def test_a_stream_needs_a_format():
    with pytest.raises(ArgumentError, match="a stream has no suffix"):
        write(rows(4), target=io.BytesIO(), format=None)


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        ([rows(3)], "the blocks hold 3 rows, expected 4"),
        ([], "the blocks hold 0 rows"),
        ([rows(3), rows(2)], "more than 4 rows, expected 4"),
        ([rows(4, width=5)], r"\(h, 6, 3\), got \(4, 5, 3\)"),
        ([rows(4, channels=4)], r"got \(4, 6, 4\)"),
        ([rows(2), rows(2)[0]], r"got \(6, 3\)"),
        ([rows(2), rows(2, dtype="uint16")], "must be uint8, got uint16"),
    ],
)
def test_rows_that_are_not_what_was_announced_are_refused_and_leave_nothing(
    tmp_path, blocks, words
):
    with pytest.raises(ArgumentError, match=words):
        write(*blocks, target=tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_a_stream_of_rows_without_an_end_is_not_read_to_it():
    given = 0

    def endless():
        nonlocal given
        while True:
            given += 1
            yield rows(1)

    with pytest.raises(ArgumentError, match="more than 4 rows"):
        write_picture(
            io.BytesIO(), endless(), height=4, width=6, bands=Bands.of(3), values=UINT8,
            metadata=Metadata(), format="png",
        )  # fmt: skip
    assert given == 5


def test_a_path_needs_no_format_and_a_named_one_goes_before_its_suffix(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3)).astype(np.uint8)
    for format, start in ((None, b"\x89PNG"), ("tiff", b"II")):
        path = tmp_path / "a.png"
        write(pixels, target=path, format=format)
        assert path.read_bytes().startswith(start)
        assert np.array_equal(read_pixels(open_picture(path)), pixels)


def test_a_path_that_no_file_can_have_is_an_error_of_ours(tmp_path):
    with pytest.raises(PictureError, match="cannot be read"):
        open_picture(tmp_path / "a\0b.png")
