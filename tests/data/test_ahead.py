"""Batches made ahead: in order, whatever the depth, with errors where they belong."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from superres.data.ahead import made_ahead

CPU = torch.device("cpu")


def batch_of(key: int) -> tuple[Tensor, ...]:
    return (torch.full((2,), float(key)),)


def until(is_so: Callable[[], bool]) -> None:
    """Wait for a thread, for a minute at most."""
    end = time.monotonic() + 60
    while not is_so() and time.monotonic() < end:
        time.sleep(0.001)
    assert is_so()


@pytest.mark.parametrize("depth", [1, 2, 7])
def test_batches_come_in_the_order_of_their_keys_at_any_depth(depth: int):
    made = list(made_ahead(batch_of, range(20), device=CPU, depth=depth))
    assert [float(batch[0][0]) for batch in made] == list(range(20))


def test_while_one_batch_is_used_the_next_two_are_made_and_no_more():
    keys: list[int] = []

    def make(key: int) -> tuple[Tensor, ...]:
        keys.append(key)
        return batch_of(key)

    batches = made_ahead(make, iter(range(100)), device=CPU, depth=2)
    for step in range(5):
        next(batches)
        until(lambda step=step: len(keys) == step + 3)
        time.sleep(0.02)
        assert keys == list(range(step + 3))
    batches.close()


def test_steps_that_take_longer_than_batches_do_not_wait_for_them():
    def make(key: int) -> tuple[Tensor, ...]:
        time.sleep(0.03)
        return batch_of(key)

    waited = 0.0
    batches = made_ahead(make, range(15), device=CPU, depth=2)
    next(batches)
    for _ in range(14):
        time.sleep(0.1)  # a step
        before = time.monotonic()
        next(batches)
        waited += time.monotonic() - before
    assert waited < 0.5 * 14 * 0.03, waited  # a busy machine wakes threads late


def test_an_error_is_raised_in_place_of_its_batch_and_ends_the_thread():
    def make(key: int) -> tuple[Tensor, ...]:
        if key == 2:
            raise ValueError("batch 2 is not there")
        return batch_of(key)

    before = threading.active_count()
    batches = made_ahead(make, range(9), device=CPU, depth=2)
    assert [float(next(batches)[0][0]) for _ in range(2)] == [0.0, 1.0]
    with pytest.raises(ValueError, match="batch 2 is not there"):
        next(batches)
    assert threading.active_count() == before


def test_batches_that_are_closed_leave_no_thread_behind():
    before = threading.active_count()
    batches = made_ahead(batch_of, iter(range(10**9)), device=CPU, depth=3)
    next(batches)
    batches.close()
    assert threading.active_count() == before


def test_the_thread_computes_with_one_core_and_the_step_with_all_of_its_own():
    threads = torch.get_num_threads()
    seen: list[int] = []

    def make(key: int) -> tuple[Tensor, ...]:
        seen.append(torch.get_num_threads())
        return batch_of(key)

    try:
        torch.set_num_threads(3)
        assert len(list(made_ahead(make, range(3), device=CPU, depth=1))) == 3
        later: list[int] = []
        other = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
        other.start()
        other.join()
        assert seen == [1, 1, 1]
        assert torch.get_num_threads() == 3
        assert later == [3]
    finally:
        torch.set_num_threads(threads)


@pytest.mark.gpu
def test_a_gpu_makes_batches_beside_the_step_and_they_are_whole_when_used():
    device = torch.device("cuda")

    def make(key: int) -> tuple[Tensor, ...]:
        x = torch.full((1 << 22,), float(key), device=device)
        for _ in range(20):
            x = x.sin().asin()
        return (x.round(),)

    busy = torch.rand(4096, 4096, device=device)
    batches = made_ahead(make, range(1, 6), device=device, depth=2)
    for key, (batch,) in zip(range(1, 6), batches, strict=True):
        busy = busy @ busy
        assert torch.equal(batch, make(key)[0])
