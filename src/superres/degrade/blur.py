"""Blur of a batch: kernels of lenses, motion and filters.

Generalised Gaussians and plateaus are those of Liu et al., "Estimating generalized Gaussian blur
kernels for out-of-focus image deblurring", IEEE TCSVT 2021; the frequencies of the shapes and the
sinc kernel are Real-ESRGAN's (Wang et al., ICCV Workshops 2021, arXiv:2107.10833, eq. 2, 3 and 6).
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from superres.degrade.config import BlurStep
from superres.degrade.ragged import Sizes, extended
from superres.errors import ArgumentError

_Floats = NDArray[np.float64]
_SMALL_SINC = 13  # smaller kernels cannot hold the long waves of a low cut-off
_SMALL_SINC_CUTOFF = 1 / 3


def draw_kernels(step: BlurStep, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw a kernel for each of `count` samples.

    Returns:
        (count, k, k); each sums to 1. k is odd: the largest edge drawn, smaller ones are centred
        and zero-padded.
    """
    edges = rng.integers(step.size[0] // 2, step.size[1] // 2 + 1, count) * 2 + 1
    shapes = np.array(step.shapes.draw(rng, count))
    sigmas_B2 = rng.uniform(*step.sigma, (count, 2))
    is_round = np.char.find(shapes, "aniso") < 0
    sigmas_B2[is_round, 1] = sigmas_B2[is_round, 0]
    angles = rng.uniform(0.0, np.pi, count)
    generalised = _around_one(rng, step.generalised, count)
    plateau = _around_one(rng, step.plateau, count)
    lowest = np.where(edges < _SMALL_SINC, _SMALL_SINC_CUTOFF, 0.0).clip(*step.cutoff)
    cutoffs = rng.uniform(lowest, step.cutoff[1])

    edge = int(edges.max())
    exponents = np.where(np.char.startswith(shapes, "generalised"), generalised, 1.0)
    kernels_Bkk = gaussian_kernels(sigmas_B2, angles, exponents, edge)
    is_flat, is_sinc = np.char.startswith(shapes, "plateau"), shapes == "sinc"
    kernels_Bkk[is_flat] = plateau_kernels(
        sigmas_B2[is_flat], angles[is_flat], plateau[is_flat], edge
    )
    if is_sinc.any():
        kernels_Bkk[is_sinc] = sinc_kernels(cutoffs[is_sinc], edge)
    away = np.abs(_offsets(edge))
    inside_Bk = away <= edges[:, None] // 2
    kernels_Bkk *= inside_Bk[:, :, None] & inside_Bk[:, None, :]
    kernels_Bkk /= kernels_Bkk.sum((1, 2), keepdims=True)
    return kernels_Bkk.astype(np.float32)


def gaussian_kernels(
    sigmas_B2: _Floats, angles_B: _Floats, exponents_B: _Floats, edge: int
) -> _Floats:
    """Return exp(-q**exponent / 2), with q the squared distance in units of sigma.

    Args:
        sigmas_B2: Standard deviations along the two axes of each kernel, in pixels.
        angles_B: Rotation of each kernel, in radians.
        exponents_B: 1 is a Gaussian, lower is more peaked, higher is flatter.
        edge: Edge of the kernels in pixels, odd.

    Returns:
        (B, edge, edge), 1 in the middle.
    """
    return np.exp(-0.5 * _distances(sigmas_B2, angles_B, edge) ** exponents_B[:, None, None])


def plateau_kernels(
    sigmas_B2: _Floats, angles_B: _Floats, exponents_B: _Floats, edge: int
) -> _Floats:
    """Return 1 / (1 + q**exponent); arguments as of `gaussian_kernels`."""
    return 1.0 / (1.0 + _distances(sigmas_B2, angles_B, edge) ** exponents_B[:, None, None])


def sinc_kernels(cutoffs_B: _Floats, edge: int) -> _Floats:
    """Return the circular low pass w J1(w r) / (2 pi r), with w = pi * cutoff, cropped to a square.

    Args:
        cutoffs_B: Cut-off frequencies over the Nyquist frequency, above 0, up to 1.
        edge: Edge of the kernels in pixels, odd.

    Returns:
        (B, edge, edge).
    """
    offsets = _offsets(edge)
    radii_kk = np.hypot(offsets[:, None], offsets)
    middle = radii_kk == 0.0
    waves_B11 = np.pi * cutoffs_B[:, None, None]
    bessel = cast("Tensor", torch.special.bessel_j1(torch.from_numpy(waves_B11 * radii_kk)))
    bessel_Bkk: _Floats = bessel.numpy()
    rings_Bkk = waves_B11 * bessel_Bkk / (2.0 * np.pi * np.where(middle, 1.0, radii_kk))
    return np.where(middle, waves_B11**2 / (4.0 * np.pi), rings_Bkk)


def blur_batch(x_BCHW: Tensor, kernels_Bkk: Tensor, sizes_B2: Sizes | None = None) -> Tensor:
    """Convolve each sample with its kernel; pictures are mirrored at their edges.

    Args:
        x_BCHW: (B, C, H, W), floating.
        kernels_Bkk: (B, k, k), k odd, on the same device.
        sizes_B2: Sizes of the samples, as of `ragged`; None if each fills its canvas.

    Returns:
        (B, C, H, W).

    Raises:
        ArgumentError: Kernels are not as many as samples, or have an even edge.
    """
    batch, _, height, width = x_BCHW.shape
    edge = kernels_Bkk.shape[-1]
    if kernels_Bkk.shape != (batch, edge, edge) or edge % 2 == 0:
        raise ArgumentError(
            f"{batch} samples need as many square kernels of an odd edge, "
            f"got {tuple(kernels_Bkk.shape)}",
            "pass kernels (B, k, k), such as draw_kernels makes",
        )
    # By spectra: as fast for large kernels as for small ones, and never in TF32. A depthwise
    # convolution on a CPU compiles a kernel for every new size, and sizes are random here.
    lengths = (_fast_length(height + edge - 1), _fast_length(width + edge - 1))
    padded_BCHW = extended(x_BCHW, sizes_B2, before=edge // 2, size=lengths, edge="mirror")
    spectra_BCHW = cast("Tensor", torch.fft.rfft2(padded_BCHW))  # untyped in torch
    filters_B1HW = cast("Tensor", torch.fft.rfft2(kernels_Bkk[:, None], lengths))
    blurred_BCHW = cast("Tensor", torch.fft.irfft2(spectra_BCHW.mul_(filters_B1HW), lengths))
    # Wrap-around affects only the first rows and columns, which are padding.
    return blurred_BCHW[..., edge - 1 : edge - 1 + height, edge - 1 : edge - 1 + width]


def _fast_length(length: int) -> int:
    """Return the next multiple of 8 with a fast Fourier transform: only factors of 2, 3 and 5.

    Only multiples of 8, so that a GPU's plans, which are made once for each size, repeat soon.
    """
    length = -(-length // 8) * 8
    while True:
        rest = length
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 8


def _offsets(edge: int) -> _Floats:
    return np.arange(edge, dtype=np.float64) - edge // 2


def _distances(sigmas_B2: _Floats, angles_B: _Floats, edge: int) -> _Floats:
    """Return squared distances (B, edge, edge) from the centre, in units of sigma."""
    offsets = _offsets(edge)
    cos, sin = np.cos(angles_B)[:, None, None], np.sin(angles_B)[:, None, None]
    along = (cos * offsets + sin * offsets[:, None]) / sigmas_B2[:, 0, None, None]
    across = (cos * offsets[:, None] - sin * offsets) / sigmas_B2[:, 1, None, None]
    return along**2 + across**2


def _around_one(rng: np.random.Generator, ends: tuple[float, float], count: int) -> _Floats:
    """Draw exponents from a range, equally often below and above 1 if it has both."""
    below = rng.uniform(min(ends[0], 1.0), min(ends[1], 1.0), count)
    above = rng.uniform(max(ends[0], 1.0), max(ends[1], 1.0), count)
    return np.where(rng.random(count) < 0.5, below, above).clip(*ends)
