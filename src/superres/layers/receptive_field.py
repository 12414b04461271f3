"""Receptive field of a network, from its layers at one or several sizes.

A layer is what it does to a range of pixels along one axis: from those wanted of its output to
those needed of its input. Ranges are carried from an output pixel back to the input, and since
kernels have no holes, both ends of a range are really seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from superres.layers.bicubic_upsample import bicubic_radius
from superres.layers.deconvolution import padding_for

Range = tuple[int, int]  # first and last pixel, both included
Layer = Callable[[Range], Range]


def halo(layers: Sequence[Layer], *, scale: int, multiple_of: int = 1) -> int:
    """Return the input pixels that an output pixel sees beyond its own, at the worst place.

    Args:
        layers: The longest path through the network, from its input to its output.
        scale: Output size over input size.
        multiple_of: Input pixels after which the network's grid repeats.
    """
    farthest = 0
    for pixel in range(scale * multiple_of):
        seen = (pixel, pixel)
        for layer in reversed(layers):
            seen = layer(seen)
        own = pixel // scale
        farthest = max(farthest, own - seen[0], seen[1] - own)
    return farthest


def convolution(radius: int) -> Layer:
    """Return what a convolution does, or several whose radii add up to this."""
    return lambda wanted: (wanted[0] - radius, wanted[1] + radius)


def repetition(factor: int) -> Layer:
    """Return what a pixel shuffle does, or any layer that makes factor pixels of one."""
    return lambda wanted: (wanted[0] // factor, wanted[1] // factor)


def pooling(factor: int) -> Layer:
    """Return what pooling over windows of this edge, side by side, does."""
    return lambda wanted: (wanted[0] * factor, wanted[1] * factor + factor - 1)


def deconvolution(kernel: int, factor: int) -> Layer:
    """Return what `layers.deconvolution.deconvolution` does; the kernel is at least the factor."""
    before = kernel - 1 - padding_for(kernel, factor)
    after = padding_for(kernel, factor)
    return lambda wanted: (-((before - wanted[0]) // factor), (wanted[1] + after) // factor)


def bicubic(factor: int) -> Layer:
    """Return what `layers.bicubic_upsample.BicubicUpsample` does."""

    def needed(wanted: Range) -> Range:
        # A pixel at its input pixel's centre sees less than its neighbours, so the ends alone
        # do not tell.
        ranges = [
            (place - before, place + after)
            for place, phase in (divmod(pixel, factor) for pixel in range(wanted[0], wanted[1] + 1))
            for before, after in [bicubic_radius(phase, factor)]
        ]
        return min(first for first, _ in ranges), max(last for _, last in ranges)

    return needed
