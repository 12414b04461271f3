"""Reader through libvips: the header first, rows on demand, upright and in known channels.

One file, as the header, the rows, a second attempt on a mended file and the frames of an animation
are all read by one recipe.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import numpy as np
import pyvips
from numpy.typing import NDArray

from superres.containers.tiff_facts import Alpha
from superres.errors import PictureError
from superres.frame import Values
from superres.mending.patches import Patched
from superres.metadata.blocks import Facts
from superres.metadata.colour_space import Described, of_tags
from superres.metadata.exif import exif_orientation
from superres.metadata.geometry import Change
from superres.metadata.header import (
    Animation,
    blob,
    collect_metadata,
    icc_space,
    profile_of,
)
from superres.metadata.picture import Picture, ReadLimits, name_of, unreadable
from superres.metadata.xmp import xmp_orientation
from superres.vips.colour import Colour, convert_colour, plan_colour
from superres.vips.levels import full_range, nearest_straight
from superres.vips.library import UNREAD, prepare_library, reason_of
from superres.vips.profile import fit_profile

_OTHER_HINT = "save it as 8-bit, 16-bit or 32-bit float grey or RGB first"
Mend = Callable[[], tuple[Patched, tuple[str, ...]] | None]

_NOTHING = Facts()
_USUAL_DELAY_MS = 100  # browsers' delay for frames that state none
_ROWWISE = (1, 2)  # orientations whose rows come in the file's own order


@dataclass(frozen=True, slots=True)
class Loader:
    """Reading of a format through libvips.

    Attributes:
        name: Name of the format.
        title: Its display name.
        load: libvips' loader, from a source.
        many: Builds the error for a file by its number of pages; None if it cannot have several.
        frames: Whether the pages of a file are frames of one size, shown one after the other.
        orientation: Where the orientation is stored: in EXIF or else XMP, in a tag that libvips
            reads, or nowhere, as the decoder turns the picture.
        own_exif: Whether EXIF comes only from `Found`, as libvips does not read it.
        spare_bits: Whether samples of 10 or 12 bits are shifted to the top of 16.
        damaged_hint: What to do about a file that fails; "" for a damaged one.
        explain: Builds the error for a reason other than damage, or returns None.
        options: Further options of the loader.
    """

    name: str
    title: str
    load: Callable[..., pyvips.Image]
    many: Callable[[Path | bytes, int], PictureError] | None = None
    frames: bool = False
    orientation: Literal["exif", "tag", "turned"] = "exif"
    own_exif: bool = False
    spare_bits: bool = False
    damaged_hint: str = ""
    explain: Callable[[str], PictureError | None] | None = None
    options: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class Found:
    """Findings of a format's own reader, without libvips; None where libvips' are used.

    Attributes:
        facts: What the file carries besides pixels.
        alpha: The meaning of its extra channels.
        profile: Whether it has an ICC profile, which libvips may drop.
        coded_quality: See `Picture`.
        lossless: See `Picture`.
        notes: What was wrong with it.
        patched: The file as libvips should see it, if changed.
        mend: Returns the file without flaws that cost no pixel, and notes on them, or None if it
            has no such flaw; called where libvips fails.
        turned: How the decoder turns it, as EXIF numbers it.
    """

    facts: Facts = _NOTHING
    alpha: Alpha | None = None
    profile: bool = False
    coded_quality: int | None = None
    lossless: bool = False
    notes: tuple[str, ...] = ()
    patched: Patched | None = None
    mend: Mend | None = None
    turned: int = 1


@dataclass(frozen=True, slots=True)
class _Recipe:
    """Steps from the file to its pixels."""

    source: Path | bytes
    content: Path | bytes | Patched
    loader: Loader
    orientation: int
    colour: Colour
    bits: int
    mend: Mend | None


def open_image(
    source: Path | bytes, loader: Loader, limits: ReadLimits, found: Found = Found()
) -> Picture:
    """Read a picture's header and decide how its pixels will be read.

    Only pictures that are turned or stored upside down are decoded as a whole; those of more than
    100 MB then go to a temporary file.

    Args:
        source: A file, or the bytes of one.
        loader: How its format is read.
        limits: The limits on reading.
        found: The findings of the format's own reader.

    Raises:
        PictureError: The file is damaged, too large, of several pages, or of unsupported channels
            or samples.
    """
    prepare_library()
    try:
        return _open(source, loader, limits, found)
    except pyvips.Error as error:
        mended = found.mend and found.mend()
        if not mended:
            raise _failed(source, loader, error) from error
    patched, notes = mended
    found = replace(found, patched=patched, mend=None, notes=(*found.notes, *notes))
    try:
        return _open(source, loader, limits, found)
    except pyvips.Error as error:
        raise _failed(source, loader, error) from error


def _open(source: Path | bytes, loader: Loader, limits: ReadLimits, found: Found) -> Picture:
    content = found.patched or source
    image, place = _load(content, loader, "sequential")
    try:
        return _described(image, source, content, loader, limits, found)
    finally:
        del image
        place.close()


def _described(
    image: pyvips.Image,
    source: Path | bytes,
    content: Path | bytes | Patched,
    loader: Loader,
    limits: ReadLimits,
    found: Found,
) -> Picture:
    """Return an image's description, and how its pixels are read."""
    name = name_of(source)
    pages = _number(image, "n-pages")
    limits.check_size(name, image.height, image.width)
    if loader.many and pages > 1:
        raise loader.many(source, pages)
    bits = _number(image, "bits-per-sample") if loader.spare_bits else 0
    facts = found.facts
    exif = facts.exif or (None if loader.own_exif else blob(image, "exif-data"))
    own = profile_of(image)
    icc = own or _sound(facts.icc, image)
    numbers = _numbers(icc, facts, exif)
    colour = plan_colour(
        image, name, icc=icc, described=numbers, alpha=found.alpha, profile=limits.profile
    )
    if icc and not own and not colour.attached:
        colour = replace(colour, attached=icc)  # libvips did not read it
    # Building the conversion checks the profile; no pixel is decoded yet.
    convert_colour(image, colour, bits)
    planes = max(1, pages) if loader.frames else 1
    # Frames are composed in the file's order, and no viewer turns them.
    orientation = _orientation(image, loader, exif, facts.xmp) if planes == 1 else 1
    height, width = image.height, image.width
    if orientation > 4:
        height, width = width, height
    turned = found.turned if loader.orientation == "turned" else orientation
    before = (width, height) if turned > 4 else (height, width)
    change = Change(before, (height, width), turned, to_srgb=colour.convert != "keep")
    blocks = replace(facts, exif=exif, icc=colour.icc, cicp=colour.cicp)
    metadata, notes = collect_metadata(image, blocks, change)
    if found.profile and not icc:  # libvips ignores profiles that do not fit the pixels
        notes = (*notes, "its ICC profile does not fit and is not kept")
    if facts.lost:
        notes = (*notes, f"not kept: {', '.join(facts.lost)}")
    recipe = _Recipe(source, content, loader, orientation, colour, bits, found.mend)
    decode = partial(_rows, recipe, (height, width))
    if planes > 1:
        metadata = replace(metadata, animation=_animation(image, planes))
        recipe = replace(recipe, loader=replace(loader, options={**loader.options, "n": -1}))
        decode = _Roll(recipe, (height, width), planes).rows
    return Picture(
        height=height,
        width=width,
        bands=colour.bands,
        values=Values.of(colour.dtype),
        metadata=metadata,
        format=loader.name,
        title=loader.title,
        notes=(*found.notes, *facts.notes, *colour.notes, *notes),
        coded_quality=found.coded_quality,
        lossless=found.lossless,
        planes=planes,
        _decode=decode,
    )


def _animation(image: pyvips.Image, planes: int) -> Animation:
    """Return the duration of each frame, and the number of repetitions."""
    found: object = image.get("delay") if image.get_typeof("delay") else []
    delays = [int(delay) for delay in cast("list[int]", found)][:planes]
    return Animation((*delays, *[_USUAL_DELAY_MS] * (planes - len(delays))), _number(image, "loop"))


class _Roll:
    """The frames of an animation, composed as they are shown, stacked vertically in one image.

    A frame depends on those before it. So the reader is kept for the next frame, and restarts only
    where frames are not read in order.
    """

    def __init__(self, recipe: _Recipe, size: tuple[int, int], planes: int) -> None:
        self._recipe, self._size, self._planes = recipe, size, planes
        self._lock = threading.Lock()
        self._kept: tuple[int, pyvips.Region, _Place] | None = None

    def rows(self, plane: int, block: int) -> Iterator[NDArray[Any]]:
        """Yield the rows of a frame."""
        recipe, (height, width) = self._recipe, self._size
        shape = (width, recipe.colour.bands.channels)
        try:
            region, place = self._take(plane)
            for top in range(0, height, block):
                count = min(block, height - top)
                data = region.fetch(0, plane * height + top, width, count)
                yield np.frombuffer(data, np.dtype(recipe.colour.dtype)).reshape(count, *shape)
        except pyvips.Error as error:
            raise _failed(recipe.source, recipe.loader, error) from error
        if plane + 1 < self._planes:
            with self._lock:
                self._kept = plane + 1, region, place

    def _take(self, plane: int) -> tuple[pyvips.Region, _Place]:
        with self._lock:
            kept, self._kept = self._kept, None
        if kept and kept[0] == plane:
            return kept[1], kept[2]
        image, place = _upright(self._recipe)
        height, width = self._size
        if (image.height, image.width) != (height * self._planes, width):
            name = name_of(self._recipe.source)
            raise PictureError(f"{name} changed while it was read", "run it once more")
        return pyvips.Region.new(image), place


def _rows(recipe: _Recipe, size: tuple[int, int], plane: int, block: int) -> Iterator[NDArray[Any]]:
    """Yield rows; where libvips fails, continue from there in the repaired file, if any."""
    done = 0
    try:
        for pixels in _rows_from(recipe, size, block, 0):
            yield pixels
            done += len(pixels)
    except pyvips.Error as error:
        mended = recipe.mend and recipe.mend()
        if not mended:
            raise _failed(recipe.source, recipe.loader, error) from error
        recipe = replace(recipe, content=mended[0])
        try:
            yield from _rows_from(recipe, size, block, done)
        except pyvips.Error as again:
            raise _failed(recipe.source, recipe.loader, again) from again


def _rows_from(
    recipe: _Recipe, size: tuple[int, int], block: int, begin: int
) -> Iterator[NDArray[Any]]:
    height, width = size
    shape = (width, recipe.colour.bands.channels)
    image, place = _upright(recipe)
    if (image.height, image.width, image.bands) != (height, *shape):
        place.close()
        raise PictureError(
            f"{name_of(recipe.source)} changed while it was read", "run it once more"
        )
    region = pyvips.Region.new(image)
    try:
        for top in range(begin, height, block):
            count = min(block, height - top)
            data = region.fetch(0, top, width, count)
            pixels = np.frombuffer(data, np.dtype(recipe.colour.dtype)).reshape(count, *shape)
            if 8 < recipe.bits < 16 and recipe.colour.convert == "keep":
                pixels = full_range(pixels, recipe.bits)
            if recipe.colour.rounded_down:
                pixels = nearest_straight(pixels)
            yield pixels
    finally:
        del region, image  # before their source
        place.close()


def _failed(source: Path | bytes, loader: Loader, error: pyvips.Error) -> PictureError:
    reason = reason_of(error)
    explained = loader.explain and loader.explain(reason)
    if explained:
        return explained
    hint = _OTHER_HINT if reason.endswith(UNREAD) else loader.damaged_hint
    return unreadable(source, loader.title, reason, hint)


def _number(image: pyvips.Image, name: str) -> int:
    value = image.get(name) if image.get_typeof(name) else 0
    return value if isinstance(value, int) else 0


def _sound(icc: bytes | None, image: pyvips.Image) -> bytes | None:
    """Return a profile that was found without libvips, if it is usable for the image."""
    if not icc or not icc_space(icc):
        return None
    return fit_profile(icc, whole_words=False, grey=image.bands < 3)


def _numbers(icc: bytes | None, facts: Facts, exif: bytes | None) -> Described | None:
    """Return the numbers that describe the colours; None if a profile does."""
    described = facts.colour
    if described and described.space and described.outranks_icc:
        return described
    if icc:
        return None
    return described or (of_tags(exif) if exif else None)


def _orientation(image: pyvips.Image, loader: Loader, exif: bytes | None, xmp: bytes | None) -> int:
    """Return how the picture must be turned, 1 to 8 as EXIF numbers it."""
    if loader.orientation == "turned":
        return 1
    if loader.orientation == "tag":
        found = _number(image, "orientation")
        return found if found in range(1, 9) else 1
    xmp = xmp or blob(image, "xmp-data")
    return exif_orientation(exif) or (xmp and xmp_orientation(xmp)) or 1


def _load(
    content: Path | bytes | Patched, loader: Loader, access: Literal["sequential", "random"]
) -> tuple[pyvips.Image, _Place]:
    """Open a file with the one loader of its format; the slightest damage is an error.

    Returns:
        The image, and its source, which must outlive it.
    """
    place = _Place(content)
    try:
        image = loader.load(place.source, access=access, fail_on="warning", **loader.options)
    except pyvips.Error:
        place.close()
        raise
    return image, place


class _Place:
    """Source for libvips."""

    source: pyvips.Source

    def __init__(self, content: Path | bytes | Patched) -> None:
        self._stream: BinaryIO | None = None
        if isinstance(content, Path):
            # pyvips passes bytes on unchanged, and names that are not UTF-8 have no other form.
            self.source = pyvips.Source.new_from_file(cast("str", os.fsencode(content)))
        elif isinstance(content, bytes):
            self.source = pyvips.Source.new_from_memory(content)
        else:
            self._stream = content.open()
            custom = pyvips.SourceCustom()
            custom.on_read(self._read)
            custom.on_seek(self._seek)
            self.source = custom

    def close(self) -> None:
        """Close the file; libvips then reads it as ended."""
        if self._stream:
            self._stream.close()

    def _read(self, size: int) -> bytes:
        return b"" if not self._stream or self._stream.closed else self._stream.read(size)

    def _seek(self, offset: int, whence: int) -> int:
        return -1 if not self._stream or self._stream.closed else self._stream.seek(offset, whence)


def _upright(recipe: _Recipe) -> tuple[pyvips.Image, _Place]:
    """Open the file again, and convert and turn it, lazily."""
    access = "sequential" if recipe.orientation in _ROWWISE else "random"
    loaded, place = _load(recipe.content, recipe.loader, access)
    image = convert_colour(loaded, recipe.colour, recipe.bits)
    turned = {2: "d0", 3: "d180", 4: "d180", 5: "d90", 6: "d90", 7: "d270", 8: "d270"}
    if recipe.orientation > 1:
        image = image.rot(turned[recipe.orientation])
    if recipe.orientation in (2, 4, 5, 7):
        image = image.fliphor()
    return image, place
