"""Pages of a TIFF, told apart from reduced copies, masks and previews."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from superres.decoding.tiff_coding import CAMERA_CODINGS, Coding
from superres.metadata.tags import Directory, Header, TagError, read_directory, read_header
from superres.metadata.tags import read_numbers as numbers_of

_NEW_SUBFILE, _SUBFILE, _WIDTH, _LENGTH, _BITS, _COMPRESSION = 254, 255, 256, 257, 258, 259
_PHOTOMETRIC, _MAKE, _SUB_DIRECTORIES, _DNG_VERSION = 262, 271, 330, 50706
_REDUCED, _MASK = 0b001, 0b100  # bits of NewSubfileType
_OLD_REDUCED = 2  # SubfileType from before TIFF 6.0
_CFA, _LINEAR_RAW = 32803, 34892
_MAX_DIRECTORIES = 10_000
_MAX_DEPTH = 2


@dataclass(frozen=True, slots=True)
class TiffPage:
    """One picture in a TIFF.

    Attributes:
        at: Offset of its directory.
        index: Its index in the file's chain of directories, from 0; None below another one.
        height: Rows.
        width: Pixels a row.
        coding: How it is compressed.
        reduced: Whether the file calls it a reduced copy of another, or a mask.
        raw: Whether it holds a sensor's samples, not colours.
    """

    at: int
    index: int | None
    height: int
    width: int
    coding: Coding
    reduced: bool
    raw: bool


@dataclass(frozen=True, slots=True)
class TiffPages:
    """The pictures of a TIFF.

    Attributes:
        pages: The pictures themselves, in the file's order; never empty.
        camera_raw: Whether it is a camera raw file.
        notes: What is left out.
    """

    pages: tuple[TiffPage, ...]
    camera_raw: bool
    notes: tuple[str, ...]


def read_tiff_pages(stream: BinaryIO) -> TiffPages:
    """Read all directories of a TIFF without reading its pixels.

    A page is a directory of the chain. Where directories below it hold a larger picture that the
    file does not call a reduced copy, as cameras write below a thumbnail, that one is the page.

    Raises:
        TagError: A directory is damaged.
    """
    header = read_header(stream)
    found = list(_chain(stream, header))
    is_dng = any(_DNG_VERSION in directory.slots for _, directory in found)
    has_maker = any(_MAKE in directory.slots for _, directory in found)
    families = [
        [page, *_below(stream, header, directory)]
        for index, (at, directory) in enumerate(found)
        if (page := _page(stream, header, directory, at, index)) is not None
    ]
    if not families:
        raise TagError("none of its directories is of a picture")
    every = [page for family in families for page in family]
    is_raw = is_dng or any(
        page.raw or (has_maker and page.coding.number in CAMERA_CODINGS) for page in every
    )
    pages = tuple(
        max(whole, key=lambda page: page.height * page.width)
        for family in families
        if (whole := [page for page in family if not page.reduced])
    )
    notes: list[str] = []
    copies = len(every) - len(pages)
    if not pages:
        pages = (max(every, key=lambda page: page.height * page.width),)
        notes.append("the TIFF calls each of its pictures a reduced copy: the largest is read")
    elif every[0] not in pages:
        first, taken = every[0], pages[0]
        notes.append(
            f"the TIFF begins with a thumbnail of {first.width}x{first.height}: "
            f"its full picture of {taken.width}x{taken.height} is read"
        )
    elif copies:
        notes.append(f"{copies} reduced copies or masks in the TIFF are not kept")
    return TiffPages(pages, is_raw, tuple(notes))


def _chain(stream: BinaryIO, header: Header) -> Iterator[tuple[int, Directory]]:
    """Yield the directories that follow each other, with their offsets."""
    seen: set[int] = set()
    at = header.first
    while at and at not in seen and len(seen) < _MAX_DIRECTORIES:
        seen.add(at)
        directory = read_directory(stream, header, at)
        yield at, directory
        at = directory.next


def _below(
    stream: BinaryIO, header: Header, directory: Directory, depth: int = 1
) -> Iterator[TiffPage]:
    """Yield the pictures in the directories that a directory points to."""
    for at in numbers_of(stream, header, directory.slots.get(_SUB_DIRECTORIES))[:100]:
        try:
            below = read_directory(stream, header, int(at))
        except TagError:  # it is not a page, and libtiff ignores it as well
            continue
        page = _page(stream, header, below, int(at), None)
        if page is not None:
            yield page
        if depth < _MAX_DEPTH:
            yield from _below(stream, header, below, depth + 1)


def _page(
    stream: BinaryIO, header: Header, directory: Directory, at: int, index: int | None
) -> TiffPage | None:
    """Return the picture that a directory describes; None if it describes none."""

    def number(tag: int, otherwise: int = 0) -> int:
        found = numbers_of(stream, header, directory.slots.get(tag))
        return int(found[0]) if found else otherwise

    kind = number(_NEW_SUBFILE)
    height, width = number(_LENGTH), number(_WIDTH)
    if not height or not width:
        return None
    photometric = number(_PHOTOMETRIC, -1)
    return TiffPage(
        at=at,
        index=index,
        height=height,
        width=width,
        coding=Coding(number(_COMPRESSION, 1), number(_BITS, 1)),
        reduced=bool(kind & (_REDUCED | _MASK)) or number(_SUBFILE) == _OLD_REDUCED,
        raw=photometric in (_CFA, _LINEAR_RAW),
    )
