"""Colour description in an AV1 picture's header, for files whose boxes have none."""

from __future__ import annotations

from superres.containers.bit_reader import Bits
from superres.metadata.colour_space import Cicp

_SEQUENCE_HEADER = 1
_MOST_UNITS = 16


def coded_colours(data: bytes) -> Cicp | None:
    """Return the code points of a picture's sequence header (AV1, 5.5); None if it has none.

    Args:
        data: The coded picture, or its first bytes.
    """
    at = 0
    try:
        for _ in range(_MOST_UNITS):
            head = data[at]
            at += 2 if head & 4 else 1
            size, shift = 0, 0
            while head & 2:
                byte = data[at]
                size |= (byte & 0x7F) << shift
                at, shift = at + 1, shift + 7
                if not byte & 0x80 or shift > 56:
                    break
            if head >> 3 & 15 == _SEQUENCE_HEADER:
                return _colours(Bits(data[at : at + size] if head & 2 else data[at:]))
            at += size
    except IndexError:
        return None
    return None


def _colours(bits: Bits) -> Cicp | None:
    """Read a sequence header up to its colours."""
    profile = bits.take(3)
    bits.take(1)
    is_reduced = bits.take(1)
    if is_reduced:
        bits.take(5)
    else:
        if bits.take(1):  # timing, absent in still pictures
            return None
        has_delay = bits.take(1)
        for _ in range(bits.take(5) + 1):
            bits.take(12)
            if bits.take(5) > 7:
                bits.take(1)
            if has_delay and bits.take(1):
                bits.take(4)
    sizes = bits.take(4) + 1, bits.take(4) + 1
    for size in sizes:
        bits.take(size)
    if not is_reduced and bits.take(1):  # frame numbers
        bits.take(7)
    bits.take(3)
    if not is_reduced:
        bits.take(4)
        has_order = bits.take(1)
        if has_order:
            bits.take(2)
        screen = 2 if bits.take(1) else bits.take(1)
        if screen and not bits.take(1):
            bits.take(1)
        if has_order:
            bits.take(3)
    bits.take(3)
    is_deep = bits.take(1)
    if profile == 2 and is_deep:
        bits.take(1)
    if profile != 1:
        bits.take(1)  # grey
    if not bits.take(1):
        return None
    return Cicp(bits.take(8), bits.take(8))
