"""The choice to compile a network, and what becomes of one that cannot be compiled."""

import pytest
import torch
from lightning_fabric import Fabric
from small_runs import options, write_pictures
from torch import nn

from superres.optim.muon import Muon
from superres.runs.log import read_log
from superres.train import forward
from superres.train.forward import compile_pays, compiled
from superres.train.loop import train
from superres.train.recipe_file import load_recipe, to_toml
from superres.watch import Watch


@pytest.mark.parametrize(
    ("kind", "fixed_size", "steps", "minutes", "triton", "pays"),
    [
        ("cuda", True, None, 60.0, True, True),
        ("cuda", True, 40_000, None, True, True),
        ("cuda", True, None, 60.0, False, False),  # nothing to compile with
        ("cuda", False, None, 60.0, True, False),  # bursts of another length in each step
        ("cuda", True, None, 2.0, True, False),  # over before it is won back
        ("cuda", True, 200, None, True, False),
        ("cpu", True, None, 60.0, True, False),
        ("mps", True, None, 60.0, True, False),
    ],
)
def test_compiling_is_for_long_runs_of_one_shape_on_cuda(
    monkeypatch, kind, fixed_size, steps, minutes, triton, pays
):
    monkeypatch.setattr(forward, "has_triton", lambda: triton)
    assert compile_pays(kind, fixed_size=fixed_size, steps=steps, minutes=minutes) == pays


class Normed(nn.Module):
    """A network with running statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x):
        return self.norm(self.layer(x))


def tried(monkeypatch, make):
    """Compile a network by a stand-in for torch's compiler; return it, the result and the notes."""
    monkeypatch.setattr(torch, "compile", make)
    network = Normed()
    optimizer = Muon([], network.parameters(), rate=0.0, other_rate=0.0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    said: list[str] = []
    fabric = Fabric(accelerator="cpu")
    result = compiled(network, torch.rand(2, 3, 8, 8), fabric, Watch(said.append))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert float(optimizer.memory.gradients.abs().max()) == 0
    assert all(one.grad is not None for one in network.parameters())  # still in their memory
    return result, said


def test_a_compiled_network_is_used_and_its_time_told(monkeypatch):
    result, said = tried(monkeypatch, lambda network: network)
    assert result is not None
    assert said[0].startswith("compiled the network in ")


def test_a_compiler_that_fails_is_named_and_done_without(monkeypatch):
    def fail(network):
        raise RuntimeError("no ptxas\nwith a long story")

    result, said = tried(monkeypatch, fail)
    assert result is None
    assert said == ["not compiled: RuntimeError: no ptxas; each operation runs alone"]


def test_a_compiled_network_that_answers_otherwise_is_not_used(monkeypatch):
    class Wrong(nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, x):
            return tuple(output + 0.5 for output in self.network(x))

    result, said = tried(monkeypatch, Wrong)
    assert result is None
    assert "differs by 0.5 on average" in said[0]


def recipe(tmp_path, extra=""):
    path = tmp_path / "tiny.toml"
    path.write_text(
        f'name = "tiny"\nprecision = "bf16"\n{extra}\n[network]\narchitecture = "lean"\n'
        "config = { scale = 2, features = 8, blocks = 1 }\n[data]\npatch = 8\nbatch = 2\n"
    )
    return load_recipe(str(path))


def test_a_run_whose_network_cannot_be_compiled_trains_as_one_that_need_not(tmp_path, monkeypatch):
    pictures = write_pictures(tmp_path / "pictures", count=2, cells=6, cell_px=8)

    def fail(network):
        raise RuntimeError("no compiler")

    monkeypatch.setattr(torch, "compile", fail)
    said: list[str] = []
    wanted = recipe(tmp_path, "compile = true")
    train(wanted, options(pictures, tmp_path / "a", 4), watch=Watch(said.append))
    train(recipe(tmp_path), options(pictures, tmp_path / "b", 4), watch=Watch())
    assert any("no compiler" in line for line in said)
    one, two = ([line["l1"] for line in read_log(tmp_path / name)] for name in "ab")
    assert one == two


def test_a_run_that_asked_for_no_compiling_goes_on_with_a_recipe_that_leaves_it_open(tmp_path):
    pictures = write_pictures(tmp_path / "pictures", count=2, cells=6, cell_px=8)
    train(recipe(tmp_path, "compile = false"), options(pictures, tmp_path / "a", 2), watch=Watch())
    opened = recipe(tmp_path)
    assert opened.compile == "auto"
    train(opened, options(pictures, tmp_path / "a", 4, resume=True), watch=Watch())
    assert [line["step"] for line in read_log(tmp_path / "a")] == [1, 2, 3, 4]
    assert (tmp_path / "a" / "recipe.toml").read_text() == to_toml(opened)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # in torch's own compiler
def test_torchs_own_compiler_gives_a_step_near_the_plain_one(tmp_path):
    pictures = write_pictures(tmp_path / "pictures", count=2, cells=6, cell_px=8)
    said: list[str] = []
    wanted = recipe(tmp_path, "compile = true")
    train(wanted, options(pictures, tmp_path / "a", 4), watch=Watch(said.append))
    train(recipe(tmp_path), options(pictures, tmp_path / "b", 4), watch=Watch())
    assert any(line.startswith("compiled the network in ") for line in said), said
    one, two = ([line["l1"] for line in read_log(tmp_path / name)] for name in "ab")
    assert one == pytest.approx(two, rel=0.02)
