"""Files of weights that were made elsewhere: nothing in them runs, and nothing large gets in."""

import io
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from superres.errors import ModelError
from superres.interop import weight_files
from superres.interop.weight_files import read_tensors

WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.steps": torch.tensor(4)}


class Attack:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def test_a_pickle_that_would_run_code_is_refused_and_named(tmp_path):
    mark = tmp_path / "mark"
    for name, legacy in (("new.pth", False), ("old.pth", True)):
        torch.save({"w": Attack(mark)}, tmp_path / name, _use_new_zipfile_serialization=not legacy)
        with pytest.raises(ModelError, match=r"holds more than tensors: it needs \w+\.mkdir"):
            read_tensors(tmp_path / name)
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(Attack(mark)))
    with pytest.raises(ModelError):
        read_tensors(tmp_path / "bare.pth")
    assert not mark.exists()


def test_a_whole_pickled_network_is_refused_and_named(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "net.pth")
    with pytest.raises(ModelError, match=r"needs torch\.nn\.modules\.linear\.Linear"):
        read_tensors(tmp_path / "net.pth")


@pytest.mark.parametrize("legacy", [False, True])
def test_both_generations_of_pickles_are_read(tmp_path, legacy):
    path = tmp_path / "net.pth"
    torch.save(WEIGHTS, path, _use_new_zipfile_serialization=not legacy)
    found = read_tensors(path)
    assert found.keys() == WEIGHTS.keys()
    assert all(torch.equal(found[name], value) for name, value in WEIGHTS.items())


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("cut", [0, 3, 30, 200, -7])
def test_a_truncated_file_is_refused(tmp_path, legacy, cut):
    path = tmp_path / "net.pth"
    torch.save(WEIGHTS, path, _use_new_zipfile_serialization=not legacy)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ModelError):
        read_tensors(path)


def test_flipped_bytes_never_end_in_anything_but_our_error(tmp_path):
    stream = io.BytesIO()
    torch.save(WEIGHTS, stream, _use_new_zipfile_serialization=False)
    data = stream.getvalue()
    path = tmp_path / "net.pth"
    for place in range(0, len(data), 11):
        broken = bytearray(data)
        broken[place] ^= 0xFF
        path.write_bytes(broken)
        try:
            found = read_tensors(path)
        except ModelError:
            continue
        assert all(isinstance(value, torch.Tensor) for value in found.values())


def test_an_old_torch_is_not_trusted_with_a_pickle(tmp_path, monkeypatch):
    path = tmp_path / "net.pth"
    torch.save(WEIGHTS, path)
    monkeypatch.setattr(torch, "__version__", "2.9.1+cpu")
    with pytest.raises(ModelError, match=r"torch 2\.9\.1\+cpu cannot read safely"):
        read_tensors(path)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ([1, 2], "but a list"),
        ({}, "but an empty dictionary"),
        ({"epoch": 3}, "holds a int under 'epoch'"),
        ({"w": torch.zeros(1), "more": {"w": torch.zeros(1)}}, "holds a dict under 'more'"),
        ({3: torch.zeros(1)}, "under 3"),
        ({"w": torch.zeros(2, dtype=torch.complex64)}, "unusual kind under 'w'"),
        ({"w": torch.zeros(1, device="meta")}, "unusual kind under 'w'"),
        ({"w": torch.eye(2).to_sparse()}, "unusual kind under 'w'"),
    ],
)
def test_what_is_not_a_dictionary_of_plain_tensors_is_named(tmp_path, content, named):
    path = tmp_path / "net.pth"
    torch.save(content, path)
    with pytest.raises(ModelError, match=named):
        read_tensors(path)


def test_a_dictionary_that_holds_itself_comes_to_an_end(tmp_path):
    knot: dict[str, object] = {}
    knot["params"] = knot
    torch.save(knot, tmp_path / "knot.pth")
    with pytest.raises(ModelError, match="holds a dict under 'params'"):
        read_tensors(tmp_path / "knot.pth")


def test_a_file_beyond_the_limit_is_not_opened(tmp_path):
    path = tmp_path / "big.pth"
    with path.open("wb") as file:
        file.truncate(2**30 + 1)
    with pytest.raises(ModelError, match="at most 1024 are read"):
        read_tensors(path)


def test_an_archive_that_grows_beyond_the_limit_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(weight_files, "_MAX_BYTES", 2**20)
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/data.pkl", bytes(2**21))
    assert path.stat().st_size < 2**14
    with pytest.raises(ModelError, match="holds 2 MiB, at most 1"):
        read_tensors(path)


def test_a_tensor_that_reads_the_same_bytes_again_and_again_is_refused(tmp_path):
    path = tmp_path / "wide.pth"
    torch.save({"w": torch.zeros(1).expand(2**14, 2**15)}, path)
    assert path.stat().st_size < 2**14
    with pytest.raises(ModelError, match="holds 2048 MiB"):
        read_tensors(path)


def test_a_program_is_told_apart_from_weights(tmp_path):
    path = tmp_path / "program.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", b"")
        archive.writestr("net/constants.pkl", b"")
    with pytest.raises(ModelError, match="TorchScript"):
        read_tensors(path)


@pytest.mark.parametrize("name", ["none.pth", "a\0b.pth", "a\0b.safetensors", "n" * 300 + ".pth"])
def test_a_missing_file_and_one_that_cannot_be_say_so(tmp_path, name):
    with pytest.raises(ModelError, match="cannot be read"):
        read_tensors(tmp_path / name)
