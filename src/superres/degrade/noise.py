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
    strengths = {
        "gaussian": rng.uniform(*step.gaussian, batch) / _WHITE,
        "poisson": rng.uniform(*step.poisson, batch),
        "speckle": rng.uniform(*step.speckle, batch) / _WHITE,
    }
    mix_BCC = np.stack([_mix(colour, channels, rng) for colour in colours])
    white_BCHW = torch.randn(x_BCHW.shape, generator=generator, device=x_BCHW.device)
    field_BCHW = (_like(mix_BCC, x_BCHW) @ white_BCHW.flatten(2)).view_as(x_BCHW)
    used = {kind: np.where(kinds == kind, value, 0.0) for kind, value in strengths.items()}
    light_BCHW = _light(x_BCHW, colours == "grey")
    return add_noise(
        x_BCHW,
        field_BCHW,
        light_BCHW,
        gaussian_B=_like(used["gaussian"], x_BCHW),
        poisson_B=_like(used["poisson"], x_BCHW),
        speckle_B=_like(used["speckle"], x_BCHW),
    )


def add_noise(
    x_BCHW: Tensor,
    field_BCHW: Tensor,
    light_BCHW: Tensor,
    *,
    gaussian_B: Tensor,
    poisson_B: Tensor,
    speckle_B: Tensor,
) -> Tensor:
    """Return x plus the sum of three noises, clamped to [0, 1].

    Poisson noise is made from the normal field by the first terms of its Cornish-Fisher expansion,
    which has the mean, the variance (but for 1/18 of a photon) and the skewness of counted
    photons. torch would count them ten times slower, and differently on each device.

    Args:
        x_BCHW: (B, C, H, W) in [0, 1].
        field_BCHW: Normal noise, of mean 0 and variance 1.
        light_BCHW: The light in [0, 1] that Poisson and speckle noise depend on.
        gaussian_B: Standard deviations of Gaussian noise.
        poisson_B: Strengths of Poisson noise; 1 is that of 255 photons at white.
        speckle_B: Standard deviations of speckle noise at white.
    """
    gaussian, poisson, speckle = (s.view(-1, 1, 1, 1) for s in (gaussian_B, poisson_B, speckle_B))
    amplitude_BCHW = light_BCHW.sqrt().mul_(poisson / _WHITE**0.5)
    amplitude_BCHW.addcmul_(light_BCHW, speckle).add_(gaussian)
    skew_BCHW = field_BCHW.square().sub_(1.0).mul_(poisson / (6.0 * _WHITE))
    return torch.addcmul(x_BCHW, amplitude_BCHW, field_BCHW).add_(skew_BCHW).clamp_(0.0, 1.0)


def _mix(colour: str, channels: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the matrix (C, C) that correlates independent channels of noise."""
    rows = rng.standard_normal((channels, channels))
    match colour:
        case "grey":
            return np.eye(channels)[[0] * channels]
        case "linked":
            return rows / np.linalg.norm(rows, axis=1, keepdims=True)
        case _:
            return np.eye(channels)


def _light(x_BCHW: Tensor, is_grey_B: NDArray[np.bool_]) -> Tensor:
    """Return the clamped pixels, or for grey noise their luma in every channel."""
    light_BCHW = x_BCHW.clamp(0.0, 1.0)
    grey = np.flatnonzero(is_grey_B)
    if x_BCHW.shape[1] == 3 and len(grey):
        index = torch.from_numpy(grey).to(x_BCHW.device)
        luma_3 = torch.tensor(_LUMA, device=x_BCHW.device)
        part_BCHW = light_BCHW[index]
        luma_B1HW = torch.einsum("bchw,c->bhw", part_BCHW, luma_3)[:, None]
        light_BCHW[index] = luma_B1HW.expand_as(part_BCHW)
    return light_BCHW


def _like(values: NDArray[np.float64], x_BCHW: Tensor) -> Tensor:
    return torch.from_numpy(values).to(x_BCHW.device, x_BCHW.dtype)
