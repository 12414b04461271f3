"""The verb `runs`: the list, the comparison, the page, and what it refuses."""

import json
from pathlib import Path

import pytest

from superres.cli.main import main


@pytest.fixture(autouse=True)
def _two_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, blocks, psnr in (("one", 8, 31.5), ("two", 14, 31.75)):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "recipe.toml").write_text(
            'name = "mine-x4"\n[network]\narchitecture = "lean"\n'
            f"[network.config]\nblocks = {blocks}\n"
        )
        lines = ({"step": 1500, "l1": 0.0175}, {"step": 1500, "psnr_Set5": psnr})
        (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_runs_are_listed_from_the_usual_folder(capsys):
    assert main(["runs"]) == 0
    header, one, two = capsys.readouterr().out.splitlines()
    assert header.split()[:5] == ["run", "name", "network", "steps", "minutes"]
    assert one.split()[1:7] == ["mine-x4", "lean", "1,500", "–", "31.500", "l1"]
    assert two.split()[5] == "31.750"
    assert two.endswith("running")


def test_two_runs_are_compared_by_recipe_and_values(capsys):
    assert main(["runs", "--compare", "runs/one", "runs/two"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["network.config.blocks", "8", "14"] in lines
    assert ["PSNR", "Set5", "31.500", "31.750"] in lines
    assert main(["runs", "--compare", "runs/one", "runs/one"]) == 0
    assert "the recipes are the same" in capsys.readouterr().out


def test_the_lists_as_json_hold_recipes_and_values(capsys):
    assert main(["runs", "--json"]) == 0
    one, two = json.loads(capsys.readouterr().out)
    assert (one["last"]["psnr_Set5"], two["recipe"]["network.config.blocks"]) == (31.5, 14)
    assert main(["runs", "--compare", "runs/one", "runs/two", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["differences"] == {"network.config.blocks": [8, 14]}
    assert [run["steps"] for run in told["runs"]] == [1500, 1500]


def test_a_page_is_written_and_not_overwritten_unasked(tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main(["runs", "--html", str(page)]) == 0
    assert capsys.readouterr().out == f"{page}\n"
    assert page.read_text("utf-8").rstrip().endswith("</html>")
    page.write_text("mine")
    assert main(["runs", "--html", str(page)]) == 1
    assert page.read_text() == "mine"
    assert main(["runs", "--html", str(page), "--overwrite"]) == 0


def test_a_damaged_run_is_named_and_the_others_are_listed(tmp_path, capsys):
    (tmp_path / "runs" / "one" / "recipe.toml").write_text("name =")
    assert main(["runs"]) == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2
    assert "recipe.toml is not TOML" in err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["none"], 1, "none is not a folder"),
        (["--compare", "runs/one", "none"], 1, "none holds no run"),
        (["runs", "--compare", "runs/one", "runs/two"], 2, "are both given"),
    ],
)
def test_what_is_no_run_is_named(words, code, message, capsys):
    assert main(["runs", *words]) == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["recipe.toml", "log.jsonl"])
def test_a_page_never_replaces_a_file_of_a_run_that_it_shows(name, tmp_path, capsys):
    target = tmp_path / "runs" / "one" / name
    before = target.read_bytes()
    assert main(["runs", "--html", str(target), "--overwrite"]) == 1
    assert "is itself an input" in capsys.readouterr().err
    assert target.read_bytes() == before


def test_runs_beside_a_closed_folder_are_listed_and_the_folder_has_failed(close_folder, capsys):
    closed = Path("runs/closed")
    closed.mkdir()
    close_folder(closed)
    Path("locked").mkdir()
    close_folder(Path("locked"))
    assert main(["runs", "runs", "locked", "--json"]) == 1
    out, err = capsys.readouterr()
    assert len(json.loads(out)) == 2
    for folder in (closed, Path("locked")):
        assert f"error: the folder {folder} cannot be listed" in err
