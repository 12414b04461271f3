"""Receptive field of a network, from its layers at one or several sizes.

A layer is a map of ranges of pixels along one axis: from those wanted of its output to those needed
of its input. Ranges are traced from an output pixel back to the input, and as kernels have no
holes, both ends of a range really have an influence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from superres.layers.bicubic_upsample import bicubic_radius
from superres.layers.deconvolution import padding_for

Range = tuple[int, int]  # first and last pixel, both included
Layer = Callable[[Range], Range]


def halo(layers: Sequence[Layer], *, scale: int, multiple_of: int = 1) -> int:
    """Return the input pixels that an output pixel sees beyond its own, at the worst position.

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
    """Return the layer of a convolution, or of several whose radii add up to this."""
    return lambda wanted: (wanted[0] - radius, wanted[1] + radius)


def repetition(factor: int) -> Layer:
    """Return the layer of a pixel shuffle, or of any that makes factor pixels of one."""
    return lambda wanted: (wanted[0] // factor, wanted[1] // factor)


def pooling(factor: int) -> Layer:
    """Return the layer of pooling over adjacent windows of this edge."""
    return lambda wanted: (wanted[0] * factor, wanted[1] * factor + factor - 1)


def deconvolution(kernel: int, factor: int) -> Layer:
    """Return the layer of `layers.deconvolution.deconvolution`; kernel is at least the factor."""
    before = kernel - 1 - padding_for(kernel, factor)
    after = padding_for(kernel, factor)
    return lambda wanted: (-((before - wanted[0]) // factor), (wanted[1] + after) // factor)


def bicubic(factor: int) -> Layer:
    """Return the layer of `layers.bicubic_upsample.BicubicUpsample`."""

    def needed(wanted: Range) -> Range:
        # A pixel at its input pixel's centre sees less than its neighbours, so the ends alone
        # are not enough.
        ranges = [
            (place - before, place + after)
            for place, phase in (divmod(pixel, factor) for pixel in range(wanted[0], wanted[1] + 1))
            for before, after in [bicubic_radius(phase, factor)]
        ]
        return min(first for first, _ in ranges), max(last for _, last in ranges)

    return needed
