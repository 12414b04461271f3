"""Operations that a training step dispatches: bounds for whole steps of real recipes."""

import itertools

import pytest
import torch
from small_runs import options, write_pictures

from operations import dispatched
from superres.optim.schedule import Clock
from superres.train.devices import open_fabric
from superres.train.loop import assemble
from superres.train.recipe_file import load_recipe
from superres.train.step import take_step
from superres.watch import Watch

WARM_UP = (
    3  # steps: optimisers allocate in the first, and weights are cast together from the second
)


def operations(name, tmp_path, monkeypatch, *, done, drawn) -> int:
    """Return the operations of a steady step, in bf16 where that is native.

    Args:
        done: Completed fraction of the run.
        drawn: Whether patches are drawn anew, or those of one step are used again.
    """
    # Random weights of VGG take the same operations.
    monkeypatch.setattr("superres.zoo.feature_weights", lambda name, watch=None: tmp_path)
    monkeypatch.setattr(
        "superres.losses.perceptual.load_weights", lambda loss, path: loss.requires_grad_(False)
    )
    pictures = write_pictures(tmp_path / "pictures", count=2, cells=30, cell_px=10)
    recipe = load_recipe(name, ["data.batch=1"])
    run_options = options(pictures, tmp_path / "run")
    fabric = open_fabric(run_options.devices, recipe, Watch())
    trained = assemble(recipe, run_options, fabric, Watch()).trained
    first = trained.patches.draw(0, 0)
    # In this thread, as the profiler sees no other.
    batches = (trained.patches.draw(step, 0) if drawn else first for step in itertools.count())
    clock = Clock(0.0)
    for step in range(WARM_UP):
        take_step(trained, batches, step, done, clock)
    return dispatched(lambda: take_step(trained, batches, WARM_UP, done, clock)).total()


def test_operations_inside_operations_count_too():
    x = torch.ones(3, 3)
    assert dispatched(lambda: torch.add(x, x)) == {"add": 1}
    assert dispatched(lambda: torch.flatten(x.t()).numel())["clone"] == 1


def test_a_step_of_the_default_dispatches_at_most_1200_operations(tmp_path, monkeypatch):
    assert operations("default-x4", tmp_path, monkeypatch, done=0.5, drawn=True) <= 1200


def test_a_step_for_real_pictures_without_its_data_dispatches_at_most_2400_operations(
    tmp_path, monkeypatch
):
    """At the end of the run, with the perceptual loss and the discriminator."""
    assert operations("real-x4", tmp_path, monkeypatch, done=0.9, drawn=False) <= 2400


@pytest.mark.parametrize("name", ["muon", "soap", "adam"])
def test_more_layers_of_one_shape_do_not_take_more_of_the_optimiser(name):
    from superres.networks.lean import LeanConfig
    from superres.optim.selection import open_optimizer

    totals = []
    for blocks in (2, 6):
        network = LeanConfig(scale=2, features=64, blocks=blocks).build()
        optimizer = open_optimizer(name, network, rate=1e-3, matrix_rate=1e-3, decay=0.05)

        def step(optimizer=optimizer):
            optimizer.clip(1.0)
            optimizer.step()
            optimizer.zero_grad()

        for _ in range(3):
            step()
        totals.append(dispatched(step).total())
    assert totals[0] == totals[1]
