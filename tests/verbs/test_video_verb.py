"""The verb `video`: where results go, what is said of them, and wrong usage."""

from __future__ import annotations

import json

import numpy as np
import pytest
from clips import read_clip, write_clip
from PIL import Image

from superres.cli.main import main

pytestmark = pytest.mark.usefixtures("repeating_network")


@pytest.fixture
def clip(tmp_path):
    return write_clip(tmp_path / "clip.mkv", frames=3, metadata={"title": "T"})


def test_a_result_stands_beside_its_source_unless_a_place_is_named(clip, tmp_path, capsys):
    assert main(["video", str(clip), "-s", "2", "--codec", "ffv1"]) == 0
    told = capsys.readouterr()
    assert told.out.strip() == str(tmp_path / "clip_x2.mkv")
    assert read_clip(tmp_path / "clip_x2.mkv")[1][0].shape == (48, 64)
    assert "kept: time stamps" in told.err
    assert "32×24 → 64×48, 3 frames" in told.err


@pytest.mark.parametrize(("name", "made"), [("a.avi", "a_x2.mkv"), ("a.GIF", "a_x2.mp4")])
def test_a_result_of_a_kind_that_is_not_written_has_another_suffix(clip, tmp_path, name, made):
    if name == "a.avi":
        source = write_clip(tmp_path / name, frames=3, codec="mpeg4")
    else:
        source = tmp_path / name
        frames = [Image.new("RGB", (32, 24), (0, 40 * number, 0)) for number in range(3)]
        frames[0].save(source, "GIF", save_all=True, append_images=frames[1:], duration=40)
    assert main(["video", str(source), "-s", "2", "--codec", "mpeg4"]) == 0
    assert len(read_clip(tmp_path / made)[1]) == 3


def test_json_is_one_object_and_nothing_else(clip, tmp_path, capsys):
    target = str(tmp_path / "b.mkv")
    assert main(["video", str(clip), "-o", target, "-s", "2", "--codec", "ffv1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert {"kept", "not_kept", "repeated", "fps", "seconds", "notes"} <= report.keys()
    assert (report["frames"], report["target"], report["output_size"]) == (3, target, [48, 64])
    assert "tags (title)" in report["kept"]


@pytest.mark.parametrize("name", ["frames/", "there"])
def test_a_folder_gets_frames(clip, tmp_path, name):
    (tmp_path / "there").mkdir()
    assert main(["video", str(clip), "-o", f"{tmp_path}/{name}", "-s", "2"]) == 0
    assert len(list((tmp_path / name).glob("*.png"))) == 3


def test_a_size_names_the_result(clip, tmp_path):
    assert main(["video", str(clip), "--size", "80x60", "--codec", "ffv1"]) == 0
    assert read_clip(tmp_path / "clip_80x60.mkv")[1][0].shape == (60, 80)


@pytest.mark.parametrize(("more", "message"), [
    (["-s", "2", "--size", "64x48"], "--scale and --size are both given"),
    (["-s", "0"], "--scale must be above 0"),
    (["-o", "-", "--json"], "would both go to stdout"),
    (["--codec-option", "preset"], "takes NAME=VALUE"),
    (["-o", "b.avi"], "does not write .avi files"),
    (["--codec", "h999"], "no encoder h999"),
])  # fmt: skip
def test_wrong_usage_is_told_in_two_lines_and_nothing_is_made(
    clip, tmp_path, monkeypatch, capsys, more, message
):
    monkeypatch.chdir(tmp_path)
    assert main(["video", str(clip), *more]) == 2
    told = capsys.readouterr().err.splitlines()
    assert message in told[-2]
    assert told[-1].startswith("hint: ")
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mkv"]


def test_a_file_that_is_no_video_fails_with_exit_code_1(tmp_path, capsys):
    path = tmp_path / "text.mkv"
    path.write_text("no video")
    assert main(["video", str(path), "-s", "2"]) == 1
    assert "text.mkv cannot be read as a video" in capsys.readouterr().err


def test_a_video_runs_on_onnx_runtime_as_on_openvino(clip, tmp_path):
    made = {}
    for backend in ("onnxruntime", "openvino"):
        target = tmp_path / f"{backend}.mkv"
        words = ["--backend", backend, "--precision", "fp32", "--codec", "ffv1", "-s", "2"]
        assert main(["video", str(clip), "-o", str(target), "-n", "video", *words]) == 0
        made[backend] = np.stack(read_clip(target)[1]).astype(int)
    assert made["openvino"].shape == (3, 48, 64)
    assert np.abs(made["onnxruntime"] - made["openvino"]).max() <= 1
