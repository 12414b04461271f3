"""Prefetch: an iterator run ahead in a thread, so that reading, running and writing overlap."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar, cast, overload

from superres.watch import Watch

T = TypeVar("T")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class _Failure:
    error: BaseException


class _End:
    """Marks the end of the items."""


@overload
def prefetch(iterable: Iterable[T], depth: int, *, part: Watch | None = None) -> Iterator[T]: ...
@overload
def prefetch(
    iterable: Iterable[T], depth: int, *, convert: Callable[[T], Made], part: Watch | None = None
) -> Iterator[Made]: ...
def prefetch(
    iterable: Iterable[object],
    depth: int,
    *,
    convert: Callable[[T], object] | None = None,
    part: Watch | None = None,
) -> Iterator[object]:
    """Yield the items of an iterable, which a thread fetches ahead of the consumer.

    At most `depth` items wait at a time. The iterable's exceptions are raised here, in place of
    the item that failed. If the consumer stops early (closes or drops this iterator), the thread
    finishes its current item and closes the iterable if that is a generator; both are waited
    for. Nothing is fetched before the first item is requested.

    Args:
        iterable: Any iterable; afterwards only the thread uses it.
        depth: Items that may wait, at least 1.
        convert: Applied to each item, in the thread.
        part: The part of a job that only makes the items (`Watch.part`): cancelled if the
            consumer stops early, so that a slow item is cut short.
    """
    items: queue.SimpleQueue[object] = queue.SimpleQueue()
    slots = threading.Semaphore(depth)
    stopped = threading.Event()

    def fetch() -> None:
        try:
            iterator = iter(iterable)
            # The slot is taken before the item is made: a waiting thread holds no item.
            while slots.acquire() and not stopped.is_set():
                item = next(iterator)
                items.put(convert(cast("T", item)) if convert else item)
                del item
            if isinstance(iterator, Generator):
                iterator.close()  # in the thread that ran it
        except StopIteration:
            items.put(_End())
        except BaseException as error:  # the consumer raises it
            items.put(_Failure(error))

    thread = threading.Thread(target=fetch, name="superres-prefetch", daemon=True)
    thread.start()
    try:
        while not isinstance(item := items.get(), _End):
            if isinstance(item, _Failure):
                raise item.error
            slots.release()
            yield item
            del item  # or it would live on while the next one is made
    finally:
        stopped.set()
        slots.release()
        if part:
            part.cancel()
        thread.join()
