"""Burst settings: the ranges from which a training burst's frames are drawn."""

from __future__ import annotations

from pydantic import Field

from superres.degrade.config import Chance, Part, Range


class BurstConfig(Part):
    """Ranges and chances; what is drawn for a frame is never drawn for the reference.

    Attributes:
        frames: Most frames of a burst; their number is drawn evenly from 1 on, for a whole step.
        shift: Largest shift along each axis in small pixels, drawn evenly.
        turn_degrees: Largest rotation, drawn evenly.
        zoom: Largest relative difference of scale, drawn evenly.
        blurred: Chance of a burst to be blurred by more than downscaling.
        blur: Standard deviation of that Gaussian in small pixels.
        noise: Standard deviation of the frames' noise, of 255; one for a burst.
        exposure: Largest relative difference of exposure, drawn evenly; it is undone again.
        exposure_error: Standard deviation of what is left of it in a channel, relative.
        shift_error: Standard deviation of the error of the shifts that the network is told, in
            small pixels along each axis; one for a burst.
        masked: Chance of a frame to have a rectangle that is not valid; the reference's too.
        ghosts: Chance of a frame to have a rectangle of another place, which nothing tells of.
        duplicates: Chance of a frame to be an earlier one again.
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
