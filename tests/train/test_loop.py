"""The training loop on tiny pictures: it learns, resumes exactly, and leaves whole files."""

import dataclasses
import json

import numpy as np
import pytest
import pyvips
import torch

from superres.errors import ArgumentError, BackendError, DataError, ModelError
from superres.models.checkpoint import load_network
from superres.train.journal import read_log
from superres.train.loop import RunOptions, train
from superres.train.recipe import load_recipe
from superres.train.schedule import Budget

RECIPE = """
name = "tiny"
precision = "fp32"
[network]
architecture = "lean"
config = { scale = 2, features = 8, blocks = 2 }
[data]
patch = 8
batch = 2
[optimizer]
warm_up_steps = 2
"""


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(3):
        coarse = rng.random((6, 6, 3)).repeat(8, 0).repeat(8, 1)
        pyvips.Image.new_from_array((coarse * 255).astype(np.uint8)).write_to_file(
            str(folder / f"{index}.png")
        )
    return folder


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE)
    return load_recipe(str(path))


def options(pictures, folder, steps=12, **more) -> RunOptions:
    plain = RunOptions((pictures,), folder, Budget(steps=steps), device="cpu", log_every=1)
    return dataclasses.replace(plain, **more)


def quiet(_: str) -> None:
    pass


def test_a_run_leaves_a_model_a_recipe_and_a_log(tmp_path, pictures, recipe):
    report = train(recipe, options(pictures, tmp_path / "run"), notice=quiet)
    network, card = load_network(report.model)
    assert card.training.steps == report.steps == 12
    assert card.halo == 6
    assert network(torch.rand(1, 3, 5, 5)).shape == (1, 3, 10, 10)
    assert [line["step"] for line in read_log(tmp_path / "run")] == list(range(1, 13))
    assert load_recipe(str(tmp_path / "run" / "recipe.toml")) == recipe


def test_training_lowers_the_loss(tmp_path, pictures, recipe):
    train(recipe, options(pictures, tmp_path / "run", steps=60), notice=quiet)
    losses = [line["l1"] for line in read_log(tmp_path / "run")]
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:10])


def test_a_run_killed_and_resumed_has_the_losses_and_weights_of_an_unbroken_one(
    tmp_path, pictures, recipe
):
    unbroken = train(recipe, options(pictures, tmp_path / "a"), notice=quiet)

    class Killed(BaseException):
        pass

    def kill_at_seven(done: float, words: str) -> None:
        if words.startswith("step 7 "):
            raise Killed

    # A checkpoint after each step; that of step 7 is not yet written when the kill comes.
    often = options(pictures, tmp_path / "b", save_every_s=0.0)
    with pytest.raises(Killed):
        train(recipe, often, notice=quiet, progress=kill_at_seven)
    with (tmp_path / "b" / "log.jsonl").open("a") as file:
        file.write('{"step": 8, "l1"')  # the kill cut a line short
    resumed = train(recipe, options(pictures, tmp_path / "b", resume=True), notice=quiet)
    assert read_log(tmp_path / "b") == read_log(tmp_path / "a")
    assert resumed.card.weights_sha256 == unbroken.card.weights_sha256


def test_two_runs_of_one_seed_end_with_the_same_weights(tmp_path, pictures, recipe):
    one = train(recipe, options(pictures, tmp_path / "a", steps=3), notice=quiet)
    two = train(recipe, options(pictures, tmp_path / "b", steps=3), notice=quiet)
    assert one.card.weights_sha256 == two.card.weights_sha256


def test_a_run_starts_from_the_body_of_another_model(tmp_path, pictures, recipe):
    first = train(recipe, options(pictures, tmp_path / "a", steps=3), notice=quiet)
    network = recipe.network.model_copy(
        update={
            "config": {**recipe.network.config, "scale": 3},
            "start_from": str(first.model),
            "fresh": ("tail.",),
        }
    )
    said: list[str] = []
    second = train(
        recipe.model_copy(update={"network": network}),
        options(pictures, tmp_path / "b", steps=1),
        notice=said.append,
    )
    assert "10 of 12 weights start from tiny" in " ".join(said)
    assert second.card.training.started_from.startswith("tiny ")
    without = network.model_copy(update={"fresh": ()})
    with pytest.raises(ModelError, match=r"the first is tail\.weight"):
        train(
            recipe.model_copy(update={"network": without}),
            options(pictures, tmp_path / "c", steps=1),
            notice=quiet,
        )


def test_a_folder_with_a_run_is_not_overwritten(tmp_path, pictures, recipe):
    train(recipe, options(pictures, tmp_path / "run", steps=1), notice=quiet)
    with pytest.raises(ArgumentError, match="holds a run already"):
        train(recipe, options(pictures, tmp_path / "run", steps=1), notice=quiet)
    other = recipe.model_copy(update={"seed": 5})
    with pytest.raises(ArgumentError, match="of another recipe"):
        train(other, options(pictures, tmp_path / "run", steps=1, resume=True), notice=quiet)


def test_a_run_that_failed_before_its_first_step_can_be_begun_again(tmp_path, pictures, recipe):
    with pytest.raises(DataError):
        train(recipe, options(tmp_path / "none", tmp_path / "run", steps=1), notice=quiet)
    other = recipe.model_copy(update={"seed": 5})
    assert train(other, options(pictures, tmp_path / "run", steps=1), notice=quiet).steps == 1


def test_a_damaged_checkpoint_says_so(tmp_path, pictures, recipe):
    train(recipe, options(pictures, tmp_path / "run", steps=2), notice=quiet)
    (tmp_path / "run" / "state.safetensors").write_bytes(b"junk")
    with pytest.raises(ModelError, match="cannot be resumed"):
        train(recipe, options(pictures, tmp_path / "run", steps=2, resume=True), notice=quiet)


def test_a_loss_that_becomes_nan_is_named_with_its_step(tmp_path, pictures, recipe):
    wild = recipe.optimizer.model_copy(update={"rate": 1e30, "matrix_rate": 1e30})
    with pytest.raises(BackendError, match="the loss l1 became"):
        train(
            recipe.model_copy(update={"optimizer": wild}),
            options(pictures, tmp_path / "run"),
            notice=quiet,
        )


def test_a_device_that_is_not_there_is_named_before_any_work(tmp_path, pictures, recipe):
    run = options(pictures, tmp_path / "run", device="gpu")
    with pytest.raises(ArgumentError, match="no device to train on named 'gpu'"):
        train(recipe, run, notice=quiet)
    if not torch.cuda.is_available():
        run = options(pictures, tmp_path / "run2", device="cuda")
        with pytest.raises(BackendError, match="finds no device cuda"):
            train(recipe, run, notice=quiet)


def test_pictures_smaller_than_a_patch_are_left_out_and_said_so(tmp_path, pictures, recipe):
    large_patch = recipe.model_copy(update={"data": recipe.data.model_copy(update={"patch": 25})})
    said: list[str] = []
    with pytest.raises(DataError, match="none of 3 pictures"):
        train(large_patch, options(pictures, tmp_path / "run"), notice=said.append)
    assert sum("too small" in line for line in said) == 3


def test_one_damaged_picture_does_not_stop_the_run(tmp_path, pictures, recipe):
    (pictures / "broken.png").write_bytes(b"no picture")
    said: list[str] = []
    train(recipe, options(pictures, tmp_path / "run", steps=1), notice=said.append)
    assert any("left out" in line and "broken.png" in line for line in said)


def test_validation_scores_are_logged(tmp_path, pictures, recipe):
    one = options(pictures, tmp_path / "run", steps=2, validation=(pictures,))
    train(recipe, one, notice=quiet)
    last = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])
    assert 5 < last["psnr_pictures"] < 60
