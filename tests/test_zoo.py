"""Model lookup by name: families, models, files, and wrong weights."""

import hashlib
import json
import shutil

import pytest

from superres import zoo
from superres.errors import ArgumentError, ModelError, UnknownNameError
from superres.hub import HubFile
from superres.modelfiles.checkpoint import hash_weights, load_network, save_network
from superres.modelfiles.files import INT8_SUFFIX, ModelFile, read_card


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """Let the zoo read a copy of the embedded weights, which a test may damage."""
    folder = tmp_path / "weights"
    shutil.copytree(zoo.weights_folder(), folder)
    monkeypatch.setattr(zoo, "weights_folder", lambda: folder)
    zoo.open_embedded.cache_clear()
    yield folder
    zoo.open_embedded.cache_clear()


INT8_BYTES = 1.5 * 2**20
EMBEDDED = {
    *("default-x2", "default-x3", "default-x4"),
    *("real-x2", "real-x4", "fast-x2", "burst-x4", "video-x2", "video-x4"),
    *(f"{family}-x{scale}" for family in ("srcnn", "fsrcnn", "espcn") for scale in (2, 3, 4)),
}
MOST_BYTES = {
    "image": 3 * 2**20,
    "burst": 6 * 2**20,
    "video": 3 * 2**20,
}  # by a model's input


def test_every_embedded_model_opens_from_one_file_no_larger_than_is_allowed():
    models = zoo.embedded_models()
    assert {model.card.name for model in models} == EMBEDDED
    for model in models:
        assert (model.safetensors, model.weights) == (None, model.onnx)
        assert model.onnx is not None
        assert model.onnx.stat().st_size < MOST_BYTES[model.card.input]


def test_the_package_carries_each_model_once_and_nothing_else_of_size():
    files = list(zoo.weights_folder().iterdir())
    assert sum(path.stat().st_size for path in files) < 26 * 2**20
    models = [path for path in files if path.suffix != ".json"]
    assert sorted(path.name for path in models if not path.name.endswith(INT8_SUFFIX)) == sorted(
        f"{name}.onnx" for name in EMBEDDED
    )


def test_every_embedded_int8_form_belongs_to_the_model_of_its_name():
    forms = {path.name for path in zoo.weights_folder().glob(f"*{INT8_SUFFIX}")}
    found = {one.card.name: one.int8 for one in zoo.embedded_models() if one.int8}
    assert {path.name for path in found.values()} == forms
    for name, path in found.items():
        assert path.stat().st_size < INT8_BYTES
        card = read_card(path)
        assert (card.name, card.precision) == (name, "int8")


def test_a_changed_int8_form_is_refused(copied):
    path = copied / "fast-x2.int8.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"fast-x2\.int8\.onnx has the hash"):
        zoo.resolve("fast-x2")


@pytest.mark.parametrize("name", sorted(EMBEDDED))
def test_torch_gets_the_very_weights_that_the_card_has_the_hash_of(name):
    card, path = zoo.resolve(name).card, zoo.resolve(name).weights
    assert path is not None
    network, _ = load_network(path)
    halves = {key: value.half() for key, value in network.state_dict().items()}
    assert hash_weights(halves) == card.weights_sha256


def test_embedded_cards_say_where_the_weights_come_from():
    for model in zoo.embedded_models():
        assert model.card.licence
        assert model.card.training.data
        # Sets of single pictures do not measure other models; docs/burst.md and video.md do.
        assert model.card.scores or model.card.input != "image"


def test_the_scales_inside_the_package_are_told_without_opening_a_model(monkeypatch):
    monkeypatch.setattr(zoo, "open_embedded", None)
    assert zoo.embedded_scales("default") == (2, 3, 4)
    assert zoo.embedded_scales("large") == ()


def test_a_family_is_completed_by_the_scale():
    assert zoo.resolve("default", scale=4).card.name == "default-x4"
    assert zoo.resolve("default").card.scale == 4
    assert zoo.scales("default") == (2, 3, 4)
    assert zoo.scales("default-x4") == (4,)


def test_a_model_of_another_scale_is_refused():
    with pytest.raises(ArgumentError, match="upscales by 4, 2 was requested"):
        zoo.resolve("default-x4", scale=2)


def test_a_scale_that_a_family_has_not_lists_those_that_it_has():
    with pytest.raises(ArgumentError, match="default-x4"):
        zoo.resolve("default", scale=7)


def test_an_unknown_name_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'default-x4'"):
        zoo.resolve("defaul-x4")


@pytest.mark.parametrize("name", ["x.pth", "model.ckpt"])
def test_a_missing_file_is_told_apart_from_a_misspelt_name(name):
    with pytest.raises(ModelError, match="cannot be read: No such file"):
        zoo.resolve(name)


def test_changed_weights_are_refused(copied):
    path = copied / "default-x4.onnx"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match="has the hash"):
        zoo.resolve("default-x4")


def test_missing_weights_are_named(copied):
    (copied / "default-x4.onnx").unlink()
    with pytest.raises(ModelError, match=r"default-x4\.onnx are missing"):
        zoo.resolve("default-x4")


@pytest.mark.parametrize("text", ["", "[1]", json.dumps({"x": 1})])
def test_a_damaged_manifest_is_refused(copied, text):
    (copied / "manifest.json").write_text(text)
    with pytest.raises(ModelError):
        zoo.embedded_models()


LARGE = zoo.resolve("default-x4").card.model_copy(update={"name": "large-x4"})


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Let the hub offer a model of two files and a feature network, in a cache without network."""
    folder = tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setenv("SUPERRES_CACHE", str(folder))
    monkeypatch.setenv("SUPERRES_OFFLINE", "1")
    source = zoo.weights_folder()
    twin = tmp_path / "large-x4.safetensors"
    network, _ = load_network(source / "default-x4.onnx")
    save_network(network, LARGE, twin, half=True)
    entries = {
        "large-x4.onnx": ("large-x4", "model", (source / "default-x4.onnx").read_bytes()),
        "large-x4.safetensors": (
            "large-x4",
            "model",
            twin.read_bytes(),
        ),
        "eyes.safetensors": ("eyes", "features", b"features"),
    }
    files = tuple(
        HubFile(
            name=name,
            kind="model" if kind == "model" else "features",
            file=file,
            bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            licence="CC0-1.0",
            source="a test",
            card=LARGE if kind == "model" else None,
        )
        for file, (name, kind, data) in entries.items()
    )
    monkeypatch.setattr(zoo, "hub_files", lambda: files)
    return {file: (folder / file, data) for file, (_, _, data) in entries.items()}


def put(hub, *names):
    for name in names:
        path, data = hub[name]
        path.write_bytes(data)


def test_a_model_of_the_hub_is_found_by_name_and_by_family(hub):
    put(hub, "large-x4.onnx", "large-x4.safetensors")
    for name in ("large", "large-x4"):
        model = zoo.resolve(name, scale=4)
        assert model.onnx == hub["large-x4.onnx"][0]
        assert model.safetensors == hub["large-x4.safetensors"][0]
    assert zoo.scales("large") == (4,)
    assert zoo.embedded_scales("large") == ()
    assert {model.card.name for model in zoo.embedded_models()} == EMBEDDED


def test_a_model_of_the_hub_is_asked_for_only_when_it_is_needed(hub):
    assert zoo.resolve("default-x4").card.scale == 4
    with pytest.raises(ModelError, match=r"large-x4\.onnx .* SUPERRES_OFFLINE is set"):
        zoo.resolve("large-x4")


def test_the_card_of_a_model_of_the_hub_is_known_before_and_after_it_is_here(hub):
    assert zoo.on_hub() == [LARGE]
    for name in ("large", "large-x4"):
        assert zoo.lookup(name) == ModelFile(LARGE, onnx=None, safetensors=None)
    put(hub, "large-x4.onnx")
    assert zoo.lookup("large-x4").onnx is None  # half a model is not usable
    put(hub, "large-x4.safetensors")
    assert zoo.lookup("large-x4").onnx == hub["large-x4.onnx"][0]
    assert zoo.lookup("default-x4") == zoo.resolve("default-x4")


def test_pulling_gives_all_files_of_a_name_wherever_they_lie(hub):
    put(hub, *hub)
    assert zoo.download("large-x4") == [hub["large-x4.onnx"][0], hub["large-x4.safetensors"][0]]
    assert zoo.download("eyes") == [hub["eyes.safetensors"][0]]
    embedded = zoo.weights_folder()
    assert sorted(zoo.download("default-x4")) == sorted(embedded.glob("default-x4.*"))
    with pytest.raises(UnknownNameError, match="did you mean 'large-x4'"):
        zoo.download("lage-x4")


def test_feature_weights_are_those_of_the_cache(hub):
    assert zoo.cached_feature_weights("eyes") is None
    with pytest.raises(ModelError, match="SUPERRES_OFFLINE"):
        zoo.feature_weights("eyes")
    put(hub, "eyes.safetensors")
    path = hub["eyes.safetensors"][0]
    assert zoo.cached_feature_weights("eyes") == zoo.feature_weights("eyes") == path


@pytest.mark.parametrize("name", ["eye", "large-x4"])
def test_a_name_that_is_no_feature_network_lists_those_that_are(hub, name):
    with pytest.raises(UnknownNameError, match="eyes"):
        zoo.feature_weights(name)
