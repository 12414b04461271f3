"""Lines to stdout and stderr: results here, words there, and never a line in two."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import pyvips

import superres
from superres.cli.needs import needs
from superres.cli.options import check_scale
from superres.cli.output import (
    error_lines,
    print_error,
    print_exception,
    print_json,
    print_result,
    print_table,
    survive_any_text,
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
    survive_any_text()
    print_result(os.fsdecode(b"\xff\xe9.png"))
    print_error(os.fsdecode(b"\xfe"), "é")
    assert isinstance(out.buffer, io.BytesIO)
    assert isinstance(err.buffer, io.BytesIO)
    assert out.buffer.getvalue() == b"\xff\xe9.png\n"
    assert err.buffer.getvalue() == b"error: \xfe\nhint: \xc3\xa9\n"


ENCODINGS = ["ascii", "latin-1", "cp1252", "cp437", "shift_jis", "gb18030", "utf-16", "utf-16-le",
             "utf-8", "cp037"]  # fmt: skip


def written(monkeypatch, encoding: str, *lines: str) -> bytes:
    """Return what a stream of an encoding is given for lines."""
    out = io.TextIOWrapper(io.BytesIO(), encoding, newline="\n")
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", None)
    survive_any_text()
    for line in lines:
        print_result(line)
    out.flush()
    assert isinstance(out.buffer, io.BytesIO)
    return out.buffer.getvalue()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_no_sentence_raises_whatever_the_encoding(monkeypatch, encoding):
    signs = "".join(chr(code) for code in (*range(0x80, 0x2FFF), *range(0xD800, 0xE000), 0x1F600))
    told = written(monkeypatch, encoding, "8×8 → 4×4 – …", signs, "end").decode(encoding, "replace")
    assert told.endswith("\nend\n")


@pytest.mark.parametrize(("encoding", "expected"), [
    ("ascii", "8x8 -> 9x9 - ... \\xe9\\u65e5"),
    ("latin-1", "8×8 -> 9×9 - ... é\\u65e5"),
    ("cp1252", "8×8 -> 9×9 – … é\\u65e5"),
    ("utf-16", "8×8 → 9×9 – … é日"),
    ("utf-8", "8×8 → 9×9 – … é日"),
])  # fmt: skip
def test_a_sign_that_an_encoding_lacks_becomes_plain_or_an_escape(monkeypatch, encoding, expected):
    told = written(monkeypatch, encoding, "8×8 → 9×9 – … é日").decode(encoding)
    assert told == expected + "\n"


def test_every_sign_in_our_sentences_has_a_plain_form(monkeypatch):
    source = Path(superres.__file__).parent
    text = "".join(path.read_text(encoding="utf-8") for path in source.rglob("*.py"))
    signs = {sign for sign in text if not sign.isascii() and not sign.isalpha()}
    assert "×" in signs
    assert b"\\" not in written(monkeypatch, "ascii", "".join(sorted(signs)))


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX alone")
@pytest.mark.parametrize(("encoding", "expected"), [
    ("ascii", b"\xff\xe9.png\n"),
    ("cp1252", b"\xff\xe9.png\n"),
    ("shift_jis", b"\xff\xe9.png\n"),
    ("utf-16-le", "\\udcff\\udce9.png\n".encode("utf-16-le")),
    ("cp037", "\\udcff\\udce9.png\n".encode("cp037")),
])  # fmt: skip
def test_a_name_goes_out_as_its_bytes_only_where_they_cannot_be_taken_for_others(
    monkeypatch, encoding, expected
):
    assert written(monkeypatch, encoding, os.fsdecode(b"\xff\xe9.png")) == expected


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-16"])
def test_a_whole_command_speaks_any_encoding(tmp_path, encoding):
    pyvips.Image.black(48, 32).write_to_file(str(tmp_path / "a.png"))
    done = subprocess.run(
        [sys.executable, "-m", "superres", "evaluate", "bicubic", "--set", ".", "-s", "2"],
        capture_output=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
        check=False,
    )
    told = done.stdout.decode(encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    assert told.startswith(f"bicubic {'x' if encoding == 'ascii' else '×'}2: ")


@pytest.mark.parametrize("stream", [None, io.StringIO()])
def test_a_host_program_without_streams_of_its_own_does_no_harm(monkeypatch, stream):
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    survive_any_text()
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
