"""Picture files opened for reading, and headers of those to be written."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from superres.errors import ArgumentError, PictureError
from superres.frame import Bands, Values

if TYPE_CHECKING:  # it imports libvips, which formats load as late as possible
    from superres.metadata.header import Metadata

MAX_PIXELS = 2**30
BLOCK_ROWS = 64

Notes = tuple[str, ...]
Profile = Literal["keep", "srgb"]
Compression = Literal["none", "fast", "default", "small"]
COMPRESSIONS: tuple[Compression, ...] = get_args(Compression)
OpenPage = Callable[[int], "Picture"]
Decode = Callable[[int, int], Iterator[NDArray[Any]]]


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """Limits on reading a file, and the form of its colours.

    Attributes:
        max_pixels: Most pixels in a plane, by the file's header.
        profile: Keep the file's ICC profile, or convert its pixels to sRGB.
    """

    max_pixels: int = MAX_PIXELS
    profile: Profile = "keep"

    def check_size(self, name: str, height: int, width: int) -> None:
        """Raise if a picture has too many pixels.

        Raises:
            PictureError: It has more than `max_pixels`.
        """
        pixels = width * height
        if pixels > self.max_pixels:
            raise PictureError(
                f"{name} has {height} x {width} px (height x width), {pixels:,} in all; "
                f"the limit is {self.max_pixels:,}",
                "raise the limit (--max-pixels) if the file can be trusted",
            )


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture file with its header read; pixels are decoded on demand, any number of times.

    Attributes:
        height: Pixels, of the upright picture.
        width: Pixels, of the upright picture.
        bands: What its channels mean.
        values: What its numbers mean, from the file's type.
        metadata: What it carries besides pixels.
        format: Name of its format.
        title: The format's display name.
        notes: What was converted or cannot be kept.
        planes: Pictures of this size and kind in the file: frames or slices.
        coded_quality: Estimate of the libjpeg or libwebp quality of its coding, 0 to 100; None if
            it is lossless or unknown.
        pages: Independent pictures in the file, of which this is one: pages of a scan.
        lossless: Whether its format can lose detail, and the file states that it did not.
    """

    height: int
    width: int
    bands: Bands
    values: Values
    metadata: Metadata
    format: str
    title: str
    notes: Notes
    _decode: Decode = field(repr=False)
    planes: int = 1
    coded_quality: int | None = None
    lossless: bool = False
    pages: int = 1
    _page: OpenPage | None = field(default=None, repr=False)

    def page(self, number: int) -> Picture:
        """Open a page: an independent picture; size, bands, values and metadata may differ.

        Args:
            number: Its number, from 1.

        Raises:
            PictureError: The page is damaged or too large.
            ArgumentError: There is no such page.
        """
        if not 1 <= number <= self.pages:
            raise ArgumentError(
                f"page {number} was requested, the file has {self.pages}", "pages count from 1"
            )
        return self._page(number) if self._page else self

    def rows(self, plane: int = 0, *, block: int = BLOCK_ROWS) -> Iterator[NDArray[Any]]:
        """Decode one plane from top to bottom.

        Args:
            plane: Its index, from 0.
            block: Rows at a time; the last block may be shorter.

        Yields:
            (h, width, channels) arrays of the picture's dtype.

        Raises:
            PictureError: The file is damaged or truncated, or has changed since it was opened.
            ArgumentError: There is no such plane, or `block` is below 1.
        """
        if block < 1:
            raise ArgumentError(f"rows come in blocks of at least 1, got {block}", "pass 64")
        if not 0 <= plane < self.planes:
            raise ArgumentError(
                f"plane {plane} was requested, the picture has {self.planes}", "planes count from 0"
            )
        return self._decode(plane, block)


@dataclass(frozen=True, slots=True)
class Header:
    """Description of a picture to be written.

    Attributes:
        height: Rows of a plane.
        width: Pixels a row.
        bands: What the channels mean.
        values: What their numbers mean.
        metadata: What the file carries besides; sizes and resolution in it are updated.
        planes: Pictures of this size and kind; their rows follow one another.
    """

    height: int
    width: int
    bands: Bands
    values: Values
    metadata: Metadata
    planes: int = 1


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How a picture is encoded.

    Attributes:
        quality: Of lossy coding, 1 to 100; None takes each format's default.
        lossless: Lossless coding in formats that have it, at several times the size.
        compression: Effort of the encoder: speed or size, at the same pixels where coding is
            lossless. `none` stores PNG and TIFF as they are.
        past_4_gb: Whether the file must be able to grow past 4 GB, as more pages will follow.
        check: Called while an encoder is waited for; what it raises ends the work.
    """

    quality: int | None = None
    lossless: bool = False
    compression: Compression = "default"
    past_4_gb: bool = False
    check: Callable[[], None] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.quality is not None and self.lossless:
            raise ArgumentError(
                f"a quality of {self.quality} and lossless coding are both requested",
                "choose one of them",
            )
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise ArgumentError(f"quality must be 1 to 100, got {self.quality}", "95 is a good one")
        if self.compression not in COMPRESSIONS:
            raise ArgumentError(
                f"compression must be {', '.join(COMPRESSIONS)}, got {self.compression!r}",
                "fast for speed, small for size",
            )


def read_pixels(picture: Picture, plane: int = 0) -> NDArray[Any]:
    """Decode a whole plane.

    Args:
        picture: The opened picture.
        plane: Its index, from 0.

    Returns:
        (height, width, channels) of the picture's dtype.

    Raises:
        PictureError: The file is damaged or truncated.
    """
    shape = (picture.height, picture.width, picture.bands.channels)
    pixels = np.empty(shape, np.dtype(picture.values.dtype))
    top = 0
    for block in picture.rows(plane):
        pixels[top : top + len(block)] = block
        top += len(block)
    return pixels


def name_of(source: Path | bytes) -> str:
    """Return the name of a source for errors."""
    return str(source) if isinstance(source, Path) else "the picture in memory"


def stream_of(source: Path | bytes) -> BinaryIO:
    """Open a source for reading.

    Raises:
        PictureError: The file is missing or not readable.
    """
    if not isinstance(source, Path):
        return io.BytesIO(source)
    try:
        return source.open("rb")
    except (OSError, ValueError) as error:  # ValueError: no file can have the name
        raise unopened(source, error) from error


def unopened(source: Path | bytes, error: OSError | ValueError) -> PictureError:
    """Build the error for a source that cannot be opened."""
    return PictureError(
        f"{name_of(source)} cannot be read: {getattr(error, 'strerror', None) or error}",
        "check the path and its permissions",
    )


def unreadable(source: Path | bytes, title: str, reason: str, hint: str = "") -> PictureError:
    """Build the error for a file that its format's reader cannot read.

    Args:
        source: The file, or its bytes.
        title: Display name of its format.
        reason: What was found.
        hint: What to do; "" for a damaged file.
    """
    damaged = "the file is damaged or cut off: get another copy, or repair it"
    return PictureError(f"{name_of(source)} cannot be read as {title}: {reason}", hint or damaged)


def animation_error(source: Path | bytes, what: str) -> PictureError:
    """Build the error for an animation."""
    return PictureError(
        f"{name_of(source)} is {what}; expected one still picture",
        "save one frame as a still picture; `superres upscale` takes animated WebP, PNG and "
        "GIF, `superres video` these and videos",
    )


def pages_error(source: Path | bytes, pages: int) -> PictureError:
    """Build the error for an input of several pages where one is expected."""
    return PictureError(
        f"{name_of(source)} holds {pages} pictures (pages); expected one",
        "save one page as its own file; `superres upscale` takes all pages, or one with --page",
    )


def several_error(source: Path | bytes, pictures: int) -> PictureError:
    """Build the error for a file of several pictures, of a format whose pages are not read."""
    return PictureError(
        f"{name_of(source)} holds {pictures} pictures; expected one",
        "save each as its own file; of TIFFs `superres upscale` takes all pages",
    )


def check_colours(source: object, bands: Bands, where: str) -> None:
    """Refuse bands that are not colours, which only upscaling supports.

    Args:
        source: The picture's name.
        bands: What its channels mean.
        where: What takes only colours, such as "training".

    Raises:
        PictureError: Its bands are neither grey nor RGB.
    """
    if bands.colour == "bands":
        raise PictureError(
            f"{source} has {bands.count} bands that are no colours; {where} takes grey or RGB",
            "save the bands as grey pictures of their own, or three of them as RGB",
        )
