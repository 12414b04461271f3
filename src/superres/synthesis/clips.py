"""Clip synthesis from a batch of large pictures: camera motion and moving objects.

Frames are sampled from pictures of twice their density, blurred as by a lens, so that
interpolation makes no frame softer than its neighbours. The small frames are made from the large
ones by MATLAB's antialiased bicubic, as in any training pair.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from superres.degrade.blur import blur_batch, gaussian_kernels
from superres.degrade.downscale import resize_batch, round8
from superres.errors import ArgumentError
from superres.synthesis.clip_config import ClipConfig

_SALT = 0xC11B5  # so that a seed gives different numbers here than for patches
_DENSITY = 2  # source pixels per large frame pixel, along each axis
_EDGE = 2  # pixels around a position that interpolation needs
_RADIUS = (0.08, 0.3)  # of an object, as a fraction of the frame's edge
_WAVES = 4  # of an object's outline
_Floats = NDArray[np.float64]


def clip_canvas(config: ClipConfig, patch: int) -> int:
    """Return the edge of a clip's source picture, in small pixels."""
    steps = (config.frames - 1) / 2
    away = config.speed * steps + config.sway
    half_diagonal = patch / math.sqrt(2.0)
    away += half_diagonal * steps * (math.radians(config.turn_degrees) + config.zoom)
    return _DENSITY * (patch + 2 * math.ceil(away + _EDGE / _DENSITY))


@torch.no_grad()
def make_clips(
    large_BCHW: Tensor, config: ClipConfig, *, scale: int, patch: int, seed: tuple[int, ...]
) -> tuple[Tensor, Tensor]:
    """Make clips and their truths; they depend only on the arguments.

    Args:
        large_BCHW: (B, C, L, L) in [0, 1], L being scale * clip_canvas. Objects in front of one
            picture are cut from the next one.
        config: How frames move.
        scale: Large size over small size.
        patch: Edge of the small frames.
        seed: Whole numbers from 0, such as a run's seed and its step.

    Returns:
        Clips (B, T, C, patch, patch) and truths (B, T, C, scale*patch, scale*patch), float32 on the
        same device.

    Raises:
        ArgumentError: The pictures are of another size.
    """
    edge = scale * clip_canvas(config, patch)
    if large_BCHW.shape[2:] != (edge, edge):
        raise ArgumentError(
            f"clips of {patch} px at scale {scale} are made of {edge}x{edge} px, "
            f"got {tuple(large_BCHW.shape)}",
            "cut out scale * clip_canvas",
        )
    batch, count = large_BCHW.shape[0], config.frames
    device = large_BCHW.device
    rng = np.random.default_rng((*seed, _SALT))
    generator = torch.Generator(device).manual_seed(int(rng.integers(2**32)))
    moving_B = rng.random(batch) >= config.still
    with torch.autocast(device.type, enabled=False):
        sigmas_B = _DENSITY * rng.uniform(*config.blur, batch)
        seen_BCLL = _through_lens(large_BCHW.float(), sigmas_B)
        camera = _camera(config, rng, moving_B)
        frames = [
            _read(seen_BCLL, _placed(view_B4, patch * scale, scale))
            for view_B4 in camera.transpose(1, 0, 2)
        ]
        for _ in range(int(rng.integers(config.objects + 1))):
            seen_BCLL = seen_BCLL.roll(1, 0)
            _lay_thing(frames, seen_BCLL, config, rng, moving_B, scale)
        truth_BTCHW = torch.stack(frames, 1).clamp(0.0, 1.0)
        small_NCHW = resize_batch(truth_BTCHW.flatten(0, 1), scale=1.0 / scale)
        clips_BTCHW = small_NCHW.view(batch, count, *small_NCHW.shape[1:])
        if config.noise[1]:
            sigmas_B = torch.from_numpy(rng.uniform(*config.noise, batch) / 255.0).to(clips_BTCHW)
            noise = torch.randn(clips_BTCHW.shape, generator=generator, device=device)
            clips_BTCHW = clips_BTCHW + sigmas_B.view(-1, 1, 1, 1, 1) * noise
    return round8(clips_BTCHW), truth_BTCHW


def _camera(config: ClipConfig, rng: np.random.Generator, moving_B: NDArray[np.bool_]) -> _Floats:
    """Draw camera poses: (B, T, 4) rows, columns, radians and the logarithm of the zoom."""
    batch, count = len(moving_B), config.frames
    # A product of two: most motion is slow.
    speeds_B14 = rng.uniform(-1.0, 1.0, (batch, 1, 4)) * rng.random((batch, 1, 1))
    speeds_B14 *= (config.speed, config.speed, math.radians(config.turn_degrees), config.zoom)
    times_T1 = np.arange(count)[:, None] - (count - 1) / 2
    views_BT4 = speeds_B14 * times_T1
    pace, phase = rng.uniform(0.2, 1.5, (batch, 1, 2)), rng.uniform(0.0, 2 * np.pi, (batch, 1, 2))
    reach = rng.uniform(0.0, 1.0, (batch, 1, 2)) * config.sway
    views_BT4[..., :2] += reach * np.sin(pace * times_T1 + phase)
    return views_BT4 * moving_B[:, None, None]


def _lay_thing(
    frames: list[Tensor],
    seen_BCLL: Tensor,
    config: ClipConfig,
    rng: np.random.Generator,
    moving_B: NDArray[np.bool_],
    scale: int,
) -> None:
    """Paint an object onto each clip's frames, in place: part of a picture, with a wavy outline."""
    batch, edge = len(moving_B), frames[0].shape[-1]
    speeds_B2 = rng.uniform(-1.0, 1.0, (batch, 2)) * config.object_speed * scale
    middles_B2 = rng.uniform(-0.4, 0.4, (batch, 2)) * edge
    radii_B = rng.uniform(*_RADIUS, batch) * edge
    heights_BW = rng.uniform(-0.15, 0.15, (batch, _WAVES))
    phases_BW = rng.uniform(0.0, 2 * np.pi, (batch, _WAVES))
    for index, frame_BCHW in enumerate(frames):
        moved_B2 = speeds_B2 * (index - (len(frames) - 1) / 2) * moving_B[:, None]
        rows, columns = (
            _line(edge, axis) - (middles_B2 + moved_B2)[:, axis, None, None] for axis in (0, 1)
        )
        angles_BHW = np.arctan2(rows, columns)
        outline_BHW = np.ones_like(angles_BHW)
        for wave in range(_WAVES):
            phase = phases_BW[:, wave, None, None]
            outline_BHW += heights_BW[:, wave, None, None] * np.sin((wave + 1) * angles_BHW + phase)
        inside_BHW = radii_B[:, None, None] * outline_BHW - np.hypot(rows, columns)
        cover_BHW = torch.from_numpy((inside_BHW + 0.5).clip(0.0, 1.0)).to(frame_BCHW)
        places_B2HW = np.stack(np.broadcast_arrays(rows, columns), 1) * _DENSITY
        frames[index] = torch.lerp(frame_BCHW, _read(seen_BCLL, places_B2HW), cover_BHW[:, None])


def _line(edge: int, axis: int) -> _Floats:
    """Return the rows (1, h, 1) or columns (1, 1, h) of a frame's pixels, from its middle."""
    line = np.arange(edge, dtype=np.float64) - (edge - 1) / 2
    return line.reshape((1, -1, 1) if axis == 0 else (1, 1, -1))


def _placed(view_B4: _Floats, edge: int, scale: int) -> _Floats:
    """Return the positions of a frame's pixels on its picture, (B, 2, h, h) from the centre."""
    down, right, turns, zooms = (view_B4[:, index, None, None] for index in range(4))
    rows, columns = _line(edge, 0), _line(edge, 1)
    cos, sin = np.cos(turns) * np.exp(zooms), np.sin(turns) * np.exp(zooms)
    places = (cos * rows + sin * columns + down * scale, cos * columns - sin * rows + right * scale)
    return np.stack(places, 1) * _DENSITY


def _through_lens(x_BCHW: Tensor, sigmas_B: _Floats) -> Tensor:
    """Blur pictures by isotropic Gaussians of these standard deviations in their own pixels."""
    edge = 2 * math.ceil(3.0 * float(sigmas_B.max())) + 1
    flat_B = np.zeros(len(sigmas_B))
    kernels = gaussian_kernels(np.stack((sigmas_B,) * 2, 1), flat_B, flat_B + 1.0, edge)
    kernels /= kernels.sum((1, 2), keepdims=True)
    return blur_batch(x_BCHW, torch.from_numpy(kernels).to(x_BCHW))


def _read(picture_BCLL: Tensor, places_B2HW: _Floats) -> Tensor:
    """Sample pictures by cubic interpolation at positions from their centre."""
    middle = picture_BCLL.shape[-1] / 2
    grid_BHW2 = torch.from_numpy(places_B2HW[:, ::-1] / middle).to(picture_BCLL).permute(0, 2, 3, 1)
    return functional.grid_sample(
        picture_BCLL, grid_BHW2, mode="bicubic", padding_mode="reflection", align_corners=False
    )
