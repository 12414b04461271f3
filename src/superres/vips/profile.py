"""ICC profiles in the form that an encoder accepts."""

from __future__ import annotations

import pyvips

from superres.metadata.header import KEEP_FLAGS, blob, set_blob

_WORD_BYTES = 4
_ID_AT, _ID_BYTES = 84, 16  # the profile's own MD5; zeros where it was not computed


def fit_profile(icc: bytes, *, whole_words: bool, grey: bool) -> bytes | None:
    """Return a profile that libvips and its encoder are known to write.

    libvips silently leaves out profiles that it cannot open, and PNG's encoder fails on invalid
    ones. So one pixel is written with the profile first.

    Args:
        icc: A profile with a valid header; it is truncated to the size stated there.
        whole_words: Whether the encoder takes only multiples of four bytes, as PNG's does.
        grey: Whether the pixels are grey, else RGB.

    Returns:
        The profile, with up to three zeros appended for whole words; None if it would not be
        written.
    """
    icc = icc[: int.from_bytes(icc[:4], "big")]
    if whole_words and len(icc) % _WORD_BYTES:
        icc = _padded(icc)
    pixel = pyvips.Image.black(1, 1, bands=1 if grey else 3)
    pixel = pixel.copy(interpretation="b-w" if grey else "srgb")
    set_blob(pixel, "icc-profile-data", icc)
    try:
        keep = KEEP_FLAGS["icc"]
        file = pixel.pngsave_buffer(keep=keep) if whole_words else pixel.tiffsave_buffer(keep=keep)
        written = blob(pyvips.Image.new_from_buffer(bytes(file), ""), "icc-profile-data")
    except pyvips.Error:
        return None
    return icc if written == icc else None


def _padded(icc: bytes) -> bytes:
    """Add zeros up to a multiple of four bytes, as ICC.1 requires since version 4."""
    padded = bytearray(icc + bytes(-len(icc) % _WORD_BYTES))
    padded[:4] = len(padded).to_bytes(4, "big")
    padded[_ID_AT : _ID_AT + _ID_BYTES] = bytes(_ID_BYTES)
    return bytes(padded)
