"""Pictures in memory: the meaning of channels and numbers, and the one place for rounding.

Pixels are (H, W, C) arrays of any real dtype. Unit pixels are float32 with black at 0 and white at
1; networks read and write those, unclamped. A unit pixel without a value (nodata) is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from superres.errors import ArgumentError

Pixels = NDArray[Any]  # of the picture's dtype
Unit = NDArray[np.float32]

_PIECE_VALUES = 2**17
_RGB = 3  # channels

# What a frame of a burst carries besides its colours: how far its sample lies from the reference's
# pixel in rows and in columns, and whether it is valid; `infer.burst_input` makes them.
BURST_EXTRAS = 3
# Frames of a video are padded to multiples of this, as `layers.motion` halves them four times;
# smaller frames have no history.
VIDEO_MULTIPLE = 16

# ITU-R BT.601, studio range on a 0-255 scale; MATLAB's rgb2ycbcr, and the field's tables, use it.
LUMA_WEIGHTS = (65.481, 128.553, 24.966)
LUMA_OFFSET = 16.0


@dataclass(frozen=True, slots=True)
class Bands:
    """What the channels of a picture mean: colours or bands, optionally followed by alpha.

    Attributes:
        colour: `grey` (one), `rgb` (three), or `bands`: any number that are not display colours,
            such as a satellite's; each passes through a network by itself, as grey.
        count: Channels before alpha.
        alpha: Whether alpha is the last channel.
    """

    colour: Literal["grey", "rgb", "bands"]
    count: int
    alpha: bool = False

    def __post_init__(self) -> None:
        expected = {"grey": 1, "rgb": 3}.get(self.colour, self.count)
        if self.count != expected or self.count < 1:
            raise ArgumentError(
                f"{self.colour} pictures have {max(1, expected)} channels before alpha, "
                f"got {self.count}",
                'use colour="bands" for any other number',
            )

    @property
    def channels(self) -> int:
        """The number of all channels, alpha included."""
        return self.count + int(self.alpha)

    @staticmethod
    def of(channels: int) -> Bands:
        """Return the conventional meaning of an array's channels.

        Grey, grey and alpha, RGB, or RGB and alpha for 1 to 4 of them; bands for more.

        Raises:
            ArgumentError: `channels` is below 1.
        """
        if channels < 1:
            raise ArgumentError(
                f"a picture has at least one channel, got {channels}", "pass (H, W) or (H, W, C)"
            )
        if channels > 4:
            return Bands("bands", channels)
        grey = channels < 3
        return Bands("grey" if grey else "rgb", 1 if grey else 3, alpha=channels in (2, 4))


@dataclass(frozen=True, slots=True)
class Values:
    """What the numbers of a picture mean.

    Whole numbers come back between black and white; floats are measurements and may lie beyond.

    Attributes:
        dtype: Their type, as numpy names it: `uint8`, `uint16`, `int16`, `uint32`, `float64`, …
        black: The number that is 0 for a network; whole numbers are never below it.
        white: The number that is 1; whole numbers are never above it: 4095 for 12 bits in `uint16`.
        nodata: The number that marks pixels without a value; None if there is none. It may be NaN.
    """

    dtype: str
    black: float
    white: float
    nodata: float | None = None

    def __post_init__(self) -> None:
        kind = np.dtype(self.dtype)
        if kind.kind not in "uif":
            raise ArgumentError(
                f"pixels must be whole numbers or floats, got {self.dtype}",
                "convert with .astype(); floats hold black at 0 and white at 1",
            )
        if not self.black < self.white:
            raise ArgumentError(
                f"black must be below white, got {self.black:g} and {self.white:g}",
                "pass the numbers that mean black and white",
            )
        if kind.kind != "f":
            limits = np.iinfo(kind)
            for number in (
                self.black,
                self.white,
                *(() if self.nodata is None else (self.nodata,)),
            ):
                if not (limits.min <= number <= limits.max and number == int(number)):
                    raise ArgumentError(
                        f"{number:g} is not a value of {self.dtype}",
                        f"{self.dtype} holds whole numbers from {limits.min} to {limits.max}",
                    )

    @staticmethod
    def of(dtype: np.dtype[Any] | str) -> Values:
        """Return the conventional meaning of a dtype's numbers, whatever the values.

        Whole numbers span the range of their dtype; floats have black at 0 and white at 1.

        Raises:
            ArgumentError: The dtype is neither whole numbers nor floats.
        """
        kind = np.dtype(dtype)
        if kind.kind in "ui":
            return Values(kind.name, float(np.iinfo(kind).min), float(np.iinfo(kind).max))
        return Values(kind.name, 0.0, 1.0)

    @property
    def whole(self) -> bool:
        """Whether the numbers are whole."""
        return np.dtype(self.dtype).kind != "f"

    @property
    def exact(self) -> bool:
        """Whether the numbers are finer than 8 bits, which half precision would lose."""
        return not self.whole or self.white - self.black > 255


UINT8, UINT16, FLOAT32 = Values.of("uint8"), Values.of("uint16"), Values.of("float32")


def to_unit(pixels: Pixels, values: Values | None = None) -> Unit:
    """Return pixels as float32 with black at 0, white at 1 and nodata as NaN; shape is kept.

    float32 keeps 24 bits; finer whole numbers and floats are rounded to it.

    Args:
        pixels: Any shape.
        values: What the numbers mean; None takes `Values.of` the dtype.

    Raises:
        ArgumentError: The dtype is not that of `values`, or neither whole numbers nor floats.
    """
    values = values or Values.of(pixels.dtype)
    _check_dtype(pixels, values)
    if (values.black, values.nodata) == (0.0, None):
        if not values.whole and values.white == 1.0:
            return pixels.astype(np.float32, copy=False)
        if values.white < 2**24:
            return pixels.astype(np.float32) * np.float32(1.0 / values.white)
    wide = (pixels.astype(np.float64) - values.black) * (1.0 / (values.white - values.black))
    unit = wide.astype(np.float32)
    if values.nodata is not None:
        unit[is_nodata(pixels, values)] = np.nan
    return unit


def to_planes(pixels: Pixels, values: Values) -> Unit:
    """Return rows (h, W, C) as contiguous planes of unit pixels, (C, h, W); see `to_unit`."""
    if pixels.dtype == np.uint8 and values == UINT8:
        planes = np.empty((pixels.shape[2], *pixels.shape[:2]), np.float32)
        for channel in range(len(planes)):
            np.multiply(pixels[..., channel], np.float32(1 / 255), out=planes[channel])
        return planes
    return np.ascontiguousarray(to_unit(pixels, values).transpose(2, 0, 1))


def from_unit(unit: Unit, values: Values, out: Pixels | None = None) -> Pixels:
    """Return unit pixels as the numbers that they stand for, with NaN as nodata.

    Whole numbers are clamped to black and white and rounded to nearest; floats are measurements
    and are not clamped.

    Args:
        unit: Unit pixels of any shape; RGB that is planar in memory is converted the fastest.
        values: What the numbers mean.
        out: Of the same shape, receives the numbers; None takes new memory.
    """
    dtype, nodata = np.dtype(values.dtype), values.nodata
    if not values.whole:
        if (values.black, values.white, nodata) == (0.0, 1.0, None):
            if out is None:
                return unit.astype(dtype, copy=False)
            np.copyto(out, unit)
            return out
        wide = unit.astype(np.float64) * (values.white - values.black) + values.black
        pixels = np.empty(unit.shape, dtype) if out is None else out
        np.copyto(pixels, wide, casting="same_kind")
        if nodata is not None:
            pixels[np.isnan(unit)] = nodata
        return pixels
    # float32 holds every whole number up to 2**24, at half the work.
    work = np.float32 if values.white - values.black < 2**24 else np.float64
    span, black = work(values.white - values.black), work(values.black)
    pixels = np.empty(unit.shape, dtype) if out is None else out
    # In pieces that stay in the cache: a whole picture at once takes six times as long.
    rows = max(1, _PIECE_VALUES * len(unit) // max(1, unit.size))
    for start in range(0, len(unit), rows):
        piece = unit[start : start + rows].astype(work, copy=False) * span
        np.clip(piece, 0.0, span, out=piece)
        np.rint(piece, out=piece)
        if values.black:
            piece += black
        if nodata is None:
            _copy_whole(piece, pixels[start : start + rows])
        else:
            pixels[start : start + rows] = _marked(piece, values, nodata)
    return pixels


def _copy_whole(numbers: NDArray[np.floating[Any]], pixels: Pixels) -> None:
    """Convert rows (h, W, C) of whole numbers; planes of RGB at a third of numpy's own time.

    Numpy writes the channels of interleaved pixels value by value. Here two values at a time are
    joined to words: R0 G0, B0 R1 and G1 B1.
    """
    word = {1: "<u2", 2: "<u4"}.get(pixels.itemsize)
    planar = numbers.ndim == _RGB and numbers.strides[1] == numbers.itemsize
    # Or a row would not be a view of words.
    interleaved = pixels.strides[1:] == (_RGB * pixels.itemsize, pixels.itemsize)
    if not (word and planar and interleaved) or pixels.shape[1] % 2 or pixels.shape[2] != _RGB:
        np.copyto(pixels, numbers, casting="unsafe")
        return
    height, width, channels = pixels.shape
    planes = np.empty((channels, height, width), pixels.dtype)
    np.copyto(planes, numbers.transpose(2, 0, 1), casting="unsafe")
    red, green, blue = planes.view(word)
    bits = 8 * pixels.itemsize
    low, high = (1 << bits) - 1, ((1 << bits) - 1) << bits
    words = pixels.reshape(height, width * channels).view(word).reshape(height, -1, channels)
    words[..., 0] = red & low | green << bits
    words[..., 1] = blue & low | red & high
    words[..., 2] = green >> bits | blue & high


def _marked(numbers: NDArray[np.floating[Any]], values: Values, nodata: float) -> Pixels:
    """Return whole numbers with NaN as nodata; no other pixel is rounded to nodata."""
    missing = np.isnan(numbers)
    beside = nodata + 1 if nodata + 1 <= values.white else nodata - 1
    numbers = np.where(numbers == nodata, beside, numbers)
    whole = np.where(missing, 0, numbers).astype(values.dtype)
    whole[missing] = nodata
    return whole


def is_nodata(pixels: Pixels, values: Values) -> NDArray[np.bool_]:
    """Return the mask of pixels without a value, in the same shape."""
    if values.nodata is None:
        return np.zeros(pixels.shape, np.bool_)
    if np.isnan(values.nodata):
        return np.isnan(pixels)
    return pixels == np.dtype(values.dtype).type(values.nodata)


def _check_dtype(pixels: Pixels, values: Values) -> None:
    if pixels.dtype.name != values.dtype:
        raise ArgumentError(
            f"pixels must be {values.dtype}, got {pixels.dtype.name}",
            "pass the Values that fit them, or convert with .astype()",
        )


def luma(rgb: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return the studio-range luma (H, W), 16 to 235, of RGB pixels (H, W, 3) on a 0-255 scale.

    Y = 65.481 R + 128.553 G + 24.966 B + 16 with R, G, B in [0, 1] (ITU-R BT.601), unrounded.
    """
    return rgb.astype(np.float64) @ (np.array(LUMA_WEIGHTS) / 255.0) + LUMA_OFFSET
