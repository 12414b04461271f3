"""Random sizes, kernels and codecs of a batch: as a degradation declares them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from superres.degrade.config import DegradationConfig
from superres.degrade.load import load_degradation
from superres.degrade.plan import Group, draw_groups

LARGE, SMALL = (40000, 80000), (10000, 20000)  # no pixels here, and little rounding
COUNT = 4000


def groups(config: DegradationConfig, count: int = COUNT) -> list[Group]:
    return draw_groups(config, list(config.steps), count, LARGE, SMALL, np.random.default_rng(0))


def even(values: np.ndarray, low: float, high: float) -> float:
    """Return the largest distance of the values' distribution from an even one."""
    expected = (np.sort(values) - low) / (high - low)
    return float(np.abs(expected - (np.arange(len(values)) + 0.5) / len(values)).max())


def test_groups_hold_all_samples_and_as_many_as_share():
    counts = [group.count for group in groups(load_degradation("real", {"share": 16}), 43)]
    assert counts == [16, 16, 11]


@pytest.mark.parametrize(("name", "of"), [("resize", LARGE), ("resize-again", SMALL)])
def test_sizes_on_the_way_go_up_and_down_as_often_and_as_far_as_declared(name, of):
    config = load_degradation("real", {"share": 1})
    step = config.steps[name]
    assert step.kind == "resize"
    factors = np.array([group.resizes[name].size[1] / of[1] for group in groups(config)])
    ways = {"up": factors > 1, "down": factors < 1, "keep": factors == 1}
    for way, is_way in ways.items():
        assert is_way.mean() == pytest.approx(getattr(step.ways, way), abs=0.03), way
    assert even(factors[ways["down"]], step.factor[0], 1.0) < 0.03
    assert even(factors[ways["up"]], 1.0, step.factor[1]) < 0.05
    assert {group.resizes["small"].size for group in groups(config)} == {SMALL}


def test_both_axes_have_one_factor_and_no_picture_vanishes():
    config = load_degradation("real", {"share": 1})
    for group in groups(config, 500):
        height, width = group.resizes["resize"].size
        assert height / LARGE[0] == pytest.approx(width / LARGE[1], abs=1 / LARGE[0])
    tiny = draw_groups(config, list(config.steps), 500, (8, 8), (2, 2), np.random.default_rng(0))
    assert min(group.resizes["resize-again"].size[0] for group in tiny) == 2


def test_kernels_and_codecs_are_drawn_by_their_weights():
    codecs = {"jpeg": 0.5, "webp": 0.3, "avif": 0.2}
    changes = {"share": 1, "steps": {"jpeg": {"codecs": codecs, "full_colour": 0.25}}}
    config = load_degradation("real", changes)
    drawn = groups(config)
    kernels = Counter(group.resizes["small"].kernel for group in drawn)
    weights = {"area": 2, "bilinear": 1, "bicubic": 1, "bilinear_aliased": 1, "bicubic_aliased": 1}
    for kernel, weight in weights.items():
        assert kernels[kernel] / COUNT == pytest.approx(weight / 6, abs=0.03), kernel
    found = Counter(group.codecs["jpeg"][0] for group in drawn)
    for codec, weight in codecs.items():
        assert found[codec] / COUNT == pytest.approx(weight, abs=0.03), codec
    kept = np.mean([group.codecs["jpeg"][1] == "444" for group in drawn])
    assert kept == pytest.approx(0.25, abs=0.03)
