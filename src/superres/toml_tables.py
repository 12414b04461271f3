"""TOML tables: read, merged, and their keys checked."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, cast, get_args

from pydantic import BaseModel

from superres.errors import RecipeError, unknown_name

# TOML's values: nested tables of strings, numbers, booleans and lists.
Table = dict[str, Any]
MAX_DEPTH = 32  # tables and lists in each other; what reads them calls itself
MAX_BYTES = 2**20
_INTEGERS = range(-(2**63), 2**63)  # as TOML has them
_PART = r"""(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
_PARTS = re.compile(_PART, re.DOTALL)
# Texts of several lines, comments, keys (and values that look like one), texts that never end, and
# all else. Nothing is read twice: the time is linear, whatever the file holds.
_TOKENS = re.compile(
    r'''"""(?:[^"\\]|\\.|"(?!""))*+(?:"{3,5}|\\?\Z)|'''
    r"""'''(?:[^']|'(?!''))*+(?:'{3,5}|\Z)|#[^\n]*+|"""
    rf"(?P<key>{_PART}(?:[ \t]*+\.[ \t]*+{_PART})*+)|"
    r"""(?:"(?:[^"\\\n]|\\.)*+|'[^'\n]*+|[^"'#A-Za-z0-9_-]++)""",
    re.DOTALL,
)


def read_table(path: Path) -> Table:
    """Read a TOML file.

    Raises:
        RecipeError: The file is missing, larger than 1 MiB, or not TOML, or `check_values` refuses
            it.
    """
    data = _read_bytes(path)
    try:
        table = parse_table(data.decode("utf-8"), str(path))
    except RecipeError:
        raise
    # ValueError: not TOML, not UTF-8, or a number of thousands of digits.
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"{path} is not TOML: {error}", "see https://toml.io") from error
    check_values(table, str(path))
    return table


def parse_table(text: str, where: str) -> Table:
    """Return a TOML document's table.

    Args:
        text: The document.
        where: What to call it in the message.

    Raises:
        RecipeError: A dotted key has more than `MAX_DEPTH` parts. tomllib's time grows with their
            square: minutes for a file of 1 MiB.
        ValueError: It is not TOML.
        RecursionError: Its tables or lists lie too deep in each other.
    """
    if text.count(".") >= MAX_DEPTH:
        for token in _TOKENS.finditer(text):
            key = token["key"]
            if (
                key
                and key.count(".") >= MAX_DEPTH
                and (parts := len(_PARTS.findall(key))) > MAX_DEPTH
            ):
                raise RecipeError(
                    f"{where}: {key[:40]}... has {parts:,} parts: tables more than "
                    f"{MAX_DEPTH} deep",
                    "no key lies that deep",
                )
    return tomllib.loads(text)


def _read_bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MAX_BYTES else b""
    except (OSError, ValueError) as error:  # ValueError: no file can have the name
        reason = getattr(error, "strerror", None) or error
        raise RecipeError(f"{path} cannot be read: {reason}", "check the path") from error
    if size > MAX_BYTES:
        raise RecipeError(f"{path} is larger than 1 MiB", "a recipe is a few lines of TOML")
    return data


def check_values(table: Table, where: str) -> None:
    """Check that TOML can hold a table's values, and that they nest no deeper than `MAX_DEPTH`.

    Args:
        table: The table.
        where: Its name in the message.

    Raises:
        RecipeError: They nest deeper, a whole number takes more than 64 bits, or a text has half a
            character, as file names that are not UTF-8 have.
    """
    for name, value in table.items():
        place = f"{where}: {ascii(name[:60])[1:-1]}"
        level, depth = [cast("object", value), name], 1
        while level:
            if depth > MAX_DEPTH:
                raise RecipeError(
                    f"{place} has tables or lists more than {MAX_DEPTH} deep",
                    "no key is nested that deep",
                )
            for one in level:
                _check_value(one, place)
            level, depth = [inner for one in level for inner in _inside(one)], depth + 1


def _check_value(value: object, where: str) -> None:
    if isinstance(value, int) and value not in _INTEGERS:
        raise RecipeError(
            f"{where} is a whole number beyond 64 bits, of {value.bit_length()} and its sign",
            "write it as a float, such as 1e20, or as text",
        )
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise RecipeError(
                f"{where} is not Unicode: {value[:200]!a} has half a character at {error.start}",
                "rename a file or folder of such a name, or link to it by another",
            ) from error


def _inside(value: object) -> list[object]:
    """Return the values and the keys of a table, or the values of a list."""
    if isinstance(value, dict):
        table = cast("dict[object, object]", value)
        return [*table.values(), *table]
    return list(cast("Sequence[object]", value)) if isinstance(value, (list, tuple)) else []


def merged(under: Table, over: Table) -> Table:
    """Return a table merged over another, table by table; neither is changed."""
    result = dict(under)
    for key, value in over.items():
        below, above = as_table(result.get(key)), as_table(value)
        result[key] = value if below is None or above is None else merged(below, above)
    return result


def as_table(value: object) -> Table | None:
    """Return a value if it is a table, or else None."""
    return cast("Table", value) if isinstance(value, dict) else None


def check_keys(table: Table, section: type[BaseModel], where: str) -> None:
    """Check the keys of a table, and of the tables in it, against a section's fields.

    Args:
        table: The table.
        section: What it will become. A section with more keys than fields lists them in
            `known_keys()`.
        where: The table's name in the message.

    Raises:
        UnknownNameError: A key is unknown; pydantic's own message would not name the nearest.
    """
    known: Collection[str] = getattr(section, "known_keys", lambda: section.model_fields)()
    for key, value in table.items():
        if key not in known:
            raise unknown_name(f"key in {where}", key, known)
        if key not in section.model_fields:
            continue  # a table that the section checks itself
        kind, inner = section.model_fields[key].annotation, as_table(value)
        if isinstance(kind, UnionType):  # an optional section
            kind = get_args(kind)[0]
        if inner is not None and isinstance(kind, type) and issubclass(kind, BaseModel):
            check_keys(inner, kind, f"{where} [{key}]")
