"""Options of a fusion, checked on construction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from superres.burst.choice import METHODS
from superres.errors import ArgumentError, unknown_name
from superres.imaging.forward_model import Blur
from superres.imaging.motion import MODELS, MotionModel
from superres.upscaler import RunOptions


@dataclass(frozen=True, slots=True)
class FuseOptions:
    """How a burst is fused; see docs/burst.md.

    Attributes:
        scale: Large size over small size, at least 1.
        reference: Index of the frame that the others are aligned over; None chooses.
        method: `network`, `backproject` or `drizzle`; None takes the one that the model is for.
        model: A family, a model or a model file: one of many frames fuses them (`network`), one of
            one frame upscales the reference, which the other methods begin with, as does
            `bicubic`. None takes an embedded one that suits the method; see `choose_method`.
        motion: `translation`, `rotation` (with translation), `affine` or `homography`.
        local: `flow` also follows what moves by itself within a frame; `none` does not.
        blur: What a small pixel sees: `bicubic`, the sigma of a Gaussian in small pixels, or `auto`
            for what explains the frames, where a network made the start.
        pixfrac: Drizzle's drop over a small pixel, 0 to 1.
        trust: How much back-projection's start is worth beside the frames, times what it finds.
        rounds: How often back-projection judges pixels, after a first picture.
        steps: Of its conjugate gradients in each round.
        run: How networks are run.
    """

    scale: float = 4
    reference: int | None = None
    method: str | None = None
    model: str | None = None
    motion: MotionModel = "rotation"
    local: Literal["flow", "none"] = "flow"
    blur: Blur | Literal["auto"] = "auto"
    pixfrac: float = 0.7
    trust: float = 1.0
    rounds: int = 2
    steps: int = 10
    run: RunOptions = field(default_factory=RunOptions)

    def __post_init__(self) -> None:
        if self.method is not None and self.method not in METHODS:
            raise unknown_name("fusion method", self.method, METHODS)
        if self.motion not in MODELS:
            raise unknown_name("motion model", str(self.motion), MODELS)
        if not 1.0 <= self.scale <= 64.0:
            raise ArgumentError(
                f"the scale of a burst must be 1 to 64, got {self.scale}", "try 2, 3 or 4"
            )
        if self.blur not in ("auto", "bicubic") and isinstance(self.blur, str):
            raise unknown_name("blur", self.blur, ("auto", "bicubic"))
        if not isinstance(self.blur, str) and not 0.0 < self.blur < 10.0:
            raise ArgumentError(
                "the blur must be auto, bicubic or a Gaussian's sigma of 0 to 10 px, "
                f"got {self.blur}",
                "a camera's blur is about 0.4 small pixels",
            )
