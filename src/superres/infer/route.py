"""Route of a picture: the network passes to its target size."""

from __future__ import annotations

import math
from dataclasses import dataclass

from superres.errors import ArgumentError

Size = tuple[int, int]  # (height, width)

_MAX_PASSES = 3  # x4 three times is x64; more is likely a typing error


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
