"""Pictures that continue with themselves beyond their borders, such as the tiles of a texture.

The picture is padded with itself before it is upscaled, and the padding is cropped afterwards. Its
extent is such that the padded picture has exactly the scale of the picture, so that pixels stay
where they were.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from superres.frame import Unit

Axes = Literal["none", "x", "y", "xy"]


@dataclass(frozen=True, slots=True)
class Wrap:
    """The padding of a picture, and of what becomes of it.

    Attributes:
        size: (H, W) of the picture.
        target: (H', W') of the result.
        padding: Pixels added on either side of the height and of the width.
        cropped: Pixels to crop from either side of the result's.
    """

    size: tuple[int, int]
    target: tuple[int, int]
    padding: tuple[int, int]
    cropped: tuple[int, int]

    @property
    def padded_size(self) -> tuple[int, int]:
        """(height, width) of the padded picture."""
        return self.size[0] + 2 * self.padding[0], self.size[1] + 2 * self.padding[1]

    @property
    def padded_target(self) -> tuple[int, int]:
        """(height, width) of the result before it is cropped."""
        return self.target[0] + 2 * self.cropped[0], self.target[1] + 2 * self.cropped[1]

    def pad(self, blocks: Iterable[Unit]) -> Iterator[Unit]:
        """Pad a picture that comes in blocks of rows.

        Where the height is padded, all of it is held, as its last rows go first.

        Args:
            blocks: (h, W, C) from top to bottom.

        Yields:
            (h', padded width, C) from top to bottom.
        """
        rows, columns = self.padding
        around = np.arange(-columns, self.size[1] + columns) % self.size[1]
        wide = (block[:, around] if columns else block for block in blocks)
        if not rows:
            yield from wide
            return
        held = list(wide)
        step = max(map(len, held))
        whole = np.concatenate(held)
        del held
        for top in range(-rows, self.size[0] + rows, step):
            bottom = min(top + step, self.size[0] + rows)
            yield whole[np.arange(top, bottom) % self.size[0]]

    def crop(self, blocks: Iterable[Unit]) -> Iterator[Unit]:
        """Crop the result of a padded picture, which comes in blocks of rows."""
        left, right = self.cropped[1], self.cropped[1] + self.target[1]
        top = -self.cropped[0]  # of the block, in rows of the cropped result
        for block in blocks:
            part = block[max(0, -top) : max(0, self.target[0] - top), left:right]
            top += len(block)
            if len(part):
                yield part


def plan_wrap(
    axes: Axes, size: tuple[int, int], target: tuple[int, int], reach: float, align: int
) -> Wrap:
    """Choose the padding.

    Args:
        axes: The axes along which the picture repeats.
        size: (height, width) of the picture.
        target: (height, width) of the result.
        reach: How far a pixel of the result depends on the input, in input pixels.
        align: The padding is a multiple of this, where that costs little.
    """
    padding, cropped = [0, 0], [0, 0]
    for axis, name in enumerate("yx"):
        if name not in axes:
            continue
        step = size[axis] // math.gcd(size[axis], target[axis])
        aligned = math.lcm(step, align)
        step = aligned if aligned <= reach else step
        padding[axis] = math.ceil(reach / step) * step
        cropped[axis] = padding[axis] * target[axis] // size[axis]
    return Wrap(size, target, (padding[0], padding[1]), (cropped[0], cropped[1]))
