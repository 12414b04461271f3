"""Listing of folders: their pictures, what cannot be read in them, and files of other kinds."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from superres.media import is_picture

_UNFINISHED = ".part"  # our own files and folders of unfinished work
_SUFFIX = re.compile(r"\.[0-9a-z_+~-]{1,12}")
_MOST_KINDS = 8


@dataclass(frozen=True, slots=True)
class Fault:
    """An input that cannot be used; the others are.

    Attributes:
        path: The folder or file.
        message: What was found, in one line.
        hint: The suggested next step.
    """

    path: Path
    message: str
    hint: str

    def to_dict(self) -> dict[str, str | None]:
        """Return the fault as the JSON of a failed job."""
        return {
            "status": "failed",
            "source": str(self.path),
            "target": None,
            "error": self.message,
            "hint": self.hint,
        }


@dataclass(frozen=True, slots=True)
class Listing:
    """The contents of a folder.

    Attributes:
        files: Pictures and other requested files, folder by folder, by name in each.
        faults: Folders that cannot be listed, and pictures that are not files.
        others: The number of files left alone by their suffix in lower case; "" counts those
            without one. Hidden files and our own unfinished ones do not count.
    """

    files: list[Path] = field(default_factory=list[Path])
    faults: list[Fault] = field(default_factory=list[Fault])
    others: Counter[str] = field(default_factory=Counter[str])


def list_folder(
    folder: Path, *, recursive: bool, without: Path | None = None, more: Iterable[str] = ()
) -> Listing:
    """List a folder's pictures, except hidden ones, in a fixed order.

    What cannot be read is listed as a fault and never ends the listing. A dangling link is listed
    as a picture: it fails when it is read.

    Args:
        folder: The folder.
        recursive: Whether subfolders are included. Hidden ones are not, and links to folders are
            not followed.
        without: A folder that is not searched if it lies inside.
        more: Suffixes to list besides those of pictures, in lower case with their dot.
    """
    found, suffixes = Listing(), frozenset(more)
    excluded = os.path.realpath(without) if without else None

    def closed(error: OSError) -> None:
        found.faults.append(folder_fault(Path(error.filename or folder), error))

    for at, folders, names in os.walk(folder, onerror=closed):
        folders[:] = sorted(
            name
            for name in folders
            if recursive
            and not name.startswith(".")
            and os.path.realpath(os.path.join(at, name)) != excluded
        )
        # Hidden files are other programs' metadata, such as ._*.png on macOS.
        for name in sorted(names):
            if name.startswith(".") or name.endswith(_UNFINISHED):
                continue
            suffix = Path(name).suffix.lower()
            if not is_picture(name) and suffix not in suffixes:
                found.others[suffix if _SUFFIX.fullmatch(suffix) else ""] += 1
            elif _is_device(path := Path(at, name)):
                found.faults.append(
                    Fault(path, f"{path} is a pipe or device, not a file", "remove or rename it")
                )
            else:
                found.files.append(path)
    return found


def folder_fault(folder: Path, error: OSError) -> Fault:
    """Return the fault of a folder that cannot be listed."""
    return Fault(
        folder,
        f"the folder {folder} cannot be listed: {error.strerror or error}",
        "check its permissions, or name its pictures one by one",
    )


def left_alone(others: Mapping[str, int]) -> str:
    """Return in words how many files were left alone, of which kinds; "" if none were.

    Args:
        others: The number of files by suffix; see `Listing`.
    """
    total = sum(others.values())
    if not total:
        return ""
    kinds = [f"{others[suffix]} {suffix or 'without a suffix'}" for suffix in sorted(others)]
    if len(kinds) > _MOST_KINDS:
        kinds = [*kinds[: _MOST_KINDS - 1], f"{len(kinds) - _MOST_KINDS + 1} more kinds"]
    files = "1 file of another kind" if total == 1 else f"{total:,} files of other kinds"
    return f"{files} left alone: {', '.join(kinds)}"


def _is_device(path: Path) -> bool:
    """Say whether a path is a pipe, socket or device, of which reading may never end."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:  # it fails when it is read, in words of its own
        return False
