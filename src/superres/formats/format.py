"""Format protocol, and the description of a format's capabilities."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from numpy.typing import NDArray

from superres.metadata.picture import Header, Notes, Picture, ReadLimits, WriteOptions

# Largest EXIF block for which room is reserved: libexif and a JPEG segment hold 64 KB, including
# what libvips adds.
MAX_RESERVED_BYTES = 65_000


class EncoderError(Exception):
    """An encoder failed; the text gives the reason, `media` names the target."""


@dataclass(frozen=True, slots=True)
class Holding:
    """Capabilities of a format.

    Attributes:
        dtypes: Supported dtypes; the last holds the most.
        wide_bits: Bits that it keeps of 16-bit numbers.
        ranges: Whether it keeps the values of black, white and nodata; else black and white are
            the least and largest of the dtype.
        bands: Whether it holds any number of bands, rather than only grey and RGB.
        alpha: Whether it holds alpha.
        grey: Whether it holds grey pictures; else they are written as RGB.
        planes: Whether it holds several planes.
        pages: Whether it holds pages: pictures of their own size and kind; see `Paged`.
        frames: Whether it holds planes that are the frames of an animation.
        longest_edge: Largest height and width in pixels.
        lossless: Whether it has lossless coding.
        stored: Whether it can hold pixels without compression.
        quality: Default quality of lossy coding, 1 to 100; 0 if there is none.
        iptc_bytes: Longest IPTC record; 0 if it holds none.
        xmp_bytes: Longest XMP packet.
        exif_bytes: Longest EXIF block.
        dpi_in_exif: Whether only EXIF holds the resolution.
        dpi: Whether it holds the resolution at all.
        icc: Whether it holds an ICC profile.
        photoshop_bytes: Most bytes of Photoshop's resources, with IPTC; 0 if it holds none.
        comments: Whether it holds plain comments.
        code_points: Which colours it can describe by H.273 code points.
        whole_word_icc: Whether the length of ICC profiles must be a multiple of four bytes.
    """

    dtypes: tuple[str, ...]
    wide_bits: int = 16
    ranges: bool = False
    bands: bool = False
    alpha: bool = True
    grey: bool = True
    planes: bool = False
    pages: bool = False
    frames: bool = False
    longest_edge: int = 2**31 - 1
    lossless: bool = True
    stored: bool = False
    quality: int = 0
    iptc_bytes: int = 0
    xmp_bytes: int = 2**31 - 1
    exif_bytes: int = 2**31 - 1
    dpi_in_exif: bool = False
    dpi: bool = True
    icc: bool = True
    photoshop_bytes: int = 0
    comments: bool = False
    code_points: Literal["none", "hdr", "all"] = "none"
    whole_word_icc: bool = False


@dataclass(frozen=True, slots=True)
class ReadOnly:
    """Reason why a format is read but not written.

    Attributes:
        reason: What is missing.
        hint: What to do instead.
    """

    reason: str
    hint: str


class Format(Protocol):
    """One picture format; heavy imports belong inside `open` and `write`."""

    @property
    def name(self) -> str:
        """The name by which it is requested, in lower case."""
        ...

    @property
    def title(self) -> str:
        """Its name in prose."""
        ...

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The suffixes of its files, in lower case; new files get the first."""
        ...

    @property
    def holding(self) -> Holding | ReadOnly:
        """What it can hold, or why it is not written."""
        ...

    def sniff(self, head: bytes) -> bool:
        """Return whether a file is of this format.

        Args:
            head: Its first `media.HEAD_BYTES` bytes, or all of a shorter file.
        """
        ...

    def open(self, source: Path | bytes, limits: ReadLimits) -> Picture:
        """Read a file's header.

        Args:
            source: The file, or its bytes.
            limits: The limits on reading.

        Raises:
            PictureError: The file is damaged, beyond the limits, or of an unsupported kind.
        """
        ...

    def write(
        self,
        path: Path,
        rows: Iterable[NDArray[Any]],
        header: Header,
        options: WriteOptions,
    ) -> Notes:
        """Encode rows as they come.

        Args:
            path: The file to write; `media` makes it appear under its name.
            rows: (h, width, channels) arrays in a form that the format holds, from top to bottom.
            header: Their description; of the metadata, the format keeps what it can.
            options: How to encode.

        Returns:
            Notes on what was not kept.

        Raises:
            EncoderError: The file cannot be encoded or written.
        """
        ...


@runtime_checkable
class Paged(Protocol):
    """Further method of a format whose `Holding` states that it holds pages."""

    def add_page(self, path: Path, page: Path) -> None:
        """Append the finished file of a page.

        Args:
            path: The file that grows, empty before its first page.
            page: The file of one page, written by `Format.write`.

        Raises:
            EncoderError: It cannot be appended.
        """
        ...
