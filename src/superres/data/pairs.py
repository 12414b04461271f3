"""Paired folders: matching and checks of small and large pictures.

The shift of a pair is measured by phase correlation (Kuglin & Hines 1975, "The phase correlation
image alignment method"). Departs from it: frequencies weaker than the pictures' flaws count little,
and high ones less than low ones, by a Gaussian. The peak is then a Gaussian too, so a parabola
through the logarithms of three samples gives its subpixel position.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
import torch
from numpy.typing import NDArray

from superres.data.folders import PictureSource, find_pictures
from superres.data.resident import ResidentPairs, decode, stack_resident
from superres.errors import DataError
from superres.images.resize import resize
from superres.media import Picture, open_picture
from superres.watch import Watch

LARGEST_SHIFT_PX = 0.5  # of the small picture; a wrong resize (every 4th pixel) shifts by 0.375
# Agreement of pictures of 76 px: up to 0.30 if unrelated; of the same one 0.32 after a blur of
# 2 px, noise of 25 levels and JPEG of quality 30, and 0.82 after JPEG alone. Larger ones do better.
LEAST_AGREEMENT = 0.3
_FLAW_LEVELS = 3.0  # what differs between two pictures of one scene at every frequency
_PEAK_PX = 1.5  # standard deviation of the peak
_DROP = math.exp(-0.5 * (LARGEST_SHIFT_PX / _PEAK_PX) ** 2)  # the peak's height at that distance
_SCALE_MARK = re.compile(r"[-_]?x\d+$", re.IGNORECASE)  # baby_x4, 0001x4
_LISTED = 3


@dataclass(frozen=True, slots=True)
class Pair:
    """A small and a large picture of the same scene."""

    small: PictureSource
    large: PictureSource

    def __str__(self) -> str:
        return f"{self.small} and {self.large}"


@dataclass(frozen=True, slots=True)
class Alignment:
    """The position of a small picture on the downscaled large one.

    Attributes:
        down: Shift downwards, in pixels of the small picture.
        right: Shift to the right, in pixels of the small picture.
        agreement: Fraction of the pictures' common frequencies explained by this shift, up to 1.
        agreement_unmoved: Fraction explained without a shift, at most `agreement`.
    """

    down: float
    right: float
    agreement: float
    agreement_unmoved: float


def find_pairs(small_folder: Path, large_folder: Path, watch: Watch | None = None) -> list[Pair]:
    """Match the pictures of two folders by their names, subfolders included.

    Suffixes may differ, and small names may end in a scale: `baby_x4.png`, or `0001x4.png`.

    Args:
        small_folder: The small pictures.
        large_folder: The large ones.
        watch: Told of what cannot be read, and of files of other kinds.

    Raises:
        DataError: A folder is missing or empty, or a picture has no or several counterparts.
    """
    larges = _unique(_named(large_folder, watch), "large")
    smalls = _unique(
        (
            (name if name in larges else _SCALE_MARK.sub("", name), source)
            for name, source in _named(small_folder, watch)
        ),
        "small",
    )
    alone = [
        f"{len(names)} of {len(here)} {which} pictures have no counterpart ({_listed(names, here)})"
        for which, here, there in (("small", smalls, larges), ("large", larges, smalls))
        if (names := [name for name in here if name not in there])
    ]
    if alone:
        raise DataError(
            f"{small_folder} and {large_folder} do not match: {'; '.join(alone)}",
            "give counterparts the same name below their folders; small ones may end in x4 as well",
        )
    return [Pair(smalls[name], larges[name]) for name in sorted(larges)]


def check_pairs(pairs: Sequence[Pair], scale: int, *, sample: int = 64) -> None:
    """Check sizes and channels of all pairs by their headers, and the alignment of some.

    Args:
        pairs: The pairs.
        scale: Large size over small size. Large pictures may have up to `scale - 1` pixels more at
            their right and lower edges.
        sample: How many evenly spaced pairs are decoded to measure their alignment.

    Raises:
        DataError: A pair does not fit; the message names the first one, with numbers.
        PictureError: A picture cannot be read.
    """
    for pair in pairs:
        small, large = open_picture(pair.small.data()), open_picture(pair.large.data())
        _check_sizes(pair, small, large, scale)
        if small.bands.colour != large.bands.colour:
            raise DataError(
                f"{pair.small} is {small.bands.colour}, but {pair.large} is {large.bands.colour}",
                "save both as grey or both as RGB",
            )
    count = min(sample, len(pairs))
    for index in range(count):
        _check_alignment(pairs[index * len(pairs) // count], scale)


def load_resident_pairs(
    small_folder: Path,
    large_folder: Path,
    *,
    scale: int,
    channels: int,
    smallest: int,
    device: torch.device,
    watch: Watch,
) -> ResidentPairs:
    """Match and check the pictures of two folders, decode them, and put them on the device.

    Args:
        small_folder: The small pictures.
        large_folder: The large ones; their right and lower edges are cropped to `scale` times the
            small ones.
        scale: Large size over small size.
        channels: 3 for RGB (grey pictures are repeated), 1 for grey (RGB ones are averaged).
        smallest: Small pictures with a shorter edge are left out.
        device: The device for the pixels.
        watch: Receives a note of each pair that is left out.

    Raises:
        DataError: See `find_pairs` and `check_pairs`; or no pair is large enough.
        PictureError: A picture cannot be read.
    """
    pairs = find_pairs(small_folder, large_folder, watch)
    check_pairs(pairs, scale)
    return stack_resident(
        pairs,
        lambda pair: (decode(pair.large, channels), decode(pair.small, channels)),
        scale=scale,
        smallest=smallest,
        device=device,
        watch=watch,
    )


def measure_alignment(small: NDArray[np.generic], made: NDArray[np.generic]) -> Alignment:
    """Measure the shift of a picture against another of the same scene and size.

    Args:
        small: (h, w) grey levels, 0 to 255.
        made: (h, w) grey levels, the picture that `small` should lie on.
    """
    flat = [float(levels.std()) < 1.0 for levels in (small, made)]
    if any(flat):
        return Alignment(0.0, 0.0, float(all(flat)), float(all(flat)))
    height, width = small.shape
    window = np.outer(*(np.hanning(edge + 2)[1:-1] for edge in small.shape))
    one, other = (np.fft.rfft2((levels - levels.mean()) * window) for levels in (small, made))
    cross = one * other.conj()
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
    gauss = np.exp(-2.0 * (np.pi * _PEAK_PX) ** 2 * (rows**2 + columns**2))
    weight = gauss / (np.abs(cross) + _FLAW_LEVELS**2 * (window**2).sum())
    surface = np.fft.irfft2(cross * weight, s=small.shape)
    full_peak = np.fft.irfft2(np.abs(cross) * weight, s=small.shape)[0, 0]
    top, left = divmod(int(surface.argmax()), width)
    column, row = surface[:, left], surface[top]
    return Alignment(
        _signed(top + _vertex(column, top), height),
        _signed(left + _vertex(row, left), width),
        float(surface[top, left] / full_peak),
        float(surface[0, 0] / full_peak),
    )


def _vertex(line: NDArray[np.float64], at: int) -> float:
    """Return the offset of the Gaussian peak from a sample of a periodic line."""
    samples = np.log(np.maximum(line.take((at - 1, at, at + 1), mode="wrap"), 1e-12))
    bend = float(samples[0] - 2.0 * samples[1] + samples[2])
    return 0.5 * float(samples[0] - samples[2]) / bend if bend < 0 else 0.0


def _signed(shift: float, length: int) -> float:
    """Return a shift along a periodic axis in its shorter direction."""
    return shift - length if shift > length / 2 else shift


def _check_sizes(pair: Pair, small: Picture, large: Picture, scale: int) -> None:
    extra = [large.height - scale * small.height, large.width - scale * small.width]
    if all(0 <= pixels < scale for pixels in extra):
        return
    found = round(large.height / small.height)
    fits = found != scale and found == round(large.width / small.width)
    raise DataError(
        f"{pair.large} has {large.height}×{large.width} px, but {pair.small} of "
        f"{small.height}×{small.width} px gives {scale * small.height}×{scale * small.width} "
        f"at ×{scale}",
        f"the scale of this pair is {found}: train a network of that scale"
        if fits
        else f"large pictures may have up to {scale - 1} px more at the right and below, not fewer",
    )


def _check_alignment(pair: Pair, scale: int) -> None:
    small, large = decode(pair.small, 1)[..., 0], decode(pair.large, 1)[..., 0]
    height, width = small.shape
    made = resize(large[: height * scale, : width * scale], scale=1.0 / scale)
    found = measure_alignment(small, made)
    if found.agreement < LEAST_AGREEMENT:
        raise DataError(
            f"{pair} show different pictures: their agreement is {found.agreement:.2f}, "
            f"at least {LEAST_AGREEMENT} is needed",
            "check that the pictures of a pair have the same name in both folders",
        )
    # In smooth pictures, flaws move the broad peak far without raising it much.
    beyond_doubt = found.agreement_unmoved < _DROP * found.agreement
    if beyond_doubt and max(abs(found.down), abs(found.right)) > LARGEST_SHIFT_PX:
        raise DataError(
            f"{pair} are not aligned: the small picture lies "
            f"{abs(found.down):.2f} px {'lower' if found.down > 0 else 'higher'} and "
            f"{abs(found.right):.2f} px further {'right' if found.right > 0 else 'left'}",
            f"align them to within {LARGEST_SHIFT_PX} px of the small one, or remove them",
        )


def _named(folder: Path, watch: Watch | None) -> Iterable[tuple[str, PictureSource]]:
    """Yield the pictures of a folder with their paths in it, without their endings."""
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder", "pairs are two folders, small and large")
    for source in find_pictures([folder], watch):
        path = PurePath(source.path.relative_to(folder), source.member)
        yield path.with_suffix("").as_posix(), source


def _unique(named: Iterable[tuple[str, PictureSource]], which: str) -> dict[str, PictureSource]:
    found: dict[str, PictureSource] = {}
    for name, source in named:
        if name in found:
            raise DataError(
                f"{found[name]} and {source} are both the {which} picture of {name}",
                "keep one of them, such as those of one scale",
            )
        found[name] = source
    return found


def _listed(names: Sequence[str], sources: dict[str, PictureSource]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(str(sources[name]) for name in names[:_LISTED]) + more
