"""Batches made ahead of their use, in a thread, and on a GPU on a stream of its own."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TypeVar

import torch
from torch import Tensor

from superres.infer.prefetch import prefetch

Key = TypeVar("Key")
Batch = tuple[Tensor, ...]


def made_ahead(
    make: Callable[[Key], Batch], keys: Iterable[Key], *, device: torch.device, depth: int
) -> Generator[Batch]:
    """Yield the batch of each key, while a thread makes the next ones.

    On a GPU the thread has a stream of its own, so that a batch is made beside a step, and nothing
    waits but the stream that uses it. On a CPU it computes with a single core: beside a step's
    threads more of them would only wait for each other.

    Args:
        make: Makes a batch; it may depend on nothing but the key, for it runs at any time.
        keys: The keys in the order of use, endless or not.
        device: The device of the batches.
        depth: Batches that may wait for their use, at least 1. Results do not depend on it.
    """
    is_cuda, threads = device.type == "cuda", torch.get_num_threads()
    stream = torch.cuda.Stream(device) if is_cuda else None
    if stream:
        stream.wait_stream(torch.cuda.current_stream(device))  # it fills what `make` reads
    batches = prefetch(_made(make, keys, device, stream), depth)
    try:
        for number, (batch, event) in enumerate(batches):
            if number == 0 and not is_cuda:
                torch.set_num_threads(threads)  # new threads take the last number set, of any
            if event:
                current = torch.cuda.current_stream(device)
                current.wait_event(event)
                for tensor in batch:
                    tensor.record_stream(current)  # or its memory would be used again too soon
            yield batch
    finally:
        if isinstance(batches, Generator):
            batches.close()


def _made(
    make: Callable[[Key], Batch],
    keys: Iterable[Key],
    device: torch.device,
    stream: torch.cuda.Stream | None,
) -> Iterator[tuple[Batch, torch.cuda.Event | None]]:
    """Yield each batch, and on a GPU the event that it is finished."""
    if not stream:
        if device.type == "cpu":
            torch.set_num_threads(1)  # of this thread
        for key in keys:
            yield make(key), None
        return
    with torch.cuda.device(device), torch.cuda.stream(stream):
        for key in keys:
            batch = make(key)
            event = torch.cuda.Event()
            event.record(stream)
            yield batch, event
