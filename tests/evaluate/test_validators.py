"""Validation of a run: every set scored in evaluation mode, logged, and summarised in a line."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from superres.evaluate import validators
from superres.evaluate.validate import Validation
from superres.evaluate.validators import Watched, open_validators, validate
from superres.layers.config import NetworkConfig
from superres.watch import Watch


class Journal:
    """Records what is written to it."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, dict[str, float]]] = []
        self.pictures: list[tuple[int, str, int]] = []

    def scalars(self, step: int, values: dict[str, float]) -> None:
        self.lines.append((step, dict(values)))

    def picture(self, step: int, name: str, pixels: np.ndarray) -> None:
        self.pictures.append((step, name, int(pixels[0, 0, 0])))


class Fabric:
    """Counts how often autocast is entered."""

    open = 0

    @contextmanager
    def autocast(self):
        self.open += 1
        yield
        self.open -= 1


class Set:
    """A set of known scores."""

    def __init__(self, name: str, score: float, bicubic: float | None, fabric: Fabric) -> None:
        known = {} if bicubic is None else {f"psnr_{name}": bicubic}
        scores = {f"psnr_{name}": score, f"ssim_{name}": score / 100}
        self.result = Validation(name, scores, np.full((2, 2, 3), int(score), np.uint8), known)
        self.fabric = fabric
        self.training: list[tuple[bool, int]] = []

    def validate(self, network: nn.Module) -> Validation:
        self.training.append((network.training, self.fabric.open))
        return self.result


def validated(*sets: Set, fabric: Any, step=7):
    network, journal = nn.Sequential(nn.Dropout(0.5)), Journal()
    given: Any = sets
    kept: Any = journal
    watched = validate(given, network, step=step, journal=kept, fabric=fabric)
    return watched, network, journal


def test_all_sets_are_scored_in_evaluation_mode_and_the_runs_format_and_training_goes_on():
    fabric = Fabric()
    sets = Set("A", 30, 28, fabric), Set("B", 25, None, fabric)
    watched, network, journal = validated(*sets, fabric=fabric)
    assert [one.training for one in sets] == [[(False, 1)], [(False, 1)]]
    assert network.training
    assert network[0].training
    assert fabric.open == 0
    scores = {"psnr_A": 30, "ssim_A": 0.3, "psnr_B": 25, "ssim_B": 0.25}
    assert watched == Watched(scores, {"psnr_A": 28})
    assert journal.lines == [(7, scores)]
    assert journal.pictures == [(7, "A", 30), (7, "B", 25)]


def test_a_line_tells_each_sets_psnr_with_bicubics_where_it_is_known_and_no_other_score():
    fabric = Fabric()
    watched, _, _ = validated(
        Set("Set5", 32.126, 28.424, fabric), Set("mine_2", 25, None, fabric), fabric=fabric
    )
    assert str(watched) == "PSNR Set5 32.13 dB (bicubic 28.42)  PSNR mine_2 25.00 dB"


def test_without_sets_nothing_is_told():
    watched, network, journal = validated(fabric=Fabric())
    assert (str(watched), network.training) == ("", True)
    assert journal.pictures == []


@pytest.mark.parametrize(("kind", "opener"), [
    ("image", "Validator"), ("burst", "BurstValidator"), ("video", "ClipValidator"),
])  # fmt: skip
def test_each_kind_of_network_gets_its_own_validator_of_each_source_in_order(
    monkeypatch, kind, opener
):
    opened: list[tuple[str, Path]] = []
    for name in ("Validator", "BurstValidator", "ClipValidator"):

        def made(source, config, *, name=name, **more):
            opened.append((name, source))
            return name

        monkeypatch.setattr(validators, name, made)
    monkeypatch.setattr(validators, "cached_lpips", lambda device: None)

    class Config(NetworkConfig):
        @property
        def input(self) -> Any:
            return kind

    sources = [Path("b"), Path("a")]
    found = open_validators(sources, Config(), torch.device("cpu"))
    assert found == (opener, opener)
    assert opened == [(opener, source) for source in sources]


@pytest.mark.parametrize("sources", [[], ["a"], ["a", "b"]])
def test_the_network_of_lpips_is_loaded_once_and_only_if_there_is_something_to_score(
    monkeypatch, sources
):
    loaded: list[torch.device] = []
    monkeypatch.setattr(validators, "cached_lpips", loaded.append)
    monkeypatch.setattr(validators, "Validator", lambda *_, **__: None)
    open_validators([Path(name) for name in sources], NetworkConfig(), torch.device("cpu"))
    assert len(loaded) == bool(sources)


def test_files_of_other_kinds_in_the_sets_are_noted(monkeypatch, tmp_path):
    monkeypatch.setattr(validators, "cached_lpips", lambda device: None)
    monkeypatch.setattr(validators, "Validator", lambda *_, **__: None)
    (tmp_path / "a.png").touch()
    (tmp_path / "b.txt").touch()
    watch = Watch()
    open_validators([tmp_path], NetworkConfig(), torch.device("cpu"), watch)
    assert watch.notes == (f"{tmp_path}: 1 file of another kind left alone: 1 .txt",)
