"""Tile planner: positions of a picture's tiles, from the card and a size limit.

The plan is for the padded picture: its size raised to the card's minimum and multiple by
mirroring at the bottom and the right. Along each axis the tiles have one length, start at
multiples of `multiple_of` and overlap; the last is shifted inwards until it ends with the picture.
Each contributes its core: the part at least a halo away from those of its ends that are not an
edge of the picture. Cores follow one another without gap or overlap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from superres.modelfiles.card import Card

# One whole row of tiles of output is held, and a second one while the first is written. At
# 20 000 output pixels in a row this allows rows of tiles of 279 input pixels at scale 4.
_ALIGNED = 16  # widths that fill vector units: a tenth faster, measured
STRIP_BYTES = 256 * 2**20
_LEAST_CORE = 16  # smaller cores spend nearly all their time on halo


@dataclass(frozen=True, slots=True)
class Span:
    """One tile along one axis, in input pixels of the padded picture.

    Attributes:
        start: First pixel of the tile.
        stop: One past the last pixel of the tile.
        core_start: First pixel of its core.
        core_stop: One past the last pixel of its core, never beyond the picture.
    """

    start: int
    stop: int
    core_start: int
    core_stop: int


def padded_length(length: int, card: Card) -> int:
    """Return a picture's length along one axis, raised to the next valid one for the network."""
    return _round_up(max(length, card.minimum), card.multiple_of)


def least_tile(card: Card) -> int:
    """Return the smallest tile edge, halo included, that is worth running."""
    # At least two multiples, so that rows mirrored beyond the end mirror rows of the last tile.
    core = _round_up(max(_LEAST_CORE, 2 * card.multiple_of), card.multiple_of)
    return max(padded_length(1, card), 2 * _halo(card) + core)


def tile_shape(height: int, width: int, card: Card, limit: int) -> tuple[int, int]:
    """Choose the common shape of a picture's tiles.

    Args:
        height: Height of the picture in input pixels.
        width: Width of the picture.
        card: What the network needs.
        limit: The largest tile has limit x limit pixels, halo included; an elongated picture gets
            elongated tiles of the same area.

    Returns:
        (height, width) of a tile, at most the padded picture's.
    """
    limit = max(limit, least_tile(card))
    padded = padded_length(height, card), padded_length(width, card)
    rows = min(limit**2 // min(padded[1], limit), _strip_limit(width, card))
    edge = _equal_edge(padded[0], rows, card, card.multiple_of)
    aligned = math.lcm(card.multiple_of, _ALIGNED)
    return edge, _equal_edge(padded[1], limit**2 // edge, card, aligned)


def next_span(done: int, length: int, edge: int, card: Card) -> Span:
    """Return the tile whose core starts at `done`, where another's ends.

    Args:
        done: Pixels in the cores of earlier tiles; 0 at first.
        length: The picture's length along the axis.
        edge: Length of the tiles.
        card: What the network needs.
    """
    halo, padded = _halo(card), padded_length(length, card)
    start = max(0, min(_round_down(done - halo, card.multiple_of), padded - edge))
    stop = start + edge
    return Span(start, stop, done, length if stop == padded else min(length, stop - halo))


def spans(length: int, edge: int, card: Card) -> tuple[Span, ...]:
    """Return all tiles along one axis."""
    found: list[Span] = []
    done = 0
    while done < length:
        found.append(next_span(done, length, edge, card))
        done = found[-1].core_stop
    return tuple(found)


def batches(columns: tuple[Span, ...], largest: int) -> tuple[tuple[Span, ...], ...]:
    """Group the tiles of a row into batches of one size, the last padded with its last tile."""
    count = math.ceil(len(columns) / max(1, largest))
    size = math.ceil(len(columns) / count)
    groups = [columns[first : first + size] for first in range(0, len(columns), size)]
    return tuple(group + (group[-1],) * (size - len(group)) for group in groups)


def _equal_edge(padded: int, limit: int, card: Card, multiple: int) -> int:
    """Return the equal length of as many tiles as the limit requires, or the whole length."""
    margin = 2 * _halo(card)
    if _round_down(limit, multiple) < least_tile(card):
        multiple = card.multiple_of  # too small to be aligned
    limit = max(_round_down(limit, multiple), least_tile(card))
    if padded <= limit:
        return padded
    count = math.ceil((padded - margin) / (limit - margin))
    edge = margin + math.ceil((padded - margin) / count)
    return min(padded, _round_up(edge, multiple))


def _strip_limit(width: int, card: Card) -> int:
    """Return the longest tile whose row of tiles has at most STRIP_BYTES of float32 output."""
    row_bytes = width * card.channels * card.scale**2 * 4
    return STRIP_BYTES // row_bytes + 2 * _halo(card)


def _halo(card: Card) -> int:
    """Return the halo, rounded so that the next tile starts on a multiple."""
    return _round_up(card.halo, card.multiple_of)


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def _round_down(value: int, multiple: int) -> int:
    return value // multiple * multiple
