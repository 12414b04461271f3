"""Table of flaws that decoders warn about, and their cost.

A decoder's warnings do not state their cost: libjpeg counts them, and reports only the first;
libtiff's are lost by the time libvips fails. So no warning is ignored. What can be repaired without
guessing at pixels is repaired in what the decoder reads, and the decoder then reads that as
strictly as any file: if it still warns, pixels are missing, and the file is refused.

libpng and libwebp need no rows here: they ignore everything but pixels, and their warnings about
pixels are errors.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Flaw:
    """One kind of flaw that is mended.

    Attributes:
        words: The flaw, as the end of a note; "" where it does not matter to users.
        reason: Why the pixels are complete anyway, or what is assumed about them.
        harmless: Whether nothing is assumed.
    """

    words: str
    reason: str
    harmless: bool = True


# JPEG (ITU-T T.81)
STRAY_BYTES = Flaw(
    "stray bytes between its segments",
    "decoders skip to the next marker; all tables that its scans name are there",
)
SCAN_PARAMETERS = Flaw(
    "scan parameters that do not belong to its coding",
    "sequential coding has one choice of them, 0 to 63 and 0, and decoders use no other",
)
JFIF_VERSION = Flaw("an unknown JFIF version", "only version 1 exists, and no pixel depends on it")
ADOBE_TRANSFORM = Flaw(
    "an unknown colour transform, taken as YCbCr",
    "of three channels nearly all JPEGs are YCbCr, of four YCCK",
    harmless=False,
)
NO_END = Flaw(
    "no end marker",
    "the decoder counts blocks, and fails if any of them is missing before a marker",
)
MISSING_SCANS = Flaw(
    "missing last scans: fine detail may be lacking",
    "a progressive picture is whole only after the scans of all coefficients and all their bits",
    harmless=False,
)

# TIFF 6.0
DIRECTORY = Flaw(
    "",
    "tags in any order, of wrong types, lengths or unknown values, and missing sizes of strips: "
    "a tag that describes no pixel is left out, and sizes follow from the offsets",
)
NO_PHOTOMETRIC = Flaw(
    "no colour space, taken as grey or RGB by its channels",
    "one and two samples a pixel are grey, three and four RGB",
    harmless=False,
)


def flaw_notes(flaws: tuple[Flaw, ...]) -> tuple[str, ...]:
    """Return the notes on flaws with which a file was read."""
    said = dict.fromkeys(flaw.words for flaw in flaws if flaw.words)
    return (f"read in spite of {', '.join(said)}",) if said else ()
