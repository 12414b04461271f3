"""Random plan of a degraded batch: the order of steps, and the sizes and codecs of its groups.

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
    """Consecutive samples that share the sizes and kernels of resizes, and the codecs.

    Attributes:
        count: Number of samples.
        resizes: By the name of the step.
        codecs: Codec, and the subsampling of JPEG's chroma, by the name of the step.
    """

    count: int
    resizes: Mapping[str, Resize]
    codecs: Mapping[str, tuple[Codec, Subsampling]]


def draw_groups(
    config: DegradationConfig,
    order: Sequence[str],
    count: int,
    large: tuple[int, int],
    small: tuple[int, int],
    rng: np.random.Generator,
) -> list[Group]:
    """Draw the groups of `count` samples that take the steps in an order."""
    return [
        _draw_group(config, order, min(config.share, count - start), large, small, rng)
        for start in range(0, count, config.share)
    ]


def _draw_group(
    config: DegradationConfig,
    order: Sequence[str],
    count: int,
    large: tuple[int, int],
    small: tuple[int, int],
    rng: np.random.Generator,
) -> Group:
    size = large
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
    return Group(count, resizes, codecs)


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
