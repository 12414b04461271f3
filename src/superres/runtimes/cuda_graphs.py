"""CUDA graphs: a network's work on tiles of one shape, recorded once and replayed.

A network of some hundred small layers waits for their launches; a graph is one launch.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor

Network = Callable[[Tensor], Tensor]

_MOST = 2  # graphs, each of which keeps its tensors: full tiles, and those at the end


class Replays:
    """Runs a network, from its second run on tiles of a shape as a graph.

    Args:
        record: Returns the same network recorded for inputs of a shape; a RuntimeError means that
            it cannot be.
    """

    def __init__(self, record: Callable[[Network, Tensor], Network] | None = None) -> None:
        self._record = record or record_graph
        self._seen = Counter[torch.Size]()
        self._recorded = OrderedDict[torch.Size, Network]()
        self._can = True

    def run(self, network: Network, tiles_NCHW: Tensor) -> Tensor:
        """Return the output for tiles, in memory of its own."""
        shape = tiles_NCHW.shape
        self._seen[shape] += 1
        if shape not in self._recorded and self._seen[shape] > 1 and self._can:
            while len(self._recorded) >= _MOST:
                self._recorded.popitem(last=False)
            try:
                self._recorded[shape] = self._record(network, tiles_NCHW)
            except torch.OutOfMemoryError:
                self.forget()
                raise
            except RuntimeError:  # an operation that no graph holds: run as before
                self._can = False
        if shape not in self._recorded:
            return network(tiles_NCHW)
        self._recorded.move_to_end(shape)
        return self._recorded[shape](tiles_NCHW)

    def forget(self) -> None:
        """Free all graphs, whose memory may be missing elsewhere."""
        self._recorded.clear()


def record_graph(network: Network, tiles_NCHW: Tensor) -> Network:
    """Record a network's work on a CUDA device for inputs of a shape.

    Raises:
        RuntimeError: One of its operations cannot be recorded.
    """
    given = tiles_NCHW.clone()
    side = torch.cuda.Stream(given.device)
    side.wait_stream(torch.cuda.current_stream(given.device))
    with torch.cuda.stream(side):  # libraries choose their algorithms outside the recording
        network(given)
    torch.cuda.current_stream(given.device).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    # Other threads copy pixels meanwhile.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        made = network(given)

    def replay(tiles_NCHW: Tensor) -> Tensor:
        given.copy_(tiles_NCHW)
        graph.replay()
        return made.clone()

    return replay
