from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import superres
from superres.cli.main import main
from superres.errors import ArgumentError, ModelError

VERBS = ("upscale", "models", "doctor", "evaluate", "train", "pack", "export")
RUN = "from superres.cli.main import run; run()"


def command(*words: str, **more) -> subprocess.CompletedProcess[str]:
    source = str(Path(superres.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": source}
    return subprocess.run(
        [sys.executable, "-c", RUN, *words],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=False,
        **more,
    )


def test_the_version_is_told(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"superres {superres.__version__}\n"


def test_no_verb_shows_the_help(capsys):
    assert main([]) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {verb}" in out for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example_on_lines_of_its_own(verb, capsys):
    assert main([verb, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"\n    superres {verb}" in out


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["upscal"], "no such command 'upscal'", "did you mean 'upscale'?"),
        (["models", "lst"], "no such command 'lst'", "did you mean 'list'?"),
        (["upscale", "--scal", "2"], "there is no option --scal", "did you mean --scale?"),
        (["--verison"], "there is no option --verison", "did you mean --version?"),
        (["pack", "--qqqqq"], "there is no option --qqqqq", "superres pack --help lists"),
        (["models", "info"], "missing argument 'NAME|FILE'", "superres models info --help"),
        (["train", "default-x4", "-o", "y"], "no data is given", "--data"),
        (["evaluate", "default"], "no set is given", "--set"),
    ],
)
def test_wrong_usage_is_two_lines_with_the_next_thing_to_do(words, message, hint, capsys):
    assert main(words) == 2
    out, err = capsys.readouterr()
    first, second = err.splitlines()
    assert out == ""
    assert first.startswith(f"error: {message}")
    assert second.startswith("hint: ")
    assert hint in second


@pytest.mark.parametrize(("error", "code"), [(ModelError, 1), (ArgumentError, 2)])
def test_our_errors_become_two_lines_and_an_exit_code(error, code, monkeypatch, capsys):
    def fail():
        raise error("what was\nfound", "what to do")

    monkeypatch.setattr("superres.zoo.embedded_models", fail)
    assert main(["models"]) == code
    assert capsys.readouterr().err == "error: what was found\nhint: what to do\n"


def test_a_fault_of_ours_is_not_hidden(monkeypatch):
    monkeypatch.setattr("superres.zoo.embedded_models", lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        main(["models"])


def test_the_command_starts_without_any_heavy_library():
    code = (
        "import sys; from superres.cli.main import main; main(['upscale', '--help']);"
        "heavy = {'numpy', 'torch', 'openvino', 'onnxruntime', 'pyvips', 'rich'};"
        "sys.exit(str(sorted(heavy & set(sys.modules))) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_command_as_the_shell_runs_it_ends_with_its_exit_code():
    done = command("upscale", "--size", "wrong", "a.png")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: --size takes width x height in pixels, got 'wrong'\nhint")


@pytest.mark.skipif(os.name != "posix", reason="pipes close otherwise elsewhere")
def test_a_reader_that_goes_away_gets_no_complaint():
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-c", RUN, "--help"],
            stdout=writer,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
    assert done.stderr == b""
    assert done.returncode == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's full device")
def test_a_full_disk_below_stdout_is_told_in_two_lines():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", RUN, "doctor", "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("error: the output: No space left on device\nhint: ")
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.skipif(os.name != "posix", reason="file names are bytes on POSIX alone")
def test_a_file_name_that_is_no_text_is_told_without_a_traceback(tmp_path):
    name = os.fsdecode(b"\xff\xfe.png")
    done = command("upscale", name, "--size", "8x8", "--suffix", "_x", "-n", name, cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
