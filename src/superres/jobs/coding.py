"""Coding of a result: what its format needs of the source, and what it follows."""

from __future__ import annotations

from pathlib import Path

from superres.formats.format import ReadOnly
from superres.media import WriteOptions, check_lossless, format_for
from superres.metadata.picture import Profile


def profile_for(target: str | Path, requested: Profile = "keep") -> Profile:
    """Return how a source's colours are read: in sRGB for a target that holds no profile.

    Args:
        target: The path or the name of a format, as for `format_for`.
        requested: How they are read for other targets.

    Raises:
        OutputError: The format is read only.
        UnknownNameError: There is no such format.
    """
    holding = format_for(target).holding
    return requested if isinstance(holding, ReadOnly) or holding.icc else "srgb"


def options_for(
    target: str | Path, *, quality: int | None, lossless: bool | None, lossless_source: str | None
) -> WriteOptions:
    """Return how a result is encoded.

    Args:
        target: The path or the name of a format, as for `format_for`.
        quality: The requested quality; None for none.
        lossless: The requested kind of coding; None follows the source if the result has its format
            and no quality is requested.
        lossless_source: The source's format if that can lose detail and did not; else None.

    Raises:
        ArgumentError: The format cannot be lossless, or both are requested.
        OutputError: The format is read only.
        UnknownNameError: There is no such format.
    """
    written = format_for(target)
    if lossless is None and quality is None:
        lossless = written.name == lossless_source
    options = WriteOptions(quality=quality, lossless=bool(lossless))
    check_lossless(written, options)
    return options
