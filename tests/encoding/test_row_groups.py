"""Row groups: their rows, their order, and the end of work that is not wanted any more."""

import itertools
import threading

import numpy as np
import pytest

from superres.encoding.row_groups import RowGroup, packed_in_order, row_groups, worker_count

PICTURE = np.arange(50 * 3 * 2).reshape(50, 3, 2)


@pytest.mark.parametrize("block", [1, 7, 50])
@pytest.mark.parametrize("height", [1, 7, 8, 50, 60])
def test_groups_hold_all_rows_in_equal_heights(block, height):
    blocks = (PICTURE[start : start + block] for start in range(0, 50, block))
    groups = list(row_groups(blocks, height))
    assert [len(group.rows) for group in groups[:-1]] == [height] * (len(groups) - 1)
    assert np.array_equal(np.concatenate([group.rows for group in groups]), PICTURE)
    assert groups[0].above is None
    for before, group in itertools.pairwise(groups):
        assert group.above is not None
        assert np.array_equal(group.above, before.rows[-1])


def numbered(count):
    return (RowGroup(np.array([number]), None) for number in range(count))


def test_results_come_in_order_whichever_is_finished_first():
    second = threading.Event()

    def pack(group):
        number = int(group.rows[0])
        if number == 0 and worker_count() > 1:
            assert second.wait(10)
        if number == 1:
            second.set()
        return number

    assert list(packed_in_order(numbered(40), pack)) == list(range(40))


def test_no_more_groups_are_taken_than_a_few_a_core():
    taken, free = [], threading.Event()

    def groups():
        for group in numbered(1000):
            taken.append(group)
            if len(taken) == 2 * worker_count():
                free.set()
            yield group

    def pack(group):
        assert free.wait(10)
        return group

    next(packed_in_order(groups(), pack))
    assert len(taken) <= 2 * worker_count() + 1


def test_errors_of_the_groups_and_of_the_packing_reach_the_caller():
    def broken():
        yield from numbered(3)
        raise OSError("the reader's")

    with pytest.raises(OSError, match="the reader's"):
        list(packed_in_order(broken(), lambda group: group))

    def pack(group):
        if int(group.rows[0]) == 2:
            raise ValueError("the packer's")
        return int(group.rows[0])

    results = packed_in_order(numbered(9), pack)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="the packer's"):
        next(results)


def test_a_check_ends_the_wait_for_a_slow_group():
    free = threading.Event()

    def check():
        raise KeyboardInterrupt

    try:
        with pytest.raises(KeyboardInterrupt):
            list(packed_in_order(numbered(1), lambda _: free.wait(30), check))
    finally:
        free.set()
