"""Motion of a frame relative to the reference: a matrix, and local shifts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from superres.imaging.sampler import Floats, Matrix, Places, Sampler

MotionModel = Literal["translation", "rotation", "affine", "homography"]
MODELS: tuple[MotionModel, ...] = ("translation", "rotation", "affine", "homography")
_ROUNDS = 8  # each multiplies the error by about the flow's gradient


@dataclass(frozen=True, slots=True)
class Motion:
    """Where the pixels of a frame lie on the reference.

    Positions are (row, column) in small pixels from the frame's centre, so that scaling them is a
    multiplication.

    Attributes:
        matrix: (3, 3) homogeneous; maps the frame's (row, column, 1) to the reference's.
        flow: (2, h, w) added to the matrix's result, in small pixels; None for no flow.
    """

    matrix: Matrix
    flow: Floats | None = None

    @property
    def shift(self) -> tuple[float, float]:
        """(rows, columns) from the reference's centre to the frame's."""
        centre = self.matrix[:2, 2] / self.matrix[2, 2]
        return float(centre[0]), float(centre[1])

    @property
    def turn_degrees(self) -> float:
        """The angle of the frame's rows to the reference's."""
        return float(np.degrees(np.arctan2(self.matrix[0, 1], self.matrix[1, 1])))

    def places(self, size: tuple[int, int]) -> Places:
        """Return the (2, height, width) positions of all pixels of a frame."""
        moved = mapped(self.matrix, *grid(size))
        return moved if self.flow is None else moved + self.flow

    def inverse(self, size: tuple[int, int]) -> Places:
        """Return the (2, height, width) positions on the frame of the reference's pixels.

        A flow is inverted by fixed-point iteration. Where it occludes something there is no fixed
        point, and `places` does not map the returned position back.
        """
        back: Matrix = np.linalg.inv(self.matrix)
        rows, columns = grid(size)
        found = mapped(back, rows, columns)
        if self.flow is None:
            return found
        for _ in range(_ROUNDS):
            sampler = Sampler(found + centre_of(size), size)
            down, right = (sampler.gather(shift) for shift in self.flow)
            found = mapped(back, rows - down, columns - right)
        return found

    def cut(self, rows: slice, columns: slice) -> Motion:
        """Return the motion of the middle of the frame, cropped equally at both ends."""
        return Motion(self.matrix, None if self.flow is None else self.flow[:, rows, columns])


def grid(size: tuple[int, int]) -> tuple[Floats, Floats]:
    """Return the rows (h, 1) and columns (1, w) of pixels, counted from the centre."""
    rows, columns = (np.arange(length, dtype=np.float64) - (length - 1) / 2 for length in size)
    return rows[:, None], columns[None, :]


def mapped(matrix: Matrix, rows: Floats, columns: Floats) -> Places:
    """Return the positions that a matrix maps rows (h, 1) and columns (1, w) to."""
    top, left, bottom = (line[0] * rows + line[1] * columns + line[2] for line in matrix)
    return np.stack((top / bottom, left / bottom)).astype(np.float32)


def centre_of(size: tuple[int, int]) -> Floats:
    """Return the offset from positions about a plane's centre to its pixels, (2, 1, 1)."""
    return (np.array(size, np.float32)[:, None, None] - 1.0) / 2.0


def identity_motion() -> Motion:
    """Return the motion of the reference itself."""
    return Motion(np.eye(3))


def similarity(rows: float, columns: float, degrees: float) -> Matrix:
    """Return the matrix of a rotation about the centre, then a shift."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[cos, sin, rows], [-sin, cos, columns], [0.0, 0.0, 1.0]])
