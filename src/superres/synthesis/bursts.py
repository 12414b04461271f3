"""Burst synthesis from a batch of large pictures: noisy frames with known motion.

As in a camera, the picture moves, is downscaled by MATLAB's antialiased bicubic, brightened, noised
and rounded to 8 bits. The first two steps are swapped, which is equivalent for shifts: the small
pixel's value is first computed around every large pixel, then interpolated, by Keys' cubic, at the
positions of the frame's pixels. So each value is interpolated only once.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from superres.degrade.blur import blur_batch, gaussian_kernels
from superres.degrade.downscale import round8
from superres.errors import ArgumentError
from superres.images.kernels import axis_weights
from superres.synthesis.burst_config import BurstConfig
from superres.synthesis.burst_input import burst_input

_SALT = 0xB0257  # so that a seed gives different numbers here than for patches
_READ = 3  # small pixels around a position that its value depends on: the reduction's two, and some
_GHOST_PX = (2.0, 6.0)  # distance of a ghost's source, in small pixels
_PART = (0.15, 0.6)  # edges of masked and ghost rectangles, as fractions of the frame's
_Floats = NDArray[np.float64]


class _Drawn(NamedTuple):
    """Random parameters of the frames of bursts; references neither move nor differ.

    Attributes:
        turns: (B, T) radians.
        zooms: (B, T) factors.
        shifts: (B, T, 2) small pixels.
        told: (B, T, 2) errors of the shifts given to the network, small pixels.
        gains: (B, T) factors of exposure.
        errors: (B, T, C) factors that remain after compensation.
    """

    turns: _Floats
    zooms: _Floats
    shifts: _Floats
    told: _Floats
    gains: _Floats
    errors: _Floats


def burst_margin(config: BurstConfig, patch: int) -> int:
    """Return the margin around a patch that its bursts need, in small pixels."""
    return 2 * _reach(config, patch) + _READ


def burst_canvas(config: BurstConfig, patch: int) -> int:
    """Return the edge of a burst's source picture, in small pixels."""
    return patch + 2 * burst_margin(config, patch)


@torch.no_grad()
def make_bursts(
    large_BCHW: Tensor,
    config: BurstConfig,
    *,
    scale: int,
    patch: int,
    count: int,
    seed: tuple[int, ...],
) -> tuple[Tensor, Tensor]:
    """Make bursts and their truths; they depend only on the arguments.

    Args:
        large_BCHW: (B, C, L, L) in [0, 1], L being scale * burst_canvas.
        config: How frames differ.
        scale: Large size over small size.
        patch: Edge of the reference in small pixels.
        count: Frames T of each burst.
        seed: Whole numbers from 0, such as a run's seed and its step.

    Returns:
        Bursts (B, T, C + 3, patch, patch) as `layers.sequences` defines, and truths (B, C,
        scale*patch, scale*patch) in [0, 1], both float32 on the same device. The same arguments
        give the same result on one kind of device; on another, noise differs.

    Raises:
        ArgumentError: The batch is of another size.
    """
    margin = burst_margin(config, patch)
    edge = scale * burst_canvas(config, patch)
    if large_BCHW.shape[2:] != (edge, edge) or count < 1:
        raise ArgumentError(
            f"{count} frames of {patch} px at scale {scale} are made of {edge}x{edge} px, "
            f"got {tuple(large_BCHW.shape)}",
            "cut out scale * burst_canvas",
        )
    batch, channels = large_BCHW.shape[:2]
    rng = np.random.default_rng((*seed, _SALT))
    generator = torch.Generator(large_BCHW.device).manual_seed(int(rng.integers(2**32)))
    drawn = _draw(config, rng, (batch, count, channels))
    noise_B = rng.uniform(*config.noise, batch) / 255.0
    sigmas_B = rng.uniform(*config.blur, batch) * (rng.random(batch) < config.blurred)

    def tensor(values: _Floats) -> Tensor:
        return torch.from_numpy(values).to(large_BCHW.device, torch.float32)

    with torch.autocast(large_BCHW.device.type, enabled=False):
        seen_BCLL = _seen(_blurred(large_BCHW.float(), sigmas_B * scale), scale)
        size = patch + 2 * _reach(config, patch)
        places_BT2hh = _places_on_reference(drawn, size, rng, config)
        start = _taps(scale)[0]
        on_plane_BT2hh = places_BT2hh * scale + ((edge - 1) / 2 - start)
        small_BTChh = _read(seen_BCLL, tensor(on_plane_BT2hh))
        gains = tensor(drawn.gains)[..., None, None, None]
        field = torch.randn(small_BTChh.shape, generator=generator, device=large_BCHW.device)
        frames_BTChh = round8(small_BTChh * gains + tensor(noise_B).view(-1, 1, 1, 1, 1) * field)
        frames_BTChh = frames_BTChh / gains * tensor(drawn.errors)[..., None, None]
        masks_BThh = torch.from_numpy(~_rectangles(rng, (batch, count), size, config.masked))
        if count == 1:
            masks_BThh[:] = True  # there would be nothing to fill it from
        told_BT2pp = _places_on_frames(drawn, patch, size)
        bursts = burst_input(frames_BTChh, masks_BThh.to(large_BCHW.device), tensor(told_BT2pp))
    again_BT = torch.from_numpy(_duplicates(rng, (batch, count), config.duplicates))
    rows_B1 = torch.arange(batch)[:, None]
    bursts = bursts[rows_B1, again_BT]
    inner = slice(scale * margin, scale * (margin + patch))
    return bursts, large_BCHW[..., inner, inner].float().contiguous()


def _reach(config: BurstConfig, patch: int) -> int:
    """Return a patch corner's largest motion in small pixels, plus half a pixel for rounding."""
    # The error of shifts rarely exceeds three standard deviations.
    away = config.shift + 3.0 * config.shift_error[1] + 0.5
    half_diagonal = patch / math.sqrt(2.0)
    turned = half_diagonal * (math.radians(config.turn_degrees) + config.zoom)
    return math.ceil(away + turned)


def _draw(config: BurstConfig, rng: np.random.Generator, shape: tuple[int, int, int]) -> _Drawn:
    batch, count, channels = shape
    evenly = rng.uniform(-1.0, 1.0, (batch, count, 5))
    spread = rng.standard_normal((batch, count, channels + 2))
    evenly[:, 0] = spread[:, 0] = 0.0
    told_B = rng.uniform(*config.shift_error, batch)
    return _Drawn(
        turns=evenly[..., 0] * math.radians(config.turn_degrees),
        zooms=1.0 + evenly[..., 1] * config.zoom,
        shifts=evenly[..., 2:4] * config.shift,
        gains=1.0 + evenly[..., 4] * config.exposure,
        errors=1.0 + spread[..., :channels] * config.exposure_error,
        told=spread[..., channels:] * told_B[:, None, None],
    )


def _grid(length: int) -> tuple[_Floats, _Floats]:
    """Return rows (h, 1) and columns (1, h) of a square's pixels, counted from its centre."""
    line = np.arange(length, dtype=np.float64) - (length - 1) / 2
    return line[:, None], line[None, :]


def _places_on_reference(
    drawn: _Drawn, size: int, rng: np.random.Generator, config: BurstConfig
) -> _Floats:
    """Return frames' pixel positions on the reference, (B, T, 2, size, size) from its centre."""
    rows, columns = _grid(size)
    cos, sin = (
        f(drawn.turns)[..., None, None] * drawn.zooms[..., None, None] for f in (np.cos, np.sin)
    )
    places = np.stack((cos * rows + sin * columns, cos * columns - sin * rows), 2)
    places += drawn.shifts[..., None, None]
    ghostly_BThh = _rectangles(rng, drawn.turns.shape, size, config.ghosts)
    ghostly_BThh[:, 0] = False
    angles = rng.uniform(0.0, 2.0 * math.pi, drawn.turns.shape)
    away = rng.uniform(*_GHOST_PX, drawn.turns.shape)
    from_BT2 = np.stack((away * np.sin(angles), away * np.cos(angles)), 2)
    return places + ghostly_BThh[:, :, None] * from_BT2[..., None, None]


def _places_on_frames(drawn: _Drawn, patch: int, size: int) -> _Floats:
    """Return the given positions of the reference's pixels on frames, (B, T, 2, patch, patch)."""
    rows, columns = (
        line - drawn.shifts[..., axis, None, None] for axis, line in enumerate(_grid(patch))
    )
    cos, sin = (
        f(drawn.turns)[..., None, None] / drawn.zooms[..., None, None] for f in (np.cos, np.sin)
    )
    places = np.stack((cos * rows - sin * columns, cos * columns + sin * rows), 2)
    return places + drawn.told[..., None, None] + (size - 1) / 2


def _rectangles(
    rng: np.random.Generator, shape: tuple[int, ...], size: int, chance: float
) -> NDArray[np.bool_]:
    """Return masks (B, T, size, size), some with a rectangle that may extend over the edge."""
    chosen_BT = rng.random(shape) < chance
    middles_BT2 = rng.uniform(0.0, size, (*shape, 2))
    halves_BT2 = rng.uniform(*_PART, (*shape, 2)) * size / 2
    line = np.arange(size) + 0.5
    inside_BT2h = np.abs(line - middles_BT2[..., None]) < halves_BT2[..., None]
    both = inside_BT2h[..., 0, :, None] & inside_BT2h[..., 1, None, :]
    return both & chosen_BT[..., None, None]


def _duplicates(
    rng: np.random.Generator, shape: tuple[int, int], chance: float
) -> NDArray[np.int64]:
    """Return the index of each frame's content: its own, or an earlier one."""
    own_BT = np.broadcast_to(np.arange(shape[1]), shape)
    other_BT = (rng.random(shape) * own_BT).astype(np.int64)
    return np.where(rng.random(shape) < chance, other_BT, own_BT)


def _blurred(large_BCHW: Tensor, sigmas_B: _Floats) -> Tensor:
    """Blur samples by Gaussians of these standard deviations in large pixels; 0 changes nothing."""
    chosen = np.flatnonzero(sigmas_B)
    if not len(chosen):
        return large_BCHW
    edge = 2 * math.ceil(3.0 * sigmas_B.max()) + 1
    sigmas_B2 = np.stack((sigmas_B[chosen],) * 2, 1)
    flat = np.zeros(len(chosen))
    kernels = gaussian_kernels(sigmas_B2, flat, flat + 1.0, edge)
    kernels /= kernels.sum((1, 2), keepdims=True)
    index = torch.from_numpy(chosen).to(large_BCHW.device)
    kernels_Bkk = torch.from_numpy(kernels).to(large_BCHW)
    return large_BCHW.index_copy(0, index, blur_batch(large_BCHW[index], kernels_Bkk))


@functools.lru_cache(maxsize=16)
def _taps(scale: int) -> tuple[float, tuple[float, ...]]:
    """Return the weights of large pixels in a small one, and the position of the first."""
    indices, weights = axis_weights(
        16 * scale, 16, scale=1.0 / scale, kernel="bicubic", antialias=True, border="mirror"
    )
    whole = np.zeros(16 * scale)
    whole[indices[8]] = weights[8]  # one in the middle
    used = np.flatnonzero(np.abs(whole) > 1e-9)  # rounding leaves tiny weights at the kernel's ends
    taps = whole[used[0] : used[-1] + 1]
    return (len(taps) - 1) / 2, tuple(taps.tolist())


@functools.lru_cache(maxsize=16)
def _seeing(edge: int, scale: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return the matrix of weighted sums around each large pixel, (edge - taps + 1, edge)."""
    taps = _taps(scale)[1]
    matrix = np.zeros((edge - len(taps) + 1, edge))
    for index, tap in enumerate(taps):
        matrix[np.arange(len(matrix)), np.arange(len(matrix)) + index] = tap
    with torch.inference_mode(False):
        return torch.as_tensor(matrix, dtype=dtype, device=device)


def _seen(large_BCHW: Tensor, scale: int) -> Tensor:
    """Return the value of a small pixel centred on each large pixel.

    In double precision if the device has it, as in `resize_batch`: TF32 would shift the rounding.
    """
    device = large_BCHW.device
    dtype = torch.float32 if device.type == "mps" else torch.float64
    matrix = _seeing(large_BCHW.shape[-1], scale, device, dtype)
    return (matrix @ large_BCHW.to(dtype) @ matrix.T).float()


def _read(plane_BCLL: Tensor, places_BT2hh: Tensor) -> Tensor:
    """Sample planes at positions in their pixels, by Keys' cubic (a = -0.5): (B, T, C, h, h)."""
    batch, channels, length = plane_BCLL.shape[:3]
    places_BT2hh = places_BT2hh.clamp(1.0, length - 2.0)  # only ghosts reach beyond
    first_BT2hh = places_BT2hh.floor().clamp(max=length - 3)
    parts = places_BT2hh - first_BT2hh
    weights_k = _keys_weights(parts)
    rows, columns = first_BT2hh.long().unbind(2)
    corner = (rows - 1) * length + columns - 1
    corner += torch.arange(batch, device=corner.device).view(-1, 1, 1, 1) * length**2
    pixels_NC = plane_BCLL.permute(0, 2, 3, 1).reshape(-1, channels)
    total = pixels_NC.new_zeros((*corner.shape, channels))
    for row, row_weight in enumerate(weights_k):
        for column, column_weight in enumerate(weights_k):
            index = (corner + (row * length + column)).flatten()
            values = pixels_NC.index_select(0, index).view_as(total)
            weight = row_weight[:, :, 0] * column_weight[:, :, 1]
            total.addcmul_(values, weight[..., None])
    return total.permute(0, 1, 4, 2, 3).contiguous()


def _keys_weights(t: Tensor) -> tuple[Tensor, ...]:
    """Return the weights of the pixels at -1, 0, 1 and 2 for a position t, 0 to 1."""
    t2, t3 = t * t, t * t * t
    return (
        -0.5 * t3 + t2 - 0.5 * t,
        1.5 * t3 - 2.5 * t2 + 1.0,
        -1.5 * t3 + 2.0 * t2 + 0.5 * t,
        0.5 * t3 - 0.5 * t2,
    )
