"""TIFF tags that libvips ignores: pages, the meaning of extra channels, EXIF."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO, Literal

from superres.metadata.exif_in_tiff import exif_of_tiff, iptc_of_tiff
from superres.metadata.tags import (
    Directory,
    Header,
    TagError,
    read_directory,
    read_header,
    read_numbers,
)

Alpha = Literal["none", "straight", "premultiplied", "unlabelled"]
_MAX_PAGES = 10_000
_NEW_SUBFILE, _EXTRA_SAMPLES, _SAMPLES, _PHOTOMETRIC = 0x00FE, 0x0152, 0x0115, 0x0106
_REDUCED_OR_MASK = 0b101  # NewSubfileType: a smaller copy, or a transparency mask
_COLOURS = {2: 3, 5: 4, 6: 3, 8: 3, 9: 3, 10: 3}  # PhotometricInterpretation; all others have 1
_GEOGRAPHIC = {0x830E, 0x8482, 0x85D8, 0x87AF, 0xA480, 0xA481}


@dataclass(frozen=True, slots=True)
class TiffFacts:
    """Content of the tags of a TIFF.

    Attributes:
        pages: Number of pictures, without reduced copies and masks.
        alpha: What the channels after the colours are.
        exif: Its EXIF tags as a block, None if there are none.
        iptc: Its IPTC record, None if there is none.
        notes: What it carries that will not be kept.
        first: Where its first directory is.
    """

    pages: int
    alpha: Alpha
    exif: bytes | None
    iptc: bytes | None
    notes: tuple[str, ...]
    first: int


def read_tiff_facts(stream: BinaryIO) -> TiffFacts:
    """Read a TIFF's directories without touching its pixels.

    Raises:
        TagError: A directory is damaged.
    """
    header = read_header(stream)
    first = read_directory(stream, header, header.first)
    pages, copies = _count_pages(stream, header, first)
    notes: list[str] = []
    if copies:
        notes.append(f"{copies} reduced copies or masks in the TIFF are not kept")
    if _GEOGRAPHIC & first.slots.keys():
        notes.append("the TIFF's geographic tags are not kept")
    exif: bytes | None = None
    try:
        exif, structural = exif_of_tiff(stream)
        if structural:
            notes.append("the TIFF's description is not kept: it lays out pixels of the old size")
    except TagError as error:
        notes.append(f"the TIFF's EXIF tags are damaged ({error}) and not kept")
    alpha = _alpha(stream, header, first)
    return TiffFacts(pages, alpha, exif, iptc_of_tiff(stream), tuple(notes), header.first)


def _count_pages(stream: BinaryIO, header: Header, first: Directory) -> tuple[int, int]:
    """Follow the chain of directories; return the number of pictures, and of their copies."""
    pages, copies, seen, following = 1, 0, {header.first}, first.next
    while following and following not in seen and pages + copies < _MAX_PAGES:
        seen.add(following)
        directory = read_directory(stream, header, following)
        kind = read_numbers(stream, header, directory.slots.get(_NEW_SUBFILE))
        if kind and int(kind[0]) & _REDUCED_OR_MASK:
            copies += 1
        else:
            pages += 1
        following = directory.next
    return pages, copies


def _alpha(stream: BinaryIO, header: Header, first: Directory) -> Alpha:
    """Return what the first channel after the colours is."""
    photometric = read_numbers(stream, header, first.slots.get(_PHOTOMETRIC))
    samples = read_numbers(stream, header, first.slots.get(_SAMPLES)) or (1,)
    colours = _COLOURS.get(int(photometric[0]), 1) if photometric else 1
    if samples[0] <= colours:
        return "none"
    extra = read_numbers(stream, header, first.slots.get(_EXTRA_SAMPLES)) or (0,)
    meanings: dict[int, Alpha] = {1: "premultiplied", 2: "straight"}
    return meanings.get(int(extra[0]), "unlabelled")
