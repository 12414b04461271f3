"""Packs: pictures cropped and re-encoded into a few files of limited size.

A pack is an uncompressed zip of pictures and a `manifest.json` that names the source of each; any
zip program opens it.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from superres.atomic import OVERWRITE_OR_SKIP, Inputs, atomic_write, check_target, os_errors_as
from superres.data.folders import PACK_SUFFIX, PictureSource, search_places
from superres.data.listing import Fault, left_alone
from superres.errors import ArgumentError, DataError, OutputError, SuperresError
from superres.media import Picture, WriteOptions, open_picture, read_pixels, write_picture
from superres.watch import Watch

MANIFEST_NAME = "manifest.json"
_MOST_LOOKED_FOR = 1000  # further packs next to the first
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # so that the same pictures give the same bytes


@dataclass(frozen=True, slots=True)
class PackOptions:
    """How pictures are cropped and stored.

    Attributes:
        max_bytes: Largest pack; more pictures go into further packs, `NAME-001.zip` and so on.
        crop: Largest edge of a crop in pixels; larger pictures are cut into a grid of crops.
        smallest: Crops with a shorter edge are left out.
        format: `avif`, `webp`, `png` or `jpeg`.
        quality: Quality of lossy formats, 1 to 100.
        overwrite: Whether existing packs may be replaced; those of an earlier run that are no
            longer needed are removed.
    """

    max_bytes: int = 45 * 2**20
    crop: int = 1024
    smallest: int = 192
    format: str = "avif"
    quality: int = 90
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.max_bytes < 2**16 or self.crop < self.smallest or self.smallest < 1:
            raise ArgumentError(
                f"packs of {self.max_bytes} bytes with crops of {self.smallest} to {self.crop} px "
                "cannot be made",
                "packs take at least 65536 bytes, and crop must not be below smallest",
            )


@dataclass(frozen=True, slots=True)
class PackReport:
    """What was packed.

    Attributes:
        packs: The files.
        pictures: The number of pictures that are in them.
        crops: The number of crops.
        bytes: The files' size.
        failed: What could not be read: pictures, and places, folders and packs of them.
        others: The number of files in folders that were left alone, by suffix.
    """

    packs: tuple[Path, ...]
    pictures: int
    crops: int
    bytes: int
    failed: tuple[Fault, ...] = ()
    others: Mapping[str, int] = field(default_factory=dict[str, int])


def pack(places: Sequence[Path], target: Path, options: PackOptions, *, watch: Watch) -> PackReport:
    """Crop pictures and store them in one or more packs.

    Args:
        places: Folders and pictures.
        target: The pack to write, a `.zip`; further ones next to it are numbered.
        options: How pictures are cropped and stored.
        watch: Receives a note of each picture that is left out and of files of other kinds, and the
            progress in pictures.

    Raises:
        DataError: No picture could be packed.
        OutputError: A pack cannot be written, already exists, or is or would be inside one of the
            inputs.
        Cancelled: The watch was cancelled.
    """
    found = search_places(places)
    sources, failed = found.pictures, list(found.faults)
    for fault in failed:
        watch.note(f"left out: {fault.message}")
    if words := left_alone(found.others):
        watch.note(words)
    inputs = Inputs(source.path for source in sources)
    _check_target(target, places, inputs, options)
    shards = _Shards(target, inputs, options)
    used = 0
    for number, source in enumerate(sources):
        watch.check()
        before = shards.crops
        try:
            picture = open_picture(source.data())
            for place, crop in _grid(read_pixels(picture), options):
                shards.add(_encode(crop, picture, options), source, place, options.format)
        except SuperresError as error:
            watch.note(f"left out: {source}: {error.message}")
            failed.append(Fault(Path(str(source)), error.message, error.hint))
        used += shards.crops > before
        watch.progress(number + 1, len(sources))
    if not shards.crops:
        raise DataError(
            f"none of {len(sources)} pictures could be packed",
            f"they need an edge of at least {options.smallest} px",
        )
    packs = shards.finish()
    if options.overwrite:
        _remove_left(target, len(packs), inputs, watch)
    size = sum(path.stat().st_size for path in packs)
    return PackReport(packs, used, shards.crops, size, tuple(failed), found.others)


def _numbered(target: Path, number: int) -> Path:
    return target.with_name(f"{target.stem}-{number:03d}{PACK_SUFFIX}") if number else target


def _remove_left(target: Path, number: int, inputs: Inputs, watch: Watch) -> None:
    """Remove the further packs of an earlier run, whose pictures would otherwise stay.

    Args:
        target: The first pack.
        number: The first number that was not written.
        inputs: Files that are never removed.
        watch: Receives a note of each removed pack.
    """
    while (path := _numbered(target, number)).exists():
        if inputs.holds(path) or not _is_pack(path):
            return
        with os_errors_as(path):
            path.unlink()
        watch.note(f"removed {path}, a pack of the earlier run")
        number += 1


def _is_pack(path: Path) -> bool:
    """Say whether a file is a pack, by its manifest."""
    try:
        with zipfile.ZipFile(path) as archive:
            return MANIFEST_NAME in archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return False


def _check_target(
    target: Path, places: Sequence[Path], inputs: Inputs, options: PackOptions
) -> None:
    """Check that packs may be written, before any picture is read."""
    if target.suffix.lower() != PACK_SUFFIX:
        raise OutputError(
            f"{target} does not end in {PACK_SUFFIX}", f"name a file such as pack{PACK_SUFFIX}"
        )
    for folder in places:
        if folder.is_dir() and target.resolve().is_relative_to(folder.resolve()):
            raise OutputError(
                f"{target} would lie in {folder}, which is itself an input",
                "name a file outside it, or its pictures would be read twice in later runs",
            )
    for number in range(_MOST_LOOKED_FOR):
        path = _numbered(target, number)
        if number and not path.exists():
            break
        check_target(path, inputs, overwrite=options.overwrite, hint=OVERWRITE_OR_SKIP)


class _Shards:
    """Collects encoded crops and writes each pack when it is full."""

    def __init__(self, target: Path, inputs: Inputs, options: PackOptions) -> None:
        self._target = target
        self._inputs = inputs
        self._options = options
        self._waiting: list[tuple[str, bytes, str]] = []
        self._waiting_bytes = 0
        self._written: list[Path] = []
        self.crops = 0

    def add(self, data: bytes, source: PictureSource, place: str, suffix: str) -> None:
        """Add one encoded crop; the pack is written first if it would grow too large."""
        size = len(data) + 512  # the zip's own entries, and the manifest's line
        if self._waiting and self._waiting_bytes + size > self._options.max_bytes:
            self._write()
        origin = f"{source} {place}"
        self._waiting.append((f"{self.crops:06d}.{suffix}", data, origin))
        self._waiting_bytes += size
        self.crops += 1

    def finish(self) -> tuple[Path, ...]:
        """Write the last pack and return all packs."""
        if self._waiting:
            self._write()
        return tuple(self._written)

    def _write(self) -> None:
        number = len(self._written)
        path = _numbered(self._target, number)
        # Checked again: time has passed, and numbers may exceed those checked before.
        check_target(path, self._inputs, overwrite=self._options.overwrite, hint=OVERWRITE_OR_SKIP)
        with (
            atomic_write(path) as temporary,
            os_errors_as(path),
            zipfile.ZipFile(temporary, "w") as archive,
        ):
            origins = {name: origin for name, _, origin in self._waiting}
            manifest = json.dumps(origins, indent=1, ensure_ascii=False)
            archive.writestr(zipfile.ZipInfo(MANIFEST_NAME, _FIXED_TIME), manifest)
            for member, data, _ in self._waiting:
                archive.writestr(zipfile.ZipInfo(member, _FIXED_TIME), data)
        self._written.append(path)
        self._waiting, self._waiting_bytes = [], 0


def _grid(
    pixels: NDArray[np.generic], options: PackOptions
) -> Iterator[tuple[str, NDArray[np.generic]]]:
    """Yield ("+x+y", crop) over a picture, row by row; colour channels only."""
    height, width = pixels.shape[:2]
    for y in range(0, height, options.crop):
        for x in range(0, width, options.crop):
            crop = pixels[y : y + options.crop, x : x + options.crop]
            if min(crop.shape[:2]) >= options.smallest:
                yield f"+{x}+{y}", np.ascontiguousarray(crop)


def _encode(crop: NDArray[np.generic], picture: Picture, options: PackOptions) -> bytes:
    stream = io.BytesIO()
    write_picture(
        stream,
        [crop],
        height=crop.shape[0],
        width=crop.shape[1],
        bands=picture.bands,
        values=picture.values,
        metadata=picture.metadata,
        format=options.format,
        options=WriteOptions(quality=options.quality),
    )
    return stream.getvalue()
