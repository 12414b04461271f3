from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import pyvips

from superres.cli.main import main

EXAMPLES = Path(__file__).parents[2] / "examples" / "burst"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_folder_of_frames_becomes_one_picture_named_on_stdout(capsys):
    assert main(["burst", str(EXAMPLES), "-o", "large.png", "-s", "3", "-n", "bicubic"]) == 0
    out, err = capsys.readouterr()
    assert out == "large.png\n"
    assert err.splitlines()[-1].startswith("8 of 8 frames, 86×52 → 258×156 in ")
    large = pyvips.Image.new_from_file("large.png")
    assert (large.width, large.height) == (258, 156)


def test_json_reports_each_frame(capsys):
    words = ["-s", "2", "-n", "bicubic", "--blur", "0.3", "--coverage", "seen.png", "--json"]
    frames = [str(EXAMPLES / f"{index}.png") for index in (0, 1, 2)]
    assert main(["burst", *frames, "-o", "out.tif", *words, "--reference", "0"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["reference"], told["used"], told["blur"]) == (0, 3, 0.3)
    assert told["frames"][0]["shift"] == [0.0, 0.0]
    assert all(frame["weight"] > 0.5 for frame in told["frames"])
    assert Path("seen.png").exists()


def test_a_frame_that_is_dropped_is_said_on_stderr(capsys):
    noise = np.random.default_rng(0).integers(0, 256, (52, 86, 3)).astype(np.uint8)
    pyvips.Image.new_from_array(noise).copy(interpretation="srgb").write_to_file("noise.png")
    frames = [str(EXAMPLES / f"{index}.png") for index in (0, 1)]
    assert main(["burst", *frames, "noise.png", "-o", "out.png", "-n", "bicubic"]) == 0
    err = capsys.readouterr().err
    assert "frame 2 is dropped: it does not resemble the reference" in err
    assert "2 of 3 frames" in err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["-"], 2, "burst reads and writes files"),
        (["missing.png"], 1, "missing.png does not exist"),
        ([str(EXAMPLES), "--method", "drizle"], 2, "did you mean 'drizzle'?"),
        ([str(EXAMPLES), "--method", "network", "-n", "real"], 2, "real is a picture model"),
        ([str(EXAMPLES), "--blur", "wide"], 2, "--blur takes auto, bicubic or a number"),
        ([str(EXAMPLES), "--scale", "0.5"], 2, "must be 1 to 64, got 0.5"),
        ([str(EXAMPLES), "--reference", "8"], 2, "there are 8 frames"),
    ],
)
def test_wrong_usage_is_told_in_two_lines(capsys, words, code, said):
    assert main(["burst", *words, "-o", "out.png"]) == code
    err = capsys.readouterr().err
    assert said in err
    assert not Path("out.png").exists()


def test_an_output_that_stands_is_kept_unless_overwrite_is_given(capsys):
    Path("out.png").write_bytes(b"old")
    words = ["burst", str(EXAMPLES / "0.png"), "-o", "out.png", "-n", "bicubic"]
    assert main(words) == 1
    assert "already exists" in capsys.readouterr().err
    assert Path("out.png").read_bytes() == b"old"
    assert main([*words, "--overwrite"]) == 0
    assert Path("out.png").read_bytes() != b"old"


def test_a_burst_runs_on_onnx_runtime_as_on_openvino():
    for backend in ("onnxruntime", "openvino"):
        words = ["--backend", backend, "--precision", "fp32", "--method", "network"]
        assert main(["burst", str(EXAMPLES), "-o", f"{backend}.png", "-s", "4", *words]) == 0
    one, other = (
        pyvips.Image.new_from_file(f"{backend}.png").numpy().astype(int)
        for backend in ("onnxruntime", "openvino")
    )
    assert one.shape == (208, 344, 3)
    assert np.abs(one - other).max() <= 1


def test_other_files_and_closed_folders_beside_the_frames_are_told(close_folder, capsys):
    Path("shots/closed").mkdir(parents=True)
    Path("shots/notes.txt").touch()
    for index in (0, 1):
        shutil.copy(EXAMPLES / f"{index}.png", "shots")
    close_folder(Path("shots/closed"))
    assert main(["burst", "shots", "-o", "out.png", "-s", "2", "-n", "bicubic", "--json"]) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert told["used"] == 2
    for words in ("left out: the folder shots/closed cannot be", "left alone: 1 .txt"):
        assert words in err
        assert any(words in note for note in told["notes"])
