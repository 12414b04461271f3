"""Half precision, used only where it was measured to be acceptable."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from fake_backends import FakeBackend, make_card

from superres import zoo
from superres.cli.main import main
from superres.errors import BackendError
from superres.infer import half_precision
from superres.infer.half_precision import (
    REMEMBERED_NAME,
    HalfPrecisionError,
    Memory,
    known_errors,
    measure,
    open_checked,
    patches,
    published_errors,
)
from superres.modelfiles.files import ModelFile
from superres.runtimes.open import open_runtime
from superres.runtimes.precision import native_bf16
from superres.runtimes.runtime import PrecisionRequest, RuntimeOptions
from superres.watch import Watch

CARD = make_card().model_copy(update={"weights_sha256": "ab" * 32})
MODEL = ModelFile(CARD, onnx=None, safetensors=None)


def repeated(tiles):
    return tiles.repeat(2, axis=2).repeat(2, axis=3)


class Opener:
    """Replaces `open_runtime`: a network whose outputs in bf16 are off by so many of 255."""

    def __init__(self, off, *, fp32=True):
        self.off, self.fp32, self.opened = off, fp32, []

    def __call__(self, model, options, *, watch):
        precision = "bf16" if options.precision == "auto" else options.precision
        if precision == "fp32" and not self.fp32:
            raise BackendError("no fp32 here", "none")
        self.opened.append(precision)
        watch.note(f"running in {precision}")
        off = np.float32(self.off / 255 if precision == "bf16" else 0)
        return FakeBackend(lambda tiles: repeated(tiles) * (1 - off), precision=precision)


@pytest.fixture
def memory(tmp_path):
    return Memory(tmp_path / "cache")


def opened(opener, memory, monkeypatch, precision: PrecisionRequest = "auto"):
    """Open the model; return its number format and the notes."""
    monkeypatch.setattr(half_precision, "open_runtime", opener)
    watch = Watch()
    runtime = open_checked(MODEL, RuntimeOptions(precision=precision), memory=memory, watch=watch)
    return runtime.facts.precision, watch.notes


def test_a_network_that_half_precision_harms_runs_in_fp32_and_says_why(memory, monkeypatch):
    precision, notes = opened(Opener(4), memory, monkeypatch)
    assert precision == "fp32"
    assert "bf16 would change the output of fake by" in notes[0]
    assert notes[1:] == ("running in fp32",)


def test_one_that_it_does_not_harm_runs_in_it(memory, monkeypatch):
    assert opened(Opener(0.1), memory, monkeypatch) == ("bf16", ("running in bf16",))


@pytest.mark.parametrize("off", [0.1, 4])
def test_it_is_measured_once(memory, monkeypatch, off):
    first = opened(Opener(off), memory, monkeypatch)
    again = Opener(off)
    assert opened(again, memory, monkeypatch) == first
    assert again.opened == (["bf16"] if off < 1 else ["bf16", "fp32"])


def test_a_format_that_is_requested_is_not_questioned(memory, monkeypatch):
    opener = Opener(9)
    assert opened(opener, memory, monkeypatch, "bf16")[0] == "bf16"
    assert opener.opened == ["bf16"]
    assert not memory.folder.exists()


def test_without_fp32_there_is_nothing_to_compare_with(memory, monkeypatch):
    assert opened(Opener(9, fp32=False), memory, monkeypatch)[0] == "bf16"


def test_answers_that_are_nan_are_not_acceptable():
    good = FakeBackend(repeated)
    bad = FakeBackend(lambda tiles: np.full_like(repeated(tiles), np.nan))
    assert not measure(CARD, bad, good).acceptable
    assert measure(CARD, good, good) == HalfPrecisionError(mean=0, worst=0)


def test_only_a_thousandth_of_the_values_may_be_far_off():
    def spotted(tiles):
        answer = repeated(tiles)
        answer.reshape(-1)[::count] = 1 - answer.reshape(-1)[::count]
        return answer

    good = FakeBackend(repeated)
    count = 2000
    assert measure(CARD, FakeBackend(spotted), good).worst == 0
    count = 500
    assert measure(CARD, FakeBackend(spotted), good).worst > 2


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1}', '{"a": {"mean": "x"}}', "[" * 10**5])
def test_a_damaged_memory_is_measured_again_and_mended(memory, monkeypatch, text):
    memory.folder.mkdir()
    (memory.folder / REMEMBERED_NAME).write_text(text)
    assert opened(Opener(4), memory, monkeypatch)[0] == "fp32"
    assert list(json.loads((memory.folder / REMEMBERED_NAME).read_text())) == [
        "ab" * 16 + " fake nowhere bf16"
    ]


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    assert opened(Opener(4), Memory(tmp_path / "file" / "cache"), monkeypatch)[0] == "fp32"


def test_the_memory_keeps_the_latest_thousand(memory):
    memory.folder.mkdir()
    old = {f"{n}": {"mean": 0, "worst": 0} for n in range(1000)}
    (memory.folder / REMEMBERED_NAME).write_text(json.dumps(old))
    memory.add("new", HalfPrecisionError(mean=1, worst=2))
    assert memory.find("0") is None
    assert memory.find("1") is not None
    assert memory.find("new") == HalfPrecisionError(mean=1, worst=2)


def test_what_was_measured_is_told_of_a_model(memory, monkeypatch):
    assert known_errors(MODEL, memory) == {}
    opened(Opener(4), memory, monkeypatch)
    ((where, error),) = known_errors(MODEL, memory).items()
    assert where == "fake nowhere bf16"
    assert 1 < error.mean < 4


def test_a_file_that_has_changed_is_measured_again(tmp_path, memory, monkeypatch):
    path = tmp_path / "m.pth"
    path.write_bytes(b"1")
    card = CARD.model_copy(update={"weights_sha256": ""})
    model = ModelFile(card, onnx=None, safetensors=None, foreign=path)
    for size in (1, 2):
        path.write_bytes(b"1" * size)
        opener = Opener(4)
        monkeypatch.setattr(half_precision, "open_runtime", opener)
        open_checked(model, RuntimeOptions(), memory=memory, watch=Watch())
        assert opener.opened == ["bf16", "fp32", "fp32"]


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(("multiple", "minimum"), [(1, 1), (8, 64), (7, 1), (64, 1)])
def test_patches_are_of_a_size_that_the_network_takes(multiple, minimum, channels):
    card = make_card(multiple_of=multiple, minimum=minimum).model_copy(
        update={"channels": channels}
    )
    small = patches(card)
    assert small.shape[:2] == (4, channels)
    assert small.shape[2] == small.shape[3] >= minimum
    assert small.shape[2] % multiple == 0
    assert small.min() >= 0
    assert small.max() <= 1


def test_every_embedded_model_of_pictures_was_measured():
    images = [one.card for one in zoo.embedded_models() if one.card.input == "image"]
    assert {card.weights_sha256 for card in images} == set(published_errors())


@pytest.mark.skipif(not native_bf16(), reason="the CPU has no bf16")
@pytest.mark.parametrize("name", ["default-x4", "espcn-x3", "srcnn-x4"])
def test_what_was_published_is_what_this_cpu_measures(name):
    model = zoo.resolve(name, watch=Watch())
    half = open_runtime(model, RuntimeOptions("openvino", "bf16"), watch=Watch())
    exact = open_runtime(model, RuntimeOptions("openvino", "fp32"), watch=Watch())
    found = measure(model.card, half, exact)
    published = published_errors()[model.card.weights_sha256]["bf16"]
    assert found.mean == pytest.approx(published.mean, rel=0.1)
    assert found.worst == pytest.approx(published.worst, rel=0.3)


def test_models_info_shows_what_was_measured(capsys):
    assert main(["models", "info", "espcn-x4"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^precision +bf16 differs by 0\.\d\d of 255 .*: runs in fp32$", shown, re.M)
    assert main(["models", "info", "default-x4"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^precision +bf16 differs by 0\.\d\d of 255 on average", shown, re.M)
    assert "runs in fp32" not in shown
