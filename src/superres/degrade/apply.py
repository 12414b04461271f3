"""Seeded degradation of large pictures to small ones for training.

The same degradation runs on a CPU and on a GPU, each step once for the whole batch. The parameters
of samples (kernels, sizes, strengths, qualities) are drawn by numpy and are the same everywhere;
only noise is drawn on the device. Nothing waits for the device. The built-in degradations,
`superres/recipes/degradations`, name their papers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
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
    ResizeStep,
    SensorStep,
    SmallStep,
)
from superres.degrade.downscale import resize_batch, round8
from superres.degrade.jpeg import Subsampling, jpeg_batch
from superres.degrade.mosaic import sensor_batch
from superres.degrade.noise import draw_noise
from superres.degrade.plan import Resize, draw_groups
from superres.degrade.ragged import Sizes, upload
from superres.degrade.resample import resample
from superres.errors import ArgumentError

_SALT = 0x5EED  # so that a seed gives different numbers here than for patches
_Chosen = NDArray[np.bool_]


@torch.no_grad()
def degrade_batch(
    large_BCHW: Tensor,
    config: DegradationConfig,
    *,
    scale: int,
    seed: tuple[int, ...],
    bicubic_BCHW: Tensor | None = None,
) -> Tensor:
    """Make the small pictures of training pairs; they depend only on the arguments.

    Args:
        large_BCHW: (B, C, H, W) in [0, 1], of 1 (grey) or 3 (RGB) channels; H and W are multiples
            of `scale`.
        config: The degradation.
        scale: Large size over small size.
        seed: Whole numbers from 0, such as a run's seed and its step.
        bicubic_BCHW: The small pictures of clean samples, if they are at hand: (B, C, H / scale,
            W / scale) in [0, 1], multiples of 1/255. Otherwise they are made here.

    Returns:
        (B, C, H / scale, W / scale) float32 in [0, 1], multiples of 1/255, on the same device.
        The same arguments give the same result on one kind of device; on another, noise differs.

    Raises:
        ArgumentError: The batch has another shape or dtype, or its size is not a multiple of
            `scale`.
        BackendError: The degradation compresses with H.264, and the package `av` is not installed.
    """
    _check_batch(large_BCHW, scale)
    batch, _, height, width = large_BCHW.shape
    size = (height // scale, width // scale)
    rng = np.random.default_rng((*seed, _SALT))
    generator = torch.Generator(large_BCHW.device).manual_seed(int(rng.integers(2**32)))
    is_clean = rng.random(batch) < config.clean
    if is_clean.all():
        return _clean(large_BCHW, size) if bicubic_BCHW is None else bicubic_BCHW
    large_nCHW = _part(large_BCHW, ~is_clean).float().contiguous()
    with torch.autocast(large_BCHW.device.type, enabled=False):
        small_nCHW = round8(_degraded(large_nCHW, config, size, rng, generator))
    if not is_clean.any():
        return small_nCHW
    if bicubic_BCHW is None:
        clean_nCHW = _clean(_part(large_BCHW, is_clean), size)
        small_BCHW = clean_nCHW.new_empty((batch, *clean_nCHW.shape[1:]))
        small_BCHW.index_copy_(0, _index(is_clean, small_BCHW), clean_nCHW)
        return small_BCHW.index_copy_(0, _index(~is_clean, small_BCHW), small_nCHW)
    return bicubic_BCHW.index_copy(0, _index(~is_clean, bicubic_BCHW), small_nCHW)


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


def _degraded(
    x_BCHW: Tensor,
    config: DegradationConfig,
    small: tuple[int, int],
    rng: np.random.Generator,
    generator: torch.Generator,
) -> Tensor:
    """Take all samples through the steps, each step once."""
    large = (x_BCHW.shape[2], x_BCHW.shape[3])
    order = config.order(rng)
    groups = draw_groups(config, order, len(x_BCHW), large, small, rng)
    counts = [group.count for group in groups]
    sizes_G2 = np.array([large] * len(groups))
    for name in order:
        step = config.steps[name]
        if isinstance(step, ResizeStep | SmallStep):
            resizes = [group.resizes[name] for group in groups]
            x_BCHW, sizes_G2 = _resize(x_BCHW, sizes_G2, counts, resizes)
            continue
        chosen_B = rng.random(len(x_BCHW)) < step.chance
        is_whole = bool((sizes_G2 == x_BCHW.shape[2:]).all())
        sizes_B2 = None if is_whole else sizes_G2.repeat(counts, axis=0)
        if isinstance(step, BlurStep):
            x_BCHW = _blur(x_BCHW, sizes_B2, chosen_B, step, rng)
        elif isinstance(step, NoiseStep):
            x_BCHW = _add_noise(x_BCHW, chosen_B, step, rng, generator)
        elif isinstance(step, SensorStep):
            x_BCHW = _sense(x_BCHW, sizes_B2, chosen_B, step, rng, generator)
        else:
            codecs = [group.codecs[name] for group in groups for _ in range(group.count)]
            x_BCHW = _compress(x_BCHW, sizes_B2, chosen_B, codecs, step, rng)
    return x_BCHW


def _resize(
    x_BCHW: Tensor, sizes_G2: Sizes, counts: Sequence[int], resizes: Sequence[Resize]
) -> tuple[Tensor, Sizes]:
    """Resize each group on its own; return the new canvases, and the groups' new sizes."""
    befores: list[tuple[int, ...]] = [tuple(size) for size in sizes_G2.tolist()]
    runs = [
        (before, resize, sum(counts[index] for index in indices))
        for (before, resize), indices in itertools.groupby(
            range(len(counts)), key=lambda index: (befores[index], resizes[index])
        )
    ]
    parts = _split(x_BCHW, [count for _, _, count in runs])
    for index, (before, resize, _) in enumerate(runs):
        if before != x_BCHW.shape[2:]:
            parts[index] = parts[index][:, :, : before[0], : before[1]]
        parts[index] = resample(parts[index], resize.size, resize.kernel)
    sizes_G2 = np.array([resize.size for resize in resizes])
    if len(parts) == 1:
        return parts[0], sizes_G2
    if (sizes_G2 == sizes_G2[0]).all():
        return torch.cat(parts), sizes_G2
    canvas_BCHW = x_BCHW.new_zeros((*x_BCHW.shape[:2], *sizes_G2.max(0).tolist()))
    places = _split(canvas_BCHW, [len(part) for part in parts])
    for place_BCHW, part in zip(places, parts, strict=True):
        place_BCHW[:, :, : part.shape[2], : part.shape[3]].copy_(part)
    return canvas_BCHW, sizes_G2


def _split(x_BCHW: Tensor, counts: list[int]) -> list[Tensor]:
    """Return consecutive parts of a batch, without copying."""
    if len(counts) == 1:
        return [x_BCHW]
    return list(cast("tuple[Tensor, ...]", x_BCHW.split(counts)))  # untyped in torch


def _on_some(
    x_BCHW: Tensor, chosen_B: _Chosen, change: Callable[[Tensor, _Chosen], Tensor]
) -> Tensor:
    """Change the chosen samples, and keep the others."""
    if chosen_B.all():
        return change(x_BCHW, chosen_B)
    if not chosen_B.any():
        return x_BCHW
    index = _index(chosen_B, x_BCHW)
    return x_BCHW.index_copy(0, index, change(x_BCHW.index_select(0, index), chosen_B))


def _blur(
    x_BCHW: Tensor,
    sizes_B2: Sizes | None,
    chosen_B: _Chosen,
    step: BlurStep,
    rng: np.random.Generator,
) -> Tensor:
    kernels_Bkk = draw_kernels(step, len(x_BCHW), rng)
    if chosen_B.mean() >= 0.5:  # all, so that a GPU sees batches of one size: some by a point
        middle = kernels_Bkk.shape[1] // 2
        kernels_Bkk[~chosen_B] = 0.0
        kernels_Bkk[~chosen_B, middle, middle] = 1.0
        return blur_batch(x_BCHW, upload(kernels_Bkk, x_BCHW.device), sizes_B2)
    return _on_some(
        x_BCHW,
        chosen_B,
        lambda part, of: blur_batch(
            part, upload(kernels_Bkk[of], part.device), _sizes(sizes_B2, of)
        ),
    )


def _add_noise(
    x_BCHW: Tensor,
    chosen_B: _Chosen,
    step: NoiseStep,
    rng: np.random.Generator,
    generator: torch.Generator,
) -> Tensor:
    return _on_some(x_BCHW, chosen_B, lambda part, _: draw_noise(part, step, rng, generator))


def _compress(
    x_BCHW: Tensor,
    sizes_B2: Sizes | None,
    chosen_B: _Chosen,
    codecs: Sequence[tuple[Codec, Subsampling]],
    step: CompressStep,
    rng: np.random.Generator,
) -> Tensor:
    """Compress the chosen samples, those of one codec together."""
    qualities_B = rng.integers(step.quality[0], step.quality[1] + 1, len(x_BCHW))
    for codec, subsampling in sorted(set(itertools.compress(codecs, chosen_B))):
        alike_B = np.array([one == (codec, subsampling) for one in codecs])

        def code(
            part_BCHW: Tensor,
            of: _Chosen,
            codec: Codec = codec,
            subsampling: Subsampling = subsampling,
        ) -> Tensor:
            sizes = _sizes(sizes_B2, of)
            if codec != "jpeg":
                return code_batch(part_BCHW, codec, qualities_B[of].tolist(), sizes)
            return jpeg_batch(part_BCHW, qualities_B[of], subsampling=subsampling, sizes_B2=sizes)

        x_BCHW = _on_some(x_BCHW, chosen_B & alike_B, code)
    return x_BCHW


def _sense(
    x_BCHW: Tensor,
    sizes_B2: Sizes | None,
    chosen_B: _Chosen,
    step: SensorStep,
    rng: np.random.Generator,
    generator: torch.Generator,
) -> Tensor:
    batch, channels, *size = x_BCHW.shape
    phase_B2 = rng.integers(0, 2, (batch, 2))
    shot_B = np.exp(rng.uniform(math.log(step.shot[0]), math.log(step.shot[1]), batch))
    read_B = rng.uniform(*step.read, batch)
    smallest = min(size) if sizes_B2 is None else int(sizes_B2.min())
    if channels != 3 or smallest < 2:
        return x_BCHW  # no colour to remove, or no neighbour to interpolate from

    def sense(part_BCHW: Tensor, of: _Chosen) -> Tensor:
        noises = np.stack((shot_B[of], read_B[of])).astype(np.float32)
        shot, read = upload(noises, part_BCHW.device).unbind(0)
        shape = (len(part_BCHW), 1, *size)
        field_B1HW = torch.randn(shape, generator=generator, device=part_BCHW.device)
        phases, sizes = phase_B2[of], _sizes(sizes_B2, of)
        return sensor_batch(part_BCHW, field_B1HW, phases, shot, read, sizes)

    return _on_some(x_BCHW, chosen_B, sense)


def _sizes(sizes_B2: Sizes | None, of: _Chosen) -> Sizes | None:
    return None if sizes_B2 is None else sizes_B2[of]


def _clean(large_BCHW: Tensor, size: tuple[int, int]) -> Tensor:
    return round8(resize_batch(large_BCHW, size=size))


def _part(x_BCHW: Tensor, chosen_B: _Chosen) -> Tensor:
    return x_BCHW if chosen_B.all() else x_BCHW.index_select(0, _index(chosen_B, x_BCHW))


def _index(chosen_B: _Chosen, x_BCHW: Tensor) -> Tensor:
    return upload(np.flatnonzero(chosen_B), x_BCHW.device)


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
