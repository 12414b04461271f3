"""Pictures in the user's folders and packs."""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from superres.data.listing import Fault, left_alone, list_folder
from superres.errors import DataError
from superres.media import is_picture, picture_suffixes
from superres.watch import Watch

PACK_SUFFIX = ".zip"
_MAX_MEMBER_BYTES = 512 * 2**20  # a hostile pack must not fill the memory


@dataclass(frozen=True, slots=True)
class PictureSource:
    """The location of a picture: a file, or a member of a pack.

    Attributes:
        path: The picture, or the pack that holds it.
        member: Its name inside the pack; "" for a file.
    """

    path: Path
    member: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.member}" if self.member else str(self.path)

    def data(self) -> Path | bytes:
        """Return the source for `media.open_picture`.

        Raises:
            DataError: The pack is damaged, or the member is larger than 512 MiB.
        """
        if not self.member:
            return self.path
        try:
            with zipfile.ZipFile(self.path) as pack:
                if pack.getinfo(self.member).file_size > _MAX_MEMBER_BYTES:
                    raise DataError(f"{self} is larger than 512 MiB", "pack it again in crops")
                return pack.read(self.member)
        except (zipfile.BadZipFile, KeyError, OSError) as error:
            raise DataError(f"{self} cannot be read: {error}", "pack the pictures again") from error


@dataclass(frozen=True, slots=True)
class Found:
    """The pictures of the user's places.

    Attributes:
        pictures: The pictures, sorted in each place.
        faults: Places, folders and packs that cannot be read.
        others: The number of files in folders that are left alone; see `data.listing.Listing`.
    """

    pictures: list[PictureSource] = field(default_factory=list[PictureSource])
    faults: list[Fault] = field(default_factory=list[Fault])
    others: Counter[str] = field(default_factory=Counter[str])


def search_places(places: Sequence[Path]) -> Found:
    """Return the pictures in folders (with their subfolders), packs and single files.

    Raises:
        DataError: A place does not exist, is not a pack or picture, or there are no pictures.
    """
    found = Found()
    for place in places:
        _search(place, found)
    if not found.pictures and found.faults:
        raise DataError(found.faults[0].message, found.faults[0].hint)
    if not found.pictures:
        listed = ", ".join(map(str, places)) or "no folder"
        raise DataError(
            f"no pictures in {listed}",
            f"name folders or packs of {', '.join(sorted(picture_suffixes()))} files",
        )
    return found


def find_pictures(places: Sequence[Path], watch: Watch | None = None) -> list[PictureSource]:
    """Return the pictures in folders (with their subfolders), packs and single files, sorted.

    Args:
        places: The folders, packs and files.
        watch: Told of what cannot be read in a folder, and of files that are left alone.

    Raises:
        DataError: A place does not exist, cannot be read, or is not a pack or picture; or there
            is not a single picture.
    """
    found = search_places(places)
    watch = watch or Watch()
    for fault in found.faults:
        if fault.path in places:
            raise DataError(fault.message, fault.hint)
        watch.note(f"left out: {fault.message}")
    if words := left_alone(found.others):
        watch.note(words)
    return found.pictures


def _search(place: Path, found: Found) -> None:
    """Add a place's pictures, its faults and its other files to what was found."""
    suffix = place.suffix.lower()
    if os.path.isdir(place):  # Path.is_dir raises where the path leads through a closed folder
        listing = list_folder(place, recursive=True, more=(PACK_SUFFIX,))
        found.faults.extend(listing.faults)
        found.others.update(listing.others)
        for path in sorted(listing.files):
            if path.suffix.lower() == PACK_SUFFIX:
                _add_members(path, found)
            else:
                found.pictures.append(PictureSource(path))
    elif not os.path.exists(place):
        found.faults.append(Fault(place, f"{place} does not exist", "check the path"))
    elif suffix == PACK_SUFFIX:
        _add_members(place, found)
    elif is_picture(place):
        found.pictures.append(PictureSource(place))
    else:
        found.faults.append(
            Fault(
                place,
                f"{place} is neither a folder, a pack ({PACK_SUFFIX}) nor a picture",
                f"pictures end in {', '.join(sorted(picture_suffixes()))}",
            )
        )


def _add_members(path: Path, found: Found) -> None:
    try:
        with zipfile.ZipFile(path) as pack:
            names = sorted(pack.namelist())
    except (zipfile.BadZipFile, OSError) as error:
        found.faults.append(Fault(path, f"{path} is not a readable pack: {error}", "pack it again"))
        return
    found.pictures.extend(PictureSource(path, name) for name in names if is_picture(name))
