"""Bursts for training: positions of frames, their content, and the network's input."""

import numpy as np
import pytest
import torch

from superres.degrade.downscale import resize_batch, round8
from superres.errors import ArgumentError
from superres.infer.burst_input import fill_reference, frame_input
from superres.synthesis.burst_config import BurstConfig
from superres.synthesis.burst_input import burst_input
from superres.synthesis.bursts import burst_margin, make_bursts

PATCH = 12
QUIET = BurstConfig(
    noise=(0.0, 0.0),
    exposure=0.0,
    exposure_error=0.0,
    shift_error=(0.0, 0.0),
    masked=0.0,
    ghosts=0.0,
    duplicates=0.0,
)


def canvas(config: BurstConfig, scale: int, batch: int = 2) -> torch.Tensor:
    """Return large pictures (B, 3, L, L) of smooth random blobs."""
    edge = PATCH + 2 * burst_margin(config, PATCH)
    generator = torch.Generator().manual_seed(0)
    small = torch.rand(batch, 3, edge, edge, generator=generator) * 0.6 + 0.2
    return resize_batch(small, scale=scale).clamp(0.0, 1.0)


def made(config: BurstConfig, scale: int = 4, count: int = 5, seed=(0, 0, 0), large=None):
    large = canvas(config, scale) if large is None else large
    return make_bursts(large, config, scale=scale, patch=PATCH, count=count, seed=seed)


def changed(**values) -> BurstConfig:
    return QUIET.model_copy(update=values)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_the_reference_is_the_truth_made_small_by_matlabs_bicubic(scale):
    large = canvas(QUIET, scale)
    bursts, truth = made(QUIET, scale, count=1, large=large)
    margin = burst_margin(QUIET, PATCH)
    inner = slice(margin, margin + PATCH)
    expected = round8(resize_batch(large, scale=1 / scale))[..., inner, inner]
    # A value may lie on the edge between two levels.
    assert ((bursts[:, 0, :3] - expected).abs() > 1e-6).float().mean() < 0.001
    assert torch.equal(bursts[:, 0, 3:5], torch.zeros(2, 2, PATCH, PATCH))
    large_inner = slice(scale * margin, scale * (margin + PATCH))
    assert torch.equal(truth, large[..., large_inner, large_inner])


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(
    "how",
    [
        {"shift": 2.0, "turn_degrees": 0.0},
        {"shift": 0.0, "turn_degrees": 6.0},
        {"shift": 1.0, "turn_degrees": 3.0, "zoom": 0.03},
    ],
)
def test_samples_lie_where_their_offsets_say(scale, how):
    config = changed(**how)
    edge = scale * (PATCH + 2 * burst_margin(config, PATCH))
    line = (torch.arange(edge) + 0.5) / edge
    ramps = torch.stack(
        (line[:, None].expand(edge, edge), line.expand(edge, edge), line + 0.0 * line[:, None])
    )
    bursts, _ = made(config, scale, 8, large=ramps[None] * 0.8 + 0.1)
    slope = 0.8 * scale / edge  # of a small pixel
    for axis in range(2):
        there = bursts[0, 1:, axis] - bursts[0, :1, axis]
        # Rounding to 8 bits, of both; and a rotated pixel's own rows and columns are rotated.
        away = (there / slope - bursts[0, 1:, 3 + axis]).abs()
        assert away.max() < 1.05 / 255 / slope + 0.5 * np.radians(6.0), (how, axis)
        assert away.mean() < 0.4 / 255 / slope + 0.1 * np.radians(6.0)
    assert bursts[0, 1:, 3:5].abs().max() <= 0.5 + 1e-5
    assert bursts[0, 1:, 3:5].std() > 0.1


def test_the_same_arguments_give_the_same_bursts_and_another_step_others():
    config = BurstConfig(masked=0.5, ghosts=0.5, duplicates=0.3, blurred=0.5)
    one, two, other = (made(config, seed=seed)[0] for seed in ((3, 1, 0), (3, 1, 0), (3, 2, 0)))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_noise_has_the_strength_that_was_drawn():
    grey = torch.full_like(canvas(QUIET, 2), 0.5)
    bursts, _ = made(changed(noise=(5.0, 5.0)), 2, 8, large=grey)
    assert bursts[:, :, :3].std() * 255 == pytest.approx(5.0, rel=0.05)


def test_exposure_is_undone_but_for_the_error_that_is_asked_for():
    large = torch.full_like(canvas(QUIET, 2, batch=8), 0.5)
    evened, _ = made(changed(exposure=0.2), 2, 8, large=large)
    assert (evened[:, :, :3] - 0.5).abs().max() < 1.3 / 255  # rounding, before it is undone
    wrong, _ = made(changed(exposure_error=0.02), 2, 8, large=large)
    assert wrong[:, 1:, :3].std() == pytest.approx(0.5 * 0.02, rel=0.15)
    assert (wrong[:, 0, :3] - 0.5).abs().max() < 1 / 255


def test_what_is_told_of_shifts_is_wrong_by_what_was_drawn():
    true, _ = made(QUIET, count=16)
    told, _ = made(changed(shift_error=(0.05, 0.05)), count=16, large=canvas(QUIET, 4))
    wrong = (told - true)[:, 1:, 3:5].median(-1).values.median(-1).values
    assert 0.03 < wrong.std() < 0.07


def test_masked_samples_are_dark_and_the_reference_is_filled_from_the_others():
    bursts, _ = made(changed(masked=1.0, shift=0.0, turn_degrees=0.0), count=6)
    valid = bursts[:, :, -1:] > 0
    assert 0.05 < (~valid).float().mean() < 0.6
    others, seen = bursts[:, 1:, :3], valid[:, 1:]
    assert not (others * ~seen).any()
    mean = others.sum(1) / seen.sum(1).clamp(min=1)
    gaps = ~valid[:, 0] & seen.any(1)
    assert gaps.any()
    torch.testing.assert_close(
        bursts[:, 0, :3][gaps.expand(-1, 3, -1, -1)], mean[gaps.expand(-1, 3, -1, -1)]
    )


def test_a_burst_of_one_frame_has_no_gaps():
    bursts, _ = made(changed(masked=1.0), count=1)
    assert (bursts[:, :, -1] == 1).all()


def test_ghosts_are_not_told_of():
    still = changed(shift=0.0, turn_degrees=0.0)
    true, _ = made(still)
    ghostly, _ = made(still.model_copy(update={"ghosts": 1.0}))
    differs = (ghostly[:, :, :3] - true[:, :, :3]).abs().amax(2) > 0.02
    assert 0.02 < differs[:, 1:].float().mean() < 0.5
    assert not differs[:, 0].any()
    assert torch.equal(ghostly[:, :, 3:], true[:, :, 3:])


def test_duplicates_are_earlier_frames_with_all_that_is_known_of_them():
    noisy = changed(noise=(5.0, 5.0))
    own, _ = made(noisy, count=6)
    again, _ = made(noisy.model_copy(update={"duplicates": 1.0}), count=6)
    for before, after in zip(own, again, strict=True):
        for index in range(1, 6):
            assert any(torch.equal(after[index], earlier) for earlier in before[:index])


def test_blur_takes_contrast_away():
    torch.manual_seed(0)
    noise = torch.rand(canvas(QUIET, 4).shape)
    sharp, _ = made(QUIET, large=noise)
    blurred, _ = made(changed(blurred=1.0, blur=(0.4, 0.4)), large=noise)
    assert blurred[:, :, :3].std() < 0.9 * sharp[:, :, :3].std()
    assert (blurred[:, :, :3].mean() - sharp[:, :, :3].mean()).abs() < 0.01


def test_a_canvas_of_another_size_is_refused():
    with pytest.raises(ArgumentError, match="are made of"):
        made(QUIET, large=torch.zeros(1, 3, 40, 40))


def test_training_and_inference_bring_frames_to_the_reference_alike():
    rng = np.random.default_rng(0)
    frames = rng.random((4, 3, 9, 11), dtype=np.float32)
    valid = rng.random((4, 9, 11)) > 0.2
    frames[:, 0][~valid] = np.nan  # as some files mark missing pixels
    places = rng.uniform(-2.0, 12.0, (4, 2, 7, 8)).astype(np.float32)
    masks = valid.astype(np.float32)
    ours = [frame_input(*one) for one in zip(frames, masks, places, strict=True)]
    ours[0] = fill_reference(ours[0], ours[1:])
    theirs = burst_input(
        torch.from_numpy(frames)[None],
        torch.from_numpy(valid)[None],
        torch.from_numpy(places)[None],
    )
    np.testing.assert_allclose(np.stack(ours), theirs[0].numpy(), atol=1e-6)
    assert 0.1 < theirs[0, :, -1].mean() < 0.9
