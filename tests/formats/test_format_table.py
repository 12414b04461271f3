"""Formats are found by suffix and by name, and unknown ones suggest the nearest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from superres.data.folders import find_pictures
from superres.errors import OutputError, UnknownNameError
from superres.evaluate.benchmark import _pictures
from superres.jobs.plan import find_sources
from superres.media import FORMATS, format_for


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.png", "png"),
        ("a.PNG", "png"),
        ("a.b.jpg", "jpeg"),
        ("a.jpeg", "jpeg"),
        ("ä.JPE", "jpeg"),
        ("a.tif", "tiff"),
        ("a.tiff", "tiff"),
        ("a.webp", "webp"),
        ("a.avif", "avif"),
    ],
)
def test_a_suffix_names_its_format_in_any_case(name, expected):
    assert format_for(Path(name)).name == expected


@pytest.mark.parametrize(
    ("name", "near"), [("a.pgn", ".png"), ("a.jpgg", ".jpg"), ("a.tff", ".tif")]
)
def test_an_unknown_suffix_suggests_the_nearest(name, near):
    with pytest.raises(UnknownNameError) as caught:
        format_for(Path(name))
    assert near in caught.value.hint


@pytest.mark.parametrize("name", ["a", "a.", ".png", "a.tga"])
def test_a_name_without_a_known_suffix_is_refused(name):
    with pytest.raises(UnknownNameError):
        format_for(Path(name))


def test_formats_go_by_name_and_by_suffix():
    by_name = {each.name: each for each in FORMATS}
    assert format_for("jpg") is format_for("JPEG") is by_name["jpeg"]
    assert format_for("tif") is by_name["tiff"]
    with pytest.raises(UnknownNameError, match="tga"):
        format_for("tga")


@pytest.mark.parametrize(
    "suffix",
    [
        ".apng",
        ".avif",
        ".bmp",
        ".dib",
        ".gif",
        ".heic",
        ".heif",
        ".hif",
        ".j2k",
        ".jfif",
        ".jif",
        ".jp2",
        ".jpe",
        ".jpeg",
        ".jpg",
        ".jxl",
        ".mpo",
        ".pam",
        ".pbm",
        ".pfm",
        ".pgm",
        ".png",
        ".pnm",
        ".ppm",
        ".tif",
        ".tiff",
        ".webp",
    ],
)
def test_every_suffix_counts_wherever_folders_are_searched(tmp_path, suffix):
    (tmp_path / f"a{suffix}").touch()
    (tmp_path / f".hidden{suffix}").touch()
    (tmp_path / f"b{suffix}x").touch()
    assert [found.path.name for found in find_pictures([tmp_path])] == [f"a{suffix}"]
    found = find_sources([tmp_path], recursive=False).pictures
    assert [source.path.name for source in found] == [f"a{suffix}"]
    assert [path.name for path in _pictures(tmp_path)] == [f"a{suffix}"]


def test_no_two_formats_share_a_name_or_a_suffix():
    for names in ([each.name for each in FORMATS], [s for each in FORMATS for s in each.suffixes]):
        assert len(set(names)) == len(names)


def test_the_table_of_formats_loads_no_heavy_library():
    heavy = ("pyvips", "torch", "pydantic")
    code = f"import sys, superres.media; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["a.heic", "a.HEIF"])
def test_heic_points_to_avif(name):
    with pytest.raises(OutputError) as caught:
        format_for(Path(name))
    assert "AVIF" in caught.value.hint
