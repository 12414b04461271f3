"""TOML tables: files that are not valid ones raise our own error, whatever they hold."""

from __future__ import annotations

import random
import time
import tomllib
from pathlib import Path

import pytest

from superres.errors import RecipeError
from superres.toml_tables import MAX_DEPTH, check_values, merged, read_table

HOSTILE = {
    "a number of 5,000 digits": "a = " + "9" * 5000,
    "a float of 5,000 digits and letters": "a = " + "9" * 5000 + ".5x",
    "a number beyond 64 bits": "a = 9223372036854775808",
    "a hexadecimal number of 5,000 digits": "a = 0x" + "f" * 5000,
    "lists in lists": "a = " + "[" * 100_000,
    "closed lists in lists": "a = " + "[" * 400 + "]" * 400,
    "tables in tables": "a = " + "{a = " * 50_000,
    "closed tables in tables": "a = " + "{a = " * 300 + "1" + "}" * 300,
    "a dotted key": ".".join("a" * 3000) + " = 1",
    "a dotted table": "[" + ".".join("a" * 3000) + "]",
    "an array of dotted tables": "[[" + ".".join("a" * 5000) + "]]",
    "a dotted key of 1 MB": ".".join("a" * 500_000) + " = 1",
    "a quoted dotted key": "x = {'a" + '\'  .\t"b.\\"" . \'a' * 50_000 + "' = 1}",
    "a text that never ends": 'a = "' + '\\"' * 500_000,
    "texts that never end": "a.b" * 16 + '"""\\' * 250_000,
    "an escape of a surrogate": 'a = "\\ud800"',
    "a key twice": "a = 1\na = 2",
    "an impossible date": "a = 2025-02-30",
    "an impossible time": "a = 25:00:00",
    "a NUL": "a = 1\0",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_text_that_is_no_usable_toml_is_refused_by_the_file_s_name(tmp_path, text):
    path = tmp_path / "bad.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match=r"bad\.toml.*\nhint: ."):
        read_table(path)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_text_that_is_no_usable_toml_is_refused_in_seconds(tmp_path, text):
    path = tmp_path / "bad.toml"
    path.write_text(text, encoding="utf-8")
    began = time.process_time()
    with pytest.raises(RecipeError):
        read_table(path)
    assert time.process_time() - began < 5


DOTS = ".".join("a" * 100)


@pytest.mark.parametrize("text", [
    f'a = "{DOTS}"', f"a = '{DOTS}'", f"a = 1 # {DOTS}", f'a = """\n{DOTS}\n"""',
    f"a = \'\'\'\n{DOTS}\n\'\'\'", f'a = """x"""""\nb = "{DOTS}"', f'"{DOTS}" = 1',
    f'a = "\\"{DOTS}"',
    f'[t."{DOTS}"]\nb = 1', "a = [" + "1.5," * 100 + "]", ".".join("a" * MAX_DEPTH) + " = 1",
    f"a = ['{DOTS}', \"{DOTS}\"] # '\nb = 1.5 # \"\"\"\nc = \"{DOTS}\"",
])  # fmt: skip
def test_dots_that_are_not_a_key_s_are_no_depth(tmp_path, text):
    path = tmp_path / "good.toml"
    path.write_text(text, encoding="utf-8")
    assert read_table(path) == tomllib.loads(text)


def test_a_key_s_depth_is_told_with_its_number_and_the_limit(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text(".".join(["'b.c'", *"a" * MAX_DEPTH]) + " = 1")
    with pytest.raises(RecipeError, match=f"has {MAX_DEPTH + 1} parts: .* more than {MAX_DEPTH}"):
        read_table(path)


def test_bytes_changed_at_random_give_a_table_or_our_error(tmp_path):
    whole = b'a = "b\\u00e9"\n[c]\nd = [1, 2.5e3, { e = true }]\nf = 1979-05-27T07:32:00Z\n'
    rng = random.Random(0)
    path, refused = tmp_path / "some.toml", 0
    for _ in range(500):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data)
        try:
            assert isinstance(read_table(path), dict)
        except RecipeError:
            refused += 1
    assert 100 < refused < 500


@pytest.mark.parametrize("name", ["a\0b.toml", "a" * 5000 + ".toml", "", "\udcff\ud800.toml"])
def test_a_path_that_no_file_can_have_is_an_error_of_ours(tmp_path, name):
    with pytest.raises(RecipeError, match="cannot be read"):
        read_table(tmp_path / name)


def test_values_are_read_down_to_the_greatest_depth_and_no_deeper(tmp_path):
    path = tmp_path / "deep.toml"
    path.write_text(".".join("a" * MAX_DEPTH) + " = 1")
    table = read_table(path)
    assert merged(table, table) == table
    path.write_text(".".join("a" * (MAX_DEPTH + 1)) + " = 1")
    with pytest.raises(RecipeError, match=rf"more than {MAX_DEPTH} deep"):
        read_table(path)


def test_the_largest_numbers_of_toml_are_read(tmp_path):
    path = tmp_path / "large.toml"
    path.write_text("a = 9223372036854775807\nb = -9223372036854775808\nc = 1e300\nd = inf")
    assert read_table(path) == {"a": 2**63 - 1, "b": -(2**63), "c": 1e300, "d": float("inf")}


@pytest.mark.parametrize("value", ["\udcff", ["\ud800"], {"\udcff": 1}, [{"a": -(2**63) - 1}]])
def test_values_that_toml_cannot_hold_are_refused_by_their_place(value):
    with pytest.raises(RecipeError, match=r"this table: a\b.*\nhint: ."):
        check_values({"b": 1, "a": value}, "this table")


def test_a_recipe_larger_than_a_mebibyte_is_refused_before_it_is_read(tmp_path):
    path = Path(tmp_path / "large.toml")
    path.write_text("#" * (2**20 + 1))
    with pytest.raises(RecipeError, match="larger than 1 MiB"):
        read_table(path)
