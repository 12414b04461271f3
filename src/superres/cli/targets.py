"""What may be written where: a file that stands is kept, and a folder that is missing is made."""

from __future__ import annotations

from pathlib import Path

from superres.errors import OutputError


def refuse_existing(target: Path, hint: str, *, overwrite: bool) -> None:
    """Raise, with a hint at the way out, if a file stands and may not be replaced."""
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists already", hint)


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
