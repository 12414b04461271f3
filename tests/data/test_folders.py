"""Search for training pictures."""

import zipfile

import pytest

from superres.data.folders import find_pictures
from superres.errors import DataError


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
