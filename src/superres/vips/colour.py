"""Conversion of a file's channels to grey or RGB: meaning and depth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import pyvips

from superres.containers.tiff_facts import Alpha
from superres.errors import PictureError
from superres.frame import Bands
from superres.metadata.colour_space import KNEE, WHITE_NITS, Cicp, Described
from superres.metadata.header import icc_space, set_blob
from superres.metadata.icc import build_profile
from superres.metadata.picture import Profile

_COLOUR_CHANNELS = {"b-w": 1, "grey16": 1, "srgb": 3, "rgb16": 3, "scrgb": 3, "rgb": 3, "cmyk": 4}
_CONVERTED_SPACES = {"lab": "CIELAB", "labs": "CIELAB", "xyz": "XYZ"}
_DEPTHS: dict[str, str] = {"uchar": "uint8", "ushort": "uint16", "float": "float32"}
_SAMPLES = {
    "char": "signed 8-bit",
    "short": "signed 16-bit",
    "uint": "32-bit whole",
    "int": "signed 32-bit",
    "double": "64-bit float",
    "complex": "complex",
    "dpcomplex": "complex",
}


@dataclass(frozen=True, slots=True)
class Colour:
    """Plan for converting a file's channels.

    Attributes:
        bands: The resulting channels.
        dtype: Their dtype.
        icc: Their profile.
        convert: Keep the values, convert through an ICC profile, or from a CIE space.
        own_profile: Whether the file's own profile is used for that, not libvips' CMYK.
        rounded_down: Whether libvips divides colours by alpha and rounds them down.
        notes: What was converted or dropped.
        attached: The profile for the conversion, if the file lacks it.
        cicp: Code points of the resulting channels.
    """

    bands: Bands
    dtype: str
    icc: bytes | None
    convert: Literal["keep", "profile", "space"] = "keep"
    own_profile: bool = False
    rounded_down: bool = False
    notes: tuple[str, ...] = ()
    attached: bytes | None = None
    cicp: Cicp | None = None


def plan_colour(
    image: pyvips.Image,
    name: str,
    *,
    icc: bytes | None,
    described: Described | None,
    alpha: Alpha | None,
    profile: Profile,
) -> Colour:
    """Decide what a file's channels mean and how they are converted.

    Args:
        image: The opened file.
        name: Its name for errors.
        icc: Its ICC profile.
        described: The numbers that describe its colours, if no profile does.
        alpha: Meaning of its extra channels; None where the format defines it.
        profile: Keep the profile, or convert to sRGB.

    Raises:
        PictureError: It has too many or unlabelled channels, or unsupported samples.
    """
    space = str(image.interpretation)
    if space == "multiband" and image.bands == 1:
        space = "b-w"
    bands = _layout(image, name, space, alpha)
    space_name = icc_space(icc) if icc else ""
    if space == "cmyk":
        return _from_cmyk(image, name, bands, own_profile=space_name == "CMYK")
    if space in _CONVERTED_SPACES:
        return _from_cie(image, bands, _CONVERTED_SPACES[space])
    colour = Colour(bands, _dtype(image, name), icc)
    if alpha == "premultiplied":  # libvips divides it out while it reads
        note = "premultiplied alpha turned into straight alpha"
        colour = replace(colour, rounded_down=colour.dtype != "float32", notes=(note,))
    wanted = "GRAY" if bands.colour == "grey" else "RGB"
    if described:
        return _from_numbers(colour, described, profile)
    if icc is None:
        return colour
    if space_name != wanted:
        what = f"is for {space_name} pictures" if space_name else "is damaged"
        note = f"its ICC profile {what} and not kept"
        return replace(colour, icc=None, notes=(*colour.notes, note))
    return _to_srgb(colour) if profile == "srgb" else colour


def convert_colour(image: pyvips.Image, colour: Colour, bits: int = 0) -> pyvips.Image:
    """Apply a plan to an opened file; lazily, like all of libvips.

    Args:
        image: The opened file.
        colour: The plan.
        bits: The upper bits of 16 that samples of 10 or 12 bits use.
    """
    wide = colour.dtype == "uint16"
    if colour.convert != "keep" and 8 < bits < 16:
        whole = (image >> (16 - bits)) * (65535 / (2**bits - 1))
        image = whole.rint().cast("ushort").copy(interpretation=image.interpretation)
    if colour.attached:
        image = image.copy()
        set_blob(image, "icc-profile-data", colour.attached)
    if colour.convert == "space":
        return image.colourspace("rgb16" if wide else "srgb")
    if colour.convert == "keep":
        return image
    depth = 16 if wide else 8
    if colour.own_profile:
        rgb = image.icc_transform(
            "srgb", embedded=True, intent="relative", black_point_compensation=True, depth=depth
        )
    else:
        rgb = image.icc_transform(
            "srgb",
            input_profile="cmyk",
            intent="relative",
            black_point_compensation=True,
            depth=depth,
        )
    if colour.bands.colour == "rgb":
        return rgb
    grey = rgb.extract_band(1)  # in a neutral colour, all three are equal
    return grey.bandjoin(rgb.extract_band(3)) if colour.bands.alpha else grey


def srgb_profile() -> bytes:
    """Return libvips' own sRGB profile."""
    loaded: object = pyvips.Operation.call("profile_load", "srgb")
    assert isinstance(loaded, bytes)
    return loaded


def _layout(image: pyvips.Image, name: str, space: str, alpha: Alpha | None) -> Bands:
    colours = 3 if space in _CONVERTED_SPACES else _COLOUR_CHANNELS.get(space, 0)
    extra = image.bands - colours
    if colours == 0 or extra not in (0, 1):
        raise PictureError(
            f"{name} has {image.bands} channels ({space}); "
            "grey, RGB or CMYK, with or without alpha, is read",
            "save the bands to upscale as grey or RGB pictures, one at a time",
        )
    if extra == 1 and alpha == "unlabelled":
        raise PictureError(
            f"{name} has {image.bands} channels, and the last is not labelled as alpha",
            "label it as alpha (TIFF's ExtraSamples 2), or save it without its last channel",
        )
    return Bands("grey" if colours == 1 else "rgb", min(colours, 3), extra == 1)  # CMYK becomes RGB


def _dtype(image: pyvips.Image, name: str) -> str:
    samples = str(image.format)
    if samples not in _DEPTHS:
        raise PictureError(
            f"{name} holds {_SAMPLES.get(samples, samples)} samples; "
            "unsigned 8-bit, unsigned 16-bit and 32-bit float ones are read",
            "save it as 16-bit or 32-bit float TIFF first",
        )
    return _DEPTHS[samples]


def _from_cmyk(image: pyvips.Image, name: str, bands: Bands, *, own_profile: bool) -> Colour:
    dtype = _dtype(image, name)
    through = "its own profile" if own_profile else "a general CMYK profile: it has none of its own"
    return Colour(
        bands,
        "uint8" if dtype == "uint8" else "uint16",
        srgb_profile(),
        convert="profile",
        own_profile=own_profile,
        notes=(f"CMYK converted to sRGB through {through}",),
    )


def _from_cie(image: pyvips.Image, bands: Bands, what: str) -> Colour:
    dtype: str = "uint8" if image.format == "uchar" else "uint16"
    note = f"{what} converted to {'8' if dtype == 'uint8' else '16'}-bit sRGB"
    return Colour(bands, dtype, srgb_profile(), convert="space", notes=(note,))


def _from_numbers(colour: Colour, described: Described, profile: Profile) -> Colour:
    """Turn colours described by numbers into a profile, and keep it or convert through it."""
    space, cicp = described.space, described.cicp
    if space is None:
        codes = f" (primaries {cicp.primaries}, transfer {cicp.transfer})" if cicp else ""
        note = f"its colours by {described.source}{codes} are of an unknown kind and not kept"
        return replace(colour, icc=None, notes=(*colour.notes, note))
    if space.is_srgb:
        return replace(colour, icc=None)
    made = build_profile(space, grey=colour.bands.colour == "grey", cicp=cicp)
    colour = replace(colour, icc=made, attached=made, cicp=cicp)
    if profile != "srgb":
        note = f"its colours, described by {described.source}, are kept: {space.name}"
        return replace(colour, notes=(*colour.notes, note))
    converted = _to_srgb(colour)
    if converted.convert == "keep":
        return converted
    limit = round(KNEE * WHITE_NITS)
    bright = f"; light above {limit} cd/m² is compressed" if cicp and cicp.is_hdr else ""
    origin = f" from {space.name} (by {described.source}){bright}"
    notes = (*converted.notes[:-1], converted.notes[-1] + origin)
    return replace(converted, cicp=None, notes=notes)


def _to_srgb(colour: Colour) -> Colour:
    """Convert grey or RGB through its own profile, but not floats, which have no defined range."""
    if colour.dtype == "float32":
        note = "float pixels keep their ICC profile: only integers are converted to sRGB"
        return replace(colour, notes=(*colour.notes, note))
    grey = colour.bands.colour == "grey"
    return replace(
        colour,
        icc=None if grey else srgb_profile(),  # grey files must not contain an sRGB profile
        convert="profile",
        own_profile=True,
        notes=(*colour.notes, f"converted to {'grey as in sRGB' if grey else 'sRGB'}"),
    )
