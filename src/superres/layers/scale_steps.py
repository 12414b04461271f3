"""Upscaling steps of networks that work in stages."""

from __future__ import annotations


def scale_steps(scale: int) -> tuple[int, ...]:
    """Return the prime factors of a scale, smallest first: 4 is 2 twice."""
    found: list[int] = []
    factor = 2
    while scale > 1:
        while scale % factor == 0:
            found.append(factor)
            scale //= factor
        factor += 1
    return tuple(found)
