"""Folders that cannot be listed: by their permissions, and by an error of the system's."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Generator
from pathlib import Path

import pytest


@pytest.fixture(params=["permissions", "error"])
def close_folder(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Generator[Callable[[Path], None]]:
    """Return what closes a folder until the test ends.

    The superuser lists any folder, and Windows knows no such permission: an error stands in there.
    """
    closed: list[Path] = []
    listed = os.scandir

    def scandir(path: str = "."):
        if any(os.path.samefile(path, each) for each in closed):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return listed(path)

    def close(folder: Path) -> None:
        closed.append(folder)
        if request.param == "permissions":
            folder.chmod(0)
            if os.access(folder, os.R_OK):
                pytest.skip("this user lists any folder")
        else:
            monkeypatch.setattr(os, "scandir", scandir)

    yield close
    for folder in closed:
        folder.chmod(0o700)
