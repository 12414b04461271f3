"""Folders that results go into: one that is missing is made."""

from __future__ import annotations

from pathlib import Path

from superres.errors import OutputError


def make_folder_of(target: Path, otherwise: str) -> None:
    """Make the folder that a file goes into.

    Raises:
        OutputError: It cannot be made; the hint ends with what to do `otherwise`.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the folder {target.parent} cannot be made: {error.strerror}",
            f"check its path and permissions, or {otherwise}",
        ) from error
