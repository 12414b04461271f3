"""Pictures in the user's folders and packs."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from superres.errors import DataError
from superres.media import is_picture, picture_suffixes

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


def find_pictures(places: Sequence[Path]) -> list[PictureSource]:
    """Return the pictures in folders (with their subfolders), packs and single files, sorted.

    Raises:
        DataError: A place does not exist, is not a pack or picture, or there are no pictures.
    """
    found = [source for place in places for source in _pictures_at(place)]
    if not found:
        listed = ", ".join(map(str, places)) or "no folder"
        raise DataError(
            f"no pictures in {listed}",
            f"name folders or packs of {', '.join(sorted(picture_suffixes()))} files",
        )
    return found


def _pictures_at(place: Path) -> Iterator[PictureSource]:
    if place.is_dir():
        for path in sorted(place.rglob("*")):
            if path.suffix.lower() == PACK_SUFFIX:
                yield from _members(path)
            elif is_picture(path) and not path.name.startswith("."):
                yield PictureSource(path)
    elif not place.exists():
        raise DataError(f"{place} does not exist", "check the path")
    elif place.suffix.lower() == PACK_SUFFIX:
        yield from _members(place)
    elif is_picture(place):
        yield PictureSource(place)
    else:
        raise DataError(
            f"{place} is neither a folder, a pack ({PACK_SUFFIX}) nor a picture",
            f"pictures end in {', '.join(sorted(picture_suffixes()))}",
        )


def _members(path: Path) -> Iterator[PictureSource]:
    try:
        with zipfile.ZipFile(path) as pack:
            names = sorted(pack.namelist())
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{path} is not a readable pack: {error}", "pack it again") from error
    for name in names:
        if is_picture(name):
            yield PictureSource(path, name)
