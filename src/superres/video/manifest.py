"""Work folder beside a target: finished segments, and the command they belong to."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from superres.atomic import atomic_write_bytes, fitting_name, os_errors_as
from superres.errors import OutputError
from superres.version import __version__
from superres.video.encode import Segment

_NAME = "manifest.json"
_VERSION = 1
_HASHED_BYTES = 2**20  # of the source's head and as many of its tail

Command = dict[str, Any]  # what must be the same for a run to go on, as JSON holds it


@dataclass(slots=True)
class WorkFolder:
    """Finished segments, and the manifest that lists them.

    Attributes:
        path: The folder.
        segments: What is finished, in order.
    """

    path: Path
    segments: list[Segment]
    _command: Command
    _complete: bool = False

    @property
    def frames(self) -> int:
        """How many frames are finished."""
        return sum(segment.frames for segment in self.segments)

    def add(self, segment: Segment) -> None:
        """List a segment, whose file stands, as finished."""
        self.segments.append(segment)
        self._write()

    def complete(self) -> None:
        """State that all segments are finished, and only what is made of them is missing."""
        self._complete = True
        self._write()

    def remove(self) -> None:
        """Remove the folder and all in it."""
        with os_errors_as(self.path):
            shutil.rmtree(self.path)

    def forget(self, folder: Path) -> None:
        """Remove the manifest from what was the work folder and is the result now."""
        with os_errors_as(folder):
            (folder / _NAME).unlink()

    def _write(self) -> None:
        document = {
            "version": _VERSION,
            "command": self._command,
            "complete": self._complete,
            "segments": [dataclasses.asdict(segment) for segment in self.segments],
        }
        atomic_write_bytes(self.path / _NAME, json.dumps(document, indent=1).encode())


def work_folder_of(target: Path) -> Path:
    """Return the work folder of a target: beside it, so that its disk is the target's."""
    return target.with_name(fitting_name(target.name, ".part", target.parent))


def open_work(path: Path, command: Command, *, overwrite: bool) -> WorkFolder:
    """Go on in a work folder, or begin one.

    Args:
        path: The folder.
        command: What is to be made, of what.
        overwrite: Whether work for another command is thrown away.

    Raises:
        OutputError: The folder holds work for another command, or cannot be written.
    """
    command = json.loads(json.dumps(command))  # as it is read back: tuples are lists
    with os_errors_as(path):
        if path.exists():
            found = _read(path)
            if found is not None and found[0] == command:
                work = WorkFolder(path, found[1], command)
                _drop_unfinished(work)
                return work
            if found is None and any(not _is_temporary(file) for file in path.iterdir()):
                raise OutputError(
                    f"{path} already exists and is not unfinished work of superres video",
                    "move it away, or name another output",
                )
            if found is not None and not overwrite:
                raise OutputError(
                    f"{path} holds {sum(s.frames for s in found[1])} frames made by another "
                    f"command: {_difference(found[0], command)}",
                    "repeat that command to resume, or start over with --overwrite",
                )
            shutil.rmtree(path)
        path.mkdir()
    work = WorkFolder(path, [], command)
    work._write()  # pyright: ignore[reportPrivateUsage] - its own class' maker
    return work


def take_over(path: Path, command: Command) -> Path | None:
    """Let a target have the finished frames of one that differs in its suffix alone.

    Frames do not depend on the container, so where one container failed at the end, another one
    is made of the same segments. Unfinished work of another target is left alone: a run may be at
    it.

    Args:
        path: The target's work folder; nothing is done if it exists.
        command: What is to be made, of what.

    Returns:
        The folder that was renamed to `path`, if any.

    Raises:
        OutputError: It cannot be renamed.
    """
    command = json.loads(json.dumps(command))
    stem = Path(path.stem).stem
    with os_errors_as(path):
        if path.exists() or not path.parent.is_dir():
            return None
        for other in sorted(path.parent.iterdir()):
            if other.suffix != path.suffix or Path(other.stem).stem != stem:
                continue
            found = _read(other)
            if found is not None and found[0] == command and _is_complete(other):
                other.rename(path)
                return other
    return None


def software() -> dict[str, Any]:
    """Return what of this machine and its programs the encoded frames depend on."""
    return {
        "cores": os.cpu_count(),  # encoders cut their work by it
        "superres": __version__,
        "av": av.__version__,
    }


def fingerprint(source: Path) -> dict[str, Any]:
    """Return what tells a file from a changed one, without reading all of it; or a folder."""
    if source.is_dir():
        held = sorted((entry.name, entry.stat()) for entry in source.iterdir() if entry.is_file())
        listed = [(name, facts.st_size, facts.st_mtime_ns) for name, facts in held]
        return {"files": len(listed), "sha256": hashlib.sha256(repr(listed).encode()).hexdigest()}
    facts = source.stat()
    digest = hashlib.sha256()
    with source.open("rb") as file:
        digest.update(file.read(_HASHED_BYTES))
        file.seek(max(0, facts.st_size - _HASHED_BYTES))
        digest.update(file.read(_HASHED_BYTES))
    return {
        "bytes": facts.st_size,
        "modified_ns": facts.st_mtime_ns,
        "sha256_of_ends": digest.hexdigest(),
    }


def _read(path: Path) -> tuple[Command, list[Segment]] | None:
    """Return a manifest's command and segments; None if there is no manifest of ours."""
    try:
        document = json.loads((path / _NAME).read_bytes())
        if document["version"] != _VERSION or not isinstance(document["command"], dict):
            return None
        return document["command"], [_segment(fields) for fields in document["segments"]]
    except (FileNotFoundError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _is_complete(path: Path) -> bool:
    return json.loads((path / _NAME).read_bytes()).get("complete") is True


def _segment(fields: dict[str, Any]) -> Segment:  # Any: as JSON holds it
    """Return a segment of a manifest.

    Raises:
        TypeError: A field is missing, unknown or of another type.
        ValueError: A value is none that is written here.
    """
    segment = Segment(**fields)
    name, *numbers = dataclasses.astuple(segment)
    if not isinstance(name, str) or any(type(number) is not int for number in numbers):
        raise TypeError("a segment is a name and whole numbers")
    if name in ("", ".", "..") or "/" in name or "\\" in name or segment.frames < 1:
        raise ValueError("a segment is a file of the folder, and holds a frame")
    return segment


def _drop_unfinished(work: WorkFolder) -> None:
    """Remove what a killed run left half-written."""
    for file in work.path.iterdir():
        if _is_temporary(file):
            file.unlink()


def _is_temporary(file: Path) -> bool:
    return file.name.startswith(".") and file.name.endswith(".part")


def _difference(one: Command, other: Command) -> str:
    """Return the first few things that two commands do not share."""
    names = [name for name in {**other, **one} if _stated(one, name) != _stated(other, name)]
    return ", ".join(
        f"{name} was {_stated(one, name)}, now {_stated(other, name)}" for name in names[:3]
    )


def _stated(command: Command, name: str) -> str:
    return repr(command[name]) if name in command else "not stated"
