"""Atomic writes and checks of targets."""

import os

import pytest

from superres.atomic import atomic_write, atomic_write_bytes, check_target, os_errors_as
from superres.errors import OutputError


def test_the_bytes_arrive_and_nothing_else_is_left(tmp_path):
    atomic_write_bytes(tmp_path / "á.bin", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["á.bin"]
    assert (tmp_path / "á.bin").read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_no_part(tmp_path, error):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(error), atomic_write(path) as temporary:  # noqa: PT012
        temporary.write_bytes(b"half")
        raise error
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"old"


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        atomic_write_bytes(tmp_path / "none" / "file", b"")


def test_a_full_disk_is_an_output_error_that_names_the_target(tmp_path):
    target = tmp_path / "file"
    with (
        pytest.raises(OutputError, match=r"file cannot be written: No space"),
        atomic_write(target),
        os_errors_as(target),
    ):
        raise OSError(28, "No space left on device")
    assert not list(tmp_path.iterdir())


def test_what_the_block_raises_comes_through_as_it_is(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "file"):
        (tmp_path / "none").read_bytes()
    assert not list(tmp_path.iterdir())


def test_a_folder_in_the_targets_place_is_refused(tmp_path):
    with pytest.raises(OutputError, match="is a folder"):
        atomic_write_bytes(tmp_path, b"")


def test_a_name_of_the_longest_length_can_be_written(tmp_path):
    atomic_write_bytes(tmp_path / ("é" * 127), b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["é" * 127]


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_a_link_stays_a_link_and_its_file_is_replaced(tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    atomic_write_bytes(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_a_target_may_not_be_an_input_also_by_another_name(tmp_path):
    source, link = tmp_path / "in.png", tmp_path / "link.png"
    source.write_bytes(b"x")
    link.symlink_to(source)
    with pytest.raises(OutputError, match=r"link\.png is itself an input"):
        check_target(link, (source,), overwrite=True)


def test_a_file_that_stands_is_refused_unless_it_may_be_replaced(tmp_path):
    target = tmp_path / "out.png"
    check_target(target, (), overwrite=False)
    target.write_bytes(b"x")
    with pytest.raises(OutputError, match=r"out\.png already exists"):
        check_target(target, (), overwrite=False)
    check_target(target, (), overwrite=True)


def test_a_target_needs_a_folder(tmp_path):
    with pytest.raises(OutputError, match=r"folder .*missing does not exist"):
        check_target(tmp_path / "missing" / "out.png", (), overwrite=True)
