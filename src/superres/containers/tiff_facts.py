"""TIFF tags that libvips ignores: the meaning of extra channels, EXIF."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO, Literal

from superres.containers.exif_in_tiff import (
    DESCRIPTIVE,
    PHOTOSHOP,
    exif_of_tiff,
    iptc_of_tiff,
)
from superres.metadata.blocks import Facts
from superres.metadata.colour_space import of_directory
from superres.metadata.photoshop import EXIF_COPIES, IPTC, XMP_COPY, resource
from superres.metadata.tags import (
    Directory,
    Header,
    TagError,
    read_directory,
    read_header,
    read_numbers,
    read_value,
)

Alpha = Literal["none", "straight", "premultiplied", "unlabelled"]
_EXTRA_SAMPLES, _SAMPLES, _PHOTOMETRIC = 0x0152, 0x0115, 0x0106
_COLOURS = {2: 3, 5: 4, 6: 3, 8: 3, 9: 3, 10: 3}  # PhotometricInterpretation; all others have 1
_XMP, _ICC = 0x02BC, 0x8773
# Tags that describe the storage and meaning of pixels, or are read here or by libvips.
_KNOWN = {
    *range(0x0100, 0x0104),
    *range(0x0106, 0x010B),
    *(0x0111, 0x0112),
    *range(0x0115, 0x011D),
    *range(0x0122, 0x0126),
    *(0x0128, 0x012D),
    *range(0x013D, 0x0141),
    *range(0x0142, 0x0146),
    *range(0x014C, 0x0156),
    0x015B,
    *range(0x0200, 0x0215),
    *(_XMP, 0x83BB, _ICC, PHOTOSHOP),
}
_POINTERS = {0x00FE, 0x00FF, 0x0129, 0x8769, 0x8825, 0xA005}  # and positions among pages
_NAMES = {
    0x010D: "DocumentName",
    0x011E: "XPosition",
    0x011F: "YPosition",
    0x0146: "BadFaxLines",
    0x014A: "further pictures (SubIFDs)",
    0x8773: "ICC profile",
    0x935C: "Photoshop's layers",
    0xC660: "Photoshop's annotations",
    0xC696: "ImageJ's counts",
    0xC697: "ImageJ's metadata",
    0xCD41: "C2PA/JUMBF",
}
_GEOGRAPHIC = {0x830E, 0x8482, 0x85D8, 0x87AF, 0xA480, 0xA481}


@dataclass(frozen=True, slots=True)
class TiffFacts(Facts):
    """Content of the tags of a TIFF; EXIF is collected into a block.

    Attributes:
        alpha: Meaning of the channels after the colours.
    """

    alpha: Alpha = "none"


def read_tiff_facts(stream: BinaryIO) -> TiffFacts:
    """Read a TIFF's first directory without reading its pixels.

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
    xmp, icc, photoshop = (_value(stream, first, tag) for tag in (_XMP, _ICC, PHOTOSHOP))
    iptc = iptc_of_tiff(stream)
    if photoshop:
        iptc = iptc or resource(photoshop, IPTC)
        xmp = xmp or resource(photoshop, XMP_COPY)
        exif = exif or resource(photoshop, *EXIF_COPIES)
    try:
        colour = of_directory(stream, header, first.slots)
    except TagError:
        colour = None  # the damaged EXIF tags are noted above
    return TiffFacts(
        alpha=alpha,
        exif=exif,
        iptc=iptc,
        notes=tuple(notes),
        xmp=xmp,
        icc=icc,
        photoshop=photoshop,
        colour=colour,
        lost=tuple(_lost(first)),
    )


def _value(stream: BinaryIO, directory: Directory, tag: int) -> bytes | None:
    slot = directory.slots.get(tag)
    return read_value(stream, slot) if slot else None


def _lost(first: Directory) -> list[str]:
    """Name the tags that are neither kept nor about the storage of pixels."""
    known = {*_KNOWN, *_POINTERS, *_GEOGRAPHIC, *DESCRIPTIVE}
    return [_NAMES.get(tag, f"tag {tag}") for tag in sorted(first.slots.keys() - known)]


def _alpha(stream: BinaryIO, header: Header, first: Directory) -> Alpha:
    """Return the meaning of the first channel after the colours."""
    photometric = read_numbers(stream, header, first.slots.get(_PHOTOMETRIC))
    samples = read_numbers(stream, header, first.slots.get(_SAMPLES)) or (1,)
    colours = _COLOURS.get(int(photometric[0]), 1) if photometric else 1
    if samples[0] <= colours:
        return "none"
    extra = read_numbers(stream, header, first.slots.get(_EXTRA_SAMPLES)) or (0,)
    meanings: dict[int, Alpha] = {1: "premultiplied", 2: "straight"}
    return meanings.get(int(extra[0]), "unlabelled")
