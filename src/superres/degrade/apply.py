"""Seeded degradation of large pictures to small ones for training.

The same degradation runs on a CPU and on a GPU. The parameters of a sample (kernels, sizes,
strengths, qualities) are drawn by numpy and are the same everywhere; only noise is drawn on the
device. The built-in degradations, `superres/recipes/degradations`, name their papers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from superres.degrade.blur import blur_batch, draw_kernels
from superres.degrade.codecs import Codec, code_batch
from superres.degrade.config import (
    BlurStep,
    CompressStep,
    DegradationConfig,
    NoiseStep,
    ResizeKernels,
    ResizeStep,
    SensorStep,
    SmallStep,
    Step,
)
from superres.degrade.downscale import resize_batch, round8
from superres.degrade.jpeg import jpeg_batch
from superres.degrade.mosaic import sensor_batch
from superres.degrade.noise import draw_noise
from superres.degrade.resample import ResizeKernel, resample
from superres.errors import ArgumentError

_SALT = 0x5EED  # so that a seed gives different numbers here than for patches
_SMALLEST_EDGE = 4  # of an intermediate picture, unless the small one is smaller


@torch.no_grad()
def degrade_batch(
    large_BCHW: Tensor, config: DegradationConfig, *, scale: int, seed: tuple[int, ...]
) -> Tensor:
    """Make the small pictures of training pairs; they depend only on the arguments.

    Args:
        large_BCHW: (B, C, H, W) in [0, 1], of 1 (grey) or 3 (RGB) channels; H and W are multiples
            of `scale`.
        config: The degradation.
        scale: Large size over small size.
        seed: Whole numbers from 0, such as a run's seed and its step.

    Returns:
        (B, C, H / scale, W / scale) float32 in [0, 1], multiples of 1/255, on the same device.
        The same arguments give the same result on one kind of device; on another, noise differs.

    Raises:
        ArgumentError: The batch has another shape or dtype, or its size is not a multiple of
            `scale`.
        BackendError: The degradation compresses with H.264, and the package `av` is not installed.
    """
    _check_batch(large_BCHW, scale)
    batch, channels, height, width = large_BCHW.shape
    size = (height // scale, width // scale)
    rng = np.random.default_rng((*seed, _SALT))
    generator = torch.Generator(large_BCHW.device).manual_seed(int(rng.integers(2**32)))
    small_BCHW = large_BCHW.new_empty((batch, channels, *size), dtype=torch.float32)
    is_clean = rng.random(batch) < config.clean
    clean, degraded = np.flatnonzero(is_clean), np.flatnonzero(~is_clean)
    if len(clean):
        index = _index(clean, large_BCHW)
        small_BCHW[index] = resize_batch(large_BCHW[index], size=size)
    with torch.autocast(large_BCHW.device.type, enabled=False):
        for start in range(0, len(degraded), config.share):
            index = _index(degraded[start : start + config.share], large_BCHW)
            x_BCHW = large_BCHW[index].float().contiguous()
            for name in config.order(rng):
                x_BCHW = _do_step(config.steps[name], x_BCHW, size, rng, generator)
            small_BCHW[index] = x_BCHW
    return round8(small_BCHW)


def degrade_pixels(
    large_HWC: NDArray[np.float32],
    config: DegradationConfig,
    *,
    scale: int,
    seed: tuple[int, ...],
) -> NDArray[np.float32]:
    """Degrade one picture as `degrade_batch` does.

    Args:
        large_HWC: (H, W, C) in [0, 1]; H and W are multiples of `scale`.
        config: The degradation.
        scale: Large size over small size.
        seed: Whole numbers from 0.

    Returns:
        (H / scale, W / scale, C) in [0, 1], multiples of 1/255.
    """
    large_1CHW = torch.from_numpy(large_HWC).permute(2, 0, 1)[None]
    small_1CHW = degrade_batch(large_1CHW, config, scale=scale, seed=seed)
    return small_1CHW[0].permute(1, 2, 0).numpy()


def _do_step(
    step: Step,
    x_BCHW: Tensor,
    size: tuple[int, int],
    rng: np.random.Generator,
    generator: torch.Generator,
) -> Tensor:
    match step:
        case ResizeStep():
            return resample(x_BCHW, _size_between(step, x_BCHW, size, rng), _kernel(step, rng))
        case SmallStep():
            return resample(x_BCHW, size, _kernel(step, rng))
        case BlurStep():
            return _on_some(x_BCHW, step.chance, rng, lambda part: _blur(part, step, rng))
        case NoiseStep():
            return _on_some(
                x_BCHW, step.chance, rng, lambda part: draw_noise(part, step, rng, generator)
            )
        case CompressStep():
            return _on_some(x_BCHW, step.chance, rng, lambda part: _compress(part, step, rng))
        case SensorStep():
            return _on_some(
                x_BCHW, step.chance, rng, lambda part: _sense(part, step, rng, generator)
            )


def _on_some(
    x_BCHW: Tensor, chance: float, rng: np.random.Generator, change: Callable[[Tensor], Tensor]
) -> Tensor:
    """Change each sample with a probability, and keep the others unchanged."""
    chosen = np.flatnonzero(rng.random(len(x_BCHW)) < chance)
    if len(chosen) in (0, len(x_BCHW)):
        return change(x_BCHW) if len(chosen) else x_BCHW
    return x_BCHW.index_copy(0, index := _index(chosen, x_BCHW), change(x_BCHW[index]))


def _blur(x_BCHW: Tensor, step: BlurStep, rng: np.random.Generator) -> Tensor:
    kernels_Bkk = torch.from_numpy(draw_kernels(step, len(x_BCHW), rng))
    return blur_batch(x_BCHW, kernels_Bkk.to(x_BCHW.device))


def _size_between(
    step: ResizeStep, x_BCHW: Tensor, small: tuple[int, int], rng: np.random.Generator
) -> tuple[int, int]:
    """Return the size after an intermediate resize."""
    way = step.ways.draw(rng, 1)[0]
    ends = {"up": (1.0, step.factor[1]), "down": (step.factor[0], 1.0), "keep": (1.0, 1.0)}[way]
    factor = rng.uniform(*ends)
    height, width = small if step.of == "small" else x_BCHW.shape[2:]
    floor = min(_SMALLEST_EDGE, *small)
    return max(floor, round(height * factor)), max(floor, round(width * factor))


def _kernel(step: ResizeStep | SmallStep, rng: np.random.Generator) -> ResizeKernel:
    kernels: ResizeKernels = step.kernels
    return cast("ResizeKernel", kernels.draw(rng, 1)[0])  # its field names


def _compress(x_BCHW: Tensor, step: CompressStep, rng: np.random.Generator) -> Tensor:
    codec = cast("Codec", step.codecs.draw(rng, 1)[0])  # its field names
    qualities = rng.integers(step.quality[0], step.quality[1] + 1, len(x_BCHW))
    subsampling = "444" if rng.random() < step.full_colour else "420"
    if codec == "jpeg":
        return jpeg_batch(x_BCHW, torch.from_numpy(qualities), subsampling=subsampling)
    return code_batch(x_BCHW, codec, qualities.tolist())


def _sense(
    x_BCHW: Tensor, step: SensorStep, rng: np.random.Generator, generator: torch.Generator
) -> Tensor:
    batch, channels, height, width = x_BCHW.shape
    phase_B2 = torch.from_numpy(rng.integers(0, 2, (batch, 2)))
    shot_B = np.exp(rng.uniform(math.log(step.shot[0]), math.log(step.shot[1]), batch))
    read_B = rng.uniform(*step.read, batch)
    if channels != 3 or min(height, width) < 2:
        return x_BCHW  # no colour to remove, or no neighbour to interpolate from
    field_B1HW = torch.randn(
        (batch, 1, height, width), generator=generator, device=x_BCHW.device, dtype=x_BCHW.dtype
    )
    shot, read = (torch.from_numpy(value).to(x_BCHW) for value in (shot_B, read_B))
    return sensor_batch(x_BCHW, field_B1HW, phase_B2, shot, read)


def _index(chosen: NDArray[np.intp], x_BCHW: Tensor) -> Tensor:
    return torch.from_numpy(chosen).to(x_BCHW.device)


def _check_batch(large_BCHW: Tensor, scale: int) -> None:
    shape = tuple(large_BCHW.shape)
    if large_BCHW.ndim != 4 or not large_BCHW.is_floating_point() or shape[1] not in (1, 3):
        raise ArgumentError(
            f"float pictures (B, 1 or 3, H, W) can be degraded, got {large_BCHW.dtype} of {shape}",
            "pass a batch of grey or RGB pictures in [0, 1]",
        )
    if scale < 1 or min(shape) < 1 or shape[2] % scale or shape[3] % scale:
        raise ArgumentError(
            f"pictures of {shape[2]}×{shape[3]} are not a multiple of the scale {scale}",
            "crop them to a multiple first, from the top left",
        )
