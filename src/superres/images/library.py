"""How libvips is set up, and how its errors become one line of words."""

from __future__ import annotations

import functools
import re

import pyvips

# Lines that say where in libvips it failed, not why.
_NOISE = re.compile(
    r"^(unable to |source: bad seek|source input: Seek error|VipsForeign|out of order read)|^$"
)
_PLACE = re.compile(r"^[\w -]{1,40}: (?=\S)")  # "vipspng: ", "tiff2vips: "
UNREAD = "libvips does not read"
_ENDS_EARLY = "it ends too early"
_PLAIN_WORDS = {
    "libpng read error": "its compressed data is damaged, or it ends too early",
    "premature end of JPEG image": _ENDS_EARLY,
    "unable to parse image": "it is damaged, or it ends too early",
    "samples out of range": f"its samples have a size or kind that {UNREAD}",
    "bad labq format": f"it stores CIELAB in 8 bits, which {UNREAD}",
}


@functools.cache
def prepare_library() -> None:
    """Block the loaders that libvips does not trust, and keep no finished operations; once.

    A cached operation would hand out yesterday's pixels for a file that changed since.
    """
    pyvips.block_untrusted_set(True)
    pyvips.cache_set_max(0)


def reason_of(error: Exception) -> str:
    """Return why libvips failed, as one line without its function names.

    Args:
        error: What pyvips raised.
    """
    for line in str(error).splitlines():
        text = line.strip()
        words = _PLACE.sub("", text)
        if words in _PLAIN_WORDS:
            return _PLAIN_WORDS[words]
        if not _NOISE.search(text) and not _NOISE.search(words):
            return words
    return _ENDS_EARLY
