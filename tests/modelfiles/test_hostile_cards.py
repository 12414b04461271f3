"""Cards with any field replaced by anything: a card or our error, in little memory."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from superres.errors import ModelError, SuperresError
from superres.modelfiles.card import Card, parse_card
from superres.networks.catalog import ARCHITECTURES, network_config

OLD = json.loads(Path(__file__).with_name("cards_of_format_1.json").read_text())
TODAY = [json.loads(parse_card(json.dumps(old), "old").model_dump_json()) for old in OLD]
CARDS = [*OLD, *TODAY]
NAMES = [f"{card['name']} of format {card['format']}" for card in CARDS]

# JSON texts, each of another kind.
NUMBERS = (
    *("0", "-1", "1", "2", "1.5", "1e200", "-1e200", "1e400", "NaN", "Infinity", "-Infinity"),
    *("2147483648", "9223372036854775808", "1" + "0" * 400, "9" * 4200, "9" * 5000),
)
VALUES = (
    *("null", "true", "false", "[]", "{}", '""', '"x"', '"3"', "[1]", '["x"]', "[null]", "[[]]"),
    *('{"x": 1}', '{"name": null}', '"\\ud800"', '"\\u0000"', '"' + "9" * 5000 + '"'),
    *("[" * 150 + "]" * 150, "[" * 5000 + "]" * 5000, '{"a":' * 5000 + "1" + "}" * 5000, "["),
    *NUMBERS,
)
MARK = "\u2603"


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every value of a document; of lists only the first."""
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*path, 0))


def replaced(document: object, path: tuple[str | int, ...], text: str) -> str:
    """Return a document's JSON with the value at a path replaced by a JSON text."""
    copy: Any = json.loads(json.dumps({"top": document}))
    inner: Any = copy
    *before, last = ("top", *path)
    for key in before:
        inner = inner[key]
    inner[last] = MARK
    return json.dumps(copy["top"]).replace(json.dumps(MARK), text)


def read(text: str) -> Card | None:
    """Return the card, or None if our error, with a hint, refuses it."""
    try:
        return parse_card(text, "some.onnx")
    except ModelError as error:
        message = error.message
    assert message.startswith("some.onnx")
    assert len(message) < 1000
    return None


@pytest.mark.parametrize("card", CARDS, ids=NAMES)
def test_any_field_replaced_by_any_kind_of_value_gives_a_card_or_our_error(card):
    assert read(json.dumps(card)) is not None
    outcomes = {
        (text[:10], path): read(replaced(card, path, text)) is None
        for path in places(card)
        for text in VALUES
    }
    assert len(outcomes) > 800
    for refused in ("null", "[", "[" * 10):
        assert all(no for (text, path), no in outcomes.items() if text == refused), refused


@pytest.mark.parametrize("card", CARDS, ids=NAMES)
def test_any_field_may_be_missing(card):
    for path in places(card):
        if path and isinstance(path[-1], str):
            copy = json.loads(replaced(card, path, "null"))
            inner = copy
            for key in path[:-1]:
                inner = inner[key]
            del inner[path[-1]]
            read(json.dumps(copy))


@pytest.mark.parametrize("channels", ["[1]", '"3"', "[" * 100 + "]" * 100])
@pytest.mark.parametrize("scale", ["20000", "9" * 4200])
@pytest.mark.parametrize("old", OLD, ids=[old["name"] for old in OLD])
def test_no_value_is_multiplied_before_it_is_known_to_be_a_number(old, channels, scale):
    text = replaced(json.loads(replaced(old, ("scale",), '"%"')), ("channels",), channels)
    tracemalloc.start()
    try:
        assert read(text.replace('"%"', scale)) is None
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("number", ["true", "1.0", '"1"', "[1]"])
def test_a_format_is_a_whole_number(number):
    assert read(replaced(OLD[1], ("format",), number)) is None


@pytest.mark.parametrize("text", ["", "x", "\0", "\ud800", '"\udcff"', "{}", "[]", "1", "{" * 5000])
def test_text_that_is_no_card_is_refused(text):
    assert read(text) is None


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_a_config_of_any_values_is_a_network_s_or_our_error(architecture):
    config = ARCHITECTURES[architecture].config
    for field in config.model_fields:
        for text in VALUES:
            try:
                values = json.loads(f'{{"{field}": {text}}}')
            except (ValueError, RecursionError):
                continue  # no value comes of it
            with suppress(SuperresError):
                network_config(architecture, values)
