"""Models that cannot be opened: waiting threads get an error or a model, and none hangs."""

from __future__ import annotations

import threading
import time

import pytest

from superres import model_pool
from superres.errors import ModelError
from superres.model_pool import ModelPool
from superres.upscaler import RunOptions


@pytest.fixture
def opened(monkeypatch):
    """Replace every model by one that fails the first time; return how often each was opened."""
    counts: dict[str, int] = {}
    begun, let_go = threading.Event(), threading.Event()

    class Model:
        def __init__(self, model: str, run: RunOptions) -> None:
            counts[model] = counts.get(model, 0) + 1
            if counts[model] == 1:
                begun.set()
                assert let_go.wait(10)
                raise ModelError("its file is damaged", "fetch it again")

    monkeypatch.setattr(model_pool, "Upscaler", Model)
    return counts, begun, let_go


def test_a_thread_that_waited_for_a_model_that_failed_opens_it_itself(opened):
    counts, begun, let_go = opened
    pool, failed, made = ModelPool(), [], []

    def first():
        try:
            pool.upscaler("a", RunOptions())
        except ModelError as error:
            failed.append(error)

    threads = [threading.Thread(target=first)]
    threads[0].start()
    assert begun.wait(10)
    threads += [
        threading.Thread(target=lambda: made.append(pool.upscaler("a", RunOptions())))
        for _ in range(4)
    ]
    for thread in threads[1:]:
        thread.start()
    time.sleep(0.05)  # they would open it now if they did not wait
    assert (counts, made) == ({"a": 1}, [])
    let_go.set()
    for thread in threads:
        thread.join(10)
    assert len(failed) == 1
    assert len(made) == 4
    assert len({id(one) for one in made}) == 1
    assert counts == {"a": 2}


def test_options_that_are_equal_are_one_way_of_running(opened):
    counts, _, let_go = opened
    let_go.set()
    pool = ModelPool()
    with pytest.raises(ModelError, match="damaged"):
        pool.upscaler("a", RunOptions(tile=64))
    assert pool.upscaler("a", RunOptions(tile=64)) is pool.upscaler("a", RunOptions(tile=64))
    assert counts == {"a": 2}


def test_two_pools_share_nothing(opened):
    counts, _, let_go = opened
    let_go.set()
    with pytest.raises(ModelError):
        ModelPool().upscaler("a", RunOptions())
    one, other = ModelPool(), ModelPool()
    assert one.upscaler("a", RunOptions()) is not other.upscaler("a", RunOptions())
    assert counts == {"a": 3}
