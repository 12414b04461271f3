"""Aligned frame, ready for fusion."""

from __future__ import annotations

from dataclasses import dataclass

from superres.imaging.motion import Motion
from superres.imaging.sampler import Floats, Planes


@dataclass(frozen=True, slots=True)
class Aligned:
    """A frame, matched to the reference in brightness, with its motion.

    Attributes:
        index: Its index among the input frames.
        planes: (C, h, w) unit pixels.
        usable: (h, w) 1 where a pixel is valid and lies on the reference, 0 elsewhere.
        motion: Where its pixels lie on the reference.
    """

    index: int
    planes: Planes
    usable: Floats
    motion: Motion
