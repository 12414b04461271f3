"""TOML tables: read, merged, and their keys checked."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from pathlib import Path
from types import UnionType
from typing import Any, cast, get_args

from pydantic import BaseModel

from superres.errors import RecipeError, unknown_name

# What TOML gives: nested tables of strings, numbers, booleans and lists.
Table = dict[str, Any]
_MAX_BYTES = 2**20


def read_table(path: Path) -> Table:
    """Read a TOML file.

    Raises:
        RecipeError: The file is missing, larger than 1 MiB, or not TOML.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise RecipeError(f"{path} is larger than 1 MiB", "a recipe is a few lines of TOML")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}", "check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not TOML: {error}", "see https://toml.io") from error


def merged(under: Table, over: Table) -> Table:
    """Return a table laid over another, table by table; neither is changed."""
    result = dict(under)
    for key, value in over.items():
        below, above = as_table(result.get(key)), as_table(value)
        result[key] = value if below is None or above is None else merged(below, above)
    return result


def as_table(value: object) -> Table | None:
    """Return a value that is a table as one, anything else as None."""
    return cast("Table", value) if isinstance(value, dict) else None


def check_keys(table: Table, section: type[BaseModel], where: str) -> None:
    """Check the keys of a table and of those in it against what a section knows.

    Args:
        table: The table.
        section: What it will become. One that knows more keys than its fields says so with
            `known_keys()`.
        where: What to call the table in the message.

    Raises:
        UnknownNameError: A key is unknown; pydantic's own message would not name the nearest.
    """
    known: Collection[str] = getattr(section, "known_keys", lambda: section.model_fields)()
    for key, value in table.items():
        if key not in known:
            raise unknown_name(f"key in {where}", key, known)
        if key not in section.model_fields:
            continue  # of a table that the section's own check reads
        kind, inner = section.model_fields[key].annotation, as_table(value)
        if isinstance(kind, UnionType):  # a section that may be left out
            kind = get_args(kind)[0]
        if inner is not None and isinstance(kind, type) and issubclass(kind, BaseModel):
            check_keys(inner, kind, f"{where} [{key}]")
