"""Search for training pictures."""

import zipfile

import pytest

from superres.data.folders import find_pictures
from superres.errors import DataError
from superres.watch import Watch


def test_folders_are_walked_and_other_files_passed_over(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("b.PNG", "a.avif", "deep/c.jpeg", "notes.txt", ".hidden.png"):
        (tmp_path / name).write_bytes(b"x")
    names = [source.path.name for source in find_pictures([tmp_path])]
    assert names == ["a.avif", "b.PNG", "c.jpeg"]


def test_packs_give_their_members(tmp_path):
    with zipfile.ZipFile(tmp_path / "pack.zip", "w") as pack:
        pack.writestr("1.png", b"one")
        pack.writestr("manifest.json", b"{}")
    (source,) = find_pictures([tmp_path])
    assert source.data() == b"one"
    assert str(source).endswith("pack.zip:1.png")


def test_a_folder_without_pictures_says_what_counts_as_one(tmp_path):
    with pytest.raises(DataError, match=r"no pictures.*\n.*\.png"):
        find_pictures([tmp_path])


@pytest.mark.parametrize(("name", "found"), [("none", "does not exist"), ("a.txt", "neither")])
def test_a_place_that_is_no_data_is_named(tmp_path, name, found):
    (tmp_path / "a.txt").write_bytes(b"x")
    with pytest.raises(DataError, match=found):
        find_pictures([tmp_path / name])


def test_a_damaged_pack_is_named(tmp_path):
    (tmp_path / "bad.zip").write_bytes(b"PK no zip")
    with pytest.raises(DataError, match=r"bad\.zip is not a readable pack"):
        find_pictures([tmp_path])


def test_a_member_that_expands_without_bound_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("superres.data.folders._MAX_MEMBER_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as pack:
        pack.writestr("1.png", b"\0" * 100_000)
    (source,) = find_pictures([tmp_path])
    with pytest.raises(DataError, match="larger than"):
        source.data()


def test_in_a_folder_what_cannot_be_read_is_noted_and_the_rest_is_found(tmp_path, close_folder):
    (tmp_path / "closed").mkdir()
    (tmp_path / "bad.zip").write_bytes(b"PK no zip")
    for name in ("a.png", "b.txt"):
        (tmp_path / name).touch()
    close_folder(tmp_path / "closed")
    watch = Watch()
    assert [source.path.name for source in find_pictures([tmp_path], watch)] == ["a.png"]
    closed, damaged, others = watch.notes
    assert closed.startswith(f"left out: the folder {tmp_path / 'closed'} cannot be listed")
    assert damaged.startswith(f"left out: {tmp_path / 'bad.zip'} is not a readable pack")
    assert others == "1 file of another kind left alone: 1 .txt"


@pytest.mark.parametrize("name", ["none", "bad.zip", "a.txt"])
def test_what_is_named_and_cannot_be_read_is_an_error_even_beside_pictures(tmp_path, name):
    (tmp_path / "a.png").touch()
    (tmp_path / "a.txt").touch()
    (tmp_path / "bad.zip").write_bytes(b"PK no zip")
    with pytest.raises(DataError, match=name):
        find_pictures([tmp_path / "a.png", tmp_path / name])
