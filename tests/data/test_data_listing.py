"""Folders are listed whole: what cannot be read is named, and what is left alone is counted."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from superres.data.listing import left_alone, list_folder


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def test_a_closed_subfolder_is_a_fault_and_its_neighbours_are_listed(close_folder):
    touch("in/a.png", "in/b/b.png", "in/c/c.png")
    close_folder(Path("in/b"))
    found = list_folder(Path("in"), recursive=True)
    assert found.files == [Path("in/a.png"), Path("in/c/c.png")]
    (fault,) = found.faults
    assert fault.path == Path("in/b")
    assert fault.message == f"the folder {Path('in/b')} cannot be listed: Permission denied"


def test_a_closed_folder_is_a_fault_of_its_own(close_folder):
    touch("in/a.png")
    close_folder(Path("in"))
    found = list_folder(Path("in"), recursive=False)
    assert ([fault.path for fault in found.faults], found.files) == ([Path("in")], [])


def test_a_closed_folder_that_is_not_searched_is_no_fault(close_folder):
    touch("in/a.png", "in/b/b.png")
    close_folder(Path("in/b"))
    assert list_folder(Path("in"), recursive=False).faults == []


def test_files_of_other_kinds_are_counted_but_hidden_and_unfinished_ones_are_not():
    touch("in/a.png", "in/b.txt", "in/c.TXT", "in/deep/d.obj", "in/Makefile", "in/a.b c!")
    touch("in/.hidden", "in/._a.png", "in/.git/x.txt", "in/.a.png.superres-0a1b2c3d.part")
    touch("in/a.mp4.part")
    assert list_folder(Path("in"), recursive=True).others == {".txt": 2, ".obj": 1, "": 2}
    assert list_folder(Path("in"), recursive=False).others == {".txt": 2, "": 2}


def test_requested_suffixes_are_listed_and_folders_that_are_named_like_pictures_are_not():
    touch("in/a.zip", "in/b.png", "in/c.png/d.txt")
    found = list_folder(Path("in"), recursive=True, more=(".zip",))
    assert found.files == [Path("in/a.zip"), Path("in/b.png")]
    assert found.others == {".txt": 1}


@pytest.mark.skipif(os.name != "posix", reason="needs links and pipes")
def test_pipes_and_sockets_are_faults_and_a_dangling_link_fails_when_it_is_read():
    touch("in/a.png")
    os.mkfifo("in/b.png")
    Path("in/c.png").symlink_to("nowhere")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("in/d.png")
        found = list_folder(Path("in"), recursive=False)
    assert found.files == [Path("in/a.png"), Path("in/c.png")]
    assert [fault.path.name for fault in found.faults] == ["b.png", "d.png"]


@pytest.mark.parametrize(("others", "words"), [
    ({}, ""),
    ({".bmp": 1}, "1 file of another kind left alone: 1 .bmp"),
    ({".txt": 2, ".bmp": 1}, "3 files of other kinds left alone: 1 .bmp, 2 .txt"),
    ({".txt": 1, "": 1200}, "1,201 files of other kinds left alone: 1200 without a suffix, 1 .txt"),
    ({f".{n}": 1 for n in range(8)},
     "8 files of other kinds left alone: 1 .0, 1 .1, 1 .2, 1 .3, 1 .4, 1 .5, 1 .6, 1 .7"),
    ({f".{n}": 1 for n in range(9)},
     "9 files of other kinds left alone: 1 .0, 1 .1, 1 .2, 1 .3, 1 .4, 1 .5, 1 .6, 2 more kinds"),
])  # fmt: skip
def test_the_words_name_each_kind_with_its_number(others, words):
    assert left_alone(others) == words
