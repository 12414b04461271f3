"""The tables of what is kept in docs/upscale.md, made of the code's own."""

from __future__ import annotations

from pathlib import Path

from superres.formats.format import MAX_RESERVED_BYTES, Holding
from superres.media import FORMATS
from superres.metadata.geometry import EFFECTS, PLACES

PAGE = Path(__file__).parents[2] / "docs" / "upscale.md"
ANY = 2**31 - 1
BITS = {"uint8": "8", "uint16": "16", "float32": "float"}


def size(most):
    return "no" if not most else "yes" if most == ANY else f"up to {most:,} bytes"


def bits(holding):
    words = [
        str(holding.wide_bits) if dtype == "uint16" else BITS[dtype] for dtype in holding.dtypes
    ]
    return ", ".join(words)


def lossless(holding):
    return "always" if not holding.quality else "on request" if holding.lossless else "never"


ROWS = {
    "bits of a sample": bits,
    "lossless": lossless,
    "animation": lambda holding: "yes" if holding.frames else "no",
    "pages": lambda holding: "yes" if holding.pages else "no",
    "transparency": lambda holding: "yes" if holding.alpha else "no: laid on white",
    "grey": lambda holding: "yes" if holding.grey else "as RGB",
    "ICC profile": lambda holding: "yes" if holding.icc else "no: converted to sRGB",
    "HDR (PQ, HLG)": lambda holding: {
        "none": "by the ICC profile, said" if holding.icc else "no: converted to sRGB",
        "hdr": "code points",
        "all": "code points and ICC profile",
    }[holding.code_points],
    "EXIF": lambda holding: size(holding.exif_bytes),
    "XMP": lambda holding: size(holding.xmp_bytes),
    "IPTC": lambda holding: size(holding.iptc_bytes),
    "Photoshop's resources": lambda holding: size(holding.photoshop_bytes),
    "comments": lambda holding: "yes" if holding.comments else "no",
    "resolution": lambda holding: (
        "no" if not holding.dpi else "in EXIF" if holding.dpi_in_exif else "yes"
    ),
}


def table(heads, rows):
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def kept_table():
    written = [each for each in FORMATS if isinstance(each.holding, Holding)]
    rows = [[name, *(say(each.holding) for each in written)] for name, say in ROWS.items()]
    return table(["", *(each.title for each in written)], rows)


def places_table():
    rows = []
    for kind, (turned, scaled) in EFFECTS.items():
        names = [
            f"{p.block}: {p.name}" if p.block != "XMP" else p.name for p in PLACES if p.kind == kind
        ]
        rows.append([", ".join(dict.fromkeys(names)).replace("*", "…"), turned, scaled])
    return table(["fields", "in a turned picture", "at another size"], rows)


def test_the_table_of_what_formats_keep_is_the_code_s_own():
    assert MAX_RESERVED_BYTES == 65_000
    assert kept_table() in PAGE.read_text("utf-8"), kept_table()


def test_the_table_of_places_is_the_code_s_own():
    assert places_table() in PAGE.read_text("utf-8"), places_table()
