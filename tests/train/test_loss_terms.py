"""The table of loss terms: a new one takes a file of its own and a row."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric

from superres.train.loss_terms import LOSS_TERMS, LossTerm
from superres.train.objective import Objective
from superres.train.recipe import LossSection
from superres.train.recipe_file import load_recipe, to_toml
from superres.watch import Watch


def toy(section, context):
    """The toy's file: the largest difference."""
    context.watch.note(f"a toy on {context.device}")
    return lambda restored, truth, _small: (restored - truth).abs().max()


def test_a_loss_is_one_file_and_one_row(monkeypatch, tmp_path):
    monkeypatch.setitem(LOSS_TERMS, "largest", LossTerm(toy))
    recipe = load_recipe("default-x4", ["loss.largest=0.5", "loss.l1=0", "loss.fourier=0"])
    (tmp_path / "r.toml").write_text(to_toml(recipe))
    assert load_recipe(str(tmp_path / "r.toml")) == recipe
    said: list[str] = []
    objective = Objective(recipe.loss, fabric=Fabric(accelerator="cpu"), watch=Watch(said.append))
    truth = torch.zeros(1, 3, 8, 8)
    restored = truth.clone()
    restored[0, 1, 2, 3] = -0.25
    assert objective.terms(truth, [restored], truth, 0.0) == {"largest": torch.tensor(0.125)}
    assert said == ["a toy on cpu"]


def test_terms_of_every_output_are_means_and_others_see_the_final_one():
    section = LossSection.model_validate({"l1": 1.0, "total_variation": 1.0})
    objective = Objective(section, fabric=Fabric(accelerator="cpu"), watch=Watch())
    truth = torch.zeros(1, 1, 8, 8)
    small, final = torch.ones(1, 1, 4, 4), torch.full((1, 1, 8, 8), 0.5)
    terms = objective.terms(truth, [small, final], truth, 0.0)
    assert terms["l1"] == 0.75
    assert terms["total_variation"] == 0.0
