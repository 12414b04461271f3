"""Renaming of weights: none is lost."""

import pytest
import torch

from superres.errors import ModelError
from superres.interop.weight_names import renamed


@pytest.mark.parametrize("names", [("old.a", "new.a"), ("new.a", "old.a"), ("old.a", "older.a")])
def test_two_weights_that_become_one_are_both_named(names):
    weights = {name: torch.zeros(1) for name in names}
    with pytest.raises(ModelError, match=rf"{names[0]} and {names[1]} both stand for new\.a"):
        renamed(weights, ((r"old(er)?\.", "new."),))


def test_each_weight_keeps_its_values_under_its_new_name():
    found = renamed({"old.a": torch.ones(1), "b": torch.zeros(1)}, ((r"old\.", "new."),))
    assert {name: float(value) for name, value in found.items()} == {"new.a": 1.0, "b": 0.0}
