"""Recipe files in TOML: lookup, inheritance, overrides, checks and writing."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from datetime import date, time
from importlib import resources
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from superres.errors import RecipeError, first_fault, unknown_name
from superres.runs.old_names import RECIPE_KEYS, rename_keys
from superres.toml_tables import (
    Table,
    as_table,
    check_keys,
    check_values,
    merged,
    parse_table,
    read_table,
)
from superres.train.recipe import Recipe
from superres.watch import Watch

# The key of a section that its other values depend on.
_CHOICES = {"network": "architecture", "adversarial": "discriminator"}
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_WITH_SCALE = re.compile(r"(?P<family>.+)-x(?P<scale>[2-8])")


def built_in_recipes() -> dict[str, Path]:
    """Return the names and files of the recipes that ship inside the package."""
    folder = Path(str(resources.files("superres") / "recipes"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_recipe(name: str, overrides: Sequence[str] = (), watch: Watch | None = None) -> Recipe:
    """Read a recipe, merged over the recipe that it extends.

    Keys of earlier versions (`runs.old_names`) are renamed.

    Args:
        name: A built-in recipe's name, or the path of a TOML file. A family with a recipe for x4
            has one for other scales too: `vdsr-x3` is `vdsr-x4` with the scale changed.
        overrides: Values to replace, such as `data.patch=64` or `network.config.scale=2`.
        watch: Notified of each renamed key.

    Raises:
        RecipeError: The file is missing or not TOML, a value is invalid, a key occurs by its old
            and its new name, or the recipe extends itself.
        UnknownNameError: No recipe has this name, or a key is unknown; the hint names the nearest.
    """
    watch = watch or Watch()
    table = _resolve(name, (), watch)
    for override in overrides:
        _override(table, override, watch)
    check_values(table, f"recipe {name}")
    check_keys(table, Recipe, name)
    try:
        return Recipe.model_validate(table)
    except ValidationError as error:
        raise RecipeError(
            f"recipe {name}: {first_fault(error)}",
            "docs/train.md lists every key with its range",
        ) from error


def to_toml(recipe: Recipe) -> str:
    """Return a recipe as TOML that `load_recipe` reads back to an equal one.

    Raises:
        RecipeError: TOML cannot represent a value; see `toml_tables.check_values`.
    """
    lines: list[str] = []
    table = recipe.model_dump(exclude_none=True)
    check_values(table, f"recipe {recipe.name!a}")
    _write_table(table, "", lines)
    return "\n".join(lines) + "\n"


def _resolve(name: str, seen: tuple[str, ...], watch: Watch) -> Table:
    if name in seen:
        raise RecipeError(
            f"recipe {name} extends itself, through {' -> '.join((*seen, name))}",
            "remove one of the `extends`",
        )
    table = _read(name)
    for line in rename_keys(table, f"recipe {name}"):
        watch.note(line)
    parent = table.pop("extends", None)
    if parent is None:
        return table
    under = _resolve(str(parent), (*seen, name), watch)
    for section, choice in _CHOICES.items():
        below, above = as_table(under.get(section)), as_table(table.get(section))
        if below and above and above.get(choice, below.get(choice)) != below.get(choice):
            del under[section]  # another network inherits nothing from the one it replaces
    if "budget" in table:
        under.pop("budget", None)  # its two keys exclude each other: one replaces the other
    return merged(under, table)


def _override(table: Table, override: str, watch: Watch) -> None:
    """Replace one value; the text after `=` is TOML, or otherwise a string."""
    path, equals, text = (part.strip() for part in override.partition("="))
    if path in RECIPE_KEYS:
        watch.note(f"--set {path}: {path} is now called {RECIPE_KEYS[path]}")
        path = RECIPE_KEYS[path]
    *sections, key = path.split(".")
    if not equals or not key:
        raise RecipeError(f"{override!r} replaces nothing", "write it as --set data.patch=64")
    for section in sections:
        inner = as_table(table.setdefault(section, {}))
        if inner is None:
            raise RecipeError(
                f"{path}: {section} is not a table", "see superres train RECIPE --show"
            )
        table = inner
    try:
        table[key] = parse_table(f"value = {text}", path)["value"]
    except tomllib.TOMLDecodeError:
        table[key] = text
    except (ValueError, RecursionError) as error:
        raise RecipeError(
            f"{path} cannot be set: {error}", "write it as --set data.patch=64"
        ) from error


def _read(name: str) -> Table:
    known = built_in_recipes()
    if not name.endswith(".toml") and name not in known:
        match = _WITH_SCALE.fullmatch(name)
        if match is None or f"{match['family']}-x4" not in known:
            raise unknown_name("recipe", name, known)
        scale = {"network": {"config": {"scale": int(match["scale"])}}}
        return {"extends": f"{match['family']}-x4", "name": name, **scale}
    return read_table(known.get(name, Path(name)))


def _write_table(table: Table, prefix: str, lines: list[str]) -> None:
    tables = {key: inner for key, value in table.items() if (inner := as_table(value)) is not None}
    for key, value in table.items():
        if key not in tables:
            lines.append(f"{_toml_key(key)} = {_toml_value(value)}")
    for key, inner in tables.items():
        lines.extend(("", f"[{prefix}{_toml_key(key)}]"))
        _write_table(inner, f"{prefix}{_toml_key(key)}.", lines)


def _toml_key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _toml_text(key)


def _toml_text(text: str) -> str:
    """Return a basic string: TOML's escapes are JSON's, plus one for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _toml_value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _toml_text(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(_toml_value, cast('tuple[object]', value)))}]"
    if (table := as_table(value)) is not None:
        entries = (f"{_toml_key(key)} = {_toml_value(inner)}" for key, inner in table.items())
        return "{ " + ", ".join(entries) + " }"
    return repr(value)
