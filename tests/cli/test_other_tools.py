"""What users of other upscalers type, and what they are told to type here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from superres.cli.main import main
from superres.cli.other_tools import option_hint


@pytest.fixture(autouse=True)
def _in_a_folder_with_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "-dash.png", "-slow.png", "-old.png", "-"):
        Path(name).write_bytes(b"no picture")


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    """Run a command that is wrong usage and return its two lines."""
    assert main(list(words)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    message, hint = err.splitlines()
    return message.removeprefix("error: "), hint.removeprefix("hint: ")


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ("-g 0", "there is no option -g", "--device"),
        ("-g0", "there is no option -g0", "--device"),
        ("--gpu_id=0", "there is no option --gpu_id", "--device"),
        ("-j 1:2:2", "there is no option -j", "not needed"),
        ("-q", "there is no option -q", "--quality"),
        ("-v", "there is no option -v", "--json"),
        ("-dn 0.5", "there is no option -dn", "-n real"),
        ("--denoise_strength 0.5", "there is no option --denoise_strength", "-n real"),
        ("--face_enhance", "there is no option --face_enhance", "no model for faces"),
        ("--tile_pad 10", "there is no option --tile_pad", "not needed"),
        ("--tta", "there is no option --tta", "--ensemble"),
        ("--fp32", "there is no option --fp32", "--precision fp32"),
        ("--ext png", "there is no option --ext", "--format"),
        ("--width 3000", "there is no option --width", "--size"),
        ("-m models", "there is no option -m", "-n"),
        ("-f bmp", "the format 'bmp' cannot be written", "write PNG"),
        ("-n RealESRGAN_x4plus", "there is no model named", "-n real"),
        ("-n realesrgan-x4plus", "there is no model named", "-n real"),
        ("-n realesr-animevideov3", "there is no model named", "superres video"),
        ("-n waifu2x", "there is no model named", "-n real"),
        ("-n models-se", "there is no model named", "superres models lists all"),
        ("-n 2", "there is no model named '2'", "-n names a model"),
    ],
)
def test_an_option_or_model_of_another_tool_names_ours(words, message, hint, capsys):
    lines = told(capsys, "upscale", "a.png", *words.split())
    assert lines[0].startswith(message)
    assert hint in lines[1]
    assert len(lines[1]) < 160


@pytest.mark.parametrize("letter", "abcdefgjklmpquvwyz")
def test_an_unknown_letter_is_never_guessed_to_be_another_one(letter, capsys):
    if letter == "f":
        return
    _, hint = told(capsys, "upscale", "a.png", f"-{letter}")
    assert "did you mean" not in hint


@pytest.mark.parametrize("name", ["-dash.png", "-slow.png", "-old.png", "-gone.jpeg"])
def test_a_file_that_begins_with_a_dash_is_told_how_to_be_named(name, capsys):
    _, hint = told(capsys, "upscale", name, "a.png")
    assert f"./{name}" in hint
    assert " -- " in f"{hint} "


@pytest.mark.parametrize("words", [["./-dash.png"], ["-x", "--", "-dash.png"], ["-i", "-dash.png"]])
def test_a_file_that_begins_with_a_dash_can_be_named(words, capsys):
    assert main(["upscale", *words]) == 1
    assert "-dash.png is " in capsys.readouterr().err


def test_a_hint_names_only_options_that_the_verb_has():
    ours = {"--device", "--quality", "-n"}
    assert option_hint("-q", "-q", ours)
    assert option_hint("-q", "-q", ours - {"--quality"}) is None
    assert option_hint("-dn", "-d", ours - {"-n"}) is None
    assert option_hint("--tta", "--tta", {"--ensemble"}) is None
    assert re.search("--ensemble", option_hint("--tta", "--tta", {"--ensemble", "-x"}) or "")


def test_what_other_tools_have_in_common_with_us_works(capsys):
    words = "-i a.png -o out.png --outscale 3.5 -t 512 -n default -x"
    assert main(["upscale", *words.split()]) == 1  # the file is no picture
    assert "a.png is not a PNG" in capsys.readouterr().err
