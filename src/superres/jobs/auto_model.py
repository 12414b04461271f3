"""Model choice of `--model auto`, with its reason."""

from __future__ import annotations

from dataclasses import dataclass

from superres import zoo
from superres.images.flaws import measure_flaws
from superres.metadata.picture import Picture

REAL = "real"  # the family that also repairs

# Tuned on 130 training pictures, downscaled by 2 and 4, clean and with the degradation `real`;
# `python benchmarks/choice.py` shows the choices on the benchmark sets.
_LOWEST_QUALITY = 90  # of a JPEG or WebP without visible loss
_HIGHEST_EDGES = 0.85  # 8-bit levels between blocks; a JPEG's at a quality of about 80
_HIGHEST_OWN_EDGES = 1.2  # at a high stated quality; stronger edges are from an earlier JPEG
_MOST_NOISE = 3.0  # 8-bit levels
_LEAST_SHARPNESS = 0.09  # of a sharp picture after a Gaussian blur of about 0.5 px


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The choice for one picture.

    Attributes:
        model: The family.
        reason: The reason, in a few words.
    """

    model: str
    reason: str


def choose_model(picture: Picture) -> ModelChoice:
    """Choose between `default`, for clean pictures, and `real`, for damaged ones.

    Args:
        picture: The picture, opened.

    Raises:
        PictureError: The file is damaged.
    """
    flaw = find_flaw(picture)
    return ModelChoice(REAL if flaw else zoo.DEFAULT, flaw or "little compression, noise or blur")


def largest_scale() -> int:
    """Return the default scale of `auto`, which either choice supports."""
    return max(scale for name in (zoo.DEFAULT, REAL) for scale in zoo.scales(name))


def find_flaw(picture: Picture) -> str:
    """Describe the first flaw that is strong enough to need repair; "" without any.

    A JPEG or lossy WebP whose header shows strong compression is not analysed further; otherwise
    the picture is decoded once.

    Raises:
        PictureError: The file is damaged.
    """
    quality = picture.coded_quality
    if quality is not None and quality < _LOWEST_QUALITY:
        return f"{picture.title} quality of about {quality}"
    found = measure_flaws(picture)
    if found.block_edges > (_HIGHEST_EDGES if quality is None else _HIGHEST_OWN_EDGES):
        return f"edges of {found.block_edges:.1f} levels between blocks of 8×8, as JPEG leaves them"
    if found.noise > _MOST_NOISE:
        return f"noise of about {found.noise:.0f} levels of 255"
    if found.sharpness < _LEAST_SHARPNESS:
        return f"blur: a sharpness of {found.sharpness:.2f}, sharp pictures have 0.1 or more"
    return ""
