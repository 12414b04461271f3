"""Streams of row blocks, read in portions of any height or joined."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)


class RowStream(Generic[Number]):
    """Returns the rows of a stream of blocks in portions of any height.

    Args:
        blocks: (h, W, C) arrays from top to bottom, of any heights.
    """

    def __init__(self, blocks: Iterable[NDArray[Number]]) -> None:
        self._blocks = iter(blocks)
        self._waiting: list[NDArray[Number]] = []

    def take(self, count: int) -> NDArray[Number]:
        """Return the next rows, (count, W, C).

        Raises:
            StopIteration: The stream ends earlier.
        """
        while sum(map(len, self._waiting)) < count:
            self._waiting.append(next(self._blocks))
        ready = self._waiting[0] if len(self._waiting) == 1 else np.concatenate(self._waiting)
        self._waiting = [ready[count:]]
        return ready[:count]


def joined_rows(
    first: Iterable[NDArray[Number]], *others: Iterable[NDArray[Number]]
) -> Iterator[NDArray[Number]]:
    """Join streams of row blocks along the channels, whatever heights the blocks have."""
    streams = [RowStream(other) for other in others]
    for block in first:
        yield np.concatenate([block, *(stream.take(len(block)) for stream in streams)], axis=2)
