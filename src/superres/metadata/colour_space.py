"""Colour spaces that files describe by numbers instead of an ICC profile."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from superres.metadata.tags import (
    Header,
    Slot,
    TagError,
    read_directory,
    read_header,
    read_numbers,
    read_value,
)

# Red, green, blue and white, each x and y, by the code points of ITU-T H.273.
Chromaticities = tuple[float, ...]
_D65, _C = (0.3127, 0.3290), (0.310, 0.316)
_BT709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_PRIMARIES: dict[int, Chromaticities] = {
    1: (*_BT709, *_D65),
    4: (0.67, 0.33, 0.21, 0.71, 0.14, 0.08, *_C),
    5: (0.64, 0.33, 0.29, 0.60, 0.15, 0.06, *_D65),
    6: (0.63, 0.34, 0.31, 0.595, 0.155, 0.07, *_D65),
    7: (0.63, 0.34, 0.31, 0.595, 0.155, 0.07, *_D65),
    8: (0.681, 0.319, 0.243, 0.692, 0.145, 0.049, *_C),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *_D65),
    10: (1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1 / 3, 1 / 3),
    11: (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.314, 0.351),
    12: (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, *_D65),
    22: (0.63, 0.34, 0.295, 0.605, 0.155, 0.077, *_D65),
}
_PRIMARIES_NAMES = {1: "BT.709", 9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
ADOBE_RGB: Chromaticities = (0.64, 0.33, 0.21, 0.71, 0.15, 0.06, *_D65)
_ADOBE_GAMMA = 563 / 256
UNSPECIFIED, SRGB, LINEAR, PQ, HLG, GAMMA, TABLE = 2, 13, 8, 16, 18, -1, -2
_TRANSFERS = (1, 4, 5, 6, 7, LINEAR, 11, 12, SRGB, 14, 15, PQ, 17, HLG)
_GAMMAS = {4: 2.2, 5: 2.8}
_TRANSFER_NAMES = {PQ: " with PQ", HLG: " with HLG", LINEAR: ", linear"}
WHITE_NITS = 203.0  # HDR reference white, BT.2408
_HLG_PEAK_NITS = 1000.0
KNEE = 0.8  # of reference white; brighter light is compressed in SDR
_WHITE_POINT, _PRIMARY_TAG, _TRANSFER_FUNCTION, _GAMMA_TAG = 0x013E, 0x013F, 0x012D, 0xA500
_EXIF, _INTEROPERABILITY, _COLOUR_SPACE = 0x8769, 0xA005, 0xA001


@dataclass(frozen=True, slots=True)
class Cicp:
    """Colours by the code points of ITU-T H.273.

    Attributes:
        primaries: Of the primaries.
        transfer: Of the transfer function.
        matrix: Of the matrix to luma and chroma; 0 for RGB.
        full: Whether values use their full range.
    """

    primaries: int
    transfer: int
    matrix: int = 0
    full: bool = True

    @property
    def is_hdr(self) -> bool:
        """Whether its light exceeds reference white: PQ and HLG."""
        return self.transfer in (PQ, HLG)

    def space(self) -> ColourSpace | None:
        """Return the colour space; None for unsupported code points."""
        primaries = 1 if self.primaries == UNSPECIFIED else self.primaries
        transfer = SRGB if self.transfer == UNSPECIFIED else self.transfer
        if primaries not in _PRIMARIES or transfer not in _TRANSFERS:
            return None
        name = _PRIMARIES_NAMES.get(primaries, f"primaries {primaries}")
        name += _TRANSFER_NAMES.get(transfer, "")
        if transfer not in (SRGB, *_TRANSFER_NAMES):
            name += f" with transfer {transfer}"
        return ColourSpace(name, _PRIMARIES[primaries], transfer, narrow=not self.full)


@dataclass(frozen=True, slots=True)
class ColourSpace:
    """Primaries, white and transfer function of RGB pixels.

    Attributes:
        name: Display name.
        chromaticities: Red, green, blue and white, each x and y.
        transfer: Code point of H.273; or `GAMMA`, or `TABLE`.
        gamma: Exponent of a pure power law.
        table: Light by code, both from 0 to 1, at equal steps.
        narrow: Whether codes use video range, black at 16 of 255 and white at 235.
    """

    name: str
    chromaticities: Chromaticities
    transfer: int = SRGB
    gamma: float = 0.0
    table: tuple[float, ...] = ()
    narrow: bool = False

    @property
    def is_srgb(self) -> bool:
        """Whether it is sRGB, which pixels without a description are assumed to be."""
        near = np.allclose(self.chromaticities, _PRIMARIES[1], atol=0.002)
        return near and self.transfer == SRGB and not self.narrow

    def light(self, codes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the linear light of codes from 0 to 1; white is 1, HDR highlights compressed."""
        if self.narrow:
            codes = np.clip((codes * 255 - 16) / 219, 0, 1)
        if self.transfer == TABLE:
            return np.interp(codes, np.linspace(0, 1, len(self.table)), self.table)
        if self.transfer == GAMMA:
            return codes**self.gamma
        return _light(codes, self.transfer)


@dataclass(frozen=True, slots=True)
class Described:
    """A colour description found in a file.

    Attributes:
        space: The colour space; None for unsupported code points.
        source: Where it was found, as notes name it.
        cicp: Its code points, if it has any.
        outranks_icc: Whether it takes precedence over an ICC profile.
    """

    space: ColourSpace | None
    source: str
    cicp: Cicp | None = None
    outranks_icc: bool = False


def srgb() -> ColourSpace:
    """Return sRGB."""
    return ColourSpace("sRGB", _PRIMARIES[1])


def from_gamma(gamma: float | None, chromaticities: Chromaticities | None) -> ColourSpace:
    """Return the space of a gamma (light by code) and primaries; either may be missing."""
    primaries = chromaticities or _PRIMARIES[1]
    if gamma is None:
        return ColourSpace("primaries of its own", primaries)
    if np.allclose(primaries, ADOBE_RGB, atol=0.002) and 2.1 < gamma < 2.3:
        return ColourSpace("Adobe RGB (1998)", primaries, GAMMA, gamma)
    if abs(gamma - 1) < 1e-4:
        return ColourSpace("linear light", primaries, LINEAR)
    # Files that mean sRGB state 1 / 2.2, as the nearest number.
    if (
        np.allclose(primaries, _PRIMARIES[1], atol=0.002)
        and 1 / 0.46 + 1e-9 < gamma < 1 / 0.45 + 1e-9
    ):
        return ColourSpace("sRGB", _PRIMARIES[1])
    return ColourSpace(f"gamma {gamma:.5g}", primaries, GAMMA, gamma)


def of_tags(exif: bytes) -> Described | None:
    """Return the colours that an EXIF block, or a TIFF directory in its form, describes.

    White point, primaries and transfer function count first; then EXIF's colour space, which is
    Adobe RGB if it is uncalibrated and the interoperability index says R03.
    """
    stream = io.BytesIO(exif.removeprefix(b"Exif\0\0"))
    try:
        header = read_header(stream)
        slots = read_directory(stream, header, header.first).slots
        return of_directory(stream, header, slots)
    except TagError:
        return None


def of_directory(stream: BinaryIO, header: Header, slots: dict[int, Slot]) -> Described | None:
    """Return the colours that a directory of tags describes, with its EXIF directory.

    Raises:
        TagError: A directory is damaged.
    """
    pointer = read_numbers(stream, header, slots.get(_EXIF))
    inner = read_directory(stream, header, int(pointer[0])).slots if pointer else {}
    white = read_numbers(stream, header, slots.get(_WHITE_POINT))
    primaries = read_numbers(stream, header, slots.get(_PRIMARY_TAG))
    curve = read_numbers(stream, header, slots.get(_TRANSFER_FUNCTION))
    gamma = read_numbers(stream, header, inner.get(_GAMMA_TAG))
    if len(primaries) == 6 and len(white) == 2:
        chromaticities = (*primaries, *white)
        if len(curve) >= 256:
            length = len(curve) if len(curve) & (len(curve) - 1) == 0 else len(curve) // 3
            table = tuple(value / 65535 for value in curve[:length])
            space = ColourSpace("colours of its own", chromaticities, TABLE, table=table)
        else:
            space = from_gamma(gamma[0] if gamma and gamma[0] > 0 else None, chromaticities)
        return Described(space, "its white point and primaries")
    stated = read_numbers(stream, header, inner.get(_COLOUR_SPACE))
    if stated and (stated[0] == 2 or (stated[0] == 0xFFFF and _is_r03(stream, header, inner))):
        space = ColourSpace("Adobe RGB (1998)", ADOBE_RGB, GAMMA, _ADOBE_GAMMA)
        return Described(space, "EXIF")
    return None


def _is_r03(stream: BinaryIO, header: Header, slots: dict[int, Slot]) -> bool:
    pointer = read_numbers(stream, header, slots.get(_INTEROPERABILITY))
    if not pointer:
        return False
    index = read_directory(stream, header, int(pointer[0])).slots.get(1)
    return index is not None and read_value(stream, index).rstrip(b"\0 ") == b"R03"


def _light(codes: NDArray[np.float64], transfer: int) -> NDArray[np.float64]:
    """Return the light of codes by an H.273 transfer function."""
    if transfer == SRGB:
        return np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)
    if transfer in _GAMMAS:
        return codes ** _GAMMAS[transfer]
    if transfer == LINEAR:
        return codes
    if transfer == 7:  # SMPTE 240M
        return np.where(codes < 0.0913, codes / 4, ((codes + 0.1115) / 1.1115) ** (1 / 0.45))
    if transfer == 17:  # SMPTE 428
        return np.minimum(codes**2.6 * 52.37 / 48, 1)
    if transfer == PQ:  # BT.2100
        root = codes ** (1 / 78.84375)
        top = np.maximum(root - 0.8359375, 0)
        return _shoulder((top / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125) * 10_000)
    if transfer == HLG:
        high = (np.exp((codes - 0.55991073) / 0.17883277) + 0.28466892) / 12
        scene = np.where(codes <= 0.5, codes**2 / 3, high)
        return _shoulder(scene**1.2 * _HLG_PEAK_NITS)
    return np.where(codes < 0.081, codes / 4.5, ((codes + 0.099) / 1.099) ** (1 / 0.45))


def _shoulder(nits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compress HDR light below white: linear up to the knee, then ever flatter."""
    light = nits / WHITE_NITS
    return np.where(light <= KNEE, light, 1 - (1 - KNEE) * np.exp(-(light - KNEE) / (1 - KNEE)))
