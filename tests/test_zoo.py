"""Names to files: families, models, files, and weights that are not what they should be."""

import json
import shutil

import pytest

from superres import zoo
from superres.errors import ArgumentError, ModelError, UnknownNameError


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """Let the zoo read a copy of the embedded weights, which a test may damage."""
    folder = tmp_path / "weights"
    shutil.copytree(zoo.weights_folder(), folder)
    monkeypatch.setattr(zoo, "weights_folder", lambda: folder)
    zoo.open_embedded.cache_clear()
    yield folder
    zoo.open_embedded.cache_clear()


def test_every_embedded_model_opens_with_both_files_under_3_mb():
    models = zoo.known()
    assert {model.card.name for model in models} == {"default-x2", "default-x3", "default-x4"}
    for model in models:
        for path in (model.onnx, model.safetensors):
            assert path is not None
            assert path.stat().st_size < 3 * 2**20


def test_embedded_cards_say_where_the_weights_come_from():
    for model in zoo.known():
        assert model.card.licence
        assert model.card.training.data
        assert model.card.scores


def test_a_family_is_completed_by_the_scale():
    assert zoo.find("default", scale=4).card.name == "default-x4"
    assert zoo.find("default").card.scale == 4
    assert zoo.scales("default") == (2, 3, 4)
    assert zoo.scales("default-x4") == (4,)


def test_a_model_of_another_scale_is_refused():
    with pytest.raises(ArgumentError, match="enlarges by 4, asked was 2"):
        zoo.find("default-x4", scale=2)


def test_a_scale_that_a_family_has_not_lists_those_that_it_has():
    with pytest.raises(ArgumentError, match="default-x4"):
        zoo.find("default", scale=7)


def test_an_unknown_name_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'default-x4'"):
        zoo.find("defaul-x4")


@pytest.mark.parametrize("name", ["x.pth", "model.ckpt"])
def test_a_pickle_is_told_apart_from_a_misspelt_name(name):
    with pytest.raises(ModelError, match="pickles"):
        zoo.find(name)


def test_changed_weights_are_refused(copied):
    path = copied / "default-x4.onnx"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match="has the hash"):
        zoo.find("default-x4")


def test_missing_weights_are_named(copied):
    (copied / "default-x4.safetensors").unlink()
    with pytest.raises(ModelError, match=r"default-x4\.safetensors are missing"):
        zoo.find("default-x4")


@pytest.mark.parametrize("text", ["", "[1]", json.dumps({"x": 1})])
def test_a_damaged_manifest_is_refused(copied, text):
    (copied / "manifest.json").write_text(text)
    with pytest.raises(ModelError):
        zoo.known()
