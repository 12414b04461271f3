"""Strict reading of every picture that a test writes, before it appears."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import pytest
from strict_readers import Contents, CorruptError, read_strictly

from superres import media

pytest_plugins = ["burst_scenes", "closed_folders", "small_models", "video_networks"]


@dataclass
class StrictReading:
    """What the files that a test wrote hold, and which rules they break."""

    seen: list[Contents] = field(default_factory=list)
    broken: list[CorruptError] = field(default_factory=list)


@pytest.fixture(autouse=True)
def strictly_read(monkeypatch: pytest.MonkeyPatch) -> Generator[StrictReading]:
    """Read each file that `write_picture` finished, before it gets its name.

    A file that breaks a rule fails the test, even where the code under test goes on after errors.
    """
    reading = StrictReading()
    atomic_output = media.atomic_output

    @contextmanager
    def checked(target: Path | BinaryIO) -> Generator[Path]:
        with atomic_output(target) as path:
            yield path
            try:
                reading.seen.append(read_strictly(path.read_bytes()))
            except CorruptError as error:
                reading.broken.append(error)
                raise

    monkeypatch.setattr(media, "atomic_output", checked)
    yield reading
    if reading.broken:
        raise reading.broken[0]
