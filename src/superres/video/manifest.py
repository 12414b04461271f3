"""Work folder next to a target: finished segments, and the command they belong to."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from superres.atomic import atomic_write_bytes, fitting_name, locked, os_errors_as
from superres.errors import BusyError, OutputError
from superres.version import __version__
from superres.video.encode import Segment
from superres.watch import Watch

_NAME = "manifest.json"
_VERSION = 1
_HASHED_BYTES = 2**20  # at each end of the source

Command = dict[str, Any]  # what must be equal for a run to resume, as JSON


@dataclass(slots=True)
class WorkFolder:
    """Finished segments, and the manifest that lists them.

    Attributes:
        path: The folder.
        segments: The finished segments, in order.
    """

    path: Path
    segments: list[Segment]
    _command: Command
    _complete: bool = False

    @property
    def frames(self) -> int:
        """Number of finished frames."""
        return sum(segment.frames for segment in self.segments)

    def add(self, segment: Segment) -> None:
        """List a segment, whose file exists, as finished."""
        self.segments.append(segment)
        self._write()

    def complete(self) -> None:
        """State that all segments are finished, and only the result is missing."""
        self._complete = True
        self._write()

    def remove(self) -> None:
        """Remove the folder and its contents."""
        with os_errors_as(self.path):
            shutil.rmtree(self.path)

    def forget(self, folder: Path) -> None:
        """Remove the manifest from the former work folder, which is now the result."""
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
    """Return the work folder of a target: next to it, so on the same disk."""
    return target.with_name(fitting_name(target.name, ".part", target.parent))


@contextmanager
def locked_work(target: Path, watch: Watch) -> Generator[None]:
    """Lock a target's work folder, which need not exist, for this run within the block.

    Raises:
        BusyError: Another run makes the same target.
        OutputError: The target's folder cannot be written to.
    """
    with _locked(work_folder_of(target), target, watch):
        yield


def open_work(path: Path, command: Command, *, overwrite: bool) -> WorkFolder:
    """Resume a work folder, or create one.

    Args:
        path: The folder.
        command: The result to make, and its source.
        overwrite: Whether work for another command is discarded.

    Raises:
        OutputError: The folder holds work for another command, or cannot be written.
    """
    command = json.loads(json.dumps(command))  # as read back: tuples become lists
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
    work._write()  # pyright: ignore[reportPrivateUsage] - the class's own factory
    return work


def take_over(path: Path, command: Command, watch: Watch) -> Path | None:
    """Take over the finished frames of a target that differs only in its suffix.

    Frames do not depend on the container, so where one container failed at the end, another one
    is made from the same segments. Unfinished work of another target is left alone: a run may be
    using it.

    Args:
        path: The target's work folder; nothing is done if it exists.
        command: The result to make, and its source.
        watch: Notified if the file system does not support locks.

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
            if found is None or found[0] != command or not _is_complete(other):
                continue
            try:
                with _locked(other, other, watch):
                    other.rename(path)
            except BusyError:  # its own run is joining it at the moment
                continue
            return other
    return None


def software() -> dict[str, Any]:
    """Return the facts of machine and software that encoded frames depend on."""
    return {
        "cores": os.cpu_count(),  # encoders split their work by it
        "superres": __version__,
        "av": av.__version__,
    }


def fingerprint(source: Path) -> dict[str, Any]:
    """Return what identifies a version of a file or folder, without reading all of it."""
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


@contextmanager
def _locked(work_folder: Path, output: Path, watch: Watch) -> Generator[None]:
    # Beside the folder, which becomes the result or is removed while the lock is held.
    lock, resume = work_folder.with_suffix(".lock"), "repeat this command, which resumes its work"
    with locked(lock, output, watch.note, resume=resume):
        yield


def _read(path: Path) -> tuple[Command, list[Segment]] | None:
    """Return a manifest's command and segments; None if there is no valid manifest."""
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
    """Return a segment from a manifest.

    Raises:
        TypeError: A field is missing, unknown or of another type.
        ValueError: A value is not one that is written here.
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
    """Describe the first few differences of two commands."""
    names = [name for name in {**other, **one} if _stated(one, name) != _stated(other, name)]
    return ", ".join(
        f"{name} was {_stated(one, name)}, now {_stated(other, name)}" for name in names[:3]
    )


def _stated(command: Command, name: str) -> str:
    return repr(command[name]) if name in command else "not stated"
