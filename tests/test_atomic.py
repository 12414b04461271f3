"""Atomic writes and checks of targets."""

import os
from pathlib import Path

import pytest

from superres.atomic import (
    Inputs,
    atomic_write,
    atomic_write_bytes,
    check_name,
    check_new_folder,
    check_target,
    fitting_name,
    os_errors_as,
)
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


LIMIT = 255  # of a name, in bytes, on every file system that tests run on


@pytest.mark.skipif(os.name == "nt", reason="its limits are in other units")
@pytest.mark.parametrize(
    ("name", "length"), [("n" * 256, 256), ("é" * 128, 256), ("f" * 300 + "/a.png", 300)]
)
def test_a_name_that_is_too_long_is_refused_with_its_length_and_the_limit(tmp_path, name, length):
    target = tmp_path / "new" / name
    with pytest.raises(OutputError) as caught:
        check_name(target)
    assert caught.value.message == (
        f"the name of the output {target} is too long: {length} bytes, and this file system takes "
        f"{LIMIT}"
    )
    assert caught.value.hint == "name a shorter output with -o"
    for refuse in (lambda: atomic_write_bytes(target, b""),
                   lambda: check_target(target, (), overwrite=True, hint=""),
                   lambda: check_new_folder(target, ())):  # fmt: skip
        with pytest.raises(OutputError, match=f"too long: {length} bytes"):
            refuse()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="its limits are in other units")
def test_a_path_that_is_too_long_is_refused_though_each_name_in_it_is_not(tmp_path):
    target = tmp_path.joinpath(*["d" * 200] * 25)
    with pytest.raises(OutputError, match=rf"path of the output .* {len(str(target))} bytes"):
        check_name(target)


@pytest.mark.parametrize("name", ["n" * LIMIT, "new/folder/" + "n" * LIMIT, "a.png"])
def test_a_name_that_fits_passes_and_nothing_is_made(tmp_path, monkeypatch, name):
    check_name(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    check_name(Path(name))
    assert list(tmp_path.iterdir()) == []


def test_a_path_with_a_nul_character_is_refused(tmp_path):
    with pytest.raises(OutputError, match="NUL"):
        check_name(tmp_path / "a\0b")
    assert not Inputs([tmp_path / "a\0b"]).holds(tmp_path / "a")


def test_a_name_with_an_ending_is_cut_to_fit_and_still_told_from_others(tmp_path):
    assert fitting_name("a.mp4", ".part", tmp_path) == "a.mp4.part"
    assert fitting_name("n" * 250, ".part", tmp_path) == "n" * 250 + ".part"
    one, two = (fitting_name("é" * 125 + end, ".part", tmp_path) for end in ("ab", "cd"))
    assert one != two
    for name in (one, two):
        assert name.endswith(".part")
        (tmp_path / name).mkdir()
    assert one == fitting_name("é" * 125 + "ab", ".part", tmp_path)
