"""Read a picture file: what it is from its header alone, then its pixels, row by row."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import numpy as np
import pyvips
from numpy.typing import NDArray

from superres.errors import ArgumentError, PictureError
from superres.formats.kinds import HEAD_BYTES, Kind, animation_error, kind_of, pages_error
from superres.frame import Bands, Values
from superres.metadata.exif import exif_orientation
from superres.metadata.header import Metadata, blob, collect_metadata, profile_of
from superres.metadata.png_chunks import read_png_facts
from superres.metadata.tags import TagError
from superres.metadata.tiff_facts import Alpha, read_tiff_facts
from superres.vips.colour import Colour, Profile, convert_colour, plan_colour
from superres.vips.levels import full_range, nearest_straight
from superres.vips.library import UNREAD, prepare_library, reason_of

MAX_PIXELS = 2**30
_TITLES = {kind: kind.upper() for kind in ("png", "jpeg", "tiff", "avif", "heic")} | {
    "webp": "WebP"
}
_DAMAGED_HINT = "the file is damaged or cut off: get another copy, or repair it"
_OTHER_HINT = "save it as 8-bit, 16-bit or 32-bit float grey or RGB first"
_HEIC_HINT = "this libvips may have no HEVC decoder: save the picture as AVIF, PNG or JPEG"
_ROWWISE = (1, 2)  # orientations whose rows come in the file's own order


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is found in a file without libvips; None where libvips knows."""

    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    alpha: Alpha | None = None
    iptc: bytes | None = None
    profile: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Recipe:
    """How the pixels are made from the file."""

    source: Path | bytes
    kind: Kind
    orientation: int
    colour: Colour
    bits: int


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture file whose header was read; its pixels are decoded on demand, as often as asked.

    Attributes:
        height: Pixels, of the upright picture.
        width: Pixels, of the upright picture.
        bands: What its channels mean.
        values: What its numbers mean, from the file's type.
        metadata: What it carries besides pixels.
        format: "png", "jpeg", "webp", "tiff", "avif" or "heic".
        notes: What was converted or cannot be kept, in words.
    """

    height: int
    width: int
    bands: Bands
    values: Values
    metadata: Metadata
    format: str
    notes: tuple[str, ...]
    _recipe: _Recipe = field(repr=False)

    def rows(self, block: int = 64) -> Iterator[NDArray[Any]]:
        """Decode the picture from top to bottom.

        Only pictures that are turned or stand upside down in their file are decoded whole; those
        of more than 100 MB then wait in a temporary file.

        Args:
            block: Rows at a time; the last block may be shorter.

        Yields:
            (h, width, channels) arrays of the picture's dtype.

        Raises:
            PictureError: The file is damaged or cut off, or has changed since it was opened.
            ArgumentError: `block` is below 1.
        """
        if block < 1:
            raise ArgumentError(f"rows come in blocks of at least 1, got {block}", "ask for 64")
        return self._decode(block)

    def _decode(self, block: int) -> Iterator[NDArray[Any]]:
        recipe, name = self._recipe, _name(self._recipe.source)
        shape = (self.width, self.bands.channels)
        try:
            image = _upright(recipe)
            if (image.height, image.width, image.bands) != (self.height, *shape):
                raise PictureError(f"{name} changed while it was read", "run it once more")
            region = pyvips.Region.new(image)
            for top in range(0, self.height, block):
                count = min(block, self.height - top)
                data = region.fetch(0, top, self.width, count)
                pixels = np.frombuffer(data, np.dtype(self.values.dtype)).reshape(count, *shape)
                if 8 < recipe.bits < 16:
                    pixels = full_range(pixels, recipe.bits)
                if recipe.colour.rounded_down:
                    pixels = nearest_straight(pixels)
                yield pixels
        except pyvips.Error as error:
            raise _unreadable(name, recipe.kind, reason_of(error)) from error


def open_picture(
    source: Path | bytes, *, max_pixels: int = MAX_PIXELS, profile: Profile = "keep"
) -> Picture:
    """Read a picture's header and decide how its pixels will be read.

    Args:
        source: A file, or the bytes of one.
        max_pixels: Largest number of pixels that is taken on, by the header.
        profile: Keep the file's ICC profile, or convert its pixels to sRGB.

    Raises:
        PictureError: The file is missing, empty, damaged, too large, animated, of several pages,
            or of a kind or layout that is not read.
    """
    prepare_library()
    name = _name(source)
    with closing(_stream(source, name)) as stream:
        kind = kind_of(_read_head(stream, name), name)
        facts = _facts(stream, kind, name)
    try:
        image = _load(source, kind, "sequential")
        _check_header(image, kind, name, max_pixels)
        icc = profile_of(image)
        colour = plan_colour(image, name, icc=icc, alpha=facts.alpha, profile=profile)
        # Building the conversion checks the profile; no pixel is decoded yet.
        convert_colour(image, colour)
    except pyvips.Error as error:
        raise _unreadable(name, kind, reason_of(error)) from error
    exif = facts.exif or (None if kind == "tiff" else blob(image, "exif-data"))
    metadata, notes = collect_metadata(
        image, icc=colour.icc, exif=exif, xmp=facts.xmp, dpi=facts.dpi, iptc=facts.iptc
    )
    if facts.profile and not icc:  # libvips passes over profiles that do not fit the pixels
        notes = (*notes, "its ICC profile does not fit and is not kept")
    orientation = _orientation(image, kind, exif)
    height, width = image.height, image.width
    if orientation > 4:
        height, width = width, height
    bits = _number(image, "bits-per-sample") if kind in ("avif", "heic") else 0
    return Picture(
        height=height,
        width=width,
        bands=colour.bands,
        values=Values.of(colour.dtype),
        metadata=metadata,
        format=kind,
        notes=(*facts.notes, *colour.notes, *notes),
        _recipe=_Recipe(source, kind, orientation, colour, bits),
    )


def read_pixels(picture: Picture) -> NDArray[Any]:
    """Decode a whole picture.

    Args:
        picture: The opened picture.

    Returns:
        (height, width, channels) of the picture's depth.

    Raises:
        PictureError: The file is damaged or cut off.
    """
    shape = (picture.height, picture.width, picture.bands.channels)
    pixels = np.empty(shape, np.dtype(picture.values.dtype))
    top = 0
    for block in picture.rows():
        pixels[top : top + len(block)] = block
        top += len(block)
    return pixels


def _name(source: Path | bytes) -> str:
    return str(source) if isinstance(source, Path) else "the picture in memory"


def _stream(source: Path | bytes, name: str) -> BinaryIO:
    if not isinstance(source, Path):
        return io.BytesIO(source)
    try:
        return source.open("rb")
    except OSError as error:
        raise _unopened(name, error) from error


def _read_head(stream: BinaryIO, name: str) -> bytes:
    try:
        return stream.read(HEAD_BYTES)
    except OSError as error:  # a folder opens on some systems, and then cannot be read
        raise _unopened(name, error) from error


def _unopened(name: str, error: OSError) -> PictureError:
    return PictureError(
        f"{name} cannot be read: {error.strerror or error}", "check the path and its permissions"
    )


def _unreadable(name: str, kind: Kind, reason: str) -> PictureError:
    hint = _HEIC_HINT if kind == "heic" else _DAMAGED_HINT
    if reason.endswith(UNREAD):
        hint = _OTHER_HINT
    return PictureError(f"{name} cannot be read as {_TITLES[kind]}: {reason}", hint)


def _facts(stream: BinaryIO, kind: Kind, name: str) -> _Facts:
    """Find what libvips passes over, and refuse what moves or has pages."""
    if kind == "png":
        png = read_png_facts(stream)
        if png.animated:
            raise animation_error(name, "an animated PNG")
        return _Facts(png.exif, png.xmp, png.dpi, profile=png.profile, notes=png.notes)
    if kind != "tiff":
        return _Facts()
    try:
        tiff = read_tiff_facts(stream)
    except TagError as error:
        raise _unreadable(name, kind, str(error)) from error
    if tiff.pages > 1:
        raise pages_error(name, tiff.pages)
    return _Facts(exif=tiff.exif, alpha=tiff.alpha, iptc=tiff.iptc, notes=tiff.notes)


def _check_header(image: pyvips.Image, kind: Kind, name: str, max_pixels: int) -> None:
    pixels = image.width * image.height
    if pixels > max_pixels:
        raise PictureError(
            f"{name} has {image.height} x {image.width} px (height x width), {pixels:,} in all; "
            f"the cap is {max_pixels:,}",
            "raise the cap (--max-pixels) if the file can be trusted",
        )
    pages = _number(image, "n-pages")
    if kind == "webp" and pages > 1:
        raise animation_error(name, f"an animated WebP of {pages} frames")
    if kind in ("avif", "heic") and pages > 1:
        raise pages_error(name, pages)


def _number(image: pyvips.Image, name: str) -> int:
    value = image.get(name) if image.get_typeof(name) else 0
    return value if isinstance(value, int) else 0


def _orientation(image: pyvips.Image, kind: Kind, exif: bytes | None) -> int:
    """Return how the picture must be turned; AVIF and HEIC are turned by their decoder."""
    if kind in ("avif", "heic"):
        return 1
    found = _number(image, "orientation") if kind == "tiff" else exif_orientation(exif)
    return found if 1 <= found <= 8 else 1


def _load(
    source: Path | bytes, kind: Kind, access: Literal["sequential", "random"]
) -> pyvips.Image:
    """Open a file with the one loader of its kind; the slightest damage is an error."""
    if isinstance(source, Path):
        # pyvips passes bytes on untouched, and names that are no UTF-8 have no other form.
        place = pyvips.Source.new_from_file(cast("str", os.fsencode(source)))
    else:
        place = pyvips.Source.new_from_memory(source)
    loaders = {
        "png": pyvips.Image.pngload_source,
        "jpeg": pyvips.Image.jpegload_source,
        "webp": pyvips.Image.webpload_source,
        "tiff": pyvips.Image.tiffload_source,
        "avif": pyvips.Image.heifload_source,
        "heic": pyvips.Image.heifload_source,
    }
    return loaders[kind](place, access=access, fail_on="warning")


def _upright(recipe: _Recipe) -> pyvips.Image:
    """Open the file again and convert and turn it, lazily."""
    access = "sequential" if recipe.orientation in _ROWWISE else "random"
    image = convert_colour(_load(recipe.source, recipe.kind, access), recipe.colour)
    turned = {2: "d0", 3: "d180", 4: "d180", 5: "d90", 6: "d90", 7: "d270", 8: "d270"}
    if recipe.orientation > 1:
        image = image.rot(turned[recipe.orientation])
    if recipe.orientation in (2, 4, 5, 7):
        image = image.fliphor()
    return image
