from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from superres.cli.main import main
from superres.errors import DataError
from superres.evaluate.validators import Watched
from superres.layers.graphs import image_graphs
from superres.modelfiles.card import Card
from superres.optim.schedule import Budget
from superres.train.loop import TrainingOptions, TrainReport

CARD = Card(
    name="mine-x4",
    architecture="lean",
    config={"scale": 4},
    scale=4,
    halo=18,
    graphs=image_graphs(3, 4),
)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[TrainingOptions]:
    """What the training loop was called with; the loop itself does not run."""
    calls: list[TrainingOptions] = []

    def fake(recipe, options, *, watch):
        calls.append(options)
        watch.note(f"training {recipe.name}")
        for done, words in ((0.5, "step 100  l1 0.0312"), (0.6, "step 150  l1 0.0311")):
            watch.status(words)
            watch.progress(done, 1.0)
        watched = Watched({"psnr_Set5": 30.414}, {"psnr_Set5": 28.43})
        sets = (watched,) if options.validation else ()
        return TrainReport(options.folder / "model.safetensors", CARD, 200, 1.5, 0.031, *sets)

    monkeypatch.setattr("superres.train.loop.train", fake)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return calls


def test_a_run_tells_its_model_on_stdout_and_its_course_on_stderr(seen, capsys):
    words = ["default-x4", "--data", "a", "b.zip", "--data", "c", "--minutes", "90", "-o", "runs/x"]
    assert main(["train", *words, "--validate", "Set5"]) == 0
    assert seen == [
        TrainingOptions(
            data=(Path("a"), Path("c"), Path("b.zip")),
            folder=Path("runs/x"),
            budget=Budget(minutes=90.0),
            validation=(Path("Set5"),),
        )
    ]
    out, err = capsys.readouterr()
    assert out == f"{Path('runs/x/model.safetensors')}\n"
    # In a pipe a line a minute is enough.
    assert err.splitlines() == [
        "training default-x4",
        " 50%  step 100  l1 0.0312",
        "PSNR Set5 30.41 dB (bicubic 28.43)",
        "200 steps in 1.5 min, 3.1% of it waiting for data",
    ]


def test_without_a_budget_the_recipe_has_it_and_resume_and_threads_are_passed_on(seen):
    words = ["default-x4", "--data", "a", "-o", "r", "--resume", "--threads", "3"]
    assert main(["train", *words]) == 0
    assert (seen[0].budget, seen[0].resume) == (None, True)
    assert os.environ["OMP_NUM_THREADS"] == "3"
    os.environ.pop("OMP_NUM_THREADS")


def test_the_report_as_json_carries_the_card(seen, capsys):
    words = ["default-x4", "--data", "a", "-o", "r", "--steps", "200", "--json"]
    assert main(["train", *words]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["model"] == str(Path("r/model.safetensors"))
    assert told["card"]["name"] == "mine-x4"
    assert told["watched"] == {"scores": {}, "bicubic": {}}
    assert told["notes"] == ["training default-x4"]


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--steps", "9", "--minutes", "1"], 2, "--minutes and --steps are both given"),
        (["--minutes", "0"], 2, "--minutes must be positive, got 0"),
        (["--steps", "0"], 2, "--steps"),
    ],
)
def test_a_budget_that_cannot_be_is_wrong_usage(more, code, message, seen, capsys):
    assert main(["train", "default-x4", "--data", "a", "-o", "r", *more]) == code
    assert message in capsys.readouterr().err
    assert seen == []


def test_an_unknown_recipe_names_the_nearest_one(seen, capsys):
    assert main(["train", "defalt-x4", "--data", "a", "-o", "r"]) == 2
    assert "did you mean 'default-x4'?" in capsys.readouterr().err


def test_data_that_cannot_be_used_fails_in_two_lines(monkeypatch, capsys):
    def fail(*_, **__):
        raise DataError("no pictures in a", "name folders")

    monkeypatch.setattr("superres.train.loop.train", fail)
    assert main(["train", "default-x4", "--data", "a", "-o", "r"]) == 1
    assert capsys.readouterr().err == "error: no pictures in a\nhint: name folders\n"


def test_a_light_install_is_told_which_extra_brings_training(monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "superres.train.loop")
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    assert main(["train", "default-x4", "--data", "a", "-o", "r"]) == 1
    err = capsys.readouterr().err
    assert "needs the package lightning_fabric, which is not installed" in err
    assert "hint: pip install 'superres[train]'" in err
