from __future__ import annotations

from typing import NoReturn

import pytest

from superres.errors import BackendError, ModelError, UnknownNameError
from superres.modelfiles.files import ModelFile
from superres.runtimes import open as module
from superres.runtimes.open import BACKENDS, open_runtime
from superres.runtimes.runtime import RuntimeOptions
from superres.watch import Watch


@pytest.fixture
def installed(monkeypatch):
    """Return a function that makes only some packages look installed."""

    def install(*packages):
        find = module.importlib.util.find_spec
        monkeypatch.setattr(
            module.importlib.util,
            "find_spec",
            lambda name: find(name) if name in packages else None,
        )

    return install


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setattr(module, "_gpu_driver", lambda: False)


def test_auto_picks_openvino_on_a_cpu_and_says_why(model_file):
    lines: list[str] = []
    opened = open_runtime(model_file("lean"), watch=Watch(on_note=lines.append))
    assert opened.facts.name == "openvino"
    assert len(lines) == 1
    assert lines[0].startswith(f"running on openvino in {opened.facts.precision} (the default on")


def test_auto_picks_torch_for_weights_without_a_graph(model_file):
    model = model_file("lean")
    lines: list[str] = []
    opened = open_runtime(
        ModelFile(model.card, None, model.safetensors),
        RuntimeOptions(device="cpu"),
        watch=Watch(on_note=lines.append),
    )
    assert opened.facts.name == "torch"
    assert "no .onnx file" in lines[0]


def test_auto_picks_onnxruntime_where_openvino_is_missing(model_file, installed):
    installed("onnxruntime")
    lines: list[str] = []
    assert (
        open_runtime(model_file("lean"), watch=Watch(on_note=lines.append)).facts.name
        == "onnxruntime"
    )
    assert "openvino is not installed" in lines[0]


def test_auto_picks_torch_where_it_has_a_gpu(model_file, monkeypatch):
    monkeypatch.setattr(module, "_torch_gpu", lambda: "a big GPU")
    opened = []

    def opener(path, card, options) -> NoReturn:
        opened.append(path)
        raise LookupError  # what it opened does not matter here

    monkeypatch.setitem(
        module.BACKENDS,
        "torch",
        module.RuntimeEntry("torch", "superres[torch]", "safetensors", opener),
    )
    with pytest.raises(LookupError):
        open_runtime(model_file("lean"), watch=Watch(on_note=pytest.fail))
    assert opened == [model_file("lean").safetensors]


def test_a_named_backend_is_opened_without_a_word(model_file):
    for name in BACKENDS:
        opened = open_runtime(
            model_file("lean"),
            RuntimeOptions(backend=name, device="cpu"),
            watch=Watch(on_note=pytest.fail),
        )
        assert opened.facts.name == name


def test_an_unknown_backend_is_told_the_nearest_name(model_file):
    with pytest.raises(UnknownNameError, match="did you mean 'openvino'"):
        open_runtime(
            model_file("lean"), RuntimeOptions(backend="openvin"), watch=Watch(on_note=pytest.fail)
        )


def test_a_backend_that_is_not_installed_is_an_error_that_says_what_to_install(
    model_file, installed
):
    installed("openvino")
    with pytest.raises(BackendError, match=r"superres\[torch\]"):
        open_runtime(
            model_file("lean"), RuntimeOptions(backend="torch"), watch=Watch(on_note=pytest.fail)
        )


def test_no_backend_at_all_is_an_error(model_file, installed):
    installed()
    with pytest.raises(BackendError, match="no installed backend can run"):
        open_runtime(model_file("lean"), watch=Watch(on_note=pytest.fail))


def test_a_model_without_the_backends_file_is_an_error(model_file):
    model = model_file("lean")
    with pytest.raises(ModelError, match=r"reads \.onnx files"):
        open_runtime(
            ModelFile(model.card, None, model.safetensors),
            RuntimeOptions(backend="openvino"),
            watch=Watch(on_note=pytest.fail),
        )


def test_fp16_on_a_cpu_becomes_fp32_and_is_announced(model_file):
    for name in BACKENDS:
        lines: list[str] = []
        opened = open_runtime(
            model_file("lean"),
            RuntimeOptions(backend=name, precision="fp16", device="cpu"),
            watch=Watch(on_note=lines.append),
        )
        assert opened.facts.precision == "fp32"
        assert "fp16 is not native" in lines[0]
