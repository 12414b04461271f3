"""The formats that are written: their names, suffixes and what each of them can hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from superres.errors import OutputError, unknown_name


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """One format and its limits.

    Attributes:
        name: How it is asked for.
        title: How it is called in words.
        suffixes: Names of its files end so; the first is given to new files.
        dtypes: What its pixels can be.
        wide_bits: Bits that it keeps of 16-bit pixels.
        alpha: Whether it holds alpha.
        grey: Whether it holds grey pictures; else they are written as RGB.
        iptc: Whether it holds an IPTC record.
        longest_edge: Largest height and width in pixels.
        lossless: Whether it can lose no detail.
        quality: Quality of lossy coding by default, 1 to 100.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    dtypes: tuple[str, ...]
    wide_bits: int = 16
    alpha: bool = True
    grey: bool = True
    iptc: bool = False
    longest_edge: int = 2**31 - 1
    lossless: bool = True
    quality: int = 0


_ALL = (
    OutputFormat("png", "PNG", (".png",), ("uint8", "uint16")),
    OutputFormat(
        "jpeg",
        "JPEG",
        (".jpg", ".jpeg", ".jpe", ".jfif"),
        ("uint8",),
        alpha=False,
        iptc=True,
        longest_edge=65_500,  # the format could say 65,535, its encoders stop here
        lossless=False,
        quality=95,
    ),
    OutputFormat(
        "webp",
        "WebP",
        (".webp",),
        ("uint8",),
        grey=False,
        longest_edge=16_383,
        quality=95,
    ),
    OutputFormat("tiff", "TIFF", (".tif", ".tiff"), ("uint8", "uint16", "float32"), iptc=True),
    OutputFormat(
        "avif",
        "AVIF",
        (".avif",),
        ("uint8", "uint16"),
        wide_bits=12,
        grey=False,
        longest_edge=16_384,
        quality=90,
    ),
)
FORMATS = {each.name: each for each in _ALL}
SUFFIXES = {suffix: each.name for each in _ALL for suffix in each.suffixes}
_ALIASES = {suffix.removeprefix("."): name for suffix, name in SUFFIXES.items()}


def format_of(path: Path) -> str:
    """Return the name of the format that a file's suffix stands for.

    Raises:
        OutputError: HEIC is asked, which needs an encoder that is not free to use.
        UnknownNameError: No format has this suffix.
    """
    suffix = path.suffix.lower()
    _check_not_heic(suffix.removeprefix("."), str(path))
    if suffix not in SUFFIXES:
        raise unknown_name(f"output format for {path.name!r} with the suffix", suffix, SUFFIXES)
    return SUFFIXES[suffix]


def output_format(name: str) -> OutputFormat:
    """Return a format by its name or by a suffix without its dot ("jpg"), in any case.

    Raises:
        OutputError: HEIC is asked, which needs an encoder that is not free to use.
        UnknownNameError: There is no such format.
    """
    lower = name.lower()
    _check_not_heic(lower, f"the format {name!r}")
    known = _ALIASES.get(lower, lower)
    if known not in FORMATS:
        raise unknown_name("output format", name, FORMATS)
    return FORMATS[known]


def _check_not_heic(name: str, asked: str) -> None:
    if name in ("heic", "heif"):
        raise OutputError(
            f"{asked} cannot be written: HEIC needs an HEVC encoder", "write AVIF (.avif) instead"
        )
