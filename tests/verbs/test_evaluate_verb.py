from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import pyvips

from superres.cli.main import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A set of two small pictures of soft noise."""
    place = tmp_path / "Tiny"
    place.mkdir()
    for seed, name in enumerate(("one", "two")):
        noise = np.random.default_rng(seed).integers(0, 255, (6, 7, 3), np.uint8)
        soft = pyvips.Image.new_from_array(noise).resize(4).cast("uchar")
        soft.copy(interpretation="srgb").write_to_file(str(place / f"{name}.png"))
    return place


def test_bicubic_is_a_model_and_the_table_names_its_protocol(folder, capsys):
    assert main(["evaluate", "bicubic", "--set", str(folder), "--scale", "2"]) == 0
    out = capsys.readouterr().out
    assert "bicubic ×2" in out
    assert "border 2 px" in out
    assert "Tiny" in out


def test_several_sets_may_follow_one_word_and_the_protocol_may_be_changed(folder, capsys):
    words = [str(folder), str(folder), "-s", "2", "--channels", "rgb", "--border", "1"]
    assert main(["evaluate", "bicubic", "--set", *words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["set"] for one in told["sets"]] == ["Tiny", "Tiny"]
    assert told["sets"][0]["protocol"]["channels"] == "rgb"
    assert told["sets"][0]["protocol"]["border"] == 1


def test_each_picture_gets_a_line_when_asked(folder, capsys):
    assert main(["evaluate", "bicubic", "--set", str(folder), "-s", "2", "--pictures"]) == 0
    out = capsys.readouterr().out
    assert "one" in out
    assert "two" in out
    assert "mean of 2" in out


def test_a_model_runs_with_the_options_that_were_asked(folder, monkeypatch, capsys):
    seen = []

    class FakeUpscaler:
        def __init__(self, model, options, *, watch) -> None:
            seen.append((model, options.ensemble, options.backend, options.precision))

        def __call__(self, pixels, *, scale):
            return pixels.repeat(scale, axis=0).repeat(scale, axis=1)

    monkeypatch.setattr("superres.upscaler.Upscaler", FakeUpscaler)
    words = ["mine.onnx", "--set", str(folder), "-s", "2", "-x", "--backend", "torch"]
    assert main(["evaluate", *words, "--precision", "fp32", "--json"]) == 0
    assert seen == [("mine.onnx", True, "torch", "fp32")]
    assert json.loads(capsys.readouterr().out)["model"] == "mine.onnx"


def test_a_folder_that_is_no_set_fails_in_two_lines(tmp_path, capsys):
    assert main(["evaluate", "bicubic", "--set", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("error: no pictures in ")


def test_one_bad_set_never_stops_the_others(folder, tmp_path, close_folder, capsys):
    closed, damaged = tmp_path / "Closed", tmp_path / "Damaged"
    for place in (closed, damaged):
        place.mkdir()
        (place / "a.png").write_bytes(b"no picture")
    close_folder(closed)
    words = [str(damaged), str(closed), str(tmp_path / "none"), str(folder), "-s", "2", "--json"]
    assert main(["evaluate", "bicubic", "--set", *words]) == 1
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert [one["set"] for one in told["sets"]] == ["Tiny"]
    assert {Path(one["set"]).name for one in told["failed"]} == {"Closed", "Damaged", "none"}
    for one in told["failed"]:
        assert f"error: {one['error']}" in err


def test_a_set_is_never_measured_in_part(folder, capsys):
    (folder / "three.png").symlink_to("nowhere")
    assert main(["evaluate", "bicubic", "--set", str(folder), "-s", "2", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["sets"], len(told["failed"])) == ([], 1)


@pytest.mark.parametrize("words", [[], ["--pictures"]])
def test_without_a_measured_set_no_table_is_printed(tmp_path, words, capsys):
    assert main(["evaluate", "bicubic", "--set", str(tmp_path), *words]) == 1
    assert capsys.readouterr().out == ""


def test_files_of_other_kinds_are_counted_in_the_folders_that_are_read(folder, capsys):
    (folder / "readme.txt").touch()
    (folder / "deep").mkdir()
    (folder / "deep" / "other.txt").touch()
    assert main(["evaluate", "bicubic", "--set", str(folder), "-s", "2", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["left_alone"] == {".txt": 1}
    assert "1 file of another kind left alone: 1 .txt" in err
