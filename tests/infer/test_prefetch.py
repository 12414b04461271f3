from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Generator

import pytest

from superres.infer.prefetch import prefetch


def fetching_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "superres-prefetch"]


def test_items_come_in_order_and_from_another_thread():
    def items():
        for number in range(100):
            yield number, threading.current_thread()

    got = list(prefetch(items(), depth=3))
    assert [number for number, _ in got] == list(range(100))
    assert {thread for _, thread in got}.isdisjoint({threading.current_thread()})
    assert fetching_threads() == []


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_no_more_than_depth_items_wait(depth):
    made = 0

    def items():
        nonlocal made
        while made < 50:
            made += 1
            yield made

    for taken, _ in enumerate(prefetch(items(), depth=depth), start=1):
        time.sleep(0.001)
        assert made - taken <= depth


def test_the_iterables_exception_is_raised_after_the_items_before_it():
    def items():
        yield 1
        yield 2
        raise ValueError("the third")

    got: list[int] = []
    with pytest.raises(ValueError, match="the third"):
        got.extend(prefetch(items(), depth=4))
    assert got == [1, 2]
    assert fetching_threads() == []


def test_a_consumer_that_stops_ends_the_thread_and_closes_the_generator():
    closed = threading.Event()

    def items():
        try:
            while True:
                yield 0
        finally:
            closed.set()

    stream = prefetch(items(), depth=2)
    next(stream)
    assert isinstance(stream, Generator)
    stream.close()
    assert closed.is_set()
    assert fetching_threads() == []


def test_items_are_converted_in_the_thread_and_a_failure_there_is_raised_here():
    threads = set()

    def inverse(number):
        threads.add(threading.current_thread().name)
        return 1 / number

    assert list(prefetch(iter((1, 2, 4)), depth=1, convert=inverse)) == [1, 0.5, 0.25]
    assert threads == {"superres-prefetch"}
    with pytest.raises(ZeroDivisionError):
        list(prefetch(iter((1, 0, 2)), depth=1, convert=inverse))


def test_dropping_the_iterator_ends_the_thread():
    stream = prefetch(iter(range(10**9)), depth=2)
    next(stream)
    del stream
    assert fetching_threads() == []


def test_nothing_is_fetched_before_the_first_item_is_asked_for():
    started = []
    stream = prefetch((started.append(1) for _ in range(3)), depth=2)
    time.sleep(0.01)
    assert started == []
    assert isinstance(stream, Generator)
    stream.close()


def test_an_item_that_was_used_is_let_go():
    class Block:
        pass

    alive: list[weakref.ref] = []

    def items():
        for _ in range(20):
            block = Block()
            alive.append(weakref.ref(block))
            yield block
            del block

    for item in prefetch(items(), depth=1):
        del item
        assert sum(ref() is not None for ref in alive) <= 3


def test_nested_prefetches_stop_together():
    stream = prefetch(prefetch(iter(range(10**9)), depth=2), depth=2)
    next(stream)
    assert isinstance(stream, Generator)
    stream.close()
    assert fetching_threads() == []
