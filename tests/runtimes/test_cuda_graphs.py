"""Replays: which runs of a network are recorded, without a GPU; and what a GPU makes of them."""

from __future__ import annotations

import pytest
import torch

from superres.runtimes.cuda_graphs import Replays


class Recorder:
    """Pretends to record; remembers what was recorded and replayed."""

    def __init__(self, error=None):
        self.error = error
        self.recorded, self.replayed = [], []

    def __call__(self, network, tiles):
        if self.error:
            raise self.error
        self.recorded.append(tuple(tiles.shape))

        def replay(tiles):
            self.replayed.append(tuple(tiles.shape))
            return network(tiles)

        return replay


def tiles(edge):
    return torch.rand(1, 3, edge, edge)


def test_the_second_run_of_a_shape_is_recorded_and_all_later_ones_replayed():
    record = Recorder()
    replays = Replays(record)
    for edge in (8, 4, 8, 8, 4, 4):
        given = tiles(edge)
        assert torch.equal(replays.run(lambda x: 2 * x, given), 2 * given)
    assert record.recorded == [(1, 3, 8, 8), (1, 3, 4, 4)]
    assert record.replayed == [(1, 3, 8, 8)] * 2 + [(1, 3, 4, 4)] * 2


def test_few_graphs_are_kept_those_used_last():
    record = Recorder()
    replays = Replays(record)
    for edge in (2, 2, 4, 4, 2, 8, 8, 2, 4):
        replays.run(torch.neg, tiles(edge))
    assert [shape[-1] for shape in record.recorded] == [2, 4, 8, 4]


def test_what_cannot_be_recorded_runs_as_before_and_is_not_tried_again():
    record, ran = Recorder(RuntimeError("operation not permitted when stream is capturing")), []
    replays = Replays(record)
    for _ in range(3):
        replays.run(lambda x: ran.append(1) or x, tiles(4))
    assert len(ran) == 3
    record.error = None
    replays.run(torch.neg, tiles(4))
    assert record.recorded == []


def test_too_little_memory_for_a_graph_frees_the_others_and_is_told():
    record = Recorder()
    replays = Replays(record)
    for _ in range(2):
        replays.run(torch.neg, tiles(4))
    record.error = torch.OutOfMemoryError("out of memory")
    replays.run(torch.neg, tiles(8))
    with pytest.raises(torch.OutOfMemoryError):
        replays.run(torch.neg, tiles(8))
    record.error = None
    replays.run(torch.neg, tiles(4))
    assert [shape[-1] for shape in record.recorded] == [4, 4]


@pytest.mark.gpu
def test_a_gpu_replays_the_same_output():
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(16, 3, 3, padding=1)
    ).cuda()
    replays = Replays()
    with torch.inference_mode():
        for _ in range(4):
            given = tiles(64).cuda()
            torch.testing.assert_close(replays.run(network, given), network(given))
