"""Protocol of a comparison of two pictures. A score without it means nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from superres.errors import ArgumentError, unknown_name
from superres.frame import Values, luma

_COMPARED = ("uint8", "uint16", "float32")
PEAK = 255.0  # all depths are compared on a scale of 0 to 255


@dataclass(frozen=True, slots=True)
class Protocol:
    """How a score is computed.

    The literature's tables are `Protocol(channels="luma", border=scale)`. Grey pictures are
    compared directly under either choice of channels: as RGB, luma's studio range would scale
    their error by 219/255 and raise their score by 1.32 dB.

    Attributes:
        channels: `luma` compares BT.601 studio-range luma (16 to 235), unrounded; `rgb` compares
            all three channels together.
        border: Output pixels that are left out along each edge.
        rounding: `uint8` rounds and clips both pictures to 8 bits first, as saving them would;
            `none` compares them unchanged.

    Raises:
        ArgumentError: A name is unknown, or the border is negative or not a whole number.
    """

    channels: Literal["luma", "rgb"] = "luma"
    border: int = 0
    rounding: Literal["uint8", "none"] = "uint8"

    def __post_init__(self) -> None:
        if self.channels not in ("luma", "rgb"):
            raise unknown_name("kind of channels", str(self.channels), ("luma", "rgb"))
        if self.rounding not in ("uint8", "none"):
            raise unknown_name("rounding", str(self.rounding), ("uint8", "none"))
        if type(self.border) is not int or self.border < 0:
            raise ArgumentError(
                f"the border must be a whole number of at least 0 px, got {self.border!r}",
                "the literature leaves out as many pixels as the scale",
            )

    def describe(self) -> str:
        """Return the protocol in words, for headers of tables and model cards."""
        channels = "luma (BT.601, 16-235)" if self.channels == "luma" else "RGB"
        rounding = "rounded to 8 bits" if self.rounding == "uint8" else "not rounded"
        return f"{channels}, border {self.border} px, {rounding}"


def comparable(
    restored: NDArray[np.generic], truth: NDArray[np.generic], protocol: Protocol
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Convert two pictures for comparison under a protocol.

    Args:
        restored: (H, W), (H, W, 1) or (H, W, 3) of uint8, uint16, or float32 in [0, 1].
        truth: The same shape and dtype.
        protocol: How they are compared.

    Returns:
        Both as (h, w, channels) on a scale of 0 to 255, without the border.

    Raises:
        ArgumentError: Shapes or dtypes differ or are not among the above, a value is not finite,
            or the border leaves nothing.
    """
    if restored.shape != truth.shape:
        raise ArgumentError(
            f"the restored picture has shape {restored.shape}, the truth {truth.shape}",
            "crop the truth to a multiple of the scale before it is downscaled",
        )
    if restored.dtype != truth.dtype:
        raise ArgumentError(
            f"the restored picture holds {restored.dtype}, the truth {truth.dtype}",
            "convert one with superres.frame.to_unit and from_unit",
        )
    if truth.dtype.name not in _COMPARED:
        raise ArgumentError(
            f"pictures of {', '.join(_COMPARED)} can be compared, got {truth.dtype.name}",
            "convert with .astype(); floats hold black at 0 and white at 1",
        )
    meaning = Values.of(truth.dtype)
    channels = truth.shape[2] if truth.ndim == 3 else 1
    if truth.ndim not in (2, 3) or channels not in (1, 3):
        raise ArgumentError(
            f"grey (H, W) or RGB (H, W, 3) pictures can be compared, got shape {truth.shape}",
            "compare alpha, or each of many bands, as a separate grey picture",
        )
    border = protocol.border
    if min(truth.shape[:2]) <= 2 * border:
        raise ArgumentError(
            f"a border of {border} px leaves no pixels of a picture of "
            f"{truth.shape[0]}×{truth.shape[1]}",
            "compare larger pictures, or use a smaller border",
        )
    return _plane(restored, meaning, protocol), _plane(truth, meaning, protocol)


def _plane(pixels: NDArray[np.generic], meaning: Values, protocol: Protocol) -> NDArray[np.float64]:
    """Return one picture as (h, w, channels) on a scale of 0 to 255."""
    edge = protocol.border
    inner = pixels[edge : pixels.shape[0] - edge, edge : pixels.shape[1] - edge]
    values = inner.astype(np.float64) * (PEAK / meaning.white)
    if not meaning.whole and not np.isfinite(values).all():
        raise ArgumentError(
            f"{int((~np.isfinite(values)).sum())} values of a picture are NaN or infinite",
            "find out what produced them; no score can be computed",
        )
    if protocol.rounding == "uint8":
        values = np.floor(np.clip(values, 0.0, PEAK) + 0.5)
    if values.ndim == 2:
        return values[..., None]
    if values.shape[2] == 3 and protocol.channels == "luma":
        # The field's tools, and the published numbers in our tests, hold luma in single precision:
        # double precision differs by up to 3e-6 dB.
        return luma(values).astype(np.float32).astype(np.float64)[..., None]
    return values
