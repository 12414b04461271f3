from __future__ import annotations

import numpy as np
import pytest
import torch

from superres.degrade.config import NoiseStep
from superres.degrade.noise import draw_noise


def noise(kind: str, colour: str = "colour", *, light: float = 0.5, seed: int = 0, **values):
    """Noise on flat pictures, in levels: (4, 3, 64, 64)."""
    step = NoiseStep.model_validate({"kinds": {kind: 1}, "colours": {colour: 1}, **values})
    x_BCHW = torch.full((4, 3, 64, 64), light)
    generator = torch.Generator().manual_seed(seed)
    noisy_BCHW = draw_noise(x_BCHW, step, np.random.default_rng(seed), generator)
    return ((noisy_BCHW - x_BCHW) * 255.0).numpy()


def test_gaussian_noise_is_as_strong_as_asked_at_any_brightness():
    for light in (0.3, 0.7):
        found = noise("gaussian", light=light, gaussian=[8, 8])
        assert found.std() == pytest.approx(8.0, rel=0.02)
        assert abs(found.mean()) < 0.1


def test_each_sample_has_its_own_strength():
    strengths = noise("gaussian", gaussian=[1, 20]).std((1, 2, 3))
    assert len(set(strengths.round(1))) == 4


def test_poisson_noise_has_the_moments_of_counted_photons():
    light, photons = 0.1, 25.5  # of 255 at white
    found = noise("poisson", light=light, poisson=[1, 1]).ravel()
    assert abs(found.mean()) < 0.1
    assert found.var() == pytest.approx(photons, rel=0.04)
    skewness = ((found - found.mean()) ** 3).mean() / found.std() ** 3
    assert skewness == pytest.approx(photons**-0.5, abs=0.04)


def test_poisson_noise_grows_with_the_root_of_brightness_and_speckle_with_brightness():
    for kind, expected in (("poisson", 2.0), ("speckle", 4.0)):
        dark, bright = (
            noise(kind, light=light, poisson=[1, 1], speckle=[1, 1]).std() for light in (0.15, 0.6)
        )
        assert bright / dark == pytest.approx(expected, rel=0.03)


def test_grey_noise_is_the_same_in_all_channels_also_where_they_differ_in_brightness():
    step = NoiseStep.model_validate({"kinds": {"poisson": 1}, "colours": {"grey": 1}})
    x_BCHW = torch.tensor([0.2, 0.5, 0.7]).view(1, 3, 1, 1).expand(2, 3, 16, 16).contiguous()
    noisy = draw_noise(x_BCHW, step, np.random.default_rng(0), torch.Generator().manual_seed(0))
    added = noisy - x_BCHW
    unclamped = ((noisy > 0) & (noisy < 1)).all(1)
    torch.testing.assert_close(added[:, 0][unclamped], added[:, 2][unclamped], atol=1e-6, rtol=0)
    assert unclamped.sum() > 300


def test_colour_noise_is_independent_between_channels_and_linked_noise_is_not():
    def link(colour: str) -> float:
        found = noise("gaussian", colour, gaussian=[5, 5])
        each = [np.corrcoef(sample.reshape(3, -1)) for sample in found]
        return float(np.abs(np.stack(each)[:, [0, 0, 1], [1, 2, 2]]).mean())

    assert link("colour") < 0.03
    assert 0.2 < link("linked") < 0.9
    assert noise("gaussian", "linked", gaussian=[5, 5]).std((2, 3)) == pytest.approx(5.0, rel=0.05)


def test_the_same_seed_gives_the_same_noise_and_another_seed_another():
    assert np.array_equal(noise("gaussian"), noise("gaussian"))
    assert not np.array_equal(noise("gaussian"), noise("gaussian", seed=1))


def test_noisy_pictures_stay_between_black_and_white():
    for light in (0.0, 1.0):
        found = noise("gaussian", light=light, gaussian=[30, 30])
        assert found.std() > 1
        assert -255 * light <= found.min()
        assert found.max() <= 255 * (1 - light)
