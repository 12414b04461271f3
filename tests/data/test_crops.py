"""Patches: aligned, within their picture, uniform, and the same for the same step."""

import itertools

import pytest
import torch

from superres.data.crops import draw_patches
from superres.data.resident import ResidentPairs

SCALE = 3
SIZES = [(9, 20), (12, 8)]


def numbered_pairs() -> ResidentPairs:
    """Return two pictures whose small and large pixels hold (picture, row, column)."""
    small, large = [], []
    for index, (height, width) in enumerate(SIZES):
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        picture = torch.stack((torch.full_like(rows, index), rows, columns), -1).to(torch.uint8)
        small.append(picture.reshape(-1, 3))
        grown = picture.repeat_interleave(SCALE, 0).repeat_interleave(SCALE, 1)
        large.append(grown.reshape(-1, 3))
    starts = [0, SIZES[0][0] * SIZES[0][1]]
    return ResidentPairs(
        torch.cat(small), torch.cat(large), torch.tensor(SIZES), torch.tensor(starts), SCALE
    )


def draw(step: int, batch: int = 64, patch: int = 5, seed: int = 7):
    small, large = draw_patches(numbered_pairs(), patch=patch, batch=batch, seed=seed, step=step)
    return (small * 255).round().int(), (large * 255).round().int()


def test_large_patches_show_what_small_ones_do():
    small, large = draw(0)
    grown = small.repeat_interleave(SCALE, 2).repeat_interleave(SCALE, 3)
    assert torch.equal(large, grown)


def test_every_patch_lies_within_one_picture():
    small, _ = draw(1)
    for patch in small:
        assert len(patch[0].unique()) == 1
        height, width = SIZES[int(patch[0, 0, 0])]
        assert patch[1].max() - patch[1].min() == 4
        assert patch[2].max() - patch[2].min() == 4
        assert patch[1].max() < height
        assert patch[2].max() < width


def test_all_eight_symmetries_are_drawn():
    small, _ = draw(2, batch=256)
    seen = {
        (
            int(p[1, 0, 1] - p[1, 0, 0]),
            int(p[1, 1, 0] - p[1, 0, 0]),
            int(p[2, 0, 1] - p[2, 0, 0]),
            int(p[2, 1, 0] - p[2, 0, 0]),
        )
        for p in small
    }  # steps of row and column numbers along the patch's own axes
    upright = set(itertools.product((0,), (1, -1), (1, -1), (0,)))
    turned = set(itertools.product((1, -1), (0,), (0,), (1, -1)))
    assert seen == upright | turned


def test_the_same_step_draws_the_same_and_another_does_not():
    assert torch.equal(draw(3)[0], draw(3)[0])
    assert not torch.equal(draw(3)[0], draw(4)[0])
    assert not torch.equal(draw(3)[0], draw(3, seed=8)[0])


def test_pictures_are_drawn_in_proportion_to_their_area():
    small, _ = draw(5, batch=4000)
    share = (small[:, 0, 0, 0] == 0).float().mean()
    assert share == pytest.approx(180 / (180 + 96), abs=0.03)


def test_every_corner_can_be_drawn():
    small, _ = draw(6, batch=4000)
    first = small[small[:, 0, 0, 0] == 0]
    corners = {(int(p[1].min()), int(p[2].min())) for p in first}
    assert corners == set(itertools.product(range(9 - 5 + 1), range(20 - 5 + 1)))


def test_patches_lie_channels_last_for_the_convolutions():
    small, large = draw_patches(numbered_pairs(), patch=4, batch=2, seed=0, step=0)
    assert small.is_contiguous(memory_format=torch.channels_last)
    assert large.is_contiguous(memory_format=torch.channels_last)


def test_shards_of_a_batch_are_together_what_one_process_draws():
    pairs = numbered_pairs()
    whole = draw_patches(pairs, patch=5, batch=8, seed=7, step=3)
    shares = [
        draw_patches(pairs, patch=5, batch=8, seed=7, step=3, shard=(part, 4)) for part in range(4)
    ]
    for one, parts in zip(whole, zip(*shares, strict=True), strict=True):
        assert torch.equal(one, torch.cat(parts))
