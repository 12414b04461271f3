"""How libvips is set up, and how its errors become one line of words."""

from __future__ import annotations

import functools
import re

import pyvips

# Lines that say where in libvips it failed, not why.
_NOISE = re.compile(
    r"^unable to |bad seek to \d+$|source input: Seek error|^VipsForeign|out of order read|^$"
)
_PLACE = re.compile(r"^[\w -]{1,40}: (?=\S)")  # "vipspng: ", "tiff2vips: "
UNREAD = "libvips does not read"
ENDS_EARLY = "it ends too early"
_PLAIN_WORDS = {
    "libpng read error": "its compressed data is damaged, or it ends too early",
    "premature end of JPEG image": ENDS_EARLY,
    "unable to parse image": "it is damaged, or it ends too early",
    "samples out of range": f"its samples have a size or kind that {UNREAD}",
    "bad labq format": f"it stores CIELAB in 8 bits, which {UNREAD}",
}


@functools.cache
def prepare_library() -> None:
    """Block the loaders that libvips does not trust, and keep no finished operations; once.

    A cached operation would hand out yesterday's pixels for a file that changed since.
    """
    # Messages quote files and their names, in any bytes. pyvips decodes them as strict UTF-8, and
    # one that it cannot decode stays in libvips' buffer and makes every later call fail.
    for module in (pyvips, pyvips.error):
        module.__dict__["_to_string"] = _any_text
    pyvips.block_untrusted_set(True)
    pyvips.cache_set_max(0)


def reason_of(error: pyvips.Error, *, otherwise: str = ENDS_EARLY) -> str:
    """Return why libvips failed, as one line without its function names.

    Args:
        error: What pyvips raised.
        otherwise: What to say if libvips gave no reason.
    """
    for line in str(error).splitlines():
        text = line.strip()
        words = _PLACE.sub("", text)
        if words in _PLAIN_WORDS:
            return _PLAIN_WORDS[words]
        if not _NOISE.search(text) and not _NOISE.search(words):
            return words
    return otherwise


def _any_text(message: object) -> str:
    """Return a C string as text; what is no UTF-8 becomes a placeholder."""
    raw: object = pyvips.ffi.string(message) if message else b""  # a null pointer is falsy
    return raw.decode("utf-8", errors="replace") if isinstance(raw, bytes) else str(raw)
