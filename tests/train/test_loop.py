"""The training loop on tiny pictures: it learns, resumes exactly, and leaves whole files."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
import pyvips
import torch
from lightning_fabric import Fabric
from small_runs import options, write_pictures

from superres.errors import (
    ArgumentError,
    BackendError,
    BusyError,
    Cancelled,
    DataError,
    ModelError,
    SuperresError,
)
from superres.evaluate.benchmark import bicubic, evaluate
from superres.images.resize import resize
from superres.metrics.protocol import Protocol
from superres.modelfiles.checkpoint import load_network
from superres.runs.log import read_log
from superres.train.adversary import Adversary
from superres.train.devices import Devices
from superres.train.loop import train
from superres.train.recipe import AdversarialSection, Recipe
from superres.train.recipe_file import load_recipe, to_toml
from superres.watch import Watch

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

SMALL = {"lapsrn": {"features": 4, "depth": 2}, "drcn": {"features": 4, "recursions": 2}}


@pytest.fixture
def pictures(tmp_path):
    return write_pictures(tmp_path / "pictures", count=3, cells=6, cell_px=8)


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE)
    return load_recipe(str(path))


def changed(recipe, **sections):
    """Return a recipe with some values of its sections replaced."""
    table = recipe.model_dump()
    for section, values in sections.items():
        table[section] = {**table[section], **values}
    return Recipe.model_validate(table)


def losses_of(folder) -> list[dict[str, float]]:
    """Return a run's log without what depends on the machine's speed."""
    return [{k: v for k, v in line.items() if k != "samples_per_s"} for line in read_log(folder)]


def test_a_run_leaves_a_model_a_recipe_and_a_log(tmp_path, pictures, recipe):
    report = train(recipe, options(pictures, tmp_path / "run"), watch=Watch())
    network, card = load_network(report.model)
    assert card.training.steps == report.steps == 12
    assert card.halo == 6
    assert network(torch.rand(1, 3, 5, 5)).shape == (1, 3, 10, 10)
    assert [line["step"] for line in read_log(tmp_path / "run")] == list(range(1, 13))
    assert load_recipe(str(tmp_path / "run" / "recipe.toml")) == recipe


def test_a_second_run_in_the_folder_of_one_that_goes_on_is_refused(tmp_path, pictures, recipe):
    found: list[BusyError] = []

    def begin_another(words: str) -> None:
        again = options(pictures, tmp_path / "run", resume=True)
        with pytest.raises(BusyError, match="in use by another run: process") as caught:
            train(recipe, again, watch=Watch())
        found.append(caught.value)

    first = options(pictures, tmp_path / "run", steps=2)
    report = train(recipe, first, watch=Watch(on_status=begin_another))
    assert len(found) == 2
    assert [line["step"] for line in read_log(tmp_path / "run")] == [1, 2]
    assert report.model.exists()


@pytest.mark.parametrize("damage", ["cut", "empty", "too small"])
def test_a_validation_picture_that_cannot_be_scored_is_found_before_the_first_step(
    tmp_path, pictures, recipe, damage
):
    watched = write_pictures(tmp_path / "watched", count=3, cells=6, cell_px=8)
    broken = watched / "2.png"
    if damage == "too small":
        pyvips.Image.black(3, 3, bands=3).write_to_file(str(broken))
    else:
        broken.write_bytes(broken.read_bytes()[: 200 if damage == "cut" else 0])
    run = options(pictures, tmp_path / "run", validation=(watched,))
    with pytest.raises(SuperresError, match=r"\b2(\.png)?\b"):
        train(recipe, run, watch=Watch())
    assert read_log(tmp_path / "run") == []


def test_a_picture_that_vanishes_during_a_run_costs_its_scores_and_nothing_else(
    tmp_path, pictures, recipe
):
    watched = write_pictures(tmp_path / "watched", count=2, cells=6, cell_px=8)
    watch = Watch(on_status=lambda words: (watched / "1.png").write_bytes(b""))
    run = options(pictures, tmp_path / "run", validation=(watched,), validate_every_s=0.0)
    report = train(recipe, run, watch=watch)
    assert report.model.exists()
    assert report.steps == 12
    assert any(note.startswith("not scored at step 12: ") for note in watch.notes)


def test_the_model_is_saved_before_the_last_validation(tmp_path, pictures, recipe, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise MemoryError("no room for charts")

    monkeypatch.setattr("superres.train.loop.validate", fail)
    watched = write_pictures(tmp_path / "watched", count=1, cells=6, cell_px=8)
    run = options(pictures, tmp_path / "run", validation=(watched,))
    with pytest.raises(MemoryError):
        train(recipe, run, watch=Watch())
    assert load_network(tmp_path / "run" / "model.safetensors")[1].training.steps == 12


def test_training_lowers_the_loss(tmp_path, pictures, recipe):
    train(recipe, options(pictures, tmp_path / "run", steps=60), watch=Watch())
    losses = [line["l1"] for line in read_log(tmp_path / "run")]
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:10])


@pytest.mark.parametrize(
    ("name", "precision"), [("muon", "fp32"), ("soap", "fp32"), ("muon", "bf16")]
)
def test_a_run_killed_and_resumed_has_the_losses_and_weights_of_an_unbroken_one(
    tmp_path, pictures, recipe, name, precision
):
    recipe = changed(recipe, optimizer={"name": name}).model_copy(update={"precision": precision})
    unbroken = train(recipe, options(pictures, tmp_path / "a"), watch=Watch())

    class Killed(BaseException):
        pass

    def kill_at_seven(words: str) -> None:
        if words.startswith("step 7 "):
            raise Killed

    # A checkpoint after each step; that of step 7 is not yet written when the kill comes.
    often = options(pictures, tmp_path / "b", save_every_s=0.0)
    with pytest.raises(Killed):
        train(recipe, often, watch=Watch(on_status=kill_at_seven))
    with (tmp_path / "b" / "log.jsonl").open("a") as file:
        file.write('{"step": 8, "l1"')  # the kill cut a line short
    resumed = train(recipe, options(pictures, tmp_path / "b", resume=True), watch=Watch())
    assert losses_of(tmp_path / "b") == losses_of(tmp_path / "a")
    assert resumed.card.weights_sha256 == unbroken.card.weights_sha256


def test_two_runs_of_one_seed_end_with_the_same_weights(tmp_path, pictures, recipe):
    one = train(recipe, options(pictures, tmp_path / "a", steps=3), watch=Watch())
    two = train(recipe, options(pictures, tmp_path / "b", steps=3), watch=Watch())
    assert one.card.weights_sha256 == two.card.weights_sha256


def test_a_run_starts_from_the_body_of_another_model(tmp_path, pictures, recipe):
    first = train(recipe, options(pictures, tmp_path / "a", steps=3), watch=Watch())
    network = recipe.network.model_copy(
        update={
            "config": {**recipe.network.config, "scale": 3},
            "pretrained": str(first.model),
            "reinitialise": ("tail.",),
        }
    )
    said: list[str] = []
    second = train(
        recipe.model_copy(update={"network": network}),
        options(pictures, tmp_path / "b", steps=1),
        watch=Watch(said.append),
    )
    assert "10 of 12 weights were taken from tiny" in " ".join(said)
    assert "2 weights were initialised anew: tail.weight, tail.bias" in said
    assert "2 weights of tiny were not used: tail.weight, tail.bias" in said
    assert second.card.training.started_from.startswith("tiny ")
    without = network.model_copy(update={"reinitialise": ()})
    with pytest.raises(
        ModelError, match=r"the first is tail\.weight: 12x8x3x3 there, 27x8x3x3 here"
    ):
        train(
            recipe.model_copy(update={"network": without}),
            options(pictures, tmp_path / "c", steps=1),
            watch=Watch(),
        )


def test_a_folder_with_a_run_is_not_overwritten(tmp_path, pictures, recipe):
    train(recipe, options(pictures, tmp_path / "run", steps=1), watch=Watch())
    with pytest.raises(ArgumentError, match="already holds a run"):
        train(recipe, options(pictures, tmp_path / "run", steps=1), watch=Watch())
    other = recipe.model_copy(update={"seed": 5})
    with pytest.raises(ArgumentError, match="of another recipe"):
        train(other, options(pictures, tmp_path / "run", steps=1, resume=True), watch=Watch())


def test_a_run_that_failed_before_its_first_step_can_be_begun_again(tmp_path, pictures, recipe):
    with pytest.raises(DataError):
        train(recipe, options(tmp_path / "none", tmp_path / "run", steps=1), watch=Watch())
    other = recipe.model_copy(update={"seed": 5})
    assert train(other, options(pictures, tmp_path / "run", steps=1), watch=Watch()).steps == 1


def test_a_damaged_checkpoint_says_so(tmp_path, pictures, recipe):
    train(recipe, options(pictures, tmp_path / "run", steps=2), watch=Watch())
    (tmp_path / "run" / "state.safetensors").write_bytes(b"junk")
    with pytest.raises(ModelError, match="cannot be resumed"):
        train(recipe, options(pictures, tmp_path / "run", steps=2, resume=True), watch=Watch())


@pytest.mark.parametrize("name", ["muon", "soap"])
def test_a_loss_that_becomes_nan_is_named_with_its_step(tmp_path, pictures, recipe, name):
    wild = changed(recipe, optimizer={"name": name, "rate": 1e30, "matrix_lr": 1e30})
    once = options(pictures, tmp_path / "run", log_every=6)
    with pytest.raises(BackendError, match=r"the loss l1 became (nan|inf) at step [1-3]\b"):
        train(wild, once, watch=Watch())
    assert read_log(tmp_path / "run") == []


def test_a_device_that_is_not_there_is_named_before_any_work(tmp_path, pictures, recipe):
    run = options(pictures, tmp_path / "run", devices=Devices("gpu"))
    with pytest.raises(ArgumentError, match="no device to train on named 'gpu'"):
        train(recipe, run, watch=Watch())
    if not torch.cuda.is_available():
        run = options(pictures, tmp_path / "run2", devices=Devices("cuda"))
        with pytest.raises(BackendError, match="finds no cuda device"):
            train(recipe, run, watch=Watch())


def test_pictures_smaller_than_a_patch_are_left_out_and_said_so(tmp_path, pictures, recipe):
    large_patch = recipe.model_copy(update={"data": recipe.data.model_copy(update={"patch": 25})})
    said: list[str] = []
    with pytest.raises(DataError, match="none of 3 pictures"):
        train(large_patch, options(pictures, tmp_path / "run"), watch=Watch(said.append))
    assert sum("too small" in line for line in said) == 3


def test_one_damaged_picture_does_not_stop_the_run(tmp_path, pictures, recipe):
    (pictures / "broken.png").write_bytes(b"no picture")
    said: list[str] = []
    train(recipe, options(pictures, tmp_path / "run", steps=1), watch=Watch(said.append))
    assert any("left out" in line and "broken.png" in line for line in said)


def test_validation_scores_are_logged(tmp_path, pictures, recipe):
    one = options(pictures, tmp_path / "run", steps=2, validation=(pictures,))
    train(recipe, one, watch=Watch())
    last = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])
    assert 5 < last["psnr_pictures"] < 60
    assert 0 < last["ssim_pictures"] < 1


def test_a_run_ends_by_telling_what_bicubic_scores_on_the_sets_it_watched(
    tmp_path, pictures, recipe
):
    told: list[str] = []
    one = options(pictures, tmp_path / "run", steps=2, validation=(pictures,))
    report = train(recipe, one, watch=Watch(on_status=told.append))
    scale = int(recipe.network.config["scale"])
    protocol = Protocol(channels="luma", border=scale)
    other = evaluate(bicubic(scale), pictures, scale=scale, protocol=protocol)
    assert report.watched.bicubic["psnr_pictures"] == pytest.approx(other.psnr_db)
    assert report.watched.scores == {
        key: value for key, value in read_log(tmp_path / "run")[-1].items() if key != "step"
    }
    ours = report.watched.scores["psnr_pictures"]
    assert str(report.watched) == f"PSNR pictures {ours:.2f} dB (bicubic {other.psnr_db:.2f})"
    assert told[-1] == f"step 2  {report.watched}"


def test_a_grey_network_is_validated_on_colour_pictures(tmp_path, pictures, recipe):
    grey = changed(recipe, network={"config": {**recipe.network.config, "channels": 1}})
    train(grey, options(pictures, tmp_path / "run", 2, validation=(pictures,)), watch=Watch())
    assert 5 < read_log(tmp_path / "run")[-1]["psnr_pictures"] < 60


def test_pieces_of_a_batch_give_the_gradient_of_the_whole(tmp_path, pictures, recipe):
    whole = changed(recipe, data={"batch": 4})
    train(whole, options(pictures, tmp_path / "a", 4), watch=Watch())
    pieces = changed(whole, optimizer={"accumulate": 2})
    train(pieces, options(pictures, tmp_path / "b", 4), watch=Watch())
    one, two = ([line["l1"] for line in read_log(tmp_path / name)] for name in "ab")
    np.testing.assert_allclose(one, two, rtol=1e-3)  # sums in another order, then Newton-Schulz


def test_a_batch_that_cannot_be_divided_is_refused(tmp_path, pictures, recipe):
    odd = changed(recipe, optimizer={"accumulate": 3})
    with pytest.raises(
        ArgumentError, match=r"batch of 2 cannot be divided .* with 3 micro-batches"
    ):
        train(odd, options(pictures, tmp_path / "run"), watch=Watch())


def test_two_processes_lose_what_one_does_with_their_batches_together(tmp_path, pictures, recipe):
    path = tmp_path / "shared.toml"
    path.write_text(to_toml(changed(recipe, data={"batch": 4})), encoding="utf-8")
    for name, processes in (("one", "1"), ("two", "2")):
        words = ["train", str(path), "--data", str(pictures), "-o", str(tmp_path / name)]
        more = ["--steps", "50", "--device", "cpu", "--processes", processes, "--threads", "1"]
        done = subprocess.run(
            [sys.executable, "-m", "superres", *words, *more],
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
    one, two = (read_log(tmp_path / name)[-1] for name in ("one", "two"))
    assert one["step"] == two["step"] == 50
    # Fifty steps of rounding apart; different patches would be apart by a tenth.
    assert two["l1"] == pytest.approx(one["l1"], rel=0.01)


def test_a_killed_adversarial_run_goes_on_as_if_unbroken(tmp_path, pictures, recipe):
    versus = changed(
        recipe,
        adversarial={
            "weight": {"end": 0.1, "after": 0.2, "until": 0.5},
            "loss": "hinge",
            "discriminator": "unet",
            "config": {"features": 4},
        },
    )
    train(versus, options(pictures, tmp_path / "a", 10), watch=Watch())

    class Killed(BaseException):
        pass

    def kill_at_seven(words: str) -> None:
        if words.startswith("step 7 "):
            raise Killed

    often = options(pictures, tmp_path / "b", 10, save_every_s=0.0)
    with pytest.raises(Killed):
        train(versus, often, watch=Watch(on_status=kill_at_seven))
    train(versus, options(pictures, tmp_path / "b", 10, resume=True), watch=Watch())
    lines = losses_of(tmp_path / "a")
    assert losses_of(tmp_path / "b") == lines
    assert "adversarial" not in lines[0]
    assert {"adversarial", "discriminator", "discriminator_score_true"} <= set(lines[-1])


def test_a_discriminator_learns_to_tell_true_pictures_from_flat_ones():
    torch.manual_seed(0)
    fabric = Fabric(accelerator="cpu")
    section = AdversarialSection(loss="original", config={"features": 4}, rate=1e-3)
    adversary = Adversary(section, edge=16, channels=3, fabric=fabric)
    truth, flat = torch.rand(8, 3, 16, 16), torch.full((8, 3, 16, 16), 0.5)
    before, _ = adversary.judge(flat, truth)
    adversary.learn(0.0)
    for _ in range(40):
        after, told = adversary.judge(flat, truth)
        adversary.learn(1.0)
    assert told["discriminator_score_true"] > told["discriminator_score_restored"] + 1
    assert after > before


def test_the_adversarial_loss_reaches_the_network_alone_and_the_other_the_discriminator_alone():
    torch.manual_seed(0)
    section = AdversarialSection(loss="relativistic", config={"features": 4}, rate=1e-3)
    adversary = Adversary(section, edge=16, channels=3, fabric=Fabric(accelerator="cpu"))
    truth, level = torch.rand(2, 3, 16, 16), torch.full((1, 3, 1, 1), 0.5, requires_grad=True)
    score, _ = adversary.judge(level.expand(2, 3, 16, 16), truth)
    assert level.grad is None
    learnt = adversary.gradients.clone()
    assert learnt.abs().max() > 0
    score.backward(inputs=[level])
    assert level.grad is not None
    assert level.grad.abs().max() > 0
    assert torch.equal(adversary.gradients, learnt)


def test_a_weight_can_go_from_one_value_to_another(tmp_path, pictures, recipe):
    ramp = {"start": 0.0, "end": 2.0, "after": 0.25, "until": 0.75}
    both = changed(recipe, loss={"l1": 0.0, "l2": 1.0, "charbonnier": ramp})
    train(both, options(pictures, tmp_path / "run", 8), watch=Watch())
    lines = read_log(tmp_path / "run")
    assert ["charbonnier" in line for line in lines] == [False] * 3 + [True] * 5
    assert all("l1" not in line and line["l2"] > 0 for line in lines)


def test_a_network_learns_from_a_teacher(tmp_path, pictures, recipe):
    teacher = train(recipe, options(pictures, tmp_path / "teacher", 3), watch=Watch()).model
    pupil = changed(recipe, loss={"l1": 0.0, "distillation": 1.0, "teacher": str(teacher)})
    train(pupil, options(pictures, tmp_path / "run", 60), watch=Watch())
    losses = [line["distillation"] for line in read_log(tmp_path / "run")]
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:5])


def test_a_degraded_run_sees_worse_pictures_than_a_clean_one(tmp_path, pictures, recipe):
    wide = changed(recipe, data={"patch": 16})
    train(wide, options(pictures, tmp_path / "clean", 1), watch=Watch())
    real = changed(wide, degradation={"name": "real"})
    report = train(real, options(pictures, tmp_path / "real", 1), watch=Watch())
    clean, damaged = (read_log(tmp_path / name)[0]["l1"] for name in ("clean", "real"))
    assert damaged > clean
    assert "real" in report.card.training.degradation


def test_paired_folders_are_trained_on_without_a_degradation(tmp_path, pictures, recipe):
    small = tmp_path / "small"
    small.mkdir()
    for path in pictures.iterdir():
        large = pyvips.Image.new_from_file(str(path)).numpy()
        half = np.floor(resize(large, scale=0.5).clip(0, 255) + 0.5).astype(np.uint8)
        pyvips.Image.new_from_array(half).write_to_file(str(small / path.name))
    made = train(recipe, options(pictures, tmp_path / "made", 3), watch=Watch())
    given = options(pictures, tmp_path / "given", 3, data=(), pairs=(small, pictures))
    report = train(recipe, given, watch=Watch())
    assert report.card.weights_sha256 == made.card.weights_sha256
    assert report.card.training.degradation.startswith("unknown")
    with pytest.raises(ArgumentError, match="the degradation real are both requested"):
        train(
            changed(recipe, degradation={"name": "real"}),
            dataclasses.replace(given, folder=tmp_path / "real"),
            watch=Watch(),
        )


@pytest.mark.parametrize("architecture", ["lapsrn", "drcn"])
def test_networks_with_several_outputs_are_supervised_at_each(
    tmp_path, pictures, recipe, architecture
):
    config = {"lapsrn": {"scale": 4}, "drcn": {"scale": 2}}[architecture]
    network = {"architecture": architecture, "config": {**config, **SMALL[architecture]}}
    several = changed(recipe, network=network)
    train(several, options(pictures, tmp_path / "run", 2), watch=Watch())
    assert read_log(tmp_path / "run")[-1]["l1"] > 0


def test_a_cancelled_run_ends_at_its_next_step_and_can_be_resumed(tmp_path, pictures, recipe):
    unbroken = train(recipe, options(pictures, tmp_path / "a", 6), watch=Watch())
    watch = Watch(on_status=lambda line: watch.cancel() if line.startswith("step 3 ") else None)
    with pytest.raises(Cancelled):
        train(recipe, options(pictures, tmp_path / "b", 6, save_every_s=0.0), watch=watch)
    assert read_log(tmp_path / "b")[-1]["step"] == 3
    resumed = train(recipe, options(pictures, tmp_path / "b", 6, resume=True), watch=Watch())
    assert resumed.card.weights_sha256 == unbroken.card.weights_sha256


def test_a_run_whose_recipe_has_the_old_names_is_resumed(tmp_path, pictures, recipe):
    unbroken = train(recipe, options(pictures, tmp_path / "a", 6), watch=Watch())
    watch = Watch(on_status=lambda line: watch.cancel() if line.startswith("step 3 ") else None)
    with pytest.raises(Cancelled):
        train(recipe, options(pictures, tmp_path / "b", 6, save_every_s=0.0), watch=watch)
    written = tmp_path / "b" / "recipe.toml"
    old = written.read_text().replace("matrix_lr =", "matrix_rate =")
    assert "matrix_rate =" in old
    written.write_text(old)
    again = load_recipe(str(written))
    resumed = train(again, options(pictures, tmp_path / "b", 6, resume=True), watch=Watch())
    assert resumed.card.weights_sha256 == unbroken.card.weights_sha256
    assert written.read_text() == to_toml(recipe)
