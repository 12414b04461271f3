"""Degradation settings: invalid values, random choices, and the order of steps."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from pydantic import ValidationError

from superres.degrade.config import (
    BlurStep,
    CompressStep,
    DegradationConfig,
    NoiseKinds,
    NoiseStep,
    ResizeStep,
    ResizeWays,
    SensorStep,
    SmallStep,
)

KEEP = ResizeWays(keep=1)


def chain(kinds: str, shuffle=(), **more) -> DegradationConfig:
    """Make a degradation of the steps in `kinds`: `a=blur b=noise`."""
    steps = {}
    for part in kinds.split():
        name, _, kind = part.partition("=")
        resize = {"ways": {"keep": 1}, "factor": [0.5, 2]} if kind == "resize" else {}
        steps[name] = {"kind": kind, **resize}
    return DegradationConfig.model_validate({"steps": steps, "shuffle": shuffle, **more})


def orders(config: DegradationConfig) -> set[tuple[str, ...]]:
    return {tuple(config.order(np.random.default_rng(seed))) for seed in range(200)}


@pytest.mark.parametrize(("step", "values", "words"), [
    (BlurStep, {"size": (7, 20)}, "two odd numbers from 3 to 63"),
    (BlurStep, {"size": (21, 7)}, "two odd numbers from 3 to 63"),
    (BlurStep, {"size": (1, 7)}, "two odd numbers from 3 to 63"),
    (BlurStep, {"size": (7, 65)}, "two odd numbers from 3 to 63"),
    (BlurStep, {"sigma": (0.04, 1)}, "sigma is at least 0.05 px"),
    (BlurStep, {"plateau": (0.05, 1)}, "exponents at least 0.1"),
    (BlurStep, {"cutoff": (0.2, 1.01)}, "cutoff lies between 0.05 and 1"),
    (BlurStep, {"sigma": (3.0, 0.2)}, r"a range is written as \[low, high\]"),
    (ResizeStep, {"ways": KEEP, "factor": (1.1, 2)}, "from 0.05 to 1, from 1 to 8"),
    (ResizeStep, {"ways": KEEP, "factor": (0.5, 0.9)}, "from 0.05 to 1, from 1 to 8"),
    (ResizeStep, {"ways": KEEP, "factor": (0.5, 8.5)}, "from 0.05 to 1, from 1 to 8"),
    (NoiseStep, {"poisson": (-0.1, 1)}, "strengths of noise are at least 0"),
    (CompressStep, {"quality": (0, 95)}, "from 1 to 100"),
    (CompressStep, {"quality": (30, 101)}, "from 1 to 100"),
    (CompressStep, {"quality": (95, 30)}, r"quality is \[low, high\]"),
    (SensorStep, {"shot": (0, 0.01)}, "shot is above 0"),
    (SensorStep, {"read": (0.1, 1.5)}, "between 0 and 1"),
    (NoiseStep, {"chance": float("nan")}, "finite number"),
    (NoiseStep, {"speckle": (1, float("inf"))}, "finite number"),
    (SmallStep, {"factor": (0.5, 1)}, "Extra inputs are not permitted"),
])  # fmt: skip
def test_a_step_that_cannot_be_is_refused_with_what_can(step, values, words):
    with pytest.raises(ValidationError, match=words):
        step(**values)


@pytest.mark.parametrize(("step", "values"), [
    (BlurStep, {"size": (3, 63), "sigma": (0.05, 0.05), "generalised": (0.1, 0.1)}),
    (ResizeStep, {"ways": KEEP, "factor": (1, 1)}),
    (ResizeStep, {"ways": KEEP, "factor": (0.05, 8)}),
    (NoiseStep, {"gaussian": (0, 0), "chance": 0}),
    (CompressStep, {"quality": (1, 100)}),
    (SensorStep, {"shot": (1e-9, 1), "read": (0, 1)}),
])  # fmt: skip
def test_the_ends_of_what_is_allowed_are_allowed(step, values):
    made = step(**values)
    assert all(getattr(made, name) == value for name, value in values.items())


def test_weights_of_nothing_are_refused_and_a_negative_one_too():
    with pytest.raises(ValidationError, match="at least one weight must be above 0"):
        NoiseKinds(gaussian=0)
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        NoiseKinds(gaussian=2, poisson=-1)


def test_names_are_drawn_as_often_as_their_weights_say_and_never_at_0():
    drawn = Counter(NoiseKinds(gaussian=3, speckle=1).draw(np.random.default_rng(1), 4000))
    assert set(drawn) == {"gaussian", "speckle"}
    assert abs(drawn["gaussian"] - 3000) < 4 * (4000 * 0.75 * 0.25) ** 0.5


@pytest.mark.parametrize("kinds", [
    "a=blur",
    "a=small b=small",
    "a=small b=resize",
])  # fmt: skip
def test_a_chain_reaches_the_small_size_once_and_resizes_no_more(kinds):
    with pytest.raises(ValidationError, match="one step of the kind small, and no resize after it"):
        chain(kinds)


@pytest.mark.parametrize(("shuffle", "words"), [
    ([["a"], ["q"]], "shuffle names 'q', which is not a step"),
    ([["a"], ["b", "a"]], "names each step once"),
    ([["a"], []], "has no empty runs"),
])  # fmt: skip
def test_a_shuffle_of_what_is_not_there_is_refused(shuffle, words):
    with pytest.raises(ValidationError, match=words):
        chain("a=blur b=noise end=small", shuffle)


@pytest.mark.parametrize("values", [{"clean": 1.01}, {"share": 0}, {"share": 4097}])
def test_parts_and_counts_out_of_range_are_refused(values):
    with pytest.raises(ValidationError, match=r"less than or equal|greater than or equal"):
        chain("end=small", **values)


def test_without_a_shuffle_the_order_is_the_written_one():
    assert orders(chain("z=blur a=noise end=small c=compress")) == {("z", "a", "end", "c")}


def test_a_shuffle_gives_every_order_of_its_runs_and_no_other():
    config = chain("a=blur b=noise c=compress d=sensor end=small", [["a", "b"], ["c"], ["d"]])
    runs = (["a", "b"], ["c"], ["d"])
    expected = {(*itertools.chain(*order), "end") for order in itertools.permutations(runs)}
    assert orders(config) == expected


def test_a_step_outside_the_shuffle_keeps_its_place():
    config = chain("a=blur x=compress b=noise end=small", [["a"], ["b"]])
    assert orders(config) == {("a", "x", "b", "end"), ("b", "x", "a", "end")}


def test_a_run_stays_together_where_a_step_outside_the_shuffle_stands_between():
    config = chain("a=blur b=noise x=compress c=sensor end=small", [["a", "b"], ["c"]])
    assert orders(config) == {("a", "b", "x", "c", "end"), ("c", "x", "a", "b", "end")}
    config = chain("a=blur x=compress b=noise c=sensor end=small", [["a", "b"], ["c"]])
    assert orders(config) == {("a", "b", "x", "c", "end"), ("c", "x", "a", "b", "end")}


def test_a_run_with_a_resize_stays_together_where_resizes_keep_their_order():
    config = chain("r=resize n=noise c=compress end=small", [["r", "n"], ["c"], ["end"]])
    assert orders(config) == {
        ("r", "n", "c", "end"),
        ("c", "r", "n", "end"),
        ("r", "n", "end", "c"),
    }


@pytest.mark.parametrize(
    "shuffle", [[["end", "r"]], [["r", "end"], ["s"]], [["r", "n", "end"], ["s"]]]
)
def test_runs_that_cannot_both_stay_together_and_keep_resizes_in_order_are_refused(shuffle):
    with pytest.raises(ValidationError, match="order of resizes"):
        chain("r=resize n=noise s=resize end=small", shuffle)


def test_resizes_keep_their_order_where_a_shuffle_would_turn_it():
    config = chain("r=resize n=noise end=small", [["r"], ["n"], ["end"]])
    found = orders(config)
    assert found == {("r", "n", "end"), ("r", "end", "n"), ("n", "r", "end")}


def test_orders_are_drawn_evenly():
    config = chain("a=blur b=noise c=compress end=small", [["a"], ["b"], ["c"]])
    rng = np.random.default_rng(0)
    counts = Counter(tuple(config.order(rng)) for _ in range(3000))
    assert len(counts) == 6
    assert all(
        abs(count - 500) < 5 * (3000 * (1 / 6) * (5 / 6)) ** 0.5 for count in counts.values()
    )
