"""Burst settings: the ranges of a training burst's random frames."""

from __future__ import annotations

from pydantic import Field

from superres.degrade.config import Chance, Part, Range


class BurstConfig(Part):
    """Ranges and probabilities of the frames; the reference stays as it is, except as noted.

    Attributes:
        frames: Maximum frames of a burst; their number is uniform from 1 on, one for a whole step.
        shift: Largest shift along each axis in small pixels, uniform.
        turn_degrees: Largest rotation, uniform.
        zoom: Largest relative difference of scale, uniform.
        blurred: Probability that a burst has more blur than downscaling's.
        blur: Standard deviation of that Gaussian in small pixels.
        noise: Standard deviation of the frames' noise, of 255; one per burst.
        exposure: Largest relative difference of exposure, uniform; it is compensated again.
        exposure_error: Standard deviation of the remaining error in a channel, relative.
        shift_error: Standard deviation of the error of the shifts given to the network, in small
            pixels along each axis; one per burst.
        masked: Probability that a frame, also the reference, has an invalid rectangle.
        ghosts: Probability that a frame has a rectangle from elsewhere, not masked.
        duplicates: Probability that a frame repeats an earlier one.
    """

    frames: int = Field(default=12, ge=1, le=64)
    shift: float = Field(default=1.5, ge=0, le=8)
    turn_degrees: float = Field(default=1.0, ge=0, le=10)
    zoom: float = Field(default=0.0, ge=0, le=0.1)
    blurred: Chance = 0.0
    blur: Range = (0.1, 0.4)
    noise: Range = (0.0, 5.0)
    exposure: float = Field(default=0.1, ge=0, le=0.5)
    exposure_error: float = Field(default=0.003, ge=0, le=0.1)
    shift_error: Range = (0.0, 0.05)
    masked: Chance = 0.1
    ghosts: Chance = 0.05
    duplicates: Chance = 0.02
