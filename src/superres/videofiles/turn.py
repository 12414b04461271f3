"""Turns of a picture: the rotation and flips that players apply to stored frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_Pixel = TypeVar("_Pixel", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Turn:
    """Turn from a stored frame to the shown one: a transposition, then flips.

    Attributes:
        swaps: Whether rows and columns are transposed.
        flips_rows: Whether the first row becomes the last.
        flips_columns: Whether the first column becomes the last.
    """

    swaps: bool = False
    flips_rows: bool = False
    flips_columns: bool = False

    def size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the shown (height, width) for a stored size, or the reverse."""
        return (size[1], size[0]) if self.swaps else size

    def apply(self, pixels: NDArray[_Pixel]) -> NDArray[_Pixel]:
        """Return an (H, W, C) frame as it is shown; a view where possible."""
        if self.swaps:
            pixels = pixels.transpose(1, 0, 2)
        return pixels[:: -1 if self.flips_rows else 1, :: -1 if self.flips_columns else 1]


NO_TURN = Turn()


def turn_of(display: Sequence[int] | None) -> Turn | None:
    """Return the turn of a display matrix; None if it does more than turn and flip.

    Args:
        display: The 3 x 3 matrix, row by row: a point (x, y) is shown at (a x + c y, b x + d y),
            with a, b in its first row and c, d in its second (ISO/IEC 14496-12, 6.2.2); or None.
    """
    if display is None:
        return NO_TURN
    a, b, c, d = display[0], display[1], display[3], display[4]
    if a and d and not (b or c) and abs(a) == abs(d):
        return Turn(False, flips_rows=d < 0, flips_columns=a < 0)
    if b and c and not (a or d) and abs(b) == abs(c):
        return Turn(True, flips_rows=b < 0, flips_columns=c < 0)
    return None
