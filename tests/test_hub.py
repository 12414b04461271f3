"""The hub's cache: the table, the environment, files put there by hand."""

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest
from web_server import sending, serving

from superres.errors import ArgumentError, ModelError
from superres.hub import HUB, HubFile, cache_folder, cached, fetch, hub_files
from superres.modelfiles.files import read_card
from superres.upscaler import load
from superres.watch import Watch
from superres.zoo import resolve

DATA = b"weights" * 1000
FILE = HubFile(
    name="small",
    kind="features",
    file="small.safetensors",
    bytes=len(DATA),
    sha256=hashlib.sha256(DATA).hexdigest(),
    licence="CC0-1.0",
    source="this test",
)
PERCEPTUAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "perceptual"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SUPERRES_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SUPERRES_OFFLINE", raising=False)
    monkeypatch.setenv("SUPERRES_HUB", "http://127.0.0.1:9")  # nothing answers there
    return tmp_path / "cache"


def test_models_and_nothing_else_have_a_card():
    card = resolve("espcn-x4").card
    model = FILE.model_dump() | {"name": "espcn-x4", "kind": "model", "card": card}
    assert HubFile.model_validate(model).card == card
    for wrong in ({"card": None}, {"name": "other-x4"}, {"kind": "features"}):
        with pytest.raises(ValueError, match="card"):
            HubFile.model_validate(model | wrong)


def unheard(line):
    raise AssertionError(f"something is fetched: {line}")


def test_a_file_is_fetched_once_and_announced(folder, monkeypatch):
    told = []
    with serving({"/weights/small.safetensors": sending(DATA)}) as (url, asked):
        monkeypatch.setenv("SUPERRES_HUB", f"{url}/weights/")
        path = fetch(FILE, Watch(on_note=told.append))
        again = fetch(FILE, Watch(on_note=unheard))
    assert path == again == folder / "small.safetensors"
    assert path.read_bytes() == DATA
    assert asked == ["/weights/small.safetensors"]
    assert told == [f"downloading small.safetensors, 0.0 MiB, from {url}/weights/"]


@pytest.mark.parametrize("offline", ["", "1"])
def test_a_file_that_was_put_there_by_hand_is_used_with_and_without_a_network(
    folder, monkeypatch, offline
):
    monkeypatch.setenv("SUPERRES_OFFLINE", offline)
    assert cached(FILE) is None
    folder.mkdir()
    (folder / FILE.file).write_bytes(DATA)
    assert cached(FILE) == fetch(FILE, Watch(on_note=unheard)) == folder / FILE.file


def test_offline_says_which_file_and_where_to_put_it(folder, monkeypatch):
    monkeypatch.setenv("SUPERRES_OFFLINE", "1")
    monkeypatch.delenv("SUPERRES_HUB")
    with pytest.raises(ModelError, match="SUPERRES_OFFLINE is set") as caught:
        fetch(FILE, Watch(on_note=unheard))
    for word in ("small.safetensors", "7,000 bytes", FILE.sha256, f"{HUB}/small.safetensors"):
        assert word in caught.value.message
    assert str(folder / "small.safetensors") in caught.value.hint
    assert not folder.exists()


def test_a_zero_is_not_offline(folder, monkeypatch):
    monkeypatch.setenv("SUPERRES_OFFLINE", "0")
    with pytest.raises(ModelError, match="the connection failed"):
        fetch(FILE, Watch())


def test_another_file_in_its_place_is_neither_used_nor_replaced(folder):
    folder.mkdir()
    (folder / FILE.file).write_bytes(b"another")
    with pytest.raises(ModelError, match="has the hash"):
        cached(FILE)
    with pytest.raises(ModelError, match="remove it, and it will be downloaded again"):
        fetch(FILE, Watch(on_note=unheard))
    assert (folder / FILE.file).read_bytes() == b"another"


def test_a_hub_that_is_no_web_address_is_wrong_usage(folder, monkeypatch):
    monkeypatch.setenv("SUPERRES_HUB", "file:///etc")
    with pytest.raises(ArgumentError, match="only http and https"):
        fetch(FILE, Watch())


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, "home/.cache/superres"),
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/superres"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "home/.cache/superres"),
        ("darwin", {"XDG_CACHE_HOME": "/x"}, "home/Library/Caches/superres"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/superres/cache"),
        ("win32", {}, "home/AppData/Local/superres/cache"),
        ("linux", {"SUPERRES_CACHE": "/own", "XDG_CACHE_HOME": "/x"}, "/own"),
        ("win32", {"SUPERRES_CACHE": "~/own"}, "home/own"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="paths are written otherwise there")
def test_the_cache_lies_where_the_system_wants_caches(
    platform, variables, expected, monkeypatch, tmp_path
):
    for name in ("SUPERRES_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_folder() == tmp_path / expected


@pytest.mark.parametrize(
    "name", ["../up.onnx", "a/b.onnx", "a\\b.onnx", "w.pth", ".onnx", "C:x.onnx", "w.onnx\n"]
)
def test_the_table_takes_no_name_that_leaves_the_cache_and_no_pickle(name):
    with pytest.raises(ValueError, match="file"):
        HubFile.model_validate({**FILE.model_dump(), "file": name})


def test_the_table_offers_the_two_feature_networks_under_the_hubs_address():
    assert HUB.startswith("https://")
    assert {file.name for file in hub_files() if file.kind == "features"} == {"alexnet", "vgg16"}
    files = [file.file for file in hub_files()]
    assert len(files) == len(set(files))


@pytest.mark.slow
@pytest.mark.skipif(not PERCEPTUAL.exists(), reason="needs the shared data")
def test_a_folder_of_feature_networks_serves_as_the_cache(monkeypatch):
    monkeypatch.setenv("SUPERRES_CACHE", str(PERCEPTUAL))
    monkeypatch.setenv("SUPERRES_OFFLINE", "1")
    for file in hub_files():
        if file.kind == "features":
            path = fetch(file, Watch(on_note=unheard))
            assert path == PERCEPTUAL / file.file
            assert path.stat().st_size == file.bytes


MODELS = [file for file in hub_files() if file.kind == "model"]
FOLDER = Path(__file__).resolve().parents[1] / "hub"


@pytest.mark.parametrize("file", MODELS, ids=lambda file: file.file)
def test_the_files_to_be_served_are_those_of_the_table_and_carry_its_cards(file):
    data = (FOLDER / file.file).read_bytes()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (file.bytes, file.sha256)
    card = read_card(FOLDER / file.file)
    assert card == file.card
    assert card.licence == file.licence
    assert card.training.data
    assert card.scores


def test_nothing_lies_among_them_that_the_table_has_not():
    assert {path.name for path in FOLDER.iterdir()} == {file.file for file in MODELS}


def test_a_model_that_is_only_on_the_hub_is_fetched_and_upscales(folder, monkeypatch):
    file = min(MODELS, key=lambda file: file.bytes)
    data = (FOLDER / file.file).read_bytes()
    with serving({f"/{file.file}": sending(data)}) as (url, asked):
        monkeypatch.setenv("SUPERRES_HUB", url)
        large = load(file.name, backend="torch")(np.full((9, 8, 3), 128, np.uint8))
    assert large.shape == (36, 32, 3)
    assert abs(float(large.mean()) - 128) < 3
    assert asked == [f"/{file.file}"]
