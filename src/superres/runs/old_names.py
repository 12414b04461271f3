"""Former names of recipe and log keys, with current ones."""

from __future__ import annotations

from superres.errors import RecipeError
from superres.toml_tables import Table, as_table

RECIPE_KEYS = {
    "network.start_from": "network.pretrained",
    "network.fresh": "network.reinitialise",
    "degradation.chain": "degradation.name",
    "optimizer.matrix_rate": "optimizer.matrix_lr",
}
LOG_NAMES = {
    "verdict_true": "discriminator_score_true",
    "verdict_restored": "discriminator_score_restored",
}


def rename_keys(recipe: Table, where: str) -> list[str]:
    """Rename the old keys of a recipe's table, in place.

    Args:
        recipe: The table; sections may be missing.
        where: Its name in messages.

    Returns:
        A line for each renamed key.

    Raises:
        RecipeError: It has a key under both names.
    """
    lines: list[str] = []
    for old, new in RECIPE_KEYS.items():
        section, _, key = old.partition(".")
        table = as_table(recipe.get(section))
        if table is None or key not in table:
            continue
        new_key = new.rpartition(".")[2]
        if new_key in table:
            raise RecipeError(
                f"{where} has both {old} and {new}, which are one key", f"remove {old}"
            )
        table[new_key] = table.pop(key)
        lines.append(f"{where}: {old} is now called {new}")
    return lines
