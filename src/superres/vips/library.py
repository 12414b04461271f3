"""Setup of libvips, with its errors reduced to one line."""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Callable

import pyvips

# Lines that state where libvips failed, not why.
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
_LOG_DOMAIN = b"VIPS"
_NOT_FATAL = 0xF8  # critical, warning, message, info and debug, as GLib numbers its levels


@functools.cache
def prepare_library() -> None:
    """Set libvips up for the whole process, once.

    Loaders that it calls untrusted are blocked, the cache of operations is off (it would return old
    pixels for a file that has changed), and nothing is printed: the loaders raise an error where
    they would warn.

    Warns:
        RuntimeWarning: libvips cannot be silenced with this pyvips.
    """
    # Messages quote files and names with arbitrary bytes. pyvips decodes them as strict UTF-8, and
    # one that it cannot decode stays in libvips' buffer and makes every later call fail.
    for module in (pyvips, pyvips.error):
        module.__dict__["_to_string"] = _any_text
    pyvips.block_untrusted_set(True)
    pyvips.cache_set_max(0)
    _silence_log()


def loader_named(operation: str) -> Callable[..., pyvips.Image] | None:
    """Return libvips' operation that reads a format; None if it was built without it."""
    if not pyvips.type_find("VipsOperation", operation):
        return None

    def load(place: pyvips.Source, **options: object) -> pyvips.Image:
        loaded: object = pyvips.Operation.call(operation, place, **options)
        assert isinstance(loaded, pyvips.Image)
        return loaded

    return load


def reason_of(error: pyvips.Error, *, otherwise: str = ENDS_EARLY) -> str:
    """Return why libvips failed, as one line without its function names.

    Args:
        error: What pyvips raised.
        otherwise: The reason to return if libvips gave none.
    """
    for line in str(error).splitlines():
        text = line.strip()
        words = _PLACE.sub("", text)
        if words in _PLAIN_WORDS:
            return _PLAIN_WORDS[words]
        if not _NOISE.search(text) and not _NOISE.search(words):
            return words
    return otherwise


def _silence_log() -> None:
    """Drop libvips' messages in native code, instead of passing them to Python as pyvips does.

    GLib aborts the process at a message that arrives while the same thread handles another one. In
    a Python handler the garbage collector can run, close a damaged file, and so make libvips log.
    Fatal messages are left to GLib, which prints them before it aborts.
    """
    remove: Callable[[], None] | None = vars(pyvips).get("_remove_log_handler")
    if remove:
        remove()
    try:
        # Any native function without arguments and side effects will do, as the caller cleans up
        # the arguments in all calling conventions of GLib builds. This one returns a number, and
        # pyvips knows its address in both its modes.
        silent = pyvips.ffi.cast(
            "GLogFunc", pyvips.ffi.addressof(pyvips.vips_lib, "vips_cache_get_max")
        )
        pyvips.glib_lib.g_log_set_handler(_LOG_DOMAIN, _NOT_FATAL, silent, pyvips.ffi.NULL)
    except Exception as error:  # each mode of cffi has its own errors
        # GLib's own handler is native, so it is safe, but it prints.
        instead = "they are printed to stderr" if remove else "damaged files may end the process"
        warnings.warn(
            f"libvips' messages cannot be dropped with pyvips {pyvips.__version__} ({error}), so "
            f"{instead}: install another version of pyvips",
            RuntimeWarning,
            stacklevel=2,
        )


def _any_text(message: object) -> str:
    """Return a C string as text; what is not UTF-8 becomes a placeholder."""
    raw: object = pyvips.ffi.string(message) if message else b""  # a null pointer is falsy
    return raw.decode("utf-8", errors="replace") if isinstance(raw, bytes) else str(raw)
