"""Options of a fusion, checked on construction."""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Literal

from superres.burst.choice import METHODS
from superres.errors import ArgumentError, unknown_name
from superres.imaging.forward_model import Blur
from superres.imaging.motion import MODELS, MotionModel
from superres.upscaler import RunOptions

_NOTHING = type(None)
_KINDS = (  # these include numpy's numbers
    ("scale", Real, "a number"),
    ("reference", (Integral, _NOTHING), "a whole number or None"),
    ("method", (str, _NOTHING), "a name or None"),
    ("model", (str, _NOTHING), "a name, a file's path as text or None"),
    ("blur", (Real, str), "a number or a name"),
    ("pixfrac", Real, "a number"),
    ("trust", Real, "a number"),
    ("rounds", Integral, "a whole number"),
    ("steps", Integral, "a whole number"),
    ("run", RunOptions, "RunOptions"),
)
_RANGES = (
    ("pixfrac", 0.0, 1.0, "1 is shift and add, 0 interlaces"),
    ("trust", 0.0, 1e6, "1 is the estimate from the frames; more stays closer to the start"),
    ("rounds", 1, 100, "2 is enough for most bursts"),
    ("steps", 0, 1000, "10 is enough for most bursts"),
)


@dataclass(frozen=True, slots=True)
class FuseOptions:
    """The options of a fusion; see docs/burst.md.

    Attributes:
        scale: Large size over small size, at least 1.
        reference: Index of the frame that the others are aligned to; None chooses one.
        method: `network`, `backproject` or `drizzle`; None takes the one that suits the model.
        model: A family, a model or a model file: a burst model fuses the frames (`network`); a
            single-frame model, or `bicubic`, upscales the reference, from which the other methods
            start. None takes an embedded one that suits the method; see `choose_method`.
        motion: `translation`, `rotation` (with translation), `affine` or `homography`.
        local: `flow` also follows objects that move within a frame; `none` does not.
        blur: The point spread of a small pixel: `bicubic`, the sigma of a Gaussian in small pixels,
            or `auto` for the one that explains the frames, where a network made the start.
        pixfrac: Drizzle's drop edge over a small pixel's, 0 to 1.
        trust: A factor on the estimated weight of back-projection's start relative to the frames;
            at least 0.
        rounds: Updates of pixel weights in back-projection, after a first picture; at least 1.
        steps: Steps of its conjugate gradients in each round; at least 0.
        run: The run options of networks.

    Raises:
        UnknownNameError: There is no such method, motion or blur.
        ArgumentError: A value has the wrong type, or is out of range.
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
        # Values may come from JSON or a form, so their types are checked as well.
        for name, kind, words in _KINDS:
            value: object = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, kind):
                raise ArgumentError(
                    f"{name} of a burst must be {words}, got {value!r}", "see docs/burst.md"
                )
        if self.method is not None and self.method not in METHODS:
            raise unknown_name("fusion method", self.method, METHODS)
        if self.motion not in MODELS:
            raise unknown_name("motion model", str(self.motion), MODELS)
        if self.local not in ("flow", "none"):
            raise unknown_name("kind of local motion", str(self.local), ("flow", "none"))
        if not 1.0 <= self.scale <= 64.0:
            raise ArgumentError(
                f"the scale of a burst must be 1 to 64, got {self.scale}", "try 2, 3 or 4"
            )
        if self.reference is not None and self.reference < 0:
            raise ArgumentError(
                f"frame {self.reference} was requested as the reference",
                "frames are counted from 0; leave it out to have one chosen",
            )
        if self.blur not in ("auto", "bicubic") and isinstance(self.blur, str):
            raise unknown_name("blur", self.blur, ("auto", "bicubic"))
        if not isinstance(self.blur, str) and not 0.0 < self.blur < 10.0:
            raise ArgumentError(
                "the blur must be auto, bicubic or a Gaussian's sigma of 0 to 10 px, "
                f"got {self.blur}",
                "a camera's blur is about 0.4 small pixels",
            )
        for name, least, most, hint in _RANGES:
            number: float = getattr(self, name)
            if not least <= number <= most:
                raise ArgumentError(
                    f"{name} of a burst must be {least:g} to {most:g}, got {number}", hint
                )
