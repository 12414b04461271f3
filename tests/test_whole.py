"""Files that appear whole or not at all."""

import pytest

from superres.errors import OutputError
from superres.whole import replacing, write_whole


def test_the_bytes_arrive_and_nothing_else_is_left(tmp_path):
    write_whole(tmp_path / "á.bin", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["á.bin"]
    assert (tmp_path / "á.bin").read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_no_part(tmp_path, error):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(error), replacing(path) as temporary:  # noqa: PT012
        temporary.write_bytes(b"half")
        raise error
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"old"


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        write_whole(tmp_path / "none" / "file", b"")


def test_a_full_disk_is_an_output_error_that_names_the_target(tmp_path):
    with pytest.raises(OutputError, match="No space"), replacing(tmp_path / "file"):
        raise OSError(28, "No space left on device")
