"""The whole command, with real pictures, the embedded model and the default backend."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import pyvips
from strict_readers import read_strictly

import superres
from superres.cli.main import main

RUN = "from superres.cli.main import run; run()"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(superres.__file__).parents[1]))


def soft_picture(height: int, width: int) -> pyvips.Image:
    """Return an RGB picture of soft noise, so that upscaling it and shrinking it back agree."""
    noise = np.random.default_rng(7).integers(40, 215, (height // 4 + 2, width // 4 + 2, 3))
    image = pyvips.Image.new_from_array(noise.astype(np.uint8)).resize(4, kernel="cubic")
    return image.crop(0, 0, width, height).cast("uchar").copy(interpretation="srgb")


def size(path: str) -> tuple[int, int]:
    image = pyvips.Image.new_from_file(path)
    return image.height, image.width


def test_a_tree_of_formats_is_upscaled_and_made_small_again_gives_the_input(capsys):
    Path("in/deep").mkdir(parents=True)
    original = soft_picture(24, 33)
    original.write_to_file("in/été.png")
    original.write_to_file("in/deep/b.jpg", Q=98)
    assert main(["upscale", "in", "-o", "out", "--recursive"]) == 0
    assert capsys.readouterr().out.split() == [
        str(Path("out/été_x4.png")),
        str(Path("out/deep/b_x4.jpg")),
    ]
    assert size("out/deep/b_x4.jpg") == (96, 132)
    large = pyvips.Image.new_from_file("out/été_x4.png").numpy()
    small = superres.resize(large, scale=0.25)
    assert np.abs(small - original.numpy()).mean() < 3.0


def test_an_exact_size_is_met(capsys):
    soft_picture(20, 30).write_to_file("a.png")
    assert main(["upscale", "a.png", "--size", "77x41", "--stretch", "-o", "b.webp", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["files"]
    assert told["output_size"] == [41, 77]
    assert size("b.webp") == (41, 77)


def test_a_portrait_among_landscapes_is_refused_and_the_rest_is_done(capsys):
    Path("in").mkdir()
    soft_picture(16, 24).write_to_file("in/a.png")
    soft_picture(24, 16).write_to_file("in/b.png")
    assert main(["upscale", "in", "-o", "out", "--size", "48x32"]) == 1
    assert "in/b.png: the size 48x32 was requested of a picture of 16x24" in capsys.readouterr().err
    assert os.listdir("out") == ["a_48x32.png"]
    assert main(["upscale", "in/b.png", "-o", "b.png", "--size", "48x32", "--fit"]) == 0
    assert size("b.png") == (32, 21)


def test_a_wrapped_normal_map_is_made_of_a_file():
    rows, columns = np.mgrid[:48, :64] * (2 * np.pi / 16)
    vectors = np.stack([np.sin(columns), np.sin(rows), np.ones((48, 64))], axis=2)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    image = pyvips.Image.new_from_array(np.rint((vectors + 1) * 127.5).astype(np.uint8))
    image.copy(interpretation="srgb").write_to_file("n.png")
    assert main(["upscale", "n.png", "--wrap", "--normal-map", "-s", "2"]) == 0
    large = pyvips.Image.new_from_file("n_x2.png").numpy() / 127.5 - 1
    assert np.abs(np.linalg.norm(large, axis=2) - 1).max() < 0.01
    for axis in (0, 1):  # the map has a period of 16 px, so its borders are like its inside
        lines = np.moveaxis(large, axis, 0)
        inside = np.abs(np.diff(lines, axis=0)).mean((1, 2)).max()
        assert np.abs(lines[0] - lines[-1]).mean() <= inside + 1 / 255


def test_damaged_files_fail_by_name_and_leave_nothing_behind(capsys):
    Path("in").mkdir()
    soft_picture(20, 30).write_to_file("in/a.png")
    whole = Path("in/a.png").read_bytes()
    Path("in/cut.png").write_bytes(whole[: len(whole) // 2])
    Path("in/empty.png").write_bytes(b"")
    Path("in/text.png").write_text("I am no picture.")
    assert main(["upscale", "in", "-o", "out"]) == 1
    err = capsys.readouterr().err
    for name in ("cut.png", "empty.png", "text.png"):
        assert any(line.startswith("error: ") and name in line for line in err.splitlines())
    assert "Traceback" not in err
    assert os.listdir("out") == ["a_x4.png"]


def test_auto_says_for_each_file_which_model_it_took_and_why(capsys):
    Path("in").mkdir()
    soft_picture(48, 64).write_to_file("in/strong.jpg", Q=35)
    soft_picture(48, 64).write_to_file("in/stronger.jpg", Q=35)
    assert main(["upscale", "in", "-o", "out", "-n", "auto", "--json"]) == 0
    out, err = capsys.readouterr()
    for told in json.loads(out)["files"]:
        (line,) = [line for line in err.splitlines() if line.startswith(told["source"])]
        assert f"model {told['model']} (JPEG quality of about 35" in line
        assert line in told["notes"]


@pytest.mark.parametrize("words", [["evaluate", "auto", "--set", "in"], ["models", "info", "auto"]])
def test_verbs_that_have_no_one_picture_refuse_auto(words, capsys):
    Path("in").mkdir()
    soft_picture(16, 16).write_to_file("in/a.png")
    assert main(words) == 2
    err = capsys.readouterr().err.splitlines()
    assert err[0].startswith("error: auto is not a model")
    assert err[1].startswith("hint: name a model")


@pytest.mark.parametrize(
    ("words", "nearest"),
    [("-n defualt", "default"), ("--backend opnvino", "openvino"), ("--device cpuu", "cpu")],
)
def test_unknown_names_are_wrong_usage_and_name_the_nearest(words, nearest, capsys):
    soft_picture(8, 8).write_to_file("a.png")
    assert main(["upscale", "a.png", *words.split()]) == 2
    assert f"did you mean '{nearest}'?" in capsys.readouterr().err
    assert os.listdir() == ["a.png"]


def test_a_pipe_carries_a_picture_in_and_a_larger_one_out():
    done = subprocess.run(
        [sys.executable, "-c", RUN, "upscale", "-"],
        input=soft_picture(9, 11).write_to_buffer(".png"),
        capture_output=True,
        timeout=60,
        check=True,
    )
    found = read_strictly(done.stdout)  # another process wrote it, which no fixture sees
    assert (found.format, found.height, found.width) == ("png", 36, 44)


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_with_130_and_leaves_nothing(kind):
    soft_picture(1600, 1600).write_to_file("in.png")
    Path("out").mkdir()
    # Where tests run in the background, children would ignore the interrupt.
    code = f"import signal; signal.signal({int(kind)}, signal.default_int_handler); {RUN}"
    words = ["upscale", "in.png", "-o", "out/large.png", "--precision", "fp32", "-t", "64"]
    with subprocess.Popen([sys.executable, "-c", code, *words], stderr=subprocess.PIPE) as run:
        deadline = time.monotonic() + 60
        while not os.listdir("out") and run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert os.listdir("out"), "the temporary stands beside the target"
        run.send_signal(kind)
        _, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert b"Traceback" not in err
    assert err.splitlines()[-2] == b"error: interrupted"
    assert os.listdir("out") == []


def test_a_result_that_no_network_made_says_so(tmp_path, capsys):
    source = tmp_path / "a.png"
    pyvips.Image.black(8, 6, bands=3).copy(interpretation="srgb").write_to_file(str(source))
    assert main(["upscale", str(source), "-o", str(tmp_path / "b.png"), "-s", "1"]) == 0
    assert "(resized, without a network)" in capsys.readouterr().err
