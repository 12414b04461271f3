"""Random plan of a degraded batch: groups of samples, and the rounds in which all of them go.

Everything here is drawn on the host, before the first pixel is touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from superres.degrade.codecs import Codec
from superres.degrade.config import CompressStep, DegradationConfig, ResizeStep, SmallStep
from superres.degrade.jpeg import Subsampling
from superres.degrade.resample import ResizeKernel

_SMALLEST_EDGE = 4  # of an intermediate picture, unless the small one is smaller


@dataclass(frozen=True, slots=True)
class Resize:
    """The size that a group reaches at a step, and the kernel."""

    size: tuple[int, int]
    kernel: ResizeKernel


@dataclass(frozen=True, slots=True)
class Group:
    """Consecutive samples that share the order of steps, the sizes and kernels, and the codecs.

    Attributes:
        count: Number of samples.
        order: Names of the steps.
        resizes: By the name of the step.
        codecs: Codec, and the subsampling of JPEG's chroma, by the name of the step.
    """

    count: int
    order: tuple[str, ...]
    resizes: Mapping[str, Resize]
    codecs: Mapping[str, tuple[Codec, Subsampling]]


def draw_groups(
    config: DegradationConfig,
    count: int,
    large: tuple[int, int],
    small: tuple[int, int],
    rng: np.random.Generator,
) -> list[Group]:
    """Draw the groups of `count` samples, from the large size to the small one."""
    return [
        _draw_group(config, min(config.share, count - start), large, small, rng)
        for start in range(0, count, config.share)
    ]


def _draw_group(
    config: DegradationConfig,
    count: int,
    large: tuple[int, int],
    small: tuple[int, int],
    rng: np.random.Generator,
) -> Group:
    order, size = tuple(config.order(rng)), large
    resizes: dict[str, Resize] = {}
    codecs: dict[str, tuple[Codec, Subsampling]] = {}
    for name in order:
        match step := config.steps[name]:
            case ResizeStep() | SmallStep():
                size = small if isinstance(step, SmallStep) else _between(step, size, small, rng)
                kernel = cast("ResizeKernel", step.kernels.draw(rng, 1)[0])  # its field names
                resizes[name] = Resize(size, kernel)
            case CompressStep():
                codec = cast("Codec", step.codecs.draw(rng, 1)[0])  # its field names
                codecs[name] = codec, "444" if rng.random() < step.full_colour else "420"
            case _:
                pass
    return Group(count, order, resizes, codecs)


def _between(
    step: ResizeStep, now: tuple[int, int], small: tuple[int, int], rng: np.random.Generator
) -> tuple[int, int]:
    """Return the size after an intermediate resize."""
    way = step.ways.draw(rng, 1)[0]
    ends = {"up": (1.0, step.factor[1]), "down": (step.factor[0], 1.0), "keep": (1.0, 1.0)}[way]
    factor = rng.uniform(*ends)
    height, width = small if step.of == "small" else now
    floor = min(_SMALLEST_EDGE, *small)
    return max(floor, round(height * factor)), max(floor, round(width * factor))


def rounds(orders: Sequence[tuple[str, ...]]) -> list[tuple[str, list[bool]]]:
    """Merge the orders of groups, so that groups take a step together where their orders allow it.

    Returns:
        The steps to run, and which groups take part in each; what a group takes part in is its
        order.
    """
    merged: tuple[str, ...] = ()
    for order in dict.fromkeys(orders):
        merged = _shortest_common(merged, order)
    reached = [0] * len(orders)
    result: list[tuple[str, list[bool]]] = []
    for name in merged:
        part = [
            at < len(order) and order[at] == name
            for at, order in zip(reached, orders, strict=True)
        ]
        reached = [at + taken for at, taken in zip(reached, part, strict=True)]
        if any(part):
            result.append((name, part))
    return result


def _shortest_common(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    """Return the shortest sequence that has both in their orders."""
    rest: dict[tuple[int, int], tuple[str, ...]] = {}
    for i in range(len(one), -1, -1):
        for j in range(len(other), -1, -1):
            if i == len(one) or j == len(other):
                rest[i, j] = one[i:] + other[j:]
            elif one[i] == other[j]:
                rest[i, j] = (one[i], *rest[i + 1, j + 1])
            else:
                a, b = (one[i], *rest[i + 1, j]), (other[j], *rest[i, j + 1])
                rest[i, j] = a if len(a) <= len(b) else b
    return rest[0, 0]
