"""Resident data: pairs of large and small pictures as two flat tensors on the device.

A step then costs two gathers and no decoding, so the data never waits, on a CPU or a GPU.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from superres.data.folders import PictureSource
from superres.degrade.downscale import downscale_uint8
from superres.errors import DataError, SuperresError
from superres.frame import UINT8, from_unit, to_unit
from superres.media import open_picture, read_pixels
from superres.metadata.picture import check_colours
from superres.watch import Watch

Source = TypeVar("Source")
# (H, W, C) of the large and (h, w, C) of the small picture; None if it is yet to be made.
DecodedPair = tuple[NDArray[np.uint8], NDArray[np.uint8] | None]


@dataclass(frozen=True, slots=True)
class ResidentPairs:
    """Pictures of one scale, concatenated, row by row.

    Attributes:
        small: (sum of h * w, C) uint8.
        large: (sum of scale*h * scale*w, C) uint8.
        sizes: (pictures, 2) int64, height and width of each small picture; like `starts` on the
            CPU, where patches are drawn.
        starts: (pictures,) int64, first pixel of each small picture in `small`; times scale**2,
            the first pixel of the large one in `large`.
        scale: Large size over small size.
        names: Each picture's name in messages.
        weights: (pictures,) float64, sampling weights of pictures' pixels; None is uniform.
    """

    small: Tensor
    large: Tensor
    sizes: Tensor
    starts: Tensor
    scale: int
    names: tuple[str, ...] = ()
    weights: Tensor | None = None


def load_resident(
    sources: Sequence[PictureSource],
    *,
    scale: int,
    channels: int,
    smallest: int,
    device: torch.device,
    watch: Watch,
) -> ResidentPairs:
    """Decode all pictures, make the small ones, and put both on the device.

    Args:
        sources: The large pictures.
        scale: Large size over small size; small ones are made by our MATLAB-compatible bicubic.
        channels: 3 for RGB (grey pictures are repeated), 1 for grey (RGB ones are averaged).
        smallest: Small pictures with a shorter edge are left out.
        device: The device for the pixels.
        watch: Receives a note of each picture that is left out.

    Raises:
        DataError: No picture is large enough.
        Cancelled: The watch was cancelled.
    """
    return stack_resident(
        sources,
        lambda source: (decode(source, channels), None),
        scale=scale,
        smallest=smallest,
        device=device,
        watch=watch,
    )


def stack_resident(
    sources: Sequence[Source],
    read: Callable[[Source], DecodedPair],
    *,
    scale: int,
    smallest: int,
    device: torch.device,
    watch: Watch,
) -> ResidentPairs:
    """Decode pairs in a few threads and put them on the device, concatenated.

    Args:
        sources: Sources to decode; their strings are the names in messages.
        read: Returns a large picture, and the small one unless our bicubic makes it. Large
            ones may be up to `scale - 1` pixels larger than a multiple of the scale.
        scale: Large size over small size.
        smallest: Small pictures with a shorter edge are left out.
        device: The device for the pixels.
        watch: Receives a note of each source that is left out.

    Raises:
        DataError: No picture is large enough.
        Cancelled: The watch was cancelled.
    """
    kept_small: list[Tensor] = []
    kept_large: list[Tensor] = []
    sizes: list[tuple[int, int]] = []
    names: list[str] = []

    def attempt(source: Source) -> DecodedPair | SuperresError:
        try:
            return read(source)
        except SuperresError as error:  # one damaged file is left out, by name
            return error

    with ThreadPoolExecutor(max_workers=4) as pool:
        for source, decoded in zip(sources, pool.map(attempt, sources), strict=False):
            watch.check()
            if isinstance(decoded, SuperresError):
                watch.note(f"left out: {source}: {decoded.message}")
                continue
            large, small = decoded
            height, width = large.shape[0] // scale, large.shape[1] // scale
            if min(height, width) < smallest:
                watch.note(
                    f"left out: {source}: {large.shape[1]} x {large.shape[0]} px is too small"
                )
                continue
            large_HWC = torch.from_numpy(large[: height * scale, : width * scale]).to(device)
            small_HWC = (
                downscale_uint8(large_HWC, scale)
                if small is None
                else torch.from_numpy(small).to(device)
            )
            kept_large.append(large_HWC.reshape(-1, large.shape[2]))
            kept_small.append(small_HWC.reshape(-1, large.shape[2]))
            sizes.append((height, width))
            names.append(str(source))
    if not sizes:
        raise DataError(
            f"none of {len(sources)} pictures can be trained on: small ones need an edge of at "
            f"least {smallest} px, so large ones {smallest * scale} px",
            "give larger pictures, or a smaller patch in the recipe",
        )
    counts = [height * width for height, width in sizes]
    return ResidentPairs(
        small=torch.cat(kept_small),
        large=torch.cat(kept_large),
        sizes=torch.tensor(sizes, dtype=torch.int64),
        starts=torch.tensor([0, *itertools.accumulate(counts[:-1])], dtype=torch.int64),
        scale=scale,
        names=tuple(names),
    )


def decode(source: PictureSource, channels: int) -> NDArray[np.uint8]:
    """Read a picture in training's depth and channels.

    Args:
        source: The picture.
        channels: 3 for RGB (grey pictures are repeated), 1 for grey (RGB ones are averaged).

    Returns:
        (H, W, channels) 8-bit pixels; alpha is left out.

    Raises:
        DataError: Its pack is damaged.
        PictureError: It cannot be read, or has bands that are not colours.
    """
    picture = open_picture(source.data())
    check_colours(source, picture.bands, "training")
    pixels = read_pixels(picture)[..., : picture.bands.count]
    if picture.values != UINT8:
        pixels = from_unit(to_unit(pixels, picture.values), UINT8)
    if channels == 3 and pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    elif channels == 1 and pixels.shape[2] == 3:
        pixels = np.rint(pixels.mean(axis=2, keepdims=True)).astype(np.uint8)
    return np.ascontiguousarray(pixels, dtype=np.uint8)
