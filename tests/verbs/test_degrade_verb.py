from __future__ import annotations

import json
from pathlib import Path

import pytest

from superres.cli.main import main
from superres.degrade.load import load_degradation
from superres.errors import PictureError
from superres.jobs import degrade as degrading
from superres.jobs.report import DegradeReport
from superres.jobs.spec import DegradeJob
from superres.watch import Watch


@pytest.fixture(autouse=True)
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What files were degraded by; they are only copied."""
    calls: list[tuple[object, ...]] = []

    def fake(job: DegradeJob, watch: Watch) -> DegradeReport:
        if job.source.read_bytes() == b"corrupt":
            raise PictureError(f"{job.source} is damaged", "fetch it again")
        calls.append((job.degradation, job.scale, job.seed))
        job.target.write_bytes(job.source.read_bytes())
        return DegradeReport(
            source=str(job.source), target=str(job.target), input_size=(8, 8), output_size=(2, 2),
            seconds=0.1, notes=("cropped",),
        )  # fmt: skip

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(degrading, "degrade_picture_file", fake)
    return calls


def put(name: str, data: bytes = b"picture") -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_a_result_is_named_on_stdout_and_everything_else_on_stderr(seen, capsys):
    put("a.jpg")
    words = "a.jpg b.png --degradation bsrgan -s 2 --seed 7"
    assert main(["degrade", *words.split()]) == 0
    out, err = capsys.readouterr()
    assert out == "b.png\n"
    assert err.splitlines() == ["note: a.jpg: cropped", "1 done, 0 failed (bsrgan, ×2, seed 7)"]
    assert seen == [(load_degradation("bsrgan"), 2, 7)]


def test_a_folder_becomes_a_folder_of_pngs_with_the_same_names(capsys):
    put("in/a.jpg")
    put("in/b.png")
    put("in/deep/c.webp")
    assert main(["degrade", "in", "out", "--recursive"]) == 0
    assert capsys.readouterr().out.split() == ["out/a.png", "out/b.png", "out/deep/c.png"]


def test_a_failed_file_is_named_and_does_not_stop_the_others(capsys):
    put("in/a.png", b"corrupt")
    put("in/b.png")
    assert main(["degrade", "in", "out", "--json"]) == 1
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert [file["status"] for file in told["files"]] == ["failed", "done"]
    assert (told["done"], told["failed"]) == (1, 1)
    assert err.startswith("error: in/a.png is damaged\nhint: fetch it again\n")


def test_an_output_that_stands_is_kept_unless_overwrite_is_given(capsys):
    put("a.png", b"new")
    put("b.png", b"old")
    assert main(["degrade", "a.png", "b.png"]) == 1
    assert "already exists" in capsys.readouterr().err
    assert Path("b.png").read_bytes() == b"old"
    assert main(["degrade", "a.png", "b.png", "--overwrite"]) == 0
    assert Path("b.png").read_bytes() == b"new"


def test_an_input_is_never_overwritten(capsys):
    put("in/a.png", b"mine")
    assert main(["degrade", "in", "in", "--overwrite"]) == 1
    assert "is itself an input" in capsys.readouterr().err
    assert Path("in/a.png").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("a.png b.png --degradation reel", "did you mean 'real'"),
        ("a.png b.png --degradation real --recipe real", "--degradation and --recipe are both"),
        ("- b.png", "reads and writes files"),
        ("a.png b.png -s 17", "less than or equal to 16"),
        ("a.png", "missing argument"),
    ],
)
def test_wrong_usage_computes_nothing(words, found, seen, capsys):
    put("a.png")
    assert main(["degrade", *words.split()]) == 2
    assert found in capsys.readouterr().err.lower()
    assert not seen


def test_an_empty_folder_is_a_failure(capsys):
    Path("in").mkdir()
    assert main(["degrade", "in", "out"]) == 1
    assert "in has no pictures" in capsys.readouterr().err


def test_the_option_of_earlier_versions_still_names_the_degradation(seen, capsys):
    put("a.jpg")
    assert main(["degrade", "a.jpg", "b.png", "--recipe", "bsrgan"]) == 0
    assert seen == [(load_degradation("bsrgan"), 4, 0)]
    assert "--recipe is now called --degradation\n" in capsys.readouterr().err
    assert main(["degrade", "--help"]) == 0
    assert "--recipe" not in capsys.readouterr().out


def test_a_closed_subfolder_has_failed_and_other_kinds_are_counted(close_folder, capsys):
    put("in/a.jpg")
    put("in/b.txt")
    put("in/closed/c.jpg")
    close_folder(Path("in/closed"))
    assert main(["degrade", "in", "out", "--recursive", "--json"]) == 1
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert (told["done"], told["failed"], told["left_alone"]) == (1, 1, {".txt": 1})
    assert [file["status"] for file in told["files"]] == ["failed", "done"]
    assert "1 file of another kind left alone: 1 .txt" in err
    assert "1 done, 1 failed" in err
