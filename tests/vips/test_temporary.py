"""Where a picture is written until it is whole: whole at its target, or not at all."""

import io
import tempfile

import pytest

from superres.errors import OutputError
from superres.vips.temporary import atomic_output


class Refusing(io.BytesIO):
    """A stream that takes nothing."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def write(self, *_) -> int:
        raise self.error


def fail_half_way(target) -> None:
    with atomic_output(target) as path:
        path.write_bytes(b"half")
        raise ZeroDivisionError


@pytest.fixture
def aside(tmp_path, monkeypatch):
    """The folder of temporary files, an empty one."""
    folder = tmp_path / "aside"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_file_appears_at_the_end_and_not_before(tmp_path):
    target = tmp_path / "a.png"
    target.write_bytes(b"old")
    with atomic_output(target) as path:
        path.write_bytes(b"new")
        assert path.parent == tmp_path
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_block_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    target = tmp_path / "a.png"
    target.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError):
        fail_half_way(target)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_stream_gets_all_bytes_at_the_end(aside):
    stream = io.BytesIO()
    with atomic_output(stream) as path:
        path.write_bytes(b"x" * 3_000_000)
        assert stream.getvalue() == b""
    assert stream.getvalue() == b"x" * 3_000_000
    assert not list(aside.iterdir())


def test_a_stream_gets_nothing_of_a_block_that_fails(aside):
    stream = io.BytesIO()
    with pytest.raises(ZeroDivisionError):
        fail_half_way(stream)
    assert stream.getvalue() == b""
    assert not list(aside.iterdir())


def test_a_stream_that_takes_nothing_is_an_error_with_its_reason(aside):
    stream = Refusing(OSError(28, "No space left on device"))
    full = pytest.raises(OutputError, match="output stream cannot be written: No space left")
    with full, atomic_output(stream) as path:
        path.write_bytes(b"x")
    assert not list(aside.iterdir())


def test_a_reader_that_has_left_is_told_as_shells_know_it(aside):
    with pytest.raises(BrokenPipeError), atomic_output(Refusing(BrokenPipeError())) as path:
        path.write_bytes(b"x")
    assert not list(aside.iterdir())
