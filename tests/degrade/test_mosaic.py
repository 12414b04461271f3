from __future__ import annotations

import numpy as np
import pytest
import torch

from superres.degrade.mosaic import demosaic_batch, mosaic_batch, sensor_batch
from superres.errors import ArgumentError

PHASES = np.array([(0, 0), (0, 1), (1, 0), (1, 1)])


def test_a_pixel_keeps_the_colour_that_it_saw_and_guesses_the_others():
    x_BCHW = torch.rand(4, 3, 6, 8, generator=torch.Generator().manual_seed(0))
    raw_B1HW = mosaic_batch(x_BCHW, PHASES)
    for raw, sample, (row, column) in zip(raw_B1HW[:, 0], x_BCHW, PHASES.tolist(), strict=True):
        assert torch.equal(raw[row::2, column::2], sample[0, row::2, column::2])
        assert torch.equal(
            raw[1 - row :: 2, 1 - column :: 2], sample[2, 1 - row :: 2, 1 - column :: 2]
        )
        assert torch.equal(raw[row::2, 1 - column :: 2], sample[1, row::2, 1 - column :: 2])
    seen_BCHW = demosaic_batch(raw_B1HW, PHASES)
    kept = (seen_BCHW == x_BCHW).sum(1)
    assert torch.equal(kept, torch.ones_like(kept))


@pytest.mark.parametrize("size", [(2, 2), (5, 7)])
def test_flat_colours_come_back_exactly_up_to_the_border(size):
    x_BCHW = torch.tensor([0.25, 0.5, 0.75]).view(1, 3, 1, 1).expand(4, 3, *size)
    torch.testing.assert_close(demosaic_batch(mosaic_batch(x_BCHW, PHASES), PHASES), x_BCHW)


def test_slopes_come_back_without_a_shift():
    slope = torch.linspace(0.1, 0.9, 12).view(1, 1, 1, 12) * torch.linspace(0.5, 1, 10).view(
        1, 1, 10, 1
    )
    x_BCHW = slope.expand(4, 3, 10, 12)
    back_BCHW = demosaic_batch(mosaic_batch(x_BCHW, PHASES), PHASES)
    torch.testing.assert_close(back_BCHW[..., 1:-1, 1:-1], x_BCHW[..., 1:-1, 1:-1])


def test_a_sensors_noise_has_the_variance_of_shot_and_read_noise():
    x_BCHW = torch.full((1, 3, 256, 256), 0.5)
    field_B1HW = torch.randn(1, 1, 256, 256, generator=torch.Generator().manual_seed(0))
    shot, read = torch.tensor([0.004]), torch.tensor([0.01])
    noisy_BCHW = sensor_batch(x_BCHW, field_B1HW, PHASES[:1], shot, read)
    seen_red = noisy_BCHW[0, 0, ::2, ::2].square()  # back in linear light, where it was seen
    assert float(seen_red.var()) == pytest.approx(0.25 * 0.004 + 0.01**2, rel=0.05)
    assert float(seen_red.mean()) == pytest.approx(0.25, abs=1e-3)


def test_pictures_that_a_mosaic_cannot_see_are_refused():
    for shape in ((1, 1, 8, 8), (1, 3, 1, 8)):
        with pytest.raises(ArgumentError, match="RGB pictures of at least 2 x 2"):
            mosaic_batch(torch.zeros(shape), PHASES[:1])
