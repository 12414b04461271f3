"""Clean directory for one picture in a TIFF, in place of the file's own (TIFF 6.0)."""

from __future__ import annotations

import itertools
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from superres.mending.flaws import DIRECTORY, NO_PHOTOMETRIC, Flaw
from superres.mending.patches import Patched, Piece, patched, size_of
from superres.metadata.tags import (
    LONG,
    LONG8,
    SHORT,
    Field,
    Header,
    Slot,
    TagError,
    laid_out,
    read_directory,
    read_header,
    read_numbers,
    read_value,
)

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_FILL_ORDER, _OFFSETS, _ORIENTATION, _SAMPLES, _ROWS, _COUNTS = 266, 273, 274, 277, 278, 279
_PLANAR, _UNIT, _TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _TILE_COUNTS = (
    284,
    296,
    322,
    323,
    324,
    325,
)
_OF_ALL = (282, 283, 296, 700, 33723, 34675)  # resolution, XMP, IPTC, ICC
_WHOLE = (SHORT, LONG, LONG8)
_UNCOMPRESSED, _PALETTE, _COLOUR_MAP = 1, 3, 320
_MAX_PARTS = 10_000_000

# Tags that a decoder needs besides the sizes: the allowed types, and the values if only a few are.
_OPTIONAL: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = {
    _FILL_ORDER: (_WHOLE, (1, 2)),
    _ORIENTATION: (_WHOLE, tuple(range(1, 9))),
    _PLANAR: (_WHOLE, (1, 2)),
    _UNIT: (_WHOLE, (1, 2, 3)),
    282: ((5,), ()),  # resolution
    283: ((5,), ()),
    292: (_WHOLE, ()),  # fax coding options
    293: (_WHOLE, ()),
    317: (_WHOLE, (1, 2, 3)),  # predictor
    _COLOUR_MAP: ((SHORT,), ()),
    332: (_WHOLE, ()),  # inks
    334: (_WHOLE, ()),
    338: (_WHOLE, ()),  # extra samples
    339: (_WHOLE, ()),  # sample format
    347: ((7,), ()),  # JPEG tables
    512: (_WHOLE, ()),  # JPEG from before 1995
    513: (_WHOLE, ()),
    514: (_WHOLE, ()),
    515: (_WHOLE, ()),
    519: (_WHOLE, ()),
    520: (_WHOLE, ()),
    521: (_WHOLE, ()),
    529: ((5,), ()),  # YCbCr
    530: (_WHOLE, ()),
    531: (_WHOLE, ()),
    532: ((5,), ()),
    700: ((1, 7), ()),  # XMP
    33723: ((1, 4, 7), ()),  # IPTC
    34675: ((1, 7), ()),  # ICC
    50674: (_WHOLE, ()),  # LERC
}


@dataclass(frozen=True, slots=True)
class CleanTiff:
    """A TIFF with one picture.

    Attributes:
        file: The file as a decoder should see it.
        flaws: What was assumed or left out.
    """

    file: Patched
    flaws: tuple[Flaw, ...]


def page_view(source: Path | bytes, stream: BinaryIO, at: int) -> Patched:
    """Return a TIFF whose first directory is the one at an offset; nothing else changes."""
    header = read_header(stream)
    start = struct.pack(header.offset_code, at)
    changes = [(header.first_at, header.first_at + len(start), start)]
    return patched(source, size_of(stream), changes)


def clean_tiff(source: Path | bytes, stream: BinaryIO, at: int) -> CleanTiff | None:
    """Return a TIFF with only one of its pictures, in a directory without flaws.

    The directory is rebuilt from the tags that describe the storage of pixels, and from the blocks
    that a decoder exposes; missing and wrong sizes of strips follow from the strips' offsets.

    Args:
        source: The file, or its bytes.
        stream: The same, open.
        at: Offset of the picture's directory.

    Returns:
        The file, or None if it does not state where all its pixels are.
    """
    try:
        header = read_header(stream)
        slots = read_directory(stream, header, at).slots
        if at != header.first:  # a thumbnail before it may hold the tags common to all
            slots = {
                tag: slot
                for tag, slot in read_directory(stream, header, header.first).slots.items()
                if tag in _OF_ALL
            } | slots
        fields, flaws = _fields(stream, header, slots)
    except TagError:
        return None
    if fields is None:
        return None
    size = size_of(stream)
    tail = size + size % 2
    try:
        directory, at = laid_out(header, fields, tail)
    except TagError:
        return None
    if not header.big and tail + len(directory) >= 2**32:
        return None
    start = struct.pack(header.offset_code, at)
    pieces: tuple[Piece, ...] = (
        (0, header.first_at),
        start,
        (header.first_at + len(start), size),
        b"\0" * (size % 2) + directory,
    )
    return CleanTiff(Patched(source, pieces), flaws)


def _fields(
    stream: BinaryIO, header: Header, slots: dict[int, Slot]
) -> tuple[dict[int, Field] | None, tuple[Flaw, ...]]:
    """Return the directory's tags, with numbers in the file's byte order."""

    def numbers(tag: int, otherwise: tuple[int, ...] = ()) -> tuple[int, ...]:
        found = read_numbers(stream, header, slots.get(tag))
        return tuple(int(number) for number in found) or otherwise

    flaws = [DIRECTORY]
    samples = numbers(_SAMPLES, (1,))[0]
    bits = numbers(_BITS, (1,))
    colours = numbers(_PHOTOMETRIC)
    if not colours:
        colours = (1,) if samples < 3 else (2,)
        flaws.append(NO_PHOTOMETRIC)
    size = (*numbers(_LENGTH), *numbers(_WIDTH))
    if len(size) != 2 or not all(size) or not 1 <= samples <= 1024 or len(set(bits)) > 1:
        return None, ()
    fields = {
        tag: Field(slot.kind, slot.count, read_value(stream, slot))
        for tag, (kinds, allowed) in _OPTIONAL.items()
        if (slot := slots.get(tag)) and slot.kind in kinds  # others would cause warnings
        if not allowed or numbers(tag)[0] in allowed
    }
    if colours[0] != _PALETTE:
        fields.pop(_COLOUR_MAP, None)
    layout = _Layout(
        height=size[0],
        width=size[1],
        sample_bits=bits[0],
        samples=samples,
        planes=samples if numbers(_PLANAR, (1,))[0] == 2 else 1,
        compression=numbers(_COMPRESSION, (1,))[0],
    )
    parts = _parts(layout, numbers, size_of(stream))
    if parts is None:
        return None, ()
    whole = {
        _WIDTH: (size[1],),
        _LENGTH: (size[0],),
        _BITS: (bits[0],) * samples,
        _COMPRESSION: (layout.compression,),
        _PHOTOMETRIC: colours,
        _SAMPLES: (samples,),
        **parts,
    }
    for tag, values in whole.items():
        kind = SHORT if max(values) < 2**16 else LONG8 if header.big else LONG
        code = {SHORT: "H", LONG: "I", LONG8: "Q"}[kind]
        data = struct.pack(f"{header.order}{len(values)}{code}", *values)
        fields[tag] = Field(kind, len(values), data)
    return fields, tuple(flaws)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Storage of a picture's pixels."""

    height: int
    width: int
    sample_bits: int
    samples: int
    planes: int
    compression: int

    def plain_bytes(self, rows: int, width: int) -> int:
        """Return the bytes of uncompressed rows in one strip or tile."""
        samples = self.samples // self.planes
        return rows * ((width * samples * self.sample_bits + 7) // 8)


class _Numbers(Protocol):
    def __call__(self, tag: int, otherwise: tuple[int, ...] = ()) -> tuple[int, ...]: ...


def _parts(
    layout: _Layout, numbers: _Numbers, file_bytes: int
) -> dict[int, tuple[int, ...]] | None:
    """Return the offsets and sizes of strips or tiles; None if any is missing."""
    tiled = numbers(_TILE_OFFSETS)
    if tiled:
        width, rows = (numbers(tag, (0,))[0] for tag in (_TILE_WIDTH, _TILE_LENGTH))
        if not width or not rows:
            return None
        count = math.ceil(layout.width / width) * math.ceil(layout.height / rows) * layout.planes
        sizes = [layout.plain_bytes(rows, width)] * min(count, _MAX_PARTS)
        offsets, counts = tiled, numbers(_TILE_COUNTS)
        tags = {_TILE_WIDTH: (width,), _TILE_LENGTH: (rows,)}
    else:
        rows = min(numbers(_ROWS, (layout.height,))[0] or layout.height, layout.height)
        heights = [
            min(rows, layout.height - top) for top in range(0, layout.height, rows)
        ] * layout.planes
        count = len(heights)
        sizes = [layout.plain_bytes(height, layout.width) for height in heights]
        offsets, counts = numbers(_OFFSETS), numbers(_COUNTS)
        tags = {_ROWS: (rows,)}
    if len(offsets) < count or not all(offsets[:count]):
        return None
    offsets = offsets[:count]
    if layout.compression == _UNCOMPRESSED:
        counts = tuple(sizes)
    elif len(counts) < count or not all(counts[:count]):
        ends = sorted({*offsets, file_bytes})
        following = dict(itertools.pairwise(ends))
        counts = tuple(following.get(offset, 0) for offset in offsets)
        counts = tuple(end - offset for end, offset in zip(counts, offsets, strict=True))
    counts = counts[:count]
    if any(
        size <= 0 or offset + size > file_bytes
        for offset, size in zip(offsets, counts, strict=True)
    ):
        return None
    offsets_tag, counts_tag = (_TILE_OFFSETS, _TILE_COUNTS) if tiled else (_OFFSETS, _COUNTS)
    return {**tags, offsets_tag: offsets, counts_tag: counts}
