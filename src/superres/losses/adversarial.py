"""Adversarial losses of generator and discriminator, one table by name.

All of them take logits of any shape: one per picture, or one per pixel. Each side's loss is the
plain sum of its two terms, as in the papers; some public code halves it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class AdversarialLoss:
    """The losses of both networks; each maps (real logits, fake logits), in fp32, to a scalar.

    Attributes:
        generator: The generator's loss.
        discriminator: The discriminator's loss.
        source: The paper.
    """

    generator: Callable[[Tensor, Tensor], Tensor]
    discriminator: Callable[[Tensor, Tensor], Tensor]
    source: str


def _original_generator(_real: Tensor, fake: Tensor) -> Tensor:
    """Return -log D(fake), the form that does not saturate while the discriminator leads."""
    return functional.softplus(-fake).mean()


def _original_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    return functional.softplus(-real).mean() + functional.softplus(fake).mean()


def _least_squares_generator(_real: Tensor, fake: Tensor) -> Tensor:
    return 0.5 * (fake - 1).square().mean()


def _least_squares_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    return 0.5 * ((real - 1).square().mean() + fake.square().mean())


def _hinge_generator(_real: Tensor, fake: Tensor) -> Tensor:
    return -fake.mean()


def _hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    return functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()


def _relativistic_generator(real: Tensor, fake: Tensor) -> Tensor:
    return _relativistic_discriminator(fake, real)


def _relativistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Compare the realism of real pictures with the average of fake ones, and vice versa."""
    margins = torch.cat((fake.mean() - real, fake - real.mean()))
    return 2 * functional.softplus(margins).mean()


ADVERSARIAL: dict[str, AdversarialLoss] = {
    "original": AdversarialLoss(
        _original_generator, _original_discriminator, "Goodfellow et al. 2014, arXiv:1406.2661"
    ),
    "least_squares": AdversarialLoss(  # a = 0, b = c = 1 in the paper's equation 9
        _least_squares_generator,
        _least_squares_discriminator,
        "Mao et al. 2017, arXiv:1611.04076",
    ),
    "hinge": AdversarialLoss(
        _hinge_generator, _hinge_discriminator, "Lim and Ye 2017, arXiv:1705.02894"
    ),
    "relativistic": AdversarialLoss(  # average; as in ESRGAN, arXiv:1809.00219
        _relativistic_generator,
        _relativistic_discriminator,
        "Jolicoeur-Martineau 2018, arXiv:1807.00734",
    ),
}
