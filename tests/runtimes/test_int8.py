"""Int8 forms of models: on request, and by `auto` where they are faster and lose little."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import pyvips
from int8_forms import int8_form

import superres
from superres import zoo
from superres.cli.main import main
from superres.errors import BackendError, ModelError
from superres.infer.engine import Engine
from superres.infer.sanity import SanityCheck
from superres.modelfiles.files import int8_losses
from superres.runtimes import half_precision, precision
from superres.runtimes.half_precision import MOST_INT8_LOSS_DB, Memory, open_checked
from superres.runtimes.open import open_runtime
from superres.runtimes.precision import native_int8
from superres.runtimes.runtime import PrecisionRequest, RuntimeOptions
from superres.watch import Watch

NATIVE = pytest.mark.skipif(not native_int8(), reason="this CPU has no int8")
RUNTIMES = ["openvino", "onnxruntime"]
FORMS = [model.card.name for model in zoo.embedded_models() if model.int8]


@pytest.fixture(scope="module")
def formed(model_file, tmp_path_factory):
    """A small model with an int8 form that loses 0.02 and 0.04 dB on two sets."""
    folder = tmp_path_factory.mktemp("int8")
    return int8_form(model_file("lean"), folder, losses={"Set5": 0.02, "Set14": 0.04})


def opened(model, request: PrecisionRequest, backend="openvino", device="cpu"):
    options = RuntimeOptions(backend, request, device=device, threads=2)
    return open_runtime(model, options, watch=Watch(on_note=pytest.fail))


def chosen(model, tmp_path, request: PrecisionRequest = "auto", backend="auto"):
    """Open a model as pictures do; return its number format and the notes."""
    watch, options = Watch(), RuntimeOptions(backend, request, device="cpu")
    runtime = open_checked(model, options, memory=Memory(tmp_path), watch=watch)
    return runtime.facts.precision, watch.notes


@pytest.fixture
def faster(monkeypatch):
    monkeypatch.setattr(half_precision, "int8_is_faster", lambda: True)


def picture(edge: int = 40) -> np.ndarray:
    """Return (1, 3, edge, edge): waves and an edge."""
    y, x = np.mgrid[0:edge, 0:edge] / edge
    waves = 0.5 + 0.3 * np.sin(20 * x + 5 * y)
    return np.stack([waves, (x > 0.4) * 0.6 + 0.2, 1 - waves])[None].astype(np.float32)


@NATIVE
@pytest.mark.parametrize("backend", RUNTIMES)
def test_int8_runs_on_request_and_is_near_fp32_but_not_equal(formed, backend):
    exact, rounded = opened(formed, "fp32", backend), opened(formed, "int8", backend)
    assert (exact.facts.precision, rounded.facts.precision) == ("fp32", "int8")
    small = {"small": picture()}
    off = np.abs(exact.run("enlarge", small)["large"] - rounded.run("enlarge", small)["large"])
    assert 1e-5 < off.mean() < 0.01


@NATIVE
def test_both_runtimes_compute_the_same_form(formed):
    first, second = (opened(formed, "int8", one).run("enlarge", {"small": picture()})["large"]
                     for one in RUNTIMES)  # fmt: skip
    assert np.abs(first - second).mean() < 0.002  # OpenVINO's floats are bf16 where that is native


@NATIVE
def test_tiles_of_an_int8_form_equal_the_whole(formed):
    frame = picture(96)[0].transpose(1, 2, 0)
    runs = [
        Engine(formed.card, opened(formed, "int8"), fallback=None, watch=Watch(), tile=tile)
        for tile in (40, 96)
    ]
    tiled, whole = (engine.upscale(frame) for engine in runs)
    assert np.abs(tiled - whole).max() < 0.01


@pytest.mark.parametrize("backend", ["auto", *RUNTIMES, "torch"])
def test_a_model_without_an_int8_form_is_an_error_on_request(model_file, backend):
    with pytest.raises(ModelError, match="small lean has no int8 form") as caught:
        opened(model_file("lean"), "int8", backend)
    assert "--precision auto" in caught.value.hint


def test_torch_has_no_int8(formed):
    with pytest.raises(BackendError, match="the backend torch does not support it") as caught:
        opened(formed, "int8", "torch")
    assert "--backend openvino" in caught.value.hint


def test_torch_takes_the_float_form(formed):
    assert opened(formed, "auto", "torch").facts.precision in ("fp32", "bf16")


@NATIVE
def test_a_gpu_of_torch_does_not_keep_a_request_for_int8_from_a_cpu(formed, monkeypatch):
    monkeypatch.setattr("superres.runtimes.open._gpu_driver", lambda: True)
    monkeypatch.setattr("superres.runtimes.open._torch_gpu", lambda: "a big GPU")
    options, watch = RuntimeOptions(precision="int8"), Watch()
    assert open_runtime(formed, options, watch=watch).facts.precision == "int8"
    assert watch.notes[0].startswith("running on openvino in int8")


@pytest.mark.parametrize("backend", RUNTIMES)
def test_a_cpu_without_int8_is_an_error_on_request(formed, backend, monkeypatch):
    monkeypatch.setattr(precision, "cpu_flags", lambda: frozenset({"avx2", "avx512f"}))
    with pytest.raises(BackendError, match=r"int8 was requested, .* computes in fp32") as caught:
        opened(formed, "int8", backend)
    assert "--precision auto" in caught.value.hint


@NATIVE
def test_auto_takes_int8_where_it_is_faster_and_says_what_it_costs(formed, faster, tmp_path):
    used, notes = chosen(formed, tmp_path)
    assert used == "int8"
    assert re.fullmatch(
        r"int8 is faster than (bf16|fp32) on this CPU and costs small lean 0\.020 dB on Set5, "
        r"0\.040 dB on Set14; --precision \1 avoids that",
        notes[0],
    )
    assert notes[1].startswith("running on openvino in int8")


def test_auto_leaves_int8_alone_where_it_is_not_faster(formed, monkeypatch, tmp_path):
    monkeypatch.setattr(half_precision, "int8_is_faster", lambda: False)
    assert chosen(formed, tmp_path)[0] != "int8"


@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
def test_auto_leaves_int8_alone_in_runtimes_where_it_was_not_measured(
    formed, faster, tmp_path, backend
):
    assert chosen(formed, tmp_path, backend=backend)[0] != "int8"


@pytest.mark.parametrize("losses", [{}, {"Set5": 0.02, "Set14": 0.051}])
def test_auto_leaves_a_form_alone_that_loses_too_much_or_an_unknown_amount(
    model_file, tmp_path, faster, losses
):
    model = int8_form(model_file("lean"), tmp_path, losses=losses)
    assert model.int8 is not None
    assert chosen(model, tmp_path)[0] != "int8"


@pytest.mark.parametrize("request_", ["fp32", "bf16"])
def test_a_float_format_that_is_requested_is_not_replaced_by_int8(
    formed, faster, tmp_path, request_
):
    assert chosen(formed, tmp_path, request_)[0] != "int8"


@NATIVE
@pytest.mark.parametrize(("dtype", "used"), [(np.uint8, "int8"), (np.uint16, "fp32"),
                                             (np.float32, "fp32")])  # fmt: skip
def test_auto_takes_int8_for_8_bits_alone(formed, faster, dtype, used):
    upscaler = superres.load(str(formed.onnx), device="cpu")
    upscaler(np.zeros((12, 9, 3), dtype))
    (engine,) = (one.engine for one in upscaler._engines.values())
    assert engine.facts.precision == used


@NATIVE
def test_a_request_for_int8_is_obeyed_for_more_bits_with_a_note(formed):
    notes: list[str] = []
    upscaler = superres.load(str(formed.onnx), precision="int8", notice=notes.append)
    upscaler(np.zeros((12, 9, 3), np.uint8))
    assert not any("more than 8 bits" in note for note in notes)
    upscaler(np.zeros((12, 9, 3), np.uint16))
    assert sum("more than 8 bits" in note for note in notes) == 1


@NATIVE
def test_a_wrong_answer_in_int8_moves_the_picture_to_fp32(formed):
    watch, small = Watch(), picture()
    check = SanityCheck(
        formed.card,
        opened(formed, "int8"),
        fallback=lambda _: opened(formed, "fp32"),
        what="picture",
    )
    run = check.begin(watch)
    assert not run.accepts(small, np.full((1, 3, 160, 160), np.nan, np.float32))
    assert run.runtime.facts.precision == "fp32"
    assert "answered NaN in int8" in watch.notes[0]


def test_some_models_of_the_package_have_an_int8_form():
    assert "fast-x2" in FORMS


@pytest.mark.parametrize("name", FORMS)
def test_what_an_embedded_form_loses_is_published_and_little(name):
    losses = int8_losses(zoo.resolve(name))
    assert {"Set5", "Set14"} <= losses.keys()
    assert max(losses.values()) <= MOST_INT8_LOSS_DB


@NATIVE
@pytest.mark.parametrize("backend", RUNTIMES)
@pytest.mark.parametrize("name", FORMS)
def test_embedded_forms_keep_dithers_stripes_and_dots(name, backend):
    """Where activations leave the range that was measured, errors reach 160 of 255."""
    y, x = np.mgrid[0:32, 0:32]
    grey = [(x + y) % 2, x % 2, y % 2, (x % 4 == 0) & (y % 4 == 0), (x // 2 + y // 2) % 2]
    small = np.stack([np.broadcast_to(one, (3, 32, 32)) for one in grey]).astype(np.float32)
    model = zoo.resolve(name)
    exact, rounded = (
        opened(model, request, backend).run("enlarge", {"small": small})["large"].clip(0, 1)
        for request in ("fp32", "int8")
    )
    off = 255 * np.abs(exact - rounded)
    assert off.mean((1, 2, 3)).max() < 2.5
    assert np.quantile(off, 0.999) < 25


@NATIVE
def test_pictures_are_upscaled_in_int8_by_the_command(tmp_path, capsys):
    pixels = (255 * picture()[0].transpose(1, 2, 0)).astype(np.uint8)
    image = pyvips.Image.new_from_array(pixels).copy(interpretation="srgb")
    image.write_to_file(tmp_path / "in.png")
    command = ["upscale", str(tmp_path / "in.png"), "-n", "fast", "-s", "2", "--json"]
    assert main([*command, "--precision", "int8"]) == 0
    (done,) = json.loads(capsys.readouterr().out)["files"]
    assert done["precision"] == "int8"


def test_models_info_tells_what_int8_costs(capsys):
    assert main(["models", "info", "fast-x2"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^precision +int8 costs -?0\.0\d\d dB on Set5, -?0\.0\d\d dB on", shown, re.M)
    assert re.search(r"^file +.*fast-x2\.int8\.onnx$", shown, re.M)
