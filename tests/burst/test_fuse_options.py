from __future__ import annotations

import dataclasses
import math
from typing import Any

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


@pytest.mark.parametrize("scale", [1, 1.5, 64])
@pytest.mark.parametrize("blur", ["auto", "bicubic", 0.01, 9.99])
def test_the_limits_themselves_are_allowed(scale: float, blur: Any):
    options = FuseOptions(scale=scale, blur=blur)
    assert (options.scale, options.blur) == (scale, blur)


def test_options_that_are_replaced_are_checked_again():
    with pytest.raises(ArgumentError, match="got 100"):
        dataclasses.replace(FuseOptions(), scale=100)
