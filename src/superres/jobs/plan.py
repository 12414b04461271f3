"""Batch planner: sources and targets from a command line's inputs.

Two results never share a name, even if the file system ignores case, and the same inputs always
give the same names.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from superres.atomic import path_key
from superres.data.listing import Fault, list_folder
from superres.errors import ArgumentError
from superres.jobs.spec import PIPE, Place
from superres.media import is_picture, is_written

FALLBACK = ".png"  # it holds everything except floats


@dataclass(frozen=True, slots=True)
class Source:
    """One picture to upscale.

    Attributes:
        path: The file.
        below: Its result's folder below the output folder: the mirrored part of the tree.
        scanned: Whether it was found in a folder, rather than named by the user.
    """

    path: Path
    below: Path
    scanned: bool


@dataclass(frozen=True, slots=True)
class Task:
    """One picture and its result's file; either may be a pipe."""

    source: Place
    target: Place


@dataclass(frozen=True, slots=True)
class Plan:
    """All tasks of a command line.

    Attributes:
        tasks: The tasks, in order.
        empty: The input folders without pictures.
        faults: What could not be planned: folders that cannot be listed, and the like.
        others: The number of files in the folders that are left alone, by suffix.
    """

    tasks: tuple[Task, ...] = ()
    empty: tuple[Path, ...] = ()
    faults: tuple[Fault, ...] = ()
    others: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class Sources:
    """The pictures of a command line's inputs.

    Attributes:
        pictures: Each once, in a fixed order.
        empty: The input folders without pictures.
        faults: What cannot be read.
        others: The number of files that are left alone, by suffix.
    """

    pictures: list[Source]
    empty: list[Path]
    faults: list[Fault]
    others: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Naming:
    """Naming of a result after its source.

    Attributes:
        suffix: The text appended to the stem, such as `_x4`.
        ending: The extension to use, such as `.png`; None keeps the source's if that format can be
            written.
    """

    suffix: str
    ending: str | None

    def name(self, source: Path, insert: str = "") -> str:
        """Return the result's file name, with `insert` between the stem and the suffix."""
        return f"{source.stem}{insert}{self.suffix}{self.ending_of(source)}"

    def ending_of(self, source: Path) -> str:
        """Return the extension of the result's name."""
        if self.ending is not None:
            return self.ending
        return source.suffix if is_written(source) else FALLBACK


def make_plan(
    inputs: Sequence[str], output: str | None, naming: Naming, *, recursive: bool
) -> Plan:
    """Turn a command line's inputs and output into tasks.

    The output is a folder if it exists as one, ends in a slash or has no extension, or if there is
    a folder or more than one file to upscale; otherwise it is a file.

    Args:
        inputs: Files and folders, or `-` alone for stdin.
        output: A file, a folder, `-` for stdout, or None to put each result next to its input.
        naming: The results' naming.
        recursive: Whether subfolders are included.

    Raises:
        ArgumentError: Inputs and output do not fit together.
    """
    if PIPE in inputs and len(inputs) > 1:
        raise ArgumentError(
            f"stdin and {len(inputs) - 1} other inputs were given", "use - as the only input"
        )
    single = len(inputs) == 1 and not os.path.isdir(inputs[0])
    if output == PIPE and not single:
        raise ArgumentError(
            "only one picture can go to stdout, but the inputs may contain more",
            "name one picture, or a folder with -o",
        )
    folder = Path(output) if output not in (None, PIPE) and _is_folder(output, single) else None
    if inputs[0] == PIPE:
        return Plan((Task(PIPE, _stdin_target(output, folder, naming)),))
    if output == PIPE:
        return Plan((Task(Path(inputs[0]), PIPE),))
    if output is not None and folder is None:
        return Plan((Task(Path(inputs[0]), Path(output)),))
    paths = [Path(text) for text in inputs]
    found = find_sources(paths, recursive=recursive, without=folder)
    tasks = plan_tasks(found.pictures, naming, folder)
    return Plan(tuple(tasks), tuple(found.empty), tuple(found.faults), found.others)


def find_sources(
    inputs: Sequence[Path], *, recursive: bool, without: Path | None = None
) -> Sources:
    """List the pictures of the inputs, each once, in a fixed order.

    A single folder is mirrored into the output folder itself; with several inputs, each folder
    keeps its own name there, as with `cp -r`.

    Args:
        inputs: Files and folders. A missing file fails later, at its turn.
        recursive: Whether subfolders are included.
        without: A folder that is not searched if it lies inside an input: the output folder.
    """
    found: dict[str, Source] = {}
    empty: list[Path] = []
    faults: dict[Path, Fault] = {}
    others: Counter[str] = Counter()
    for given in inputs:
        # Not Path.is_dir: it raises if a folder on the path may not be searched.
        if os.path.isdir(given):
            top = Path() if len(inputs) == 1 else Path(given.resolve().name)
            listing = list_folder(given, recursive=recursive, without=without)
            if not listing.files and not listing.faults:
                empty.append(given)
            faults.update((fault.path, fault) for fault in listing.faults)
            others.update(listing.others)
            for path in listing.files:
                below = top / path.parent.relative_to(given)
                found.setdefault(os.path.realpath(path), Source(path, below, scanned=True))
        else:
            # A named file counts as named even if also found in a folder, so that a result of an
            # earlier run can be upscaled.
            found[os.path.realpath(given)] = Source(given, Path(), scanned=False)
    return Sources(list(found.values()), empty, list(faults.values()), others)


def plan_tasks(sources: Sequence[Source], naming: Naming, folder: Path | None) -> list[Task]:
    """Assign each source its own target.

    Where several would share one, the source with the target's extension keeps the plain name, or
    else the first; the others get their extension added to it: `a_x4.png`, `a_jpg_x4.png`.

    Args:
        sources: The pictures, as `find_sources` lists them.
        naming: The results' naming.
        folder: The output folder; None puts each result next to its source.

    Returns:
        The tasks, in the order of the sources. Scanned pictures that are another source's target
        are skipped: they are results of an earlier run.
    """
    maker = {
        path_key(target): source.path
        for source, target in zip(sources, choose_targets(sources, naming, folder), strict=True)
    }
    fresh = [
        source
        for source in sources
        if not source.scanned or maker.get(path_key(source.path), source.path) == source.path
    ]
    targets = choose_targets(fresh, naming, folder)
    return [Task(source.path, target) for source, target in zip(fresh, targets, strict=True)]


def _is_folder(output: str, single: bool) -> bool:
    """Return whether an output is meant as a folder; it may be a file for a `single` picture."""
    path = Path(output)
    if os.path.isdir(path) or output.endswith(("/", os.sep)) or not path.suffix:
        return True
    if single:
        return False
    if os.path.exists(path) or is_picture(path):
        raise ArgumentError(
            f"{output} is one file, but the inputs may contain more",
            "name a folder with -o",
        )
    return True


def _stdin_target(output: str | None, folder: Path | None, naming: Naming) -> Place:
    if folder:
        return folder / naming.name(Path("stdin"))
    return PIPE if output is None or output == PIPE else Path(output)


def choose_targets(sources: Sequence[Source], naming: Naming, folder: Path | None) -> list[Path]:
    """Choose a distinct target for each source; see `plan_tasks`."""
    places = [folder / source.below if folder else source.path.parent for source in sources]
    plain = [
        place / naming.name(source.path) for place, source in zip(places, sources, strict=True)
    ]
    rivals: dict[str, list[int]] = {}
    for index, target in enumerate(plain):
        rivals.setdefault(path_key(target), []).append(index)
    keepers = {_keeper(indices, sources, naming) for indices in rivals.values()}
    taken = set(rivals)
    targets: list[Path] = []
    for index, (place, source) in enumerate(zip(places, sources, strict=True)):
        target = plain[index]
        if index not in keepers:
            candidates = (
                place / naming.name(source.path, insert) for insert in _inserts(source.path)
            )
            target = next(path for path in candidates if path_key(path) not in taken)
            taken.add(path_key(target))
        targets.append(target)
    return targets


def _keeper(indices: Sequence[int], sources: Sequence[Source], naming: Naming) -> int:
    """Return the source that gets a contested name."""
    same_ending = [
        index
        for index in indices
        if sources[index].path.suffix.lower() == naming.ending_of(sources[index].path).lower()
    ]
    return (same_ending or indices)[0]


def _inserts(source: Path) -> Iterator[str]:
    """Yield texts to insert between stem and suffix to make a name unique: `_jpg`, `_jpg_2`, ..."""
    ending = source.suffix.lower().replace(".", "_")
    yield ending or "_1"
    for number in itertools.count(2):
        yield f"{ending}_{number}"
