"""Row groups of a picture, packed by all processor cores and handed out in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

_GROUP_BYTES = 2**20  # large enough for its own code tables, small enough for the caches
_MOST_WORKERS = 16
_WAIT_S = 0.5  # waits are short, as Windows ignores Ctrl-C in them

Rows = NDArray[Any]  # (h, width, channels)
Packed = TypeVar("Packed")


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Rows that are packed together.

    Attributes:
        rows: (h, width, channels) in native byte order, in any layout.
        above: The row above the first, (width, channels); None at the top of the picture.
    """

    rows: Rows
    above: Rows | None


def rows_of_a_group(row_bytes: int) -> int:
    """Return how many rows of this size make a group."""
    return max(1, _GROUP_BYTES // row_bytes)


def row_groups(blocks: Iterable[Rows], height: int) -> Iterator[RowGroup]:
    """Yield groups of exactly `height` rows; the last may have fewer.

    Args:
        blocks: (h, width, channels) arrays from top to bottom; not changed afterwards.
        height: Rows of a group.
    """
    above: Rows | None = None
    parts: list[Rows] = []
    missing = height
    for block in blocks:
        start = 0
        while start < len(block):
            part = block[start : start + missing]
            parts.append(part)
            start += len(part)
            missing -= len(part)
            if not missing:
                group = RowGroup(_joined(parts), above)
                yield group
                above, parts, missing = group.rows[-1], [], height
    if parts:
        yield RowGroup(_joined(parts), above)


def packed_in_order(
    groups: Iterable[RowGroup],
    pack: Callable[[RowGroup], Packed],
    check: Callable[[], None] | None = None,
) -> Iterator[Packed]:
    """Yield the packed groups in order; a few more are packed meanwhile.

    Args:
        groups: The groups; requested in the caller's thread.
        pack: Packs one, in any thread; spends its time outside the interpreter's lock.
        check: Called while waiting; what it raises ends the work.

    Raises:
        BaseException: Whatever `groups`, `pack` or `check` raises.
    """
    pool, waiting = _pool(), deque[Future[Packed]]()
    most = 2 * worker_count()
    try:
        for group in groups:
            waiting.append(pool.submit(pack, group))
            while len(waiting) >= most or (waiting and waiting[0].done()):
                yield _result(waiting.popleft(), check)
        while waiting:
            yield _result(waiting.popleft(), check)
    finally:
        for left in waiting:
            left.cancel()


@cache
def worker_count() -> int:
    """Return the number of threads that pack: one a core of this process."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        cores = os.cpu_count() or 1
    return min(cores, _MOST_WORKERS)


def _joined(parts: list[Rows]) -> Rows:
    # Where the layout is another, the thread that packs brings it in order.
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _result(future: Future[Packed], check: Callable[[], None] | None) -> Packed:
    while not future.done():
        wait((future,), timeout=_WAIT_S)
        if check:
            check()
    return future.result()


@cache
def _pool() -> ThreadPoolExecutor:
    """Return the threads that all files share, so that several at once take no more cores."""
    return ThreadPoolExecutor(worker_count(), "superres-pack")
