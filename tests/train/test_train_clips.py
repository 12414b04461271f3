"""Training on clips: it learns, resumes exactly, is scored beside single frames, and refuses."""

from functools import partial

import pytest
import small_runs
import torch
from small_runs import write_pictures

from superres.errors import ArgumentError, DataError
from superres.evaluate.validate_clips import ClipValidator
from superres.networks.catalog import network_config
from superres.runs.log import read_log
from superres.train.loop import train
from superres.train.recipe_file import load_recipe
from superres.watch import Watch

RECIPE = """
name = "tiny"
precision = "fp32"
[network]
architecture = "video_recurrent"
config = { scale = 2, features = 8, blocks = 1, history_blocks = 1, memory = 4 }
[data]
patch = 16
batch = 2
[clips]
frames = 3
speed = 1.0
[optimizer]
warm_up_steps = 2
"""


@pytest.fixture
def pictures(tmp_path):
    return write_pictures(tmp_path / "pictures", count=2, cells=36, cell_px=5)


def recipe(tmp_path, *, changed="", to=""):
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE.replace(changed, to))
    return load_recipe(str(path))


options = partial(small_runs.options, steps=8)


def test_a_killed_run_on_clips_goes_on_as_if_unbroken(tmp_path, pictures):
    tiny = recipe(tmp_path)
    unbroken = train(tiny, options(pictures, tmp_path / "a"), watch=Watch())

    class Killed(BaseException):
        pass

    def kill_at_five(words: str) -> None:
        if words.startswith("step 5 "):
            raise Killed

    often = options(pictures, tmp_path / "b", save_every_s=0.0)
    with pytest.raises(Killed):
        train(tiny, often, watch=Watch(on_status=kill_at_five))
    resumed = train(tiny, options(pictures, tmp_path / "b", resume=True), watch=Watch())
    assert resumed.card.weights_sha256 == unbroken.card.weights_sha256
    assert resumed.card.input == "video"
    assert resumed.card.training.degradation.startswith("clips of 3 frames")


def test_watched_pictures_are_scored_as_clips_alone_and_by_the_default(tmp_path, pictures):
    run = options(pictures, tmp_path / "run", steps=1, validation=(pictures,))
    train(recipe(tmp_path), run, watch=Watch())
    last = read_log(tmp_path / "run")[-1]
    kinds = ("clip", "alone", "default")
    assert all(5 < last[f"psnr_{kind}_pictures"] < 60 for kind in kinds)
    assert all(0 < last[f"flicker_{kind}_pictures"] < 50 for kind in kinds)


def test_history_is_seen_to_help_from_the_first_step_on(pictures):
    torch.manual_seed(0)
    config = network_config("video_recurrent", {"scale": 2, "features": 8, "blocks": 1})
    validator = ClipValidator(pictures, config, device=torch.device("cpu"))
    scores = validator.validate(config.build().eval()).scores
    assert scores["psnr_clip_pictures"] > scores["psnr_alone_pictures"] + 0.1
    assert scores["flicker_clip_pictures"] < scores["flicker_alone_pictures"]


def test_bursts_for_a_network_of_videos_and_pictures_too_small_are_refused(tmp_path, pictures):
    with pytest.raises(ArgumentError, match="makes bursts, video_recurrent takes clips"):
        train(
            recipe(tmp_path, changed="[clips]\nframes = 3\nspeed = 1.0", to="[burst]\nframes = 3"),
            options(pictures, tmp_path / "a"),
            watch=Watch(),
        )
    with pytest.raises(DataError):
        train(
            recipe(tmp_path, changed="patch = 16", to="patch = 64"),
            options(pictures, tmp_path / "b"),
            watch=Watch(),
        )
