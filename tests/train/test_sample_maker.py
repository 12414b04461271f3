"""Training on bursts: it learns, resumes exactly, and refuses what does not fit."""

import numpy as np
import pytest
import pyvips
from small_runs import options, write_pictures

from superres.errors import ArgumentError, DataError, RecipeError, UnknownNameError
from superres.modelfiles.checkpoint import load_network
from superres.runs.log import read_log
from superres.synthesis.burst_config import BurstConfig
from superres.train.loop import train
from superres.train.recipe_file import load_recipe, to_toml
from superres.train.sample_maker import frame_count
from superres.watch import Watch

RECIPE = """
name = "tiny"
precision = "fp32"
[network]
architecture = "burst_recurrent"
config = { scale = 2, features = 8, blocks = 1, frame_blocks = 1 }
[data]
patch = 8
batch = 2
[burst]
frames = 4
shift = 1.0
[optimizer]
warm_up_steps = 2
"""


@pytest.fixture
def pictures(tmp_path):
    return write_pictures(tmp_path / "pictures", count=2, cells=14, cell_px=5)


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE)
    return load_recipe(str(path))


def losses_of(folder) -> list[dict[str, float]]:
    """Return a run's log without what depends on the machine's speed."""
    return [{k: v for k, v in line.items() if k != "samples_per_s"} for line in read_log(folder)]


def test_training_lowers_the_loss_and_leaves_a_model_of_many_frames(tmp_path, pictures, recipe):
    report = train(recipe, options(pictures, tmp_path / "run", 60), watch=Watch())
    losses = [line["l1"] for line in read_log(tmp_path / "run")]
    assert np.mean(losses[-20:]) < 0.9 * np.mean(losses[:10])
    _, card = load_network(report.model)
    assert card.input == "burst"
    assert "bursts of up to 4 frames" in card.training.degradation
    assert load_recipe(str(tmp_path / "run" / "recipe.toml")) == recipe


def test_a_killed_run_on_bursts_goes_on_as_if_unbroken(tmp_path, pictures, recipe):
    unbroken = train(recipe, options(pictures, tmp_path / "a", 8), watch=Watch())

    class Killed(BaseException):
        pass

    def kill_at_five(words: str) -> None:
        if words.startswith("step 5 "):
            raise Killed

    often = options(pictures, tmp_path / "b", 8, save_every_s=0.0)
    with pytest.raises(Killed):
        train(recipe, often, watch=Watch(on_status=kill_at_five))
    resumed = train(recipe, options(pictures, tmp_path / "b", 8, resume=True), watch=Watch())
    assert losses_of(tmp_path / "b") == losses_of(tmp_path / "a")
    assert resumed.card.weights_sha256 == unbroken.card.weights_sha256


def test_highres_net_trains_on_the_same_bursts(tmp_path, pictures, recipe):
    network = recipe.network.model_copy(
        update={
            "architecture": "highres_net",
            "config": {"scale": 2, "features": 4, "blocks": 1, "most": 4},
        }
    )
    other = recipe.model_copy(update={"network": network})
    train(other, options(pictures, tmp_path / "run", 3), watch=Watch())
    assert read_log(tmp_path / "run")[-1]["l1"] > 0


def test_scores_with_one_four_and_eight_frames_are_logged(tmp_path, pictures, recipe):
    folder = tmp_path / "set"
    folder.mkdir()
    picture = pyvips.Image.new_from_file(str(pictures / "0.png")).resize(1.5)
    picture.write_to_file(str(folder / "0.png"))
    one = options(pictures, tmp_path / "run", 2, validation=(folder,))
    train(recipe, one, watch=Watch())
    last = read_log(tmp_path / "run")[-1]
    assert all(5 < last[f"psnr_set_{count}"] < 60 for count in (1, 4, 8))


def test_pictures_too_small_for_a_validation_burst_are_told_of(tmp_path, pictures, recipe):
    folder = tmp_path / "set"
    folder.mkdir()
    pyvips.Image.new_from_file(str(pictures / "0.png")).resize(0.5).write_to_file(
        str(folder / "0.png")
    )
    with pytest.raises(DataError, match="holds no picture large enough for a burst"):
        train(recipe, options(pictures, tmp_path / "run", validation=(folder,)), watch=Watch())


def test_numbers_of_frames_come_evenly_from_one_to_the_most():
    counts = [frame_count(8, (0, step)) for step in range(2000)]
    assert set(counts) == set(range(1, 9))
    assert np.abs(np.bincount(counts)[1:] / 2000 - 1 / 8).max() < 0.03


def test_what_bursts_and_single_pictures_do_not_share_is_refused(tmp_path, pictures, recipe):
    degradation = recipe.degradation.model_copy(update={"name": "real"})
    with pytest.raises(ArgumentError, match="takes bursts, which the degradation real cannot"):
        train(
            recipe.model_copy(update={"degradation": degradation}),
            options(pictures, tmp_path / "a"),
            watch=Watch(),
        )
    paired = options(pictures, tmp_path / "b", data=(), pairs=(pictures, pictures))
    with pytest.raises(ArgumentError, match="which paired folders cannot make"):
        train(recipe, paired, watch=Watch())
    lean = recipe.network.model_copy(update={"architecture": "lean", "config": {}})
    with pytest.raises(ArgumentError, match="lean takes one frame"):
        train(
            recipe.model_copy(update={"network": lean}),
            options(pictures, tmp_path / "c"),
            watch=Watch(),
        )


def test_the_keys_of_bursts_are_checked_like_all_others(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text("extends = 'burst-x4'\n[burst]\nnoize = [0.0, 1.0]")
    with pytest.raises(UnknownNameError, match="did you mean 'noise'"):
        load_recipe(str(path))
    path.write_text("extends = 'burst-x4'\n[burst]\nnoise = [2.0, 1.0]")
    with pytest.raises(RecipeError, match=r"a range is written as \[low, high\]"):
        load_recipe(str(path))


def test_bursts_survive_being_written_out(tmp_path):
    recipe = load_recipe("burst-x4")
    path = tmp_path / "copy.toml"
    path.write_text(to_toml(recipe), encoding="utf-8")
    assert load_recipe(str(path)) == recipe
    assert recipe.burst is not None
    assert recipe.burst.masked == BurstConfig().masked
    assert "[burst]" not in to_toml(load_recipe("default-x4"))
