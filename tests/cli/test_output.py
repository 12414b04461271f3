"""Lines to stdout and stderr: results here, words there, and never a line in two."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest

from superres.cli.needs import needs
from superres.cli.options import check_scale
from superres.cli.output import (
    error_lines,
    print_error,
    print_exception,
    print_json,
    print_result,
    print_table,
    survive_any_file_name,
)
from superres.errors import ArgumentError, BackendError, PictureError


def test_an_error_is_two_lines_whatever_is_in_its_words(capsys):
    print_error("a\nb\r\n\tc   d", "x\u2028y\x0bz")
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error: a b c d\nhint: x y z\n"


def test_one_of_our_errors_is_shown_by_its_message_and_hint(capsys):
    print_exception(PictureError("no picture", "look again"))
    assert capsys.readouterr().err == "error: no picture\nhint: look again\n"


def test_error_lines_are_empty_words_after_their_labels_if_there_is_nothing_to_say():
    assert error_lines(" \n ", "") == ("error: ", "hint: ")


@pytest.mark.parametrize("value", [
    {"name": "日本.png", "part": 0.25}, ["\udcff.png"], {"nested": {"none": None, "list": [1, 2]}},
])  # fmt: skip
def test_json_is_ascii_and_comes_back_as_the_same_value(value, capsys):
    print_json(value)
    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out) == value


def test_a_path_in_json_is_its_text(capsys):
    print_json({"path": Path("a") / "b"})
    assert json.loads(capsys.readouterr().out) == {"path": str(Path("a") / "b")}


def test_a_table_is_as_wide_as_its_widest_cells_and_numbers_stand_to_the_right(capsys):
    print_table(["name", "px", "note"], [["a", "12345", ""], ["longer", "7", "x"]], right="lr")
    assert capsys.readouterr().out == (
        "name       px  note\n"
        "a       12345\n"
        "longer      7  x\n"
    )  # fmt: skip


def test_a_table_without_rows_is_its_header(capsys):
    print_table(["name", "px"], [])
    assert capsys.readouterr().out == "name  px\n"


def test_a_row_with_a_cell_too_many_is_a_fault():
    with pytest.raises(ValueError, match="zip"):
        print_table(["name"], [["a", "b"]])


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX alone")
def test_a_name_that_is_no_text_goes_out_as_the_bytes_that_it_is(monkeypatch):
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    survive_any_file_name()
    print_result(os.fsdecode(b"\xff\xe9.png"))
    print_error(os.fsdecode(b"\xfe"), "é")
    assert isinstance(out.buffer, io.BytesIO)
    assert isinstance(err.buffer, io.BytesIO)
    assert out.buffer.getvalue() == b"\xff\xe9.png\n"
    assert err.buffer.getvalue() == b"error: \xfe\nhint: \xc3\xa9\n"


@pytest.mark.parametrize("stream", [None, io.StringIO()])
def test_a_host_program_without_streams_of_its_own_does_no_harm(monkeypatch, stream):
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    survive_any_file_name()
    assert sys.stdout is stream


def test_a_missing_package_names_itself_and_the_extra_that_brings_it():
    with pytest.raises(BackendError) as caught, needs("video", "video"):
        raise ModuleNotFoundError("no", name="av.codec.context")
    assert caught.value.message == (
        "superres video needs the package av, which is not installed"
    )  # fmt: skip
    assert caught.value.hint == "pip install 'superres[video]'"
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


@pytest.mark.parametrize("error", [
    ModuleNotFoundError("ours", name="superres.nowhere"),
    ModuleNotFoundError("ours", name="superres"),
    ModuleNotFoundError("nameless"),
    ImportError("cannot import name", name="av"),
    ValueError("other"),
])  # fmt: skip
def test_a_fault_of_ours_or_a_broken_package_is_not_taken_for_a_missing_one(error):
    with pytest.raises(type(error)) as caught, needs("video", "video"):
        raise error
    assert caught.value is error


def test_a_package_whose_name_begins_as_ours_does_is_another_one():
    with pytest.raises(BackendError, match="needs the package superresolution"), needs("x", "y"):
        raise ModuleNotFoundError("no", name="superresolution")


@pytest.mark.parametrize("scale", [0.0, -2.0, float("inf"), float("nan")])
def test_a_scale_that_is_no_positive_number_is_refused_with_its_value(scale):
    with pytest.raises(ArgumentError) as caught:
        check_scale(scale, None)
    assert caught.value.message == f"--scale must be above 0, got {scale}"


def test_scale_and_size_exclude_each_other_even_if_the_scale_is_wrong_too():
    for scale in (2.0, 0.0):
        with pytest.raises(ArgumentError, match="both given"):
            check_scale(scale, "10x20")


@pytest.mark.parametrize(
    ("scale", "size"), [(1e-9, None), (None, "10x20"), (None, None), (99, None)]
)
def test_any_other_scale_is_left_to_the_model(scale, size):
    assert check_scale(scale, size) is None
