from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from superres.burst.options import FuseOptions
from superres.errors import ArgumentError, UnknownNameError


@pytest.mark.parametrize(
    ("field", "value", "meant"),
    [
        ("method", "drizle", "drizzle"),
        ("motion", "rotations", "rotation"),
        ("blur", "bicubik", "bicubic"),
    ],
)
def test_a_name_with_a_slip_is_refused_and_the_right_one_offered(
    field: str, value: str, meant: str
):
    given: dict[str, Any] = {field: value}
    with pytest.raises(UnknownNameError) as caught:
        FuseOptions(**given)
    assert value in caught.value.message
    assert meant in str(caught.value)


@pytest.mark.parametrize("scale", [0.99, 64.5, -4, 0, math.nan, math.inf])
def test_a_scale_beyond_1_to_64_is_refused_with_its_number(scale: float):
    with pytest.raises(ArgumentError, match=f"must be 1 to 64, got {scale}"):
        FuseOptions(scale=scale)


@pytest.mark.parametrize("blur", [0.0, -0.4, 10.0, math.nan, math.inf])
def test_a_blur_that_is_no_width_of_a_gaussian_is_refused_with_its_number(blur: float):
    with pytest.raises(ArgumentError, match=f"0 to 10 px, got {blur}") as caught:
        FuseOptions(blur=blur)
    assert "0.4" in caught.value.hint


@pytest.mark.parametrize(
    ("field", "values", "words"),
    [
        ("reference", [-1, -7], "requested as the reference"),
        ("pixfrac", [-0.1, 1.01, math.nan, math.inf], "pixfrac of a burst must be 0 to 1, got"),
        ("trust", [-1.0, math.nan, math.inf], "trust of a burst must be 0 to"),
        ("rounds", [0, -2, 101], "rounds of a burst must be 1 to 100, got"),
        ("steps", [-1, 1001], "steps of a burst must be 0 to 1000, got"),
    ],
)
def test_a_number_out_of_its_range_is_refused_with_it(field: str, values: list, words: str):
    for value in values:
        with pytest.raises(ArgumentError, match=words) as caught:
            FuseOptions(**{field: value})
        assert str(value) in caught.value.message
        assert caught.value.hint


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("scale", "4", "scale of a burst must be a number, got '4'"),
        ("scale", True, "must be a number, got True"),
        ("scale", None, "must be a number, got None"),
        ("reference", 1.5, "reference of a burst must be a whole number or None, got 1.5"),
        ("reference", False, "must be a whole number or None, got False"),
        ("method", 3, "method of a burst must be a name or None, got 3"),
        ("model", 3, "model of a burst must be a name"),
        ("blur", None, "blur of a burst must be a number or a name, got None"),
        ("pixfrac", "0.5", "pixfrac of a burst must be a number"),
        ("trust", None, "trust of a burst must be a number"),
        ("rounds", 2.0, "rounds of a burst must be a whole number, got 2.0"),
        ("steps", "10", "steps of a burst must be a whole number"),
        ("run", None, "run of a burst must be RunOptions, got None"),
        ("local", "flwo", "flow"),
        ("local", None, "None"),
        ("motion", 3, "3"),
    ],
)
def test_a_value_of_another_kind_is_refused_with_what_was_expected(
    field: str, value: object, words: str
):
    given: dict[str, Any] = {field: value}
    with pytest.raises(ArgumentError, match=words):
        FuseOptions(**given)


def test_numbers_of_numpy_are_numbers():
    given: dict[str, Any] = {
        "scale": np.float32(2), "reference": np.int64(1), "pixfrac": np.float32(0.5),
        "rounds": np.int8(3),
    }  # fmt: skip
    options = FuseOptions(**given)
    assert (options.scale, options.pixfrac, options.rounds) == (2, 0.5, 3)


@pytest.mark.parametrize("scale", [1, 1.5, 64])
@pytest.mark.parametrize("blur", ["auto", "bicubic", 0.01, 9.99])
def test_the_limits_themselves_are_allowed(scale: float, blur: Any):
    options = FuseOptions(scale=scale, blur=blur)
    assert (options.scale, options.blur) == (scale, blur)


def test_options_that_are_replaced_are_checked_again():
    with pytest.raises(ArgumentError, match="got 100"):
        dataclasses.replace(FuseOptions(), scale=100)
