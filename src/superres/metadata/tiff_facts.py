"""TIFF tags that libvips ignores: the meaning of extra channels, EXIF."""

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
_EXTRA_SAMPLES, _SAMPLES, _PHOTOMETRIC = 0x0152, 0x0115, 0x0106
_COLOURS = {2: 3, 5: 4, 6: 3, 8: 3, 9: 3, 10: 3}  # PhotometricInterpretation; all others have 1
_GEOGRAPHIC = {0x830E, 0x8482, 0x85D8, 0x87AF, 0xA480, 0xA481}


@dataclass(frozen=True, slots=True)
class TiffFacts:
    """Content of the tags of a TIFF.

    Attributes:
        alpha: What the channels after the colours are.
        exif: Its EXIF tags as a block, None if there are none.
        iptc: Its IPTC record, None if there is none.
        notes: What it carries that will not be kept.
    """

    alpha: Alpha
    exif: bytes | None
    iptc: bytes | None
    notes: tuple[str, ...]


def read_tiff_facts(stream: BinaryIO) -> TiffFacts:
    """Read a TIFF's first directory without touching its pixels.

    Raises:
        TagError: A directory is damaged.
    """
    header = read_header(stream)
    first = read_directory(stream, header, header.first)
    notes: list[str] = []
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
    return TiffFacts(alpha, exif, iptc_of_tiff(stream), tuple(notes))


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
