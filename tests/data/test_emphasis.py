"""Emphasis: sampling of patches by pictures' names."""

import dataclasses

import pytest
import torch

from superres.data.crops import draw_patches
from superres.data.emphasis import emphasised
from superres.data.resident import ResidentPairs
from superres.errors import DataError


def flat_pairs() -> ResidentPairs:
    """Return three pictures of one size, each filled with its number."""
    large = torch.arange(3, dtype=torch.uint8).repeat_interleave(16 * 16)[:, None]
    small = torch.arange(3, dtype=torch.uint8).repeat_interleave(8 * 8)[:, None]
    return ResidentPairs(
        small,
        large,
        torch.full((3, 2), 8),
        torch.arange(3) * 64,
        scale=2,
        names=("data/sky-1.png", "data/face-1.png", "pack.zip:face-2.png"),
    )


def drawn(pairs: ResidentPairs) -> list[float]:
    """Return each picture's fraction of many patches."""
    small, _ = draw_patches(pairs, patch=4, batch=4000, seed=0, step=0)
    numbers = (small[:, 0, 0, 0] * 255).round().long()
    return (torch.bincount(numbers, minlength=3) / len(numbers)).tolist()


def test_without_emphasis_equal_areas_are_drawn_alike():
    assert drawn(emphasised(flat_pairs(), {})) == pytest.approx([1 / 3] * 3, abs=0.03)


def test_the_first_pattern_that_fits_a_file_name_weighs_it():
    pairs = emphasised(flat_pairs(), {"face-1*": 2.0, "*face*": 5.0})
    assert drawn(pairs) == pytest.approx([1 / 8, 2 / 8, 5 / 8], abs=0.03)


def test_a_weight_of_zero_leaves_pictures_out():
    assert drawn(emphasised(flat_pairs(), {"sky-*": 0.0}))[0] == 0


def test_weights_of_zero_alone_are_refused():
    with pytest.raises(DataError, match="all of 3 pictures have the weight 0"):
        emphasised(flat_pairs(), {"*": 0.0})


def test_weights_of_one_draw_what_no_weights_do():
    plain = flat_pairs()
    weighted = dataclasses.replace(plain, weights=torch.ones(3, dtype=torch.float64))
    for one, other in zip(
        draw_patches(plain, patch=4, batch=32, seed=1, step=2),
        draw_patches(weighted, patch=4, batch=32, seed=1, step=2),
        strict=True,
    ):
        assert torch.equal(one, other)
