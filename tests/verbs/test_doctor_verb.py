from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from superres.cli.main import main
from superres.errors import BackendError, ModelError
from superres.layers.graphs import image_graphs
from superres.modelfiles.card import Card
from superres.modelfiles.files import ModelFile
from superres.runtimes.runtime import RuntimeFacts
from superres.verbs import doctor

MODEL = ModelFile(
    Card(
        name="default-x4",
        architecture="espcn",
        config={},
        scale=4,
        halo=4,
        graphs=image_graphs(3, 4),
    ),
    Path("m.onnx"),
    None,
)


class FakeBackend:
    facts = RuntimeFacts("openvino", "CPU", "bf16", 512, 1000, 10**9)

    def run(self, graph, tensors):
        assert graph == "enlarge"
        assert tensors["small"].shape == (1, 3, 256, 256)
        return {"large": np.zeros((1, 3, 1024, 1024), np.float32)}


def fake_open(model, options=None, *, watch):
    if options and (options.backend != "openvino" or options.device == "gpu"):
        raise BackendError(f"no {options.backend} on {options.device}", "install it")
    watch.note("the default on CPUs")
    return FakeBackend()


@pytest.fixture(autouse=True)
def _quick_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_TEST_S", 0.0001)
    monkeypatch.setattr("superres.zoo.resolve", lambda name, scale=None: MODEL)
    monkeypatch.setattr("superres.runtimes.open.open_runtime", fake_open)
    monkeypatch.setattr(
        "superres.runtimes.half_precision.open_checked",
        lambda model, options, *, memory, watch: fake_open(model, watch=watch),
    )


def test_a_healthy_machine_is_described_for_people(capsys):
    assert main(["doctor"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "device     openvino cpu: CPU, bf16" in out
    assert "device     torch cpu: no: no torch on cpu" in out
    assert "auto       default-x4 with openvino on CPU in bf16, tiles of 512 px" in out
    assert "ms for 256×256 ×4" in out


def test_a_healthy_machine_is_described_for_machines(capsys):
    assert main(["doctor", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["auto"]["reasons"] == ["the default on CPUs"]
    assert told["speed"]["milliseconds"] > 0
    assert told["packages"]["numpy"] == np.__version__
    assert {"openvino", "torch", "onnxruntime"} == {one["backend"] for one in told["devices"]}


def test_every_package_of_an_extra_is_listed():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for extra in ("torch", "train", "onnx", "video"):
        names = {re.split(r"[^\w-]", one)[0] for one in extras[extra]} - {"superres"}
        assert names <= doctor._PACKAGES.keys()


def test_a_package_that_is_missing_is_told_with_what_brings_it(monkeypatch, capsys):
    monkeypatch.setitem(doctor._PACKAGES, "no-such-package", "train")
    assert main(["doctor"]) == 0
    expected = "no-such-package not installed: pip install 'superres[train]'"
    assert expected in capsys.readouterr().out


def test_a_broken_install_is_told_beside_the_facts_that_can_be_had(monkeypatch, capsys):
    def broken(name, scale=None):
        raise ModelError("the weights default-x4.onnx are missing", "install superres again")

    monkeypatch.setattr("superres.zoo.resolve", broken)
    assert main(["doctor"]) == 1
    out, err = capsys.readouterr()
    assert "package    numpy" in out
    assert "auto" not in out
    assert err == "error: the weights default-x4.onnx are missing\nhint: install superres again\n"
