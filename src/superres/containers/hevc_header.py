"""Colour description in an HEVC picture's header, for files whose boxes have none."""

from __future__ import annotations

from superres.containers.bit_reader import Bits
from superres.metadata.colour_space import Cicp

_SEQUENCE_PARAMETERS = 33
_ARRAYS = 22  # offset of their number in the configuration
_MOST_SETS, _MOST_PICTURES = 64, 16  # of reference pictures, and in one set
_OWN_SHAPE = 255  # a pixel aspect ratio that is not in the table


def configured_colours(configuration: bytes) -> Cicp | None:
    """Return the code points in an HEVC configuration (`hvcC`); None if it has none.

    Args:
        configuration: The body of the box (ISO/IEC 14496-15, 8.3.3.1).
    """
    at = _ARRAYS + 1
    try:
        for _ in range(configuration[_ARRAYS]):
            kind = configuration[at] & 63
            count = int.from_bytes(configuration[at + 1 : at + 3], "big")
            at += 3
            for _ in range(count):
                size = int.from_bytes(configuration[at : at + 2], "big")
                unit = configuration[at + 2 : at + 2 + size]
                if kind == _SEQUENCE_PARAMETERS:
                    # Of three bytes 0, 0, 3 the last only keeps them from looking like a start.
                    return _colours(Bits(unit[2:].replace(b"\0\0\3", b"\0\0")))
                at += 2 + size
    except IndexError:
        return None
    return None


def _colours(bits: Bits) -> Cicp | None:
    """Read a sequence parameter set (ITU-T H.265, 7.3.2.2) up to its colours."""
    bits.take(4)
    layers = bits.take(3)
    bits.take(1)
    _skip_profile(bits, layers)
    bits.golomb()
    if bits.golomb() == 3:
        bits.take(1)
    _skip_numbers(bits, 2)  # width and height
    if bits.take(1):
        _skip_numbers(bits, 4)
    _skip_numbers(bits, 2)  # depths
    order_bits = bits.golomb() + 4
    _skip_numbers(bits, 3 * (layers + 1 if bits.take(1) else 1))
    _skip_numbers(bits, 6)
    if bits.take(1) and bits.take(1):
        _skip_scaling(bits)
    bits.take(2)
    if bits.take(1):  # PCM
        bits.take(8)
        _skip_numbers(bits, 2)
        bits.take(1)
    _skip_reference_sets(bits)
    if bits.take(1):
        for _ in range(bits.golomb()):
            bits.take(order_bits + 1)
    bits.take(2)
    return _described(bits) if bits.take(1) else None


def _described(bits: Bits) -> Cicp | None:
    """Read the usability information (ITU-T H.265, E.2.1) up to the colours."""
    if bits.take(1) and bits.take(8) == _OWN_SHAPE:
        bits.take(32)
    if bits.take(1):
        bits.take(1)
    if not bits.take(1):
        return None
    bits.take(4)
    if not bits.take(1):
        return None
    return Cicp(bits.take(8), bits.take(8))


def _skip_numbers(bits: Bits, count: int) -> None:
    for _ in range(count):
        bits.golomb()


def _skip_profile(bits: Bits, layers: int) -> None:
    """Skip profile and level, of the picture and of its sub-layers (7.3.3)."""
    bits.take(96)
    stated = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    if layers:
        bits.take(2 * (8 - layers))
    for has_profile, has_level in stated:
        bits.take(88 * has_profile + 8 * has_level)


def _skip_scaling(bits: Bits) -> None:
    """Skip the scaling lists (7.3.4)."""
    for size in range(4):
        for _ in range(2 if size == 3 else 6):
            if not bits.take(1):
                bits.golomb()
                continue
            _skip_numbers(bits, min(64, 1 << (4 + 2 * size)) + (size > 1))


def _skip_reference_sets(bits: Bits) -> None:
    """Skip the sets of short-term reference pictures (7.3.7).

    Raises:
        IndexError: There are more than the standard allows.
    """
    pictures = 0  # of the set before
    count = bits.golomb()
    if count > _MOST_SETS:
        raise IndexError("too many sets")
    for number in range(count):
        if number and bits.take(1):  # as the set before, with changes
            bits.take(1)
            bits.golomb()
            # Each is used now, or else later, or dropped.
            pictures = sum(bits.take(1) or bits.take(1) for _ in range(pictures + 1))
        else:
            pictures = bits.golomb() + bits.golomb()
            if pictures > _MOST_PICTURES:
                raise IndexError("too many pictures")
            for _ in range(pictures):
                bits.golomb()
                bits.take(1)
