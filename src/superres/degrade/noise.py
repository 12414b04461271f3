"""Noise on a batch: Gaussian, Poisson and speckle, grey or coloured.

Strengths and kinds are drawn by numpy and are the same on every device; the noise itself is drawn
on the picture's device, where the same seed gives the same noise.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from superres.degrade.config import NoiseStep
from superres.degrade.ragged import upload

_WHITE = 255.0
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, full range


def draw_noise(
    x_BCHW: Tensor, step: NoiseStep, rng: np.random.Generator, generator: torch.Generator
) -> Tensor:
    """Return a batch in [0, 1] with the noise of a step, clamped.

    Args:
        x_BCHW: (B, C, H, W) in [0, 1].
        step: The noise step.
        rng: Draws kinds, colours and strengths.
        generator: Draws the noise; of the batch's device.
    """
    batch, channels = x_BCHW.shape[:2]
    kinds = np.array(step.kinds.draw(rng, batch))
    colours = np.array(step.colours.draw(rng, batch))
    gaussian_B = np.where(kinds == "gaussian", rng.uniform(*step.gaussian, batch) / _WHITE, 0.0)
    poisson_B = np.where(kinds == "poisson", rng.uniform(*step.poisson, batch), 0.0)
    speckle_B = np.where(kinds == "speckle", rng.uniform(*step.speckle, batch) / _WHITE, 0.0)
    mix_BCC = _mix(colours, channels, rng)
    field_BCHW = torch.randn(x_BCHW.shape, generator=generator, device=x_BCHW.device)
    light_BCHW = x_BCHW.clamp(0.0, 1.0)
    if channels > 1 and not (colours == "colour").all():
        is_grey_B11 = (colours == "grey")[:, None, None]
        luma_BCC = np.where(is_grey_B11, np.array(_LUMA), np.eye(channels))
        mix, luma = upload(np.stack((mix_BCC, luma_BCC)).astype(np.float32), x_BCHW.device).unbind(
            0
        )
        field_BCHW, light_BCHW = _mixed(mix, field_BCHW), _mixed(luma, light_BCHW)
    strengths = np.stack((gaussian_B, poisson_B, speckle_B))
    return add_noise(x_BCHW, field_BCHW, light_BCHW, strengths)


def add_noise(
    x_BCHW: Tensor, field_BCHW: Tensor, light_BCHW: Tensor, strengths_3B: NDArray[np.float64]
) -> Tensor:
    """Return x plus the sum of three noises, clamped to [0, 1].

    Poisson noise is made from the normal field by the first terms of its Cornish-Fisher expansion,
    which has the mean, the variance (but for 1/18 of a photon) and the skewness of counted
    photons. torch would count them ten times slower, and differently on each device.

    Args:
        x_BCHW: (B, C, H, W) in [0, 1].
        field_BCHW: Normal noise, of mean 0 and variance 1.
        light_BCHW: The light in [0, 1] that Poisson and speckle noise depend on; overwritten.
        strengths_3B: Standard deviations of Gaussian noise; strengths of Poisson noise, where 1 is
            that of 255 photons at white; standard deviations of speckle noise at white.
    """
    gaussian_B, poisson_B, speckle_B = strengths_3B
    factors = np.stack((gaussian_B, poisson_B / _WHITE**0.5, speckle_B, poisson_B / (6.0 * _WHITE)))
    factors = factors.astype(np.float32)[:, :, None, None, None]
    gaussian, root, speckle, skew = upload(factors, x_BCHW.device).unbind(0)
    if speckle_B.any():
        amplitude_BCHW = light_BCHW.sqrt().mul_(root).addcmul_(light_BCHW, speckle)
    else:
        amplitude_BCHW = light_BCHW.sqrt_().mul_(root)
    amplitude_BCHW.add_(gaussian).addcmul_(field_BCHW, skew)
    return amplitude_BCHW.mul_(field_BCHW).add_(x_BCHW).sub_(skew).clamp_(0.0, 1.0)


def _mix(colours: NDArray[np.str_], channels: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the matrices (B, C, C) that correlate independent channels of noise."""
    rows_BCC = rng.standard_normal((len(colours), channels, channels))
    mix_BCC = np.tile(np.eye(channels), (len(colours), 1, 1))
    mix_BCC[colours == "grey"] = np.eye(channels)[[0] * channels]
    linked_BCC = rows_BCC / np.linalg.norm(rows_BCC, axis=2, keepdims=True)
    mix_BCC[colours == "linked"] = linked_BCC[colours == "linked"]
    return mix_BCC


def _mixed(weights_BCC: Tensor, x_BCHW: Tensor) -> Tensor:
    """Return each sample's channels, mixed by its own matrix, row by row."""
    return torch.bmm(weights_BCC, x_BCHW.flatten(2)).view(x_BCHW.shape)
