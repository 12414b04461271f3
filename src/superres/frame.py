"""A picture in memory: what its channels mean, its depth, and the one place where it is rounded.

Pixels are (H, W, C) arrays of uint8, uint16 or float32. Unit pixels are float32 with black at 0
and white at 1; networks read and write those, unclamped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from superres.errors import ArgumentError

Pixels = NDArray[np.uint8 | np.uint16 | np.float32]
Depth = Literal["uint8", "uint16", "float32"]
WHITE: dict[Depth, float] = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}

_PIECE_VALUES = 2**15

# What a frame of a burst carries beside its colours: how far its sample lies from the reference's
# pixel in rows and in columns, and whether it is valid; `infer.burst_input` makes them.
BURST_EXTRAS = 3
# Frames of a video are brought to multiples of this, as `layers.motion` halves them four times;
# frames that are shorter or narrower have no history.
VIDEO_MULTIPLE = 16

# ITU-R BT.601, studio range on a 0-255 scale; MATLAB's rgb2ycbcr, and the field's tables, use it.
LUMA_WEIGHTS = (65.481, 128.553, 24.966)
LUMA_OFFSET = 16.0


@dataclass(frozen=True, slots=True)
class Layout:
    """What the channels of a picture mean: grey or RGB, with or without alpha as the last one."""

    colour: Literal["grey", "rgb"]
    alpha: bool

    @property
    def colour_channels(self) -> int:
        """The number of channels before alpha: 1 or 3."""
        return 1 if self.colour == "grey" else 3

    @property
    def channels(self) -> int:
        """The number of all channels, 1 to 4."""
        return self.colour_channels + int(self.alpha)

    @staticmethod
    def of(channels: int) -> Layout:
        """Return the layout that an array of 1 to 4 channels has by convention.

        Raises:
            ArgumentError: `channels` is not 1, 2, 3 or 4.
        """
        if channels not in (1, 2, 3, 4):
            raise ArgumentError(
                f"a picture has 1 to 4 channels (grey, grey+alpha, RGB, RGBA), got {channels}",
                "pass bands of other pictures one at a time, as (H, W) arrays",
            )
        return Layout("grey" if channels < 3 else "rgb", channels in (2, 4))


@dataclass(frozen=True, slots=True)
class Bands:
    """What the channels of a picture mean: colours or bands, with or without alpha as the last.

    Attributes:
        colour: `grey` (one), `rgb` (three), or `bands`: any number that are no colours of a screen,
            such as a satellite's; each of them goes through a network by itself, as grey.
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
        """The number of all channels, alpha among them."""
        return self.count + int(self.alpha)


@dataclass(frozen=True, slots=True)
class Values:
    """What the numbers of a picture mean.

    Attributes:
        dtype: Their type, as numpy names it: `uint8`, `uint16`, `int16`, `uint32`, `float64`, …
        black: The number that is 0 for a network.
        white: The number that is 1: 4095 for 12 bits in `uint16`.
        nodata: The number that marks pixels without a value; None if there is none. It may be NaN.
    """

    dtype: str
    black: float
    white: float
    nodata: float | None = None

    def __post_init__(self) -> None:
        if not self.black < self.white:
            raise ArgumentError(
                f"black must be below white, got {self.black:g} and {self.white:g}",
                "pass the numbers that mean black and white",
            )


def depth_of(pixels: NDArray[np.generic]) -> Depth:
    """Return the depth of an array from its dtype, never from its values.

    Raises:
        ArgumentError: The dtype is not uint8, uint16 or float32.
    """
    name = pixels.dtype.name
    if name == "uint8" or name == "uint16" or name == "float32":
        return name
    raise ArgumentError(
        f"pixels must be uint8, uint16 or float32, got {name}",
        "convert with .astype(); floats hold black at 0 and white at 1",
    )


def to_unit(pixels: NDArray[np.generic]) -> NDArray[np.float32]:
    """Return pixels of any depth as float32 with black at 0 and white at 1; shape is kept."""
    depth = depth_of(pixels)
    if depth == "float32":
        return pixels.astype(np.float32, copy=False)
    return pixels.astype(np.float32) * np.float32(1.0 / WHITE[depth])


def from_unit(unit: NDArray[np.float32], depth: Depth) -> Pixels:
    """Return unit pixels at a depth: clamped and rounded to nearest for integers, kept for floats.

    Float pictures may lie outside [0, 1] (they are measurements), so they are not clamped.
    """
    if depth == "float32":
        return unit.astype(np.float32, copy=False)
    white = np.float32(WHITE[depth])
    pixels = np.empty(unit.shape, np.uint8 if depth == "uint8" else np.uint16)
    # In pieces that stay in the cache: whole pictures at a time take six times as long.
    rows = max(1, _PIECE_VALUES * len(unit) // max(1, unit.size))
    for start in range(0, len(unit), rows):
        piece = unit[start : start + rows] * white
        np.clip(piece, 0.0, white, out=piece)
        np.copyto(pixels[start : start + rows], np.rint(piece, out=piece), casting="unsafe")
    return pixels


def luma(rgb: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return the studio-range luma (H, W), 16 to 235, of RGB pixels (H, W, 3) on a 0-255 scale.

    Y = 65.481 R + 128.553 G + 24.966 B + 16 with R, G, B in [0, 1] (ITU-R BT.601), unrounded.
    """
    return rgb.astype(np.float64) @ (np.array(LUMA_WEIGHTS) / 255.0) + LUMA_OFFSET
