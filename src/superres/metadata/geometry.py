"""Table of fields that hold sizes, positions, directions or pointers, and how each is updated.

Every block is read through this one table: EXIF by tags, XMP by names, IPTC by datasets and
Photoshop's resources by numbers. Turning or scaling pixels does the same to each of these fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "orientation",
    "width",
    "height",
    "across",
    "down",
    "focal_across",
    "focal_down",
    "area",
    "regions",
    "rectangle",
    "boundary",
    "crop",
    "crop_size",
    "panorama",
    "guides",
    "path",
    "shape",
    "thumbnail",
    "pointer",
    "masks",
    "colour",
    "left",
]

# Update of the fields of a kind: in a turned or mirrored picture, and at another size.
EFFECTS: dict[Kind, tuple[str, str]] = {
    "orientation": ("becomes 1: the pixels are turned", "stays"),
    "width": ("the new width", "the new width"),
    "height": ("the new height", "the new height"),
    "across": ("changes places with its pair", "stays"),
    "down": ("changes places with its pair", "stays"),
    "focal_across": ("changes places with its pair", "grows with the pixels across"),
    "focal_down": ("changes places with its pair", "grows with the pixels down"),
    "area": ("turned", "scaled"),
    "regions": ("turned, unless they fit the upright picture already", "relative; pixels scaled"),
    "rectangle": ("turned", "relative: stays"),
    "boundary": ("turned", "relative: stays; pixels scaled"),
    "crop": ("turned, unless it is said to be applied", "relative: stays"),
    "crop_size": ("changes places with its pair", "pixels scaled"),
    "panorama": ("removed: a turned panorama is not of this projection", "scaled"),
    "guides": ("turned", "scaled"),
    "path": ("turned", "relative: stays"),
    "shape": ("the new shape", "the new shape"),
    "thumbnail": ("removed", "removed: it shows the small picture"),
    "pointer": ("removed", "removed: what it points to is not kept"),
    "masks": ("removed", "relative: stays"),
    "colour": ("stays", "stays; after a conversion to sRGB it says so"),
    "left": ("stays", "stays"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """A field that resizing or turning the pixels invalidates.

    Attributes:
        block: The block that holds it.
        name: Its name; in XMP, the usual prefix with the name, `*` for any ending.
        kind: How it is updated.
        number: Its tag, dataset or resource; 0 in XMP.
        why: The reason, where its kind does not tell.
    """

    block: Literal["EXIF", "XMP", "IPTC", "Photoshop"]
    name: str
    kind: Kind
    number: int = 0
    why: str = ""


_EXIF = (
    Place("EXIF", "Orientation", "orientation", 0x0112),
    Place("EXIF", "ImageWidth", "width", 0x0100),
    Place("EXIF", "ImageLength", "height", 0x0101),
    Place("EXIF", "PixelXDimension", "width", 0xA002),
    Place("EXIF", "PixelYDimension", "height", 0xA003),
    Place("EXIF", "RelatedImageWidth", "width", 0x1001),
    Place("EXIF", "RelatedImageLength", "height", 0x1002),
    Place("EXIF", "XResolution", "across", 0x011A),
    Place("EXIF", "YResolution", "down", 0x011B),
    Place("EXIF", "FocalPlaneXResolution", "focal_across", 0xA20E, "so the field of view stays"),
    Place("EXIF", "FocalPlaneYResolution", "focal_down", 0xA20F, "so the field of view stays"),
    Place("EXIF", "FocalPlaneXResolution (TIFF/EP)", "focal_across", 0x920E),
    Place("EXIF", "FocalPlaneYResolution (TIFF/EP)", "focal_down", 0x920F),
    Place("EXIF", "SubjectArea", "area", 0x9214),
    Place("EXIF", "SubjectLocation", "area", 0xA214),
    Place("EXIF", "the thumbnail", "thumbnail", 0x0201),
    Place("EXIF", "ColorSpace", "colour", 0xA001),
    Place("EXIF", "InteroperabilityIndex", "colour", 0x0001),
    Place(
        "EXIF", "GPSImgDirection", "left", 0x0011, "where the camera looked, however it was held"
    ),
    Place("EXIF", "MakerNote", "left", 0x927C, "its offsets hold as long as no byte moves"),
)
_XMP = (
    Place("XMP", "tiff:Orientation", "orientation"),
    Place("XMP", "tiff:ImageWidth", "width"),
    Place("XMP", "tiff:ImageLength", "height"),
    Place("XMP", "exif:PixelXDimension", "width"),
    Place("XMP", "exif:PixelYDimension", "height"),
    Place("XMP", "tiff:XResolution", "across"),
    Place("XMP", "tiff:YResolution", "down"),
    Place("XMP", "exif:FocalPlaneXResolution", "focal_across"),
    Place("XMP", "exif:FocalPlaneYResolution", "focal_down"),
    Place("XMP", "exif:SubjectArea", "area"),
    Place("XMP", "exif:SubjectLocation", "area"),
    Place("XMP", "exif:GPSImgDirection", "left", why="where the camera looked"),
    Place("XMP", "mwg-rs:Regions", "regions"),
    Place("XMP", "acdsee-rs:Regions", "regions"),
    Place("XMP", "MPReg:Rectangle", "rectangle"),
    Place("XMP", "Iptc4xmpExt:RegionBoundary", "boundary"),
    Place("XMP", "crs:CropTop", "crop"),
    Place("XMP", "crs:CropLeft", "crop"),
    Place("XMP", "crs:CropBottom", "crop"),
    Place("XMP", "crs:CropRight", "crop"),
    Place("XMP", "crs:CropAngle", "crop", why="mirrored pictures change its sign"),
    Place("XMP", "crs:CropWidth", "crop_size"),
    Place("XMP", "crs:CropHeight", "crop_size"),
    Place("XMP", "crs:MaskGroupBasedCorrections", "masks"),
    Place("XMP", "crs:PaintBasedCorrections", "masks"),
    Place("XMP", "crs:GradientBasedCorrections", "masks"),
    Place("XMP", "crs:CircularGradientBasedCorrections", "masks"),
    Place("XMP", "crs:RetouchAreas", "masks"),
    Place("XMP", "crs:RetouchInfo", "masks"),
    Place("XMP", "crs:RedEyeInfo", "masks"),
    Place("XMP", "GPano:*", "panorama"),
    Place("XMP", "GCamera:MotionPhoto*", "pointer", why="the video behind the picture is not kept"),
    Place("XMP", "GCamera:MicroVideo*", "pointer", why="the video behind the picture is not kept"),
    Place("XMP", "OpCamera:*", "pointer", why="the video behind the picture is not kept"),
    Place("XMP", "Container:*", "pointer", why="it lists what follows the picture"),
    Place("XMP", "Device:*", "pointer", why="it lists what follows the picture"),
    Place("XMP", "hdrgm:*", "pointer", why="the gain map is not kept"),
    Place("XMP", "HDRGainMap:*", "pointer", why="the gain map is not kept"),
    Place("XMP", "xmpNote:HasExtendedXMP", "pointer", why="the extension is not kept"),
    Place("XMP", "GDepth:*", "pointer", why="the depth map has the old size"),
    Place("XMP", "GImage:*", "pointer", why="the picture inside has the old size"),
    Place("XMP", "GAudio:*", "pointer", why="it is in the extension"),
    Place("XMP", "dcterms:provenance", "pointer", why="C2PA's manifest is of the old file"),
    Place("XMP", "xmp:Thumbnails", "thumbnail"),
    Place("XMP", "exif:ColorSpace", "colour"),
    Place("XMP", "photoshop:ICCProfile", "colour"),
)
_IPTC = (
    Place("IPTC", "ImageOrientation", "shape", 0x0283),
    Place("IPTC", "image width", "width", 0x0314),
    Place("IPTC", "image height", "height", 0x031E),
    Place("IPTC", "ObjectPreviewFileFormat", "thumbnail", 0x02C8),
    Place("IPTC", "ObjectPreviewFileVersion", "thumbnail", 0x02C9),
    Place("IPTC", "ObjectPreviewData", "thumbnail", 0x02CA),
)
_PHOTOSHOP = (
    Place("Photoshop", "resolution", "across", 0x03ED, "both axes; the new file's own resolution"),
    Place("Photoshop", "guides", "guides", 0x0408),
    Place("Photoshop", "clipping paths", "path", 0x07D0, "to 0x0BB6"),
    Place("Photoshop", "thumbnail", "thumbnail", 0x0409),
    Place("Photoshop", "thumbnail", "thumbnail", 0x040C),
    Place("Photoshop", "slices", "pointer", 0x041A, "they are cut in pixels of the old size"),
    Place("Photoshop", "counted places", "pointer", 0x0438, "they are in pixels of the old size"),
)
PLACES: tuple[Place, ...] = (*_EXIF, *_XMP, *_IPTC, *_PHOTOSHOP)


def kind_of(block: str, number: int) -> Kind | None:
    """Return the kind of a tag, dataset or resource; None if it is never updated."""
    return _NUMBERED.get((block, number))


def xmp_kind(name: str) -> Kind | None:
    """Return the kind of an XMP property, by its usual prefix and name."""
    for start, kind in _STARTS:
        if name.startswith(start):
            return kind
    return _NAMED.get(name)


_NUMBERED: dict[tuple[str, int], Kind] = {
    (place.block, place.number): place.kind for place in PLACES if place.number
}
_NAMED: dict[str, Kind] = {place.name: place.kind for place in _XMP if not place.name.endswith("*")}
_STARTS: list[tuple[str, Kind]] = [
    (place.name[:-1], place.kind) for place in _XMP if place.name.endswith("*")
]


@dataclass(frozen=True, slots=True)
class Change:
    """A turn and a resize of the pixels, in one step.

    Attributes:
        before: (height, width) of the stored pixels.
        after: (height, width) of the new picture.
        orientation: How they are turned, 1 to 8 as EXIF numbers it.
        to_srgb: Whether their colours were converted to sRGB.
    """

    before: tuple[int, int]
    after: tuple[int, int]
    orientation: int = 1
    to_srgb: bool = False

    @property
    def swaps(self) -> bool:
        """Whether height and width are swapped."""
        return self.orientation > 4

    @property
    def mirrors(self) -> bool:
        """Whether the picture is mirrored, whatever its rotation."""
        return self.orientation in (2, 4, 5, 7)

    @property
    def scale(self) -> tuple[float, float]:
        """New pixels per old one, down and across the turned picture."""
        height, width = self.before[::-1] if self.swaps else self.before
        return self.after[0] / height, self.after[1] / width

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Turn a position, from 0 to 1 across and down."""
        turned = {
            2: (1 - x, y),
            3: (1 - x, 1 - y),
            4: (x, 1 - y),
            5: (y, x),
            6: (1 - y, x),
            7: (1 - y, 1 - x),
            8: (y, 1 - x),
        }
        return turned.get(self.orientation, (x, y))

    def span(self, width: float, height: float) -> tuple[float, float]:
        """Turn a width and a height."""
        return (height, width) if self.swaps else (width, height)

    def point_px(self, x: float, y: float) -> tuple[float, float]:
        """Turn and scale a position in pixels."""
        height, width = self.before
        across, down = self.point(x / width, y / height)
        return across * self.after[1], down * self.after[0]

    def span_px(self, width: float, height: float) -> tuple[float, float]:
        """Turn and scale a width and a height in pixels."""
        wide, tall = self.span(width, height)
        down, across = self.scale
        return wide * across, tall * down

    def corner(self, x: float, y: float, width: float, height: float) -> tuple[float, ...]:
        """Turn a rectangle given by its upper left corner and its size, from 0 to 1."""
        one, other = self.point(x, y), self.point(x + width, y + height)
        return (min(one[0], other[0]), min(one[1], other[1]), *self.span(width, height))


def turned_area(numbers: list[float], change: Change) -> list[float]:
    """Turn and scale a point (x, y), circle (x, y, diameter) or rectangle (x, y, width, height).

    Args:
        numbers: In pixels; circles and rectangles are given by their centres.
        change: How the pixels are turned and scaled.
    """
    new = list(change.point_px(numbers[0], numbers[1]))
    if len(numbers) == 3:
        new.append(numbers[2] * min(change.scale))
    if len(numbers) == 4:
        new += change.span_px(numbers[2], numbers[3])
    return new
