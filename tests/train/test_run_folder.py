"""Who may write into a run's folder: new runs, runs that go on, and nobody over a user's recipe."""

import os
import socket
import subprocess
import sys

import pytest

from superres.errors import ArgumentError, BusyError
from superres.train.recipe_file import load_recipe
from superres.train.run_folder import RECIPE_NAME, claim_folder, locked_folder
from superres.watch import Watch


@pytest.mark.parametrize("own", ['extends = "espcn-x4"  # mine\n', "not TOML at all", "seed = 3\n"])
def test_a_recipe_that_no_run_wrote_is_not_replaced(own, tmp_path):
    (tmp_path / RECIPE_NAME).write_text(own, encoding="utf-8")
    with pytest.raises(ArgumentError, match=r"recipe\.toml already exists"):
        claim_folder(tmp_path, load_recipe("espcn-x4"), resume=False)
    assert (tmp_path / RECIPE_NAME).read_text(encoding="utf-8") == own


def test_a_recipe_left_by_a_run_that_never_began_is_replaced(tmp_path):
    claim_folder(tmp_path, load_recipe("espcn-x4"), resume=False)
    claim_folder(tmp_path, load_recipe("espcn-x2"), resume=False)
    assert load_recipe(str(tmp_path / RECIPE_NAME)).name == "espcn-x2"


def test_a_folder_is_one_runs_at_a_time_and_the_error_says_whose(tmp_path):
    folder = tmp_path / "run"
    with locked_folder(folder, Watch()):
        with pytest.raises(BusyError, match="in use by another run") as caught:
            locked_folder(folder, Watch()).__enter__()
        assert f"process {os.getpid()} on {socket.gethostname()}, since 2" in caught.value.message
        assert str(folder / "run.lock") in caught.value.hint
    with locked_folder(folder, Watch()):
        pass
    assert list(folder.iterdir()) == []


def test_a_run_that_was_killed_keeps_no_lock(tmp_path):
    code = f"""
import os, pathlib
from superres.train.run_folder import locked_folder
from superres.watch import Watch
with locked_folder(pathlib.Path({str(tmp_path)!r}), Watch()):
    os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert (tmp_path / "run.lock").exists()
    with locked_folder(tmp_path, Watch()):
        assert f"process {os.getpid()} on" in (tmp_path / "run.lock").read_text(encoding="utf-8")


@pytest.mark.skipif(os.name == "nt", reason="flock is POSIX's")
def test_a_file_system_without_locks_is_told_and_the_run_goes_on(tmp_path, monkeypatch):
    import fcntl

    def none(file: object, operation: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", none)
    watch = Watch()
    with locked_folder(tmp_path, watch):
        pass
    assert watch.notes == (
        f"{tmp_path} cannot be locked (Operation not supported): let no second run write to it",
    )
