"""Packs: usable for training, limited in size, and the same bytes for the same pictures."""

import json
import zipfile

import numpy as np
import pytest
import pyvips

from superres.data.folders import find_pictures
from superres.data.pack import PackOptions, pack
from superres.errors import ArgumentError, Cancelled, DataError
from superres.media import open_picture, read_pixels
from superres.watch import Watch


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(3):
        pixels = rng.integers(0, 256, (50, 90, 3), np.uint8)
        pyvips.Image.new_from_array(pixels).write_to_file(str(folder / f"{index}.png"))
    return folder


LOSSLESS = PackOptions(crop=40, smallest=10, format="png")


def test_crops_come_back_as_they_went_in(tmp_path, pictures):
    report = pack([pictures], tmp_path / "p.zip", LOSSLESS, watch=Watch())
    assert (report.pictures, report.crops) == (3, 18)
    first, second, *_ = find_pictures(report.packs)
    whole = read_pixels(open_picture(pictures / "0.png"))
    np.testing.assert_array_equal(read_pixels(open_picture(first.data())), whole[:40, :40])
    np.testing.assert_array_equal(read_pixels(open_picture(second.data())), whole[:40, 40:80])


def test_the_manifest_names_each_crops_origin(tmp_path, pictures):
    pack([pictures], tmp_path / "p.zip", LOSSLESS, watch=Watch())
    with zipfile.ZipFile(tmp_path / "p.zip") as archive:
        manifest = json.loads(archive.read("manifest.json"))
    assert manifest["000001.png"].endswith("0.png +40+0")


def test_packs_stay_under_their_size_and_are_numbered(tmp_path, pictures):
    small = PackOptions(crop=90, smallest=10, format="png", max_bytes=2**16)
    pack([pictures] * 8, tmp_path / "p.zip", small, watch=Watch())
    packs = sorted(tmp_path.glob("p*.zip"))
    assert len(packs) > 1
    assert all(path.stat().st_size <= 2**16 for path in packs)
    assert len(find_pictures(packs)) == 24


@pytest.fixture
def three_packs(tmp_path, pictures):
    small = PackOptions(crop=90, smallest=10, format="png", max_bytes=2**16, overwrite=True)
    made = pack([pictures] * 4, tmp_path / "p.zip", small, watch=Watch()).packs
    assert len(made) == 3
    return made, small


def test_overwriting_with_fewer_packs_leaves_none_of_the_earlier_run(
    tmp_path, pictures, three_packs
):
    earlier, small = three_packs
    watch = Watch()
    (tmp_path / "p-009.zip").write_bytes(earlier[2].read_bytes())  # after a gap
    report = pack([pictures], tmp_path / "p.zip", small, watch=watch)
    assert report.packs == earlier[:1]
    assert sorted(tmp_path.glob("p*.zip")) == [*sorted([tmp_path / "p-009.zip"]), earlier[0]]
    assert [note for note in watch.notes if "removed" in note] == [
        f"removed {path}, a pack of the earlier run" for path in earlier[1:]
    ]


def test_a_file_that_is_no_pack_is_not_removed_with_those_of_an_earlier_run(
    tmp_path, pictures, three_packs
):
    earlier, small = three_packs
    with zipfile.ZipFile(earlier[1], "w") as archive:
        archive.writestr("holiday.txt", "dear")
    pack([pictures], tmp_path / "p.zip", small, watch=Watch())
    with zipfile.ZipFile(earlier[1]) as archive:
        assert archive.read("holiday.txt") == b"dear"
    assert earlier[2].exists()


def test_a_run_that_fails_removes_no_pack(tmp_path, three_packs):
    earlier, small = three_packs
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "bad.png").write_bytes(b"no")
    with pytest.raises(DataError):
        pack([tmp_path / "bad"], tmp_path / "p.zip", small, watch=Watch())
    assert all(path.exists() for path in earlier)


def test_the_same_pictures_give_the_same_bytes(tmp_path, pictures):
    for name in ("a", "b"):
        pack([pictures], tmp_path / f"{name}.zip", LOSSLESS, watch=Watch())
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_damaged_picture_is_left_out_and_named(tmp_path, pictures):
    (pictures / "bad.png").write_bytes(b"no")
    said: list[str] = []
    assert pack([pictures], tmp_path / "p.zip", LOSSLESS, watch=Watch(said.append)).pictures == 3
    assert any("bad.png" in line for line in said)


def test_pictures_that_are_all_too_small_are_an_error(tmp_path, pictures):
    with pytest.raises(DataError, match="none of 3"):
        pack([pictures], tmp_path / "p.zip", PackOptions(), watch=Watch())
    assert not (tmp_path / "p.zip").exists()


def test_impossible_options_are_refused():
    with pytest.raises(ArgumentError):
        PackOptions(max_bytes=10)


def test_a_cancelled_pack_leaves_nothing_behind(tmp_path, pictures):
    watch = Watch(on_progress=lambda done, total: watch.cancel())
    with pytest.raises(Cancelled):
        pack([pictures], tmp_path / "p.zip", LOSSLESS, watch=watch)
    assert [path for path in tmp_path.iterdir() if path != pictures] == []
