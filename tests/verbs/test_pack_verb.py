from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import pyvips

from superres.cli.main import main
from superres.data import pack as packing
from superres.data.pack import PackOptions, PackReport


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What the packing was called with; nothing is packed."""
    calls: list[tuple[object, ...]] = []

    def fake(places, target, options, *, watch):
        calls.append((places, target, options))
        watch.note("left out: a/small.png")
        watch.progress(1, 2)
        return PackReport((target, Path("p-001.zip")), 2, 5, 3 * 2**20)

    monkeypatch.setattr(packing, "pack", fake)
    return calls


def test_the_packs_are_named_on_stdout_and_the_rest_on_stderr(seen, capsys):
    words = "a b.png -o p.zip --max-mb 7 --crop 512 --smallest 64 -f webp --quality 70"
    assert main(["pack", *words.split()]) == 0
    options = PackOptions(max_bytes=7 * 2**20, crop=512, smallest=64, format="webp", quality=70)
    assert seen == [([Path("a"), Path("b.png")], Path("p.zip"), options)]
    out, err = capsys.readouterr()
    assert out.split() == ["p.zip", "p-001.zip"]
    assert err.splitlines() == ["left out: a/small.png", "5 crops of 2 pictures in 3.0 MiB"]


def test_the_report_as_json_stands_alone_on_stdout(seen, capsys):
    assert main(["pack", "a", "-o", "p.zip", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {
        "status": "done",
        "packs": ["p.zip", "p-001.zip"],
        "pictures": 2,
        "crops": 5,
        "bytes": 3 * 2**20,
        "failed": [],
        "left_alone": {},
    }


def test_crops_that_cannot_be_are_wrong_usage(seen, capsys):
    assert main(["pack", "a", "-o", "p.zip", "--crop", "10"]) == 2
    assert capsys.readouterr().err.startswith("error: packs of ")


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one picture, in the folder where the test runs."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    pyvips.Image.new_from_array(noise).write_to_file("in/a.png")
    return Path("in")


def pack_of(*words: str) -> int:
    return main(["pack", *words, "--smallest", "8", "-f", "png"])


def test_an_existing_pack_is_refused_replaced_or_skipped(pictures, capsys):
    Path("p.zip").write_bytes(b"mine")
    assert pack_of("in", "-o", "p.zip") == 1
    err = capsys.readouterr().err
    assert "p.zip already exists" in err
    assert "--overwrite, --skip-existing" in err
    assert pack_of("in", "-o", "p.zip", "--skip-existing", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"status": "skipped", "packs": ["p.zip"]}
    assert Path("p.zip").read_bytes() == b"mine"
    assert pack_of("in", "-o", "p.zip", "--overwrite") == 0
    assert Path("p.zip").read_bytes() != b"mine"
    assert pack_of("in", "-o", "p.zip", "--overwrite", "--skip-existing") == 2


@pytest.mark.parametrize("target", ["p.zip", "here/../p.zip", "other.zip"])
def test_a_pack_never_replaces_an_input_however_it_is_named(target, pictures, capsys):
    Path("here").mkdir()
    assert pack_of("in", "-o", "p.zip") == 0
    before = Path("p.zip").read_bytes()
    if target == "other.zip":
        os.link("p.zip", "other.zip")
    assert pack_of("p.zip", "in", "-o", target, "--overwrite") == 1
    assert "is itself an input" in capsys.readouterr().err
    assert Path("p.zip").read_bytes() == before


def test_a_numbered_pack_that_exists_or_is_an_input_is_refused_before_any_is_written(
    pictures, capsys
):
    assert pack_of("in", "-o", "p-001.zip") == 0
    before = Path("p-001.zip").read_bytes()
    Path("p.zip").write_bytes(b"old")
    assert pack_of("p-001.zip", "-o", "p.zip", "--overwrite") == 1
    assert "p-001.zip is itself an input" in capsys.readouterr().err
    assert (Path("p.zip").read_bytes(), Path("p-001.zip").read_bytes()) == (b"old", before)


@pytest.mark.parametrize("target", ["in/p.zip", "in/deep/../p.zip"])
def test_a_pack_does_not_go_into_a_folder_that_it_is_made_of(target, pictures, capsys):
    (pictures / "deep").mkdir()
    assert pack_of("in", "-o", target) == 1
    assert "which is itself an input" in capsys.readouterr().err
    assert sorted(path.name for path in pictures.iterdir()) == ["a.png", "deep"]


def test_a_pack_that_training_would_not_read_is_refused(pictures, capsys):
    assert pack_of("in", "-o", "p.tar") == 1
    assert "does not end in .zip" in capsys.readouterr().err


def test_what_cannot_be_read_has_failed_and_the_rest_is_packed(pictures, close_folder, capsys):
    (pictures / "closed").mkdir()
    (pictures / "damaged.png").write_bytes(b"no picture")
    (pictures / "damaged.zip").write_bytes(b"no pack")
    (pictures / "notes.txt").touch()
    close_folder(pictures / "closed")
    Path("locked").mkdir()
    close_folder(Path("locked"))
    assert pack_of("in", "nowhere", "locked", "-o", "p.zip", "--json") == 1
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert (told["pictures"], told["left_alone"]) == (1, {".txt": 1})
    assert [file["source"] for file in told["failed"]] == [
        "in/closed", "in/damaged.zip", "nowhere", "locked", "in/damaged.png",
    ]  # fmt: skip
    for file in told["failed"]:
        assert file["status"] == "failed"
        assert file["error"] in err
    assert "1 file of another kind left alone: 1 .txt" in err
    assert err.endswith(" MiB, 5 failed\n")


def test_if_nothing_can_be_read_the_first_fault_is_told_and_nothing_is_written(pictures, capsys):
    assert pack_of("nowhere", "-o", "p.zip") == 1
    assert "error: nowhere does not exist" in capsys.readouterr().err
    assert not Path("p.zip").exists()
