"""Every command that a page shows is one that the command line takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from superres.cli.main import app
from superres.cli.options import with_values

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(page: Path) -> Iterator[str]:
    """Yield the commands of a page's shell blocks, continued lines joined."""
    for block in re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if re.search(r"\bsuperres\b", line.partition("#")[0]):
                yield line


SHOWN = [(page.name, line) for page in PAGES for line in commands(page)]


def test_commands_are_found():
    assert len(SHOWN) > 50


@pytest.mark.parametrize(("page", "line"), SHOWN)
def test_a_command_in_the_docs_is_taken(page, line):
    for part in line.partition("#")[0].split("|"):
        words = shlex.split(part.partition(">")[0])
        words = [word for word in words if not re.fullmatch(r"[A-Z_]+=\S+", word)]
        if not words or Path(words[0]).name != "superres":
            continue
        assert "superres" not in words[1:], "two commands on one line"
        command: Any = typer.main.get_command(app)  # of typer's own copy of click
        words = with_values(words[1:])
        while words and words[0] in getattr(command, "commands", ()):
            command, words = command.commands[words[0]], words[1:]
        parser = command.make_parser(command.context_class(command))
        parser.parse_args(words)  # raises for an unknown option
