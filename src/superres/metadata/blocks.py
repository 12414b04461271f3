"""Blocks of metadata in picture files."""

from __future__ import annotations

from dataclasses import dataclass

from superres.metadata.colour_space import Cicp, Described


@dataclass(frozen=True, slots=True)
class Blocks:
    """Blocks of metadata, as a file holds them.

    Attributes:
        icc: The ICC profile of the pixels.
        exif: The EXIF block.
        xmp: The XMP packet.
        dpi: Horizontal and vertical pixels per inch.
        iptc: The IPTC record, bare.
        photoshop: Photoshop's resources, IPTC's among them.
        comments: A JPEG's comments.
        cicp: The colours by the code points of ITU-T H.273.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    iptc: bytes | None = None
    photoshop: bytes | None = None
    comments: tuple[bytes, ...] = ()
    cicp: Cicp | None = None


@dataclass(frozen=True, slots=True)
class Facts(Blocks):
    """Findings of a format's own reader, without decoding.

    Attributes:
        colour: The colours by numbers, by the format's order of precedence.
        notes: What it carries that will not be kept, in sentences.
        lost: The same, by name.
    """

    colour: Described | None = None
    notes: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
