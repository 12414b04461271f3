"""Route of a picture: the requested size, and the network passes to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from superres.errors import ArgumentError

Size = tuple[int, int]  # (height, width)
Fit = Literal["exact", "inside", "stretch"]

_MAX_PASSES = 3  # x4 three times is x64; more is likely a typing error


@dataclass(frozen=True, slots=True)
class SizeRequest:
    """The size that is requested of pictures of any shape.

    Attributes:
        height: Of the result in pixels; None follows from the width and the picture's shape.
        width: Of the result in pixels; None follows from the height.
        fit: Whether both are to be met by pictures of that shape alone (`exact`), are a box that
            the result lies in with its shape kept (`inside`), or are met at any rate (`stretch`).
    """

    height: int | None
    width: int | None
    fit: Fit = "exact"

    def __post_init__(self) -> None:
        edges = [edge for edge in (self.height, self.width) if edge is not None]
        if not edges or min(edges) < 1:
            raise ArgumentError(
                f"a size needs a width or a height of at least 1, got {self.width} x {self.height}",
                "pass one of them to keep the picture's shape, or both",
            )
        if self.fit == "stretch" and len(edges) < 2:
            raise ArgumentError(
                "stretching needs a width and a height, got one of them", "pass both, as 1920x1080"
            )

    @property
    def whole(self) -> bool:
        """Whether both edges are named."""
        return self.height is not None and self.width is not None

    def of(self, size: Size, *, slack_px: float = 0.5) -> Size:
        """Return the requested (height, width) of one picture.

        Args:
            size: (height, width) of the picture.
            slack_px: Output pixels that an exact size may be off the picture's shape, along its
                shorter edge; half of one is what rounding leaves.

        Raises:
            ArgumentError: An exact size is requested of a picture of another shape.
        """
        height, width = self.height, self.width
        if height is None:
            assert width is not None
            return _part(size[0], width, size[1]), width
        by_height = (height, _part(size[1], height, size[0]))
        if width is None:
            return by_height
        by_width = (_part(size[0], width, size[1]), width)
        if self.fit == "inside":
            return by_height if by_height[1] <= width else by_width
        box = (height, width)
        if (
            self.fit == "stretch"
            or abs(width * size[0] - height * size[1]) <= slack_px * max(size)
            or box in (by_height, by_width)
        ):
            return box
        raise ArgumentError(
            f"the size {box[1]}x{box[0]} was requested of a picture of {size[1]}x{size[0]}, which "
            "has another shape",
            f"its shape has {by_width[1]}x{by_width[0]} or {by_height[1]}x{by_height[0]}; "
            "--fit stays inside the size, --stretch distorts",
        )

    @property
    def label(self) -> str:
        """The request as a part of file names: `1920x1080`, `w1920`, `h1080` or `fit1920x1080`."""
        if self.height is None:
            return f"w{self.width}"
        if self.width is None:
            return f"h{self.height}"
        return f"{'fit' if self.fit == 'inside' else ''}{self.width}x{self.height}"


def _part(length: int, numerator: int, denominator: int) -> int:
    """Return length * numerator / denominator, rounded to nearest, at least 1."""
    return max(1, (2 * length * numerator + denominator) // (2 * denominator))


@dataclass(frozen=True, slots=True)
class Route:
    """The passes from a picture's size to the target's.

    Attributes:
        passes: Scales of the networks, in order; empty if the target is not larger.
        target: (height, width) of the result; a resize ends the route if the passes overshoot.
        exact: Whether the picture is finer than 8 bits. Half precision would lose that, so
            networks run in fp32 unless a number format is requested.
        clamped: Whether the result will be clamped to black and white, as whole numbers are.
    """

    passes: tuple[int, ...]
    target: Size
    exact: bool = False
    clamped: bool = True


def plan_route(
    size: Size,
    offered: tuple[int, ...],
    scale: float | None,
    target: Size | None,
    *,
    exact: bool = False,
    clamped: bool = True,
) -> Route:
    """Choose the passes: the next larger network, or the largest one repeatedly.

    Args:
        size: (height, width) of the picture.
        offered: Scales of the available networks.
        scale: The requested scale; or
        target: the requested (height, width). With neither, the largest network runs once.
        exact: Whether the picture is finer than 8 bits; see `Route`.
        clamped: Whether the result will be clamped to black and white.

    Raises:
        ArgumentError: Both are given, one is not positive, or it would take over three passes.
    """
    if scale is not None and target is not None:
        raise ArgumentError(
            f"a scale ({scale}) and a size ({target[1]}x{target[0]}) are mutually exclusive",
            "pass one of them",
        )
    if target is None:
        wanted = max(offered) if scale is None else scale
        if not (wanted > 0 and math.isfinite(wanted)):
            raise ArgumentError(f"the scale must be above 0, got {scale}", "try a scale of 4")
        target = (max(1, round(size[0] * wanted)), max(1, round(size[1] * wanted)))
    if min(target) < 1:
        raise ArgumentError(
            f"the size must be at least 1x1, got {target[1]}x{target[0]}", "pass WIDTHxHEIGHT"
        )
    needed = max(target[0] / size[0], target[1] / size[1])
    passes: list[int] = []
    while needed > 1.0:
        if len(passes) == _MAX_PASSES:
            raise ArgumentError(
                f"upscaling {size[1]}x{size[0]} to {target[1]}x{target[0]} takes over "
                f"{_MAX_PASSES} passes of x{max(offered)}",
                f"the largest scale is {max(offered) ** _MAX_PASSES}",
            )
        passes.append(min((s for s in offered if s >= needed), default=max(offered)))
        needed /= passes[-1]
    return Route(tuple(passes), target, exact=exact, clamped=clamped)
