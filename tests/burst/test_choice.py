"""Which method and which networks are taken, by what was asked and what there is."""

from __future__ import annotations

import pytest

from superres import zoo
from superres.burst import choice
from superres.burst.choice import MethodChoice, choose_method
from superres.errors import ArgumentError, UnknownNameError

MANY = {"burst", "mine.safetensors"}


@pytest.fixture(params=[True, False], ids=["embedded", "not embedded"])
def embedded(request, monkeypatch) -> bool:
    """Let models of many frames be known by their names, embedded or not."""
    monkeypatch.setattr(zoo, "embedded_scales", lambda family: (4,) if request.param else ())
    monkeypatch.setattr(choice, "_takes_many", lambda model: model in MANY)
    return request.param


def test_a_network_fuses_unless_there_is_none(embedded):
    expected = MethodChoice("network", "default", "burst")
    assert choose_method(None, None) == (
        expected if embedded else MethodChoice("backproject", "default", None)
    )


@pytest.mark.usefixtures("embedded")
@pytest.mark.parametrize(
    ("method", "model", "expected"),
    [
        ("drizzle", None, MethodChoice("drizzle", "default", None)),
        ("backproject", "bicubic", MethodChoice("backproject", "bicubic", None)),
        (None, "real", MethodChoice("backproject", "real", None)),
        (None, "mine.safetensors", MethodChoice("network", "default", "mine.safetensors")),
        ("network", "burst", MethodChoice("network", "default", "burst")),
    ],
)
def test_the_method_follows_the_model_and_the_model_the_method(method, model, expected):
    assert choose_method(method, model) == expected


def test_a_network_that_is_not_there_is_told_with_what_to_do(embedded):
    if embedded:
        assert choose_method("network", None).fuser == "burst"
        return
    with pytest.raises(ArgumentError, match=r"none is embedded\nhint: superres train burst-x4"):
        choose_method("network", None)


@pytest.mark.usefixtures("embedded")
def test_a_model_that_does_not_suit_the_method_is_refused():
    with pytest.raises(ArgumentError, match="real is a picture model"):
        choose_method("network", "real")
    with pytest.raises(
        ArgumentError, match="burst fuses bursts itself; the method drizzle was requested"
    ):
        choose_method("drizzle", "burst")


def test_a_name_that_is_no_model_is_told_before_anything_is_computed():
    with pytest.raises(UnknownNameError, match="defalt"):
        choose_method(None, "defalt")
