"""Adversarial losses against the formulas of their papers, with probabilities written out."""

import numpy as np
import pytest
import torch

from superres.losses.adversarial import ADVERSARIAL

SHAPES = [(6, 1), (2, 1, 4, 5)]  # a logit for each picture, or for each pixel


def logits(shape):
    rng = np.random.default_rng(0)
    return rng.normal(0.5, 2.0, shape), rng.normal(-0.5, 2.0, shape)


def found(name, real, fake):
    loss, tensors = ADVERSARIAL[name], (torch.from_numpy(real), torch.from_numpy(fake))
    return float(loss.generator(*tensors)), float(loss.discriminator(*tensors))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_original_game_is_cross_entropy_that_does_not_saturate(shape):
    real, fake = logits(shape)
    generator = -np.log(sigmoid(fake)).mean()
    discriminator = -np.log(sigmoid(real)).mean() - np.log(1 - sigmoid(fake)).mean()
    assert found("original", real, fake) == pytest.approx((generator, discriminator))


@pytest.mark.parametrize("shape", SHAPES)
def test_least_squares_pulls_real_to_one_and_fake_to_zero(shape):
    real, fake = logits(shape)
    generator = ((fake - 1) ** 2).mean() / 2
    discriminator = ((real - 1) ** 2).mean() / 2 + (fake**2).mean() / 2
    assert found("least_squares", real, fake) == pytest.approx((generator, discriminator))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_hinge_ignores_what_is_told_apart_by_a_margin_of_one(shape):
    real, fake = logits(shape)
    discriminator = np.maximum(0, 1 - real).mean() + np.maximum(0, 1 + fake).mean()
    assert found("hinge", real, fake) == pytest.approx((-fake.mean(), discriminator))
    assert found("hinge", np.full(shape, 1.5), np.full(shape, -1.5))[1] == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_the_relativistic_game_compares_with_the_others_mean(shape):
    real, fake = logits(shape)
    real_over = sigmoid(real - fake.mean())
    fake_over = sigmoid(fake - real.mean())
    generator = -np.log(1 - real_over).mean() - np.log(fake_over).mean()
    discriminator = -np.log(real_over).mean() - np.log(1 - fake_over).mean()
    assert found("relativistic", real, fake) == pytest.approx((generator, discriminator))


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_a_generator_that_is_found_out_for_certain_still_gets_a_finite_gradient(name):
    real, fake = torch.full((4, 1), 200.0), torch.full((4, 1), -200.0, requires_grad=True)
    loss = ADVERSARIAL[name].generator(real, fake)
    loss.backward()
    assert torch.isfinite(loss)
    assert fake.grad is not None
    assert (fake.grad < 0).all()


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_a_discriminators_step_raises_real_verdicts_and_lowers_fake_ones(name):
    real, fake = torch.zeros(4, 1, requires_grad=True), torch.zeros(4, 1, requires_grad=True)
    (ADVERSARIAL[name].discriminator(real - 0.25, fake + 0.25)).backward()
    assert real.grad is not None
    assert fake.grad is not None
    assert (real.grad < 0).all()
    assert (fake.grad > 0).all()
