"""Sanity check: wrong outputs, and the fallback of a picture to fp32."""

from __future__ import annotations

import dataclasses
import threading

import numpy as np
import pytest
from fake_backends import make_card

from superres.errors import NumericalError
from superres.infer.sanity import SanityCheck, fault
from superres.runtimes.runtime import RuntimeFacts
from superres.watch import Watch

HALF = RuntimeFacts("toy", "cuda:7", "fp16", best_tile=64, bytes_per_px=1, free_bytes=2**30)
VARIED = np.linspace(0, 1, 2 * 3 * 4 * 4, dtype=np.float32).reshape(2, 3, 4, 4)


class Stub:
    def __init__(self, facts=HALF):
        self.facts = facts

    def run(self, graph, tensors):
        raise NotImplementedError


def exact_stub():
    return Stub(dataclasses.replace(HALF, precision="fp32"))


def answers(value=None):
    found = VARIED.repeat(2, axis=2).repeat(2, axis=3)
    if value is not None:
        found[1, 2, 7, 7] = value  # one of the last tile's, the rest is right
    return found


def check_of(runtime=None, fallback=None):
    return SanityCheck(make_card(), runtime or Stub(), fallback=fallback, what="picture")


@pytest.mark.parametrize(
    ("value", "wrong"),
    [(None, None), (np.nan, "NaN"), (np.inf, "Inf"), (-np.inf, "Inf"), (65504, None), (-9, None)],
)
def test_one_wrong_number_in_any_tile_is_found(value, wrong):
    assert fault(VARIED, answers(value)) == wrong


def test_nan_and_inf_together_are_called_nan():
    both = answers(np.inf)
    both[0, 0, 0, 0] = np.inf
    both[0, 0, 0, 1] = np.nan
    assert fault(VARIED, both) == "NaN"


def test_a_constant_answer_is_wrong_only_for_an_input_that_varies():
    grey = np.full((1, 3, 4, 4), 0.5, np.float32)
    constant = np.full((1, 3, 8, 8), 0.25, np.float32)
    assert fault(grey, constant) is None
    assert fault(VARIED[:1], constant) == "one constant, 0.25, for an input that varies"
    almost = constant.copy()
    almost[0, 0, 0, 0] = 0.5
    assert fault(VARIED[:1], almost) is None


def test_tiles_are_judged_one_by_one():
    tiles = np.concatenate([np.zeros((1, 3, 4, 4), np.float32), VARIED[:1]])
    dark_first, dark_last = np.zeros((2, 2, 3, 8, 8), np.float32)
    dark_first[1] = answers()[0]
    dark_last[0] = answers()[0]
    assert fault(tiles, dark_first) is None
    assert fault(tiles, dark_last) == "one constant, 0, for an input that varies"


def test_a_right_answer_is_accepted_without_a_word_and_opens_nothing():
    def fallback(watch):
        raise AssertionError("opened")

    watch, check = Watch(), check_of(fallback=fallback)
    run = check.begin(watch)
    assert run.accepts(VARIED, answers())
    assert run.runtime is check.requested
    assert watch.notes == ()


@pytest.mark.parametrize(("value", "wrong"), [(np.nan, "NaN"), (np.inf, "Inf")])
def test_a_wrong_answer_in_half_precision_moves_the_picture_to_fp32_and_says_so(value, wrong):
    exact, watch = exact_stub(), Watch()
    run = check_of(fallback=lambda notes: exact).begin(watch)
    assert not run.accepts(VARIED, answers(value))
    assert run.runtime is exact
    assert run.accepts(VARIED, answers())
    assert watch.notes == (
        f"model fake answered {wrong} in fp16 on cuda:7; the rest of the picture runs in fp32",
    )


def test_a_fallback_of_one_picture_leaves_its_neighbour_in_the_requested_format():
    check = check_of(fallback=lambda notes: exact_stub())
    first, second_watch = check.begin(Watch()), Watch()
    second = check.begin(second_watch)
    first.accepts(VARIED, answers(np.nan))
    assert second.runtime is check.requested
    assert check.begin(Watch()).runtime is check.requested
    assert second_watch.notes == ()


def test_the_fp32_network_is_opened_once_and_every_picture_hears_what_it_said():
    opened = []

    def fallback(watch):
        watch.note("fp32 needs 3 GiB")
        opened.append(exact_stub())
        return opened[-1]

    check, watches = check_of(fallback=fallback), [Watch() for _ in range(8)]
    runs = [check.begin(watch) for watch in watches]
    threads = [threading.Thread(target=run.accepts, args=(VARIED, answers(np.nan))) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(opened) == 1
    assert all(run.runtime is opened[0] for run in runs)
    assert all(watch.notes[1:] == ("fp32 needs 3 GiB",) for watch in watches)


def test_a_wrong_answer_of_the_fp32_network_ends_the_picture():
    run = check_of(fallback=lambda notes: exact_stub()).begin(Watch())
    run.accepts(VARIED, answers(np.nan))
    with pytest.raises(NumericalError, match=r"answered Inf in fp32 on cuda:7 \(toy\)"):
        run.accepts(VARIED, answers(np.inf))


def test_a_second_wrong_answer_ends_the_picture_even_if_the_fallback_is_not_in_fp32():
    run = check_of(fallback=lambda notes: Stub()).begin(Watch())
    run.accepts(VARIED, answers(np.nan))
    with pytest.raises(NumericalError, match="answered NaN in fp16"):
        run.accepts(VARIED, answers(np.nan))


@pytest.mark.parametrize("case", ["no fallback", "already fp32"])
def test_a_wrong_answer_with_nothing_left_to_try_names_what_to_try(case):
    runtime = Stub() if case == "no fallback" else exact_stub()
    fallback = None if case == "no fallback" else lambda notes: exact_stub()
    with pytest.raises(NumericalError) as caught:
        check_of(runtime, fallback).begin(Watch()).accepts(VARIED, answers(np.nan))
    assert f"NaN in {runtime.facts.precision} on cuda:7 (toy)" in caught.value.message
    assert "--precision fp32" in caught.value.hint


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_picture_that_holds_nan_itself_is_blamed_instead_of_the_network(bad):
    tiles = VARIED.copy()
    tiles[0, 0, 0, 0] = bad

    def fallback(watch):
        raise AssertionError("opened")

    watch = Watch()
    with pytest.raises(NumericalError, match="the picture itself holds NaN or Inf") as caught:
        check_of(fallback=fallback).begin(watch).accepts(tiles, answers(np.nan))
    assert caught.value.hint == "replace missing values in the picture before it is upscaled"
    assert watch.notes == ()
