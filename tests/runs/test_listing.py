"""Run folders: state, values, and differences of recipes."""

import json
import os
import subprocess
import sys
import time

import pytest
import torch

from superres.errors import DataError
from superres.modelfiles.card import Training
from superres.modelfiles.checkpoint import card_for, save_network
from superres.networks.catalog import network_config
from superres.runs.checkpoint import Progress, save_state
from superres.runs.listing import (
    as_text,
    differences,
    find_runs,
    kind_of,
    names_of,
    read_run,
    score_text,
    title_of,
    to_json,
)

RECIPE = 'name = "mine-x4"\n[network]\narchitecture = "lean"\nconfig = { scale = 4 }\n'
LINES = (
    {"step": 50, "l1": 0.5, "rate": 1e-3},
    {"step": 60, "psnr_Set5": 31.5, "lpips_Set5": 0.2},
    {"step": 100, "l1": float("nan"), "rate": 5e-4},
    {"step": 100, "psnr_Set5": 31.25, "lpips_Set5": 0.3},
)


def make_run(folder, recipe=RECIPE, lines=LINES):
    folder.mkdir(parents=True)
    (folder / "recipe.toml").write_text(recipe)
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def finish(folder, steps):
    config = {"scale": 2, "features": 4, "blocks": 1}
    card = card_for("mine", "lean", config)
    card = card.model_copy(update={"training": Training(steps=steps, minutes=12.5)})
    save_network(network_config("lean", config).build(), card, folder / "model.safetensors")


def grow_old(folder):
    for path in folder.iterdir():
        an_hour_ago = time.time() - 3600
        os.utime(path, (an_hour_ago, an_hour_ago))


def test_runs_are_found_below_folders_and_in_them(tmp_path):
    one, two = make_run(tmp_path / "a" / "deep" / "one"), make_run(tmp_path / "two")
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "recipe.toml").write_text(RECIPE)
    assert find_runs([tmp_path]) == ([one, two], [])
    assert find_runs([two, tmp_path]) == ([one, two], [])


def test_a_place_without_runs_is_named(tmp_path):
    with pytest.raises(DataError, match="no runs in"):
        find_runs([tmp_path])
    with pytest.raises(DataError, match="is not a folder"):
        find_runs([tmp_path / "none"])


def test_a_run_tells_its_last_and_best_values_without_what_is_not_finite(tmp_path):
    run = read_run(make_run(tmp_path / "one"))
    assert (run.name, run.architecture, run.steps) == ("mine-x4", "lean", 100)
    assert run.measured == ("l1", "rate", "psnr_Set5", "lpips_Set5")
    assert run.curve("l1") == [(50, 0.5)]
    assert (run.last("psnr_Set5"), run.best("psnr_Set5")) == (31.25, 31.5)
    assert (run.last("lpips_Set5"), run.best("lpips_Set5")) == (0.3, 0.2)
    assert run.last("psnr_Set14") is None
    assert score_text(run, "psnr_Set5") == "31.250 (31.500)"
    told = json.loads(json.dumps(to_json(run), allow_nan=False))
    assert told["last"]["l1"] == 0.5
    assert told["recipe"]["network.config.scale"] == 4


def test_a_run_is_going_on_while_its_files_change_and_stopped_later(tmp_path):
    folder = make_run(tmp_path / "one")
    state = {"network": {"w": torch.zeros(2)}}
    save_state(folder / "state.safetensors", state, Progress(90, 330.0))
    run = read_run(folder)
    assert (run.state, run.steps, run.minutes) == ("running", 100, 5.5)
    grow_old(folder)
    assert read_run(folder).state == "stopped"


def test_a_run_with_its_model_is_finished_until_it_goes_on_beyond(tmp_path):
    folder = make_run(tmp_path / "one")
    finish(folder, steps=120)
    run = read_run(folder)
    assert (run.state, run.steps, run.minutes) == ("finished", 120, 12.5)
    finish(folder, steps=80)
    grow_old(folder)
    run = read_run(folder)
    assert (run.state, run.steps, run.minutes) == ("stopped", 100, None)


def test_damaged_checkpoints_and_models_leave_the_minutes_unknown(tmp_path):
    folder = make_run(tmp_path / "one")
    for name in ("model.safetensors", "state.safetensors"):
        (folder / name).write_bytes(b"junk")
    assert read_run(folder).minutes is None


def test_a_run_that_has_just_begun_has_no_steps(tmp_path):
    run = read_run(make_run(tmp_path / "one", lines=()))
    assert (run.steps, run.measured, run.state) == (0, (), "running")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [("recipe.toml", b"name =", "is not TOML"), ("recipe.toml", b"\xff", "is not TOML")],
)
def test_a_damaged_recipe_is_named(tmp_path, name, content, message):
    folder = make_run(tmp_path / "one")
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"recipe\.toml {message}"):
        read_run(folder)


@pytest.mark.parametrize("name", ["recipe.toml", "log.jsonl"])
def test_a_folder_that_lacks_a_file_holds_no_run(tmp_path, name):
    folder = make_run(tmp_path / "one")
    (folder / name).unlink()
    with pytest.raises(DataError, match=f"one holds no run: .*{name}"):
        read_run(folder)


def test_recipes_are_compared_key_by_key(tmp_path):
    one = read_run(make_run(tmp_path / "one", RECIPE + "[loss]\nl1 = 1.0\n"))
    two = read_run(make_run(tmp_path / "two", RECIPE.replace("scale = 4", "scale = 2")))
    assert differences([one, two]) == {"network.config.scale": [4, 2], "loss.l1": [1.0, None]}
    assert differences([one, one]) == {}


def test_names_are_sorted_into_scores_losses_and_course(tmp_path):
    run = read_run(make_run(tmp_path / "one"))
    assert names_of([run, run], "score") == ["psnr_Set5", "lpips_Set5"]
    assert names_of([run], "loss") == ["l1"]
    assert names_of([run], "course") == ["rate"]
    assert kind_of("discriminator") == "loss"
    assert title_of("psnr_Set5") == "PSNR Set5"
    assert title_of("gradient_norm") == "gradient norm"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("psnr_Set5", 31.58149, "31.581"),
        ("ssim_Set5", 0.9, "0.9000"),
        ("l1", 0.01699, "0.0170"),
        ("rate", 3.849e-4, "3.8e-4"),
        ("rate", 0.0, "0"),
        ("samples_per_s", 1234.5, "1,234"),
        ("l1", None, "–"),
    ],
)
def test_values_have_the_digits_that_mean_something(name, value, text):
    assert as_text(name, value) == text


def test_runs_are_read_without_torch():
    code = "import sys, superres.runs.listing, superres.runs.page; print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"


def test_runs_of_earlier_versions_are_listed_by_todays_names(tmp_path):
    old_recipe = RECIPE + "[optimizer]\nmatrix_rate = 1e-3\n"
    new_recipe = RECIPE + "[optimizer]\nmatrix_lr = 1e-3\n"
    log = ({"step": 50, "verdict_true": 0.5}, {"step": 100, "discriminator_score_true": 0.75})
    old = read_run(make_run(tmp_path / "old", old_recipe, log))
    new = read_run(make_run(tmp_path / "new", new_recipe, log[1:]))
    assert old.curve("discriminator_score_true") == [(50, 0.5), (100, 0.75)]
    assert kind_of("discriminator_score_true") == "course"
    assert differences([old, new]) == {}


def test_a_closed_folder_beside_runs_is_an_error_of_its_own(tmp_path, close_folder):
    run = tmp_path / "one"
    run.mkdir()
    (run / "recipe.toml").touch()
    (run / "log.jsonl").touch()
    (tmp_path / "closed").mkdir()
    close_folder(tmp_path / "closed")
    found, (fault,) = find_runs([tmp_path])
    assert found == [run]
    assert fault.message == f"the folder {tmp_path / 'closed'} cannot be listed: Permission denied"
