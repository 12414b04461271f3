"""Clip settings: the ranges of a training clip's random motion."""

from __future__ import annotations

from pydantic import Field

from superres.degrade.config import Chance, Part, Range


class ClipConfig(Part):
    """Ranges and probabilities; each is drawn once per clip.

    Attributes:
        frames: Frames of a clip.
        speed: Largest speed of the camera along each axis, small pixels per frame.
        sway: Amplitude of the camera's additional sway, small pixels.
        turn_degrees: Largest rotation from frame to frame.
        zoom: Largest relative change of scale from frame to frame.
        still: Probability of a clip in which nothing moves.
        objects: Maximum objects moving in front of the background; their number is uniform.
        object_speed: Their largest speed along each axis, small pixels per frame.
        blur: Standard deviation of the lens' Gaussian, in large pixels.
        noise: Standard deviation of the small frames' noise, of 255.
    """

    frames: int = Field(default=8, ge=1, le=64)
    speed: float = Field(default=1.4, ge=0, le=16)
    sway: float = Field(default=0.7, ge=0, le=16)
    turn_degrees: float = Field(default=0.3, ge=0, le=5)
    zoom: float = Field(default=0.004, ge=0, le=0.05)
    still: Chance = 0.1
    objects: int = Field(default=2, ge=0, le=8)
    object_speed: float = Field(default=3.0, ge=0, le=32)
    blur: Range = (0.3, 1.0)
    noise: Range = (0.0, 0.0)
