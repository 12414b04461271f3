from __future__ import annotations

import json
from pathlib import Path

import pytest

from superres.cli.main import main
from superres.data import pack as packing
from superres.data.pack import PackOptions, PackReport


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What the packing was called with; nothing is packed."""
    calls: list[tuple[object, ...]] = []

    def fake(places, target, options, *, notice, progress):
        calls.append((places, target, options))
        notice("left out: a/small.png")
        progress(1, 2)
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
        "packs": ["p.zip", "p-001.zip"],
        "pictures": 2,
        "crops": 5,
        "bytes": 3 * 2**20,
    }


def test_crops_that_cannot_be_are_wrong_usage(seen, capsys):
    assert main(["pack", "a", "-o", "p.zip", "--crop", "10"]) == 2
    assert capsys.readouterr().err.startswith("error: packs of ")
