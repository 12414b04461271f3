"""Row buffer: the rows of a streamed picture that tiles still need."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from superres.errors import ArgumentError
from superres.frame import Pixels, Values
from superres.images.kernels import mirrored


class RowBuffer:
    """Pulls blocks of rows as they are needed and drops rows that are done.

    Args:
        blocks: (h, W, C) arrays, from top to bottom.
        values: What their numbers mean.
        size: (height, width) of the whole picture.
        channels: Its channels.
    """

    def __init__(
        self, blocks: Iterable[Pixels], values: Values, *, size: tuple[int, int], channels: int
    ) -> None:
        self._blocks = iter(blocks)
        self._dtype = np.dtype(values.dtype)
        self._height = size[0]
        self._shape = (size[1], channels)
        self._rows = np.empty((0, size[1], channels), self._dtype)
        self._first = 0  # the picture's row at the start of self._rows

    def take(self, start: int, stop: int) -> Pixels:
        """Return rows start..stop, mirrored beyond the picture's end, and drop those above.

        A later call may not request a row above this one's first.

        Raises:
            ArgumentError: The blocks end early, have too many rows, or another shape or type.
        """
        first, wanted = start, None
        if stop > self._height:
            wanted = mirrored(np.arange(start, stop), self._height)
            first = int(wanted.min(initial=start))
        assert first >= self._first, f"row {first} is needed, those above {self._first} are gone"
        self._forget(first)
        self._pull(min(stop, self._height))
        self._forget(first)
        return self._rows[: stop - start] if wanted is None else self._rows[wanted - first]

    def _forget(self, first: int) -> None:
        """Drop the rows above one."""
        gone = min(first - self._first, len(self._rows))
        self._rows = self._rows[gone:]
        self._first += gone

    def _pull(self, stop: int) -> None:
        pieces, have = [self._rows] if len(self._rows) else [], self._first + len(self._rows)
        while have < stop:
            block = next(self._blocks, None)
            if block is None:
                raise ArgumentError(
                    f"the picture should have {self._height} rows, it ended after {have}",
                    "pass blocks that hold every row once",
                )
            self._check(block, have)
            pieces.append(block)
            have += len(block)
        if have > self._first + len(self._rows):
            self._rows = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
            # Running the reader to its end lets it close its file, and raise if it must.
            if have == self._height and (block := next(self._blocks, None)) is not None:
                self._check(block, have)

    def _check(self, block: Pixels, have: int) -> None:
        if block.ndim != 3 or block.shape[1:] != self._shape or block.dtype != self._dtype:
            raise ArgumentError(
                f"rows must be (h, {self._shape[0]}, {self._shape[1]}) {self._dtype}, "
                f"got {block.shape} {block.dtype}",
                "pass the Values that fit them or convert them with to_unit, and split alpha off",
            )
        if have + len(block) > self._height:
            raise ArgumentError(
                f"the picture should have {self._height} rows, blocks reach row "
                f"{have + len(block)}",
                "pass the height of the whole picture",
            )
