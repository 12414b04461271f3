"""Halos computed from layers, against those seen in gradients."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import nn

from superres.layers.bicubic_upsample import BicubicUpsample
from superres.layers.deconvolution import deconvolution as deconvolution_layer
from superres.layers.receptive_field import (
    Layer,
    bicubic,
    convolution,
    deconvolution,
    halo,
    pooling,
    repetition,
)

SIZE = 24  # input pixels along each axis, more than any halo here needs


def dense(kernel: int, channels: int = 1) -> nn.Conv2d:
    layer = nn.Conv2d(1, channels, kernel, padding=kernel // 2, bias=False)
    nn.init.uniform_(layer.weight, 0.5, 1.0)
    return layer


def opposed(kernel: int, factor: int) -> nn.ConvTranspose2d:
    layer = deconvolution_layer(1, 1, kernel=kernel, factor=factor)
    nn.init.uniform_(layer.weight, 0.5, 1.0)
    return layer


def measured(network: nn.Module, scale: int, multiple_of: int = 1) -> int:
    """Return how far output pixels really see, at all phases of the centre."""
    x = torch.rand(1, 1, SIZE, SIZE, requires_grad=True)
    line = network(x)[0, 0, SIZE * scale // 2]
    first = SIZE // 2 // multiple_of * multiple_of
    farthest = 0
    for pixel in range(first * scale, (first + multiple_of) * scale):
        (slope,) = torch.autograd.grad(line[pixel], x, retain_graph=True)
        seen = torch.nonzero(slope[0, 0].abs().sum(0) > 1e-9).flatten()
        own = pixel // scale
        farthest = max(farthest, own - int(seen[0]), int(seen[-1]) - own)
    return farthest


CASES: dict[str, tuple[list[Layer], nn.Module, int, int]] = {
    "convolutions": (
        [convolution(1), convolution(2)],
        nn.Sequential(dense(3), dense(5)),
        1,
        1,
    ),
    "shuffle": (
        [convolution(1), repetition(2), convolution(1)],
        nn.Sequential(dense(3, 4), nn.PixelShuffle(2), dense(3)),
        2,
        1,
    ),
    "shuffle, then far": (
        [repetition(3), convolution(4)],
        nn.Sequential(dense(1, 9), nn.PixelShuffle(3), dense(9)),
        3,
        1,
    ),
    "pooled and back": (
        [pooling(4), convolution(1), repetition(4)],
        nn.Sequential(nn.AvgPool2d(4), dense(3, 16), nn.PixelShuffle(4)),
        1,
        4,
    ),
    "deconvolution 4/2": ([deconvolution(4, 2)], opposed(4, 2), 2, 1),
    "deconvolution 9/3": ([deconvolution(9, 3)], opposed(9, 3), 3, 1),
    "deconvolution 5/2": ([deconvolution(5, 2)], opposed(5, 2), 2, 1),
    "deconvolution 8/4": ([deconvolution(8, 4)], opposed(8, 4), 4, 1),
    "deconvolution 3/3": ([deconvolution(3, 3)], opposed(3, 3), 3, 1),
    "bicubic 2": ([bicubic(2)], BicubicUpsample(1, 2), 2, 1),
    "bicubic 3": ([bicubic(3)], BicubicUpsample(1, 3), 3, 1),
    "bicubic, then a convolution": (
        [bicubic(3), convolution(1)],
        nn.Sequential(BicubicUpsample(1, 3), dense(3)),
        3,
        1,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_halo_is_what_gradients_reach(name: str):
    layers, network, scale, multiple_of = CASES[name]
    expected = measured(network, scale, multiple_of)
    assert halo(layers, scale=scale, multiple_of=multiple_of) == expected


@pytest.mark.parametrize(
    ("layers", "scale", "multiple_of", "expected"),
    [
        ([], 1, 1, 0),
        ([convolution(7)], 1, 1, 7),
        ([bicubic(1)], 1, 1, 0),
        # Output pixels 0 and 1 want -5..5 and -4..6 at twice the size: -3..2 and -2..3.
        ([repetition(2), convolution(5)], 2, 1, 3),
        # A window of four holds its own pixel at worst at one of its ends.
        ([pooling(4), repetition(4)], 1, 4, 3),
    ],
)
def test_halos_are_as_computed_by_hand(
    layers: Sequence[Layer], scale: int, multiple_of: int, expected: int
):
    assert halo(layers, scale=scale, multiple_of=multiple_of) == expected


def test_a_grid_that_repeats_late_is_judged_at_its_worst_place_only_if_it_is_told():
    # Pixel 0 is made of pooled pixel 0 alone, pixel 1 of 0 and 1, which is made of pixels 2 and 3.
    layers = [pooling(2), deconvolution(3, 2)]
    assert (halo(layers, scale=1), halo(layers, scale=1, multiple_of=2)) == (1, 2)


def test_the_order_of_layers_matters_to_the_halo():
    early = [convolution(4), repetition(4)]
    late = [repetition(4), convolution(4)]
    assert (halo(early, scale=4), halo(late, scale=4)) == (4, 1)
