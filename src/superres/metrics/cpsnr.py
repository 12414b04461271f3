"""cPSNR: PSNR after registration and removal of a brightness offset.

M. Märtens, D. Izzo, A. Krzic, D. Cox, "Super-resolution of PROBA-V images using convolutional
neural networks", 2019, arXiv:1907.01821: a border of 3 px of the restored picture is cropped, the
rest is compared with the truth at all 7 x 7 shifts, each after subtracting the mean difference in
brightness, and the best shift counts. Pixels where the truth is clouded do not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from superres.errors import ArgumentError
from superres.frame import Values


@dataclass(frozen=True, slots=True)
class RegisteredProtocol:
    """Protocol of cPSNR.

    Attributes:
        border: Pixels that are cropped along each edge; shifts of up to as many are tried. 3 in
            PROBA-V.
        peak: The peak signal, in the pictures' own units; None takes their white: 65535 for 16
            bits, as in PROBA-V.
    """

    border: int = 3
    peak: float | None = None

    def __post_init__(self) -> None:
        if type(self.border) is not int or self.border < 0:
            raise ArgumentError(
                f"the border must be a whole number of at least 0 px, got {self.border!r}",
                "PROBA-V takes 3",
            )
        if self.peak is not None and not 0.0 < self.peak < math.inf:
            raise ArgumentError(f"the peak must be above 0, got {self.peak}", "PROBA-V takes 65535")

    def describe(self) -> str:
        """Return the protocol in words, for headers of tables and model cards."""
        side = 2 * self.border + 1
        peak = "white" if self.peak is None else f"{self.peak:g}"
        return (
            f"cPSNR (PROBA-V): best of {side}×{side} shifts, without mean bias, "
            f"border {self.border} px, peak {peak}"
        )


def cpsnr(
    restored: NDArray[np.generic],
    truth: NDArray[np.generic],
    *,
    clear: NDArray[np.generic] | None = None,
    protocol: RegisteredProtocol | None = None,
) -> float:
    """Return the registered, bias-free peak signal-to-noise ratio in dB.

    Args:
        restored: (H, W) or (H, W, C) of uint8, uint16 or float32. Channels shift together, each
            with its own bias.
        truth: The same shape and dtype.
        clear: (H, W), nonzero where the truth is clear; None for everywhere.
        protocol: The protocol; None is PROBA-V's.

    Returns:
        dB, the best over all shifts; infinity if one leaves no difference.

    Raises:
        ArgumentError: Shapes or dtypes differ, a clear value is not finite, the border leaves
            nothing, or nothing is clear.
    """
    protocol = protocol or RegisteredProtocol()
    border = protocol.border
    if restored.shape != truth.shape or restored.dtype != truth.dtype:
        raise ArgumentError(
            f"the restored picture is {restored.shape} of {restored.dtype}, "
            f"the truth {truth.shape} of {truth.dtype}",
            "compare pictures of one size and depth",
        )
    if truth.ndim not in (2, 3) or min(truth.shape) == 0 or min(truth.shape[:2]) <= 2 * border:
        raise ArgumentError(
            f"a border of {border} px leaves no pixels of a picture of shape {truth.shape}",
            "compare larger pictures (H, W) or (H, W, C)",
        )
    if clear is not None and clear.shape != truth.shape[:2]:
        raise ArgumentError(
            f"the mask is {clear.shape}, the pictures are {truth.shape[:2]}",
            "pass an (H, W) array, nonzero where the truth is clear",
        )
    peak = protocol.peak or Values.of(truth.dtype).white
    mask = np.ones(truth.shape[:2], bool) if clear is None else clear.astype(bool)
    one = restored.astype(np.float64).reshape(*restored.shape[:2], -1)
    other = truth.astype(np.float64).reshape(*truth.shape[:2], -1)
    height, width = truth.shape[0] - 2 * border, truth.shape[1] - 2 * border
    inner = one[border : border + height, border : border + width]
    best = math.inf
    for top in range(2 * border + 1):
        for left in range(2 * border + 1):
            place = np.s_[top : top + height, left : left + width]
            seen = mask[place]
            if seen.any():
                difference = other[place][seen] - inner[seen]
                best = min(best, float(np.square(difference - difference.mean(axis=0)).mean()))
                if not math.isfinite(best):
                    raise ArgumentError(
                        "clear pixels are NaN or infinite",
                        "mask them, or find out what produced them",
                    )
    if best == math.inf:
        raise ArgumentError("no pixel of the truth is clear", "leave the picture out of the set")
    # A difference no larger than the mean's rounding is none.
    return math.inf if best <= (1e-12 * peak) ** 2 else 10.0 * math.log10(peak**2 / best)
