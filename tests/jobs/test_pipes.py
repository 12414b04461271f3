"""Pipes of jobs: every byte is read, however a stream gives them, and too many are refused."""

from __future__ import annotations

import io
import os
import threading
from typing import Any

import pytest

from superres.errors import PictureError
from superres.jobs import pipes
from superres.jobs.pipes import Pipes

DATA = os.urandom(300_000)


class Trickle(io.RawIOBase):
    """Gives at most a few bytes at a time, as a socket does; None in their midst if told so."""

    def __init__(self, data: bytes, portion: int, pauses_at: int | None = None) -> None:
        self._data = io.BytesIO(data)
        self._portion = portion
        self._pauses_at = pauses_at

    def read(self, size=-1, /):
        if self._pauses_at is not None and self._data.tell() >= self._pauses_at:
            return None
        return self._data.read(min(size, self._portion) if size >= 0 else self._portion)


def trickle(*given: Any, **more: Any) -> Any:
    """Return a raw stream where a buffered one is expected, as callers have passed."""
    return Trickle(*given, **more)


@pytest.mark.parametrize("portion", [999, 65536, 10**6])
def test_a_stream_that_gives_a_part_at_each_call_is_read_to_its_end(portion):
    assert Pipes(source=trickle(DATA, portion)).read("-") == DATA


def test_a_raw_pipe_is_read_to_its_end():
    ours, theirs = os.pipe()

    def write() -> None:
        with os.fdopen(theirs, "wb") as stream:
            stream.write(DATA)

    writer = threading.Thread(target=write)
    writer.start()
    with os.fdopen(ours, "rb", buffering=0) as source:
        assert Pipes(source=source).read("-") == DATA
    writer.join()


@pytest.mark.parametrize(("over", "refused"), [(0, False), (1, True), (10**6, True)])
def test_what_is_above_the_cap_is_refused_in_portions_too(monkeypatch, over, refused):
    monkeypatch.setattr(pipes, "_MAX_PIPED_BYTES", 5000)
    source = trickle(bytes(5000 + over), 999)
    if not refused:
        assert Pipes(source=source).read("-") == bytes(5000)
        return
    with pytest.raises(PictureError, match="arrived on stdin"):
        Pipes(source=source).read("-")


def test_a_stream_that_does_not_wait_is_an_error_and_not_the_end_of_the_picture():
    with pytest.raises(PictureError, match="after 2,997, and does not wait"):
        Pipes(source=trickle(DATA, 999, pauses_at=2997)).read("-")
