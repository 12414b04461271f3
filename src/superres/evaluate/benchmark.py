"""Benchmark of an upscaler on a set of pictures with known truth."""

from __future__ import annotations

import math
import os
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from superres.data.listing import list_folder
from superres.errors import ArgumentError, DataError
from superres.frame import Values
from superres.images.resize import resize
from superres.media import open_picture, read_pixels
from superres.metadata.picture import check_colours
from superres.metrics import Protocol, psnr, ssim
from superres.metrics.cpsnr import RegisteredProtocol, cpsnr
from superres.watch import Watch

ArrayUpscaler = Callable[[NDArray[np.generic]], NDArray[np.generic]]  # (H, W, C), dtype kept
PixelListener = Callable[[NDArray[np.generic], NDArray[np.generic], NDArray[np.generic]], None]
SmallOrigin = Literal["published", "made"]
AnyProtocol = Protocol | RegisteredProtocol


@dataclass(frozen=True, slots=True)
class PictureScore:
    """How well one picture was restored.

    Attributes:
        name: The picture's file name without its suffix.
        psnr_db: Peak signal-to-noise ratio; infinite if nothing differs.
        ssim: Structural similarity; NaN under a protocol without it.
        seconds: The upscaler's time.
    """

    name: str
    psnr_db: float
    ssim: float
    seconds: float


@dataclass(frozen=True, slots=True)
class SetResult:
    """How well a set was restored, and all that is needed to reproduce the scores.

    Attributes:
        name: The set's name: that of its folder.
        scale: Large size over small size.
        protocol: How the scores were computed.
        small: Whether the small pictures were published with the set or made here.
        pictures: One score each, by name.
    """

    name: str
    scale: int
    protocol: AnyProtocol
    small: SmallOrigin
    pictures: tuple[PictureScore, ...]

    @property
    def psnr_db(self) -> float:
        """The mean of the pictures' ratios, as in the literature."""
        return statistics.fmean(picture.psnr_db for picture in self.pictures)

    @property
    def ssim(self) -> float:
        """The mean of the pictures' similarities."""
        return statistics.fmean(picture.ssim for picture in self.pictures)

    @property
    def seconds(self) -> float:
        """The upscaler's time for the whole set."""
        return sum(picture.seconds for picture in self.pictures)


def evaluate(
    upscaler: ArrayUpscaler,
    folder: Path,
    *,
    scale: int,
    protocol: AnyProtocol,
    watch: Watch | None = None,
    on_pixels: PixelListener | None = None,
) -> SetResult:
    """Upscale the small pictures of a set and compare them with the truth.

    Truths are in `folder/HR`, or in the folder itself. Small pictures are those in
    `folder/LR_x{scale}` if it exists. Otherwise they are made by today's MATLAB bicubic from the
    truth, cropped to a multiple of the scale, and rounded to the truth's depth. Alpha is ignored.
    For cPSNR, `folder/SM` may hold a mask of each truth's name, black where it is not clear.

    Args:
        upscaler: Takes (H, W, C) and returns (scale*H, scale*W, C) of the same dtype.
        folder: The set.
        scale: Large size over small size.
        protocol: How scores are computed; the literature's border is the scale.
        watch: Receives the number of pictures done.
        on_pixels: Called after each picture with its small, restored and true pixels.

    Raises:
        DataError: There are no pictures, a small one is missing, or a pair's sizes do not fit.
        PictureError: A picture cannot be read.
        Cancelled: The watch was cancelled.
    """
    if scale < 1:
        raise ArgumentError(f"the scale must be at least 1, got {scale}", "try 2, 3 or 4")
    watch = watch or Watch()
    truths, smalls = _pairs(folder, scale)
    scores: list[PictureScore] = []
    for index, path in enumerate(truths):
        watch.check()
        truth = _read(path)
        if smalls:
            small = _read(smalls[index])
            truth = _fitting(truth, small, scale, path)
        else:
            truth = _cropped(truth, scale, path)
            small = _rounded(resize(truth, scale=1.0 / scale), Values.of(truth.dtype))
        clear = _clear(folder, path, truth) if isinstance(protocol, RegisteredProtocol) else None
        score, restored = _score(upscaler, small, truth, clear, protocol, path.stem)
        scores.append(score)
        if on_pixels:
            on_pixels(small, restored, truth)
        watch.progress(len(scores), len(truths))
    origin: SmallOrigin = "published" if smalls else "made"
    return SetResult(folder.resolve().name, scale, protocol, origin, tuple(scores))


def bicubic(scale: int) -> ArrayUpscaler:
    """Return the baseline of every network: MATLAB's bicubic."""

    def upscale(pixels: NDArray[np.generic]) -> NDArray[np.generic]:
        return _rounded(resize(pixels, scale=scale), Values.of(pixels.dtype))

    return upscale


def count_pictures(folder: Path) -> int:
    """Return the number of pictures in a set, for a progress bar.

    Raises:
        DataError: There are none.
    """
    return len(truth_paths(folder))


def count_others(folder: Path, scale: int) -> Counter[str]:
    """Return how many files of other kinds lie in a set's folders, by suffix.

    Args:
        folder: The set. What cannot be listed counts as empty.
        scale: Large size over small size, which chooses the folder of small pictures.
    """
    places = (_large(folder), folder / f"LR_x{scale}", folder / "SM")
    found = (list_folder(place, recursive=False) for place in places if os.path.isdir(place))
    return sum((listing.others for listing in found), Counter[str]())


def truth_paths(folder: Path) -> list[Path]:
    """Return the paths of a set's truths, by name.

    Raises:
        DataError: It is not a folder, or there are none.
    """
    if not os.path.isdir(folder):
        raise DataError(f"{folder} is not a folder", "name the folder of a set, such as Set5")
    return _pictures(_large(folder))


def _large(folder: Path) -> Path:
    """Return the folder of a set's truths."""
    large = folder / "HR"
    return large if os.path.isdir(large) else folder


def _pairs(folder: Path, scale: int) -> tuple[list[Path], list[Path]]:
    """Return the paths of the truths, and of their published small pictures, if any."""
    truths = truth_paths(folder)
    published = folder / f"LR_x{scale}"
    if not os.path.isdir(published):
        return truths, []
    by_stem = {path.stem: path for path in _pictures(published)}
    smalls: list[Path] = []
    for path in truths:
        small = by_stem.get(path.stem) or by_stem.get(f"{path.stem}x{scale}")
        if small is None:
            raise DataError(
                f"{published} holds {len(by_stem)} small pictures, but none for {path.name}",
                "complete the folder, or move it away, and small pictures are made by bicubic",
            )
        smalls.append(small)
    return truths, smalls


def _pictures(folder: Path) -> list[Path]:
    listing = list_folder(folder, recursive=False)
    if listing.faults:  # the score of a part would not be the set's
        raise DataError(listing.faults[0].message, listing.faults[0].hint)
    if not listing.files:
        raise DataError(
            f"no pictures in {folder}",
            "a set is a folder of pictures, or one with HR (and perhaps LR_x2, LR_x3, LR_x4) in it",
        )
    return sorted(listing.files)


def _read(path: Path) -> NDArray[np.generic]:
    """Return the colours of a picture, (H, W, 1) or (H, W, 3), in its own depth."""
    picture = open_picture(path)
    check_colours(path, picture.bands, "evaluation")
    return read_pixels(picture)[..., : picture.bands.count]


def _cropped(truth: NDArray[np.generic], scale: int, path: Path) -> NDArray[np.generic]:
    """Crop the truth to a multiple of the scale, from the top left, as the published sets were."""
    height, width = truth.shape[0] // scale * scale, truth.shape[1] // scale * scale
    if min(height, width) == 0:
        raise DataError(
            f"{path} of {truth.shape[0]}×{truth.shape[1]} cannot be downscaled by {scale}",
            "leave it out of the set",
        )
    return truth[:height, :width]


def _fitting(
    truth: NDArray[np.generic], small: NDArray[np.generic], scale: int, path: Path
) -> NDArray[np.generic]:
    """Crop the truth to the area of the published small picture."""
    height, width = small.shape[0] * scale, small.shape[1] * scale
    if not (0 <= truth.shape[0] - height < scale and 0 <= truth.shape[1] - width < scale):
        raise DataError(
            f"{path} is {truth.shape[0]}×{truth.shape[1]}, but its small picture of "
            f"{small.shape[0]}×{small.shape[1]} gives {height}×{width} at ×{scale}",
            "check that both are of the same picture and scale",
        )
    return truth[:height, :width]


def _score(
    upscaler: ArrayUpscaler,
    small: NDArray[np.generic],
    truth: NDArray[np.generic],
    clear: NDArray[np.generic] | None,
    protocol: AnyProtocol,
    name: str,
) -> tuple[PictureScore, NDArray[np.generic]]:
    start = time.perf_counter()
    restored = upscaler(small)
    seconds = time.perf_counter() - start
    try:
        if isinstance(protocol, RegisteredProtocol):
            ratio, likeness = cpsnr(restored, truth, clear=clear, protocol=protocol), math.nan
        else:
            ratio = psnr(restored, truth, protocol=protocol)
            likeness = ssim(restored, truth, protocol=protocol)
    except ArgumentError as error:
        raise DataError(f"{name}: {error.message}", error.hint) from error
    return PictureScore(name, ratio, likeness, seconds), restored


def _clear(folder: Path, path: Path, truth: NDArray[np.generic]) -> NDArray[np.generic] | None:
    """Return the mask of a truth's clear pixels, if the set has masks."""
    masks = folder / "SM"
    if not os.path.isdir(masks):
        return None
    mask = next((p for p in _pictures(masks) if p.stem == path.stem), None)
    if mask is None:
        raise DataError(f"{masks} holds no mask for {path.name}", "complete the folder")
    pixels = _read(mask)[..., 0]
    if pixels.shape[0] < truth.shape[0] or pixels.shape[1] < truth.shape[1]:
        raise DataError(
            f"the mask {mask} is {pixels.shape[0]}×{pixels.shape[1]}, "
            f"its truth {truth.shape[0]}×{truth.shape[1]}",
            "a mask has the size of its truth",
        )
    return pixels[: truth.shape[0], : truth.shape[1]]


def _rounded(numbers: NDArray[np.float64], values: Values) -> NDArray[np.generic]:
    """Return resized numbers in their picture's dtype, rounded as MATLAB does, halves up."""
    if not values.whole:
        return numbers.astype(values.dtype)
    return np.floor(np.clip(numbers, values.black, values.white) + 0.5).astype(values.dtype)
