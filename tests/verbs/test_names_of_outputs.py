"""Every verb refuses an output whose name is too long, before any work, and says by how much."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import pyvips

from superres.cli.main import main

pytestmark = pytest.mark.skipif(os.name == "nt", reason="its limits are in other units")


@pytest.fixture(autouse=True)
def _in_a_folder_with_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    grey = pyvips.Image.new_from_array(np.full((8, 8), 128, np.uint8))
    Path("in").mkdir()
    grey.write_to_file("in/a.png")


@pytest.mark.parametrize(("words", "end", "option"), [
    ("upscale in/a.png -s 1 -o", ".png", "-o"),
    ("upscale in/a.png -s 1 --skip-existing -o", ".png", "-o"),
    ("burst in -s 2 -o", ".png", "-o"),
    ("video in/a.png -s 2 -o", ".mp4", "-o"),
    ("degrade in/a.png", ".png", ""),
    ("pack in --skip-existing -o", ".zip", "-o"),
    ("export espcn-x2 -o", ".onnx", "-o"),
    ("blend espcn-x2 espcn-x2 -o", ".safetensors", "-o"),
    ("train espcn-x4 --data in --steps 1 -o", "/run", "-o"),
])  # fmt: skip
def test_the_message_has_the_length_the_limit_and_the_way_out(words, end, option, capsys):
    name = "n" * (258 - len(end)) + end if end != "/run" else "n" * 258 + end
    assert main([*words.split(), name]) == 1
    err = capsys.readouterr().err
    assert "is too long: 258 bytes, and this file system takes 255\n" in err
    what = "folder" if end == "/run" else "output"
    assert f"hint: name a shorter {what}{' with -o' if option else ''}" in err.splitlines()
    assert os.listdir() == ["in"]


def test_a_page_of_runs_names_its_own_option(capsys):
    run = Path("runs/one")
    run.mkdir(parents=True)
    (run / "recipe.toml").touch()
    (run / "log.jsonl").touch()
    assert main(["runs", "--html", "n" * 254 + ".html"]) == 1
    err = capsys.readouterr().err
    assert "259 bytes" in err
    assert "--html" in err


def test_a_suffix_that_makes_a_name_too_long_fails_alone(capsys):
    long = Path("in", "n" * 249 + ".png")
    Path("in/a.png").rename(long)
    Path("in/b.png").write_bytes(long.read_bytes())
    assert main(["upscale", "in", "-s", "1", "-o", "out"]) == 1
    out, err = capsys.readouterr()
    assert out == f"{Path('out/b_x1.png')}\n"
    assert (
        f"{long}: the name of the output {Path('out', 'n' * 249 + '_x1.png')} is too long: " in err
    )
    assert "256 bytes, and this file system takes 255" in err
