"""Deflate of filtered rows, with the coding that a sample shows to be the smallest.

In pictures of continuous tone, matches of earlier bytes are rare: coding bytes and runs alone
(zlib's `Z_RLE`) is as small as zlib's level 6 and as fast as level 1. Text, drawings and grey
stored as RGB repeat themselves, and take a tenth of the space with matches.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from superres.metadata.picture import Compression

_ADLER = 65521  # the modulus of zlib's checksum
_MEMORY = 9


@dataclass(frozen=True, slots=True)
class Coding:
    """One way to deflate.

    Attributes:
        level: zlib's, 0 to 9.
        runs: Whether only runs of one byte are matched.
        cost: How often a packed byte counts where codings are compared, for the time it takes.
    """

    level: int
    runs: bool = False
    cost: float = 1.0

    def stream(self, data: bytes | memoryview) -> bytes:
        """Return a whole zlib stream of the data."""
        return self._packed(data, zlib.MAX_WBITS, zlib.Z_FINISH)

    def part(self, data: bytes | memoryview) -> bytes:
        """Return deflated data that ends at a byte, as a part of a longer stream."""
        return self._packed(data, -zlib.MAX_WBITS, zlib.Z_SYNC_FLUSH)

    def size(self, data: bytes | memoryview) -> float:
        """Return the packed size of a sample times the coding's cost."""
        return len(self._packed(data, -zlib.MAX_WBITS, zlib.Z_FINISH)) * self.cost

    def _packed(self, data: bytes | memoryview, window: int, end: int) -> bytes:
        strategy = zlib.Z_RLE if self.runs else zlib.Z_DEFAULT_STRATEGY
        packer = zlib.compressobj(self.level, zlib.DEFLATED, window, _MEMORY, strategy)
        return packer.compress(data) + packer.flush(end)


STORED, RUNS = Coding(0), Coding(1, runs=True)
# The codings to choose from.
CODINGS: dict[Compression, tuple[Coding, ...]] = {
    "none": (STORED,),
    "fast": (RUNS, Coding(1, cost=1.03)),
    "default": (RUNS, Coding(6, cost=1.15)),
    "small": (RUNS, Coding(9)),
}

Choice = TypeVar("Choice")


def smallest(
    choices: Sequence[tuple[Choice, Coding]], sample: Callable[[Choice], bytes]
) -> tuple[Choice, Coding]:
    """Return the choice whose sample packs into the fewest bytes.

    Args:
        choices: Ways to prepare data, each with a coding.
        sample: Prepares a sample in one of these ways.
    """
    if len(choices) == 1:
        return choices[0]
    return min(choices, key=lambda choice: choice[1].size(sample(choice[0])))


STREAM_START = b"\x78\x5e"  # deflate with a window of 32 KiB
LAST_PART = b"\x03\x00"  # an empty last block


def joined_checksum(first: int, second: int, length: int) -> int:
    """Return the Adler-32 checksum of two parts one after the other.

    Args:
        first: The checksum of the first part.
        second: The checksum of the second part.
        length: Bytes of the second part.
    """
    low = (first & 0xFFFF) + (second & 0xFFFF) - 1
    high = (first >> 16) + (second >> 16) + length * ((first & 0xFFFF) - 1)
    return (high % _ADLER) << 16 | low % _ADLER
