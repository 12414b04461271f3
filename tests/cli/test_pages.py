"""The pages of docs/ and the README say what the commands do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from superres.cli.main import app

ROOT = Path(__file__).parents[2]
GROUP = typer.main.get_group(app)
COMMANDS = GROUP.commands
VERBS = sorted(COMMANDS)


def options(command) -> set[str]:
    """Return the long options of a verb and of the verbs below it."""
    below = getattr(command, "commands", {}).values()
    shown = [one for one in command.params if not getattr(one, "hidden", False)]
    own = {
        name for one in shown for name in (*one.opts, *one.secondary_opts) if name.startswith("--")
    }
    return own.union(*(options(one) for one in below)) - {"--help"}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verbs_page_names_each_of_its_options_and_no_other(verb):
    page = (ROOT / "docs" / f"{verb}.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", page))
    others = set().union(*(options(COMMANDS[one]) for one in VERBS))
    tensorboard = {"--logdir"}
    assert options(COMMANDS[verb]) <= named
    assert named <= others | tensorboard


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "examples/README.md"])
def test_links_between_pages_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    missing = [link for link in links if not ((ROOT / page).parent / link).exists()]
    assert missing in ([], ["docs/images/before_after.png"])


def test_each_example_picture_has_its_credit():
    text = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    pictures = {path.name for path in (ROOT / "examples").iterdir()} - {"README.md"}
    assert pictures == set(re.findall(r"^\| `([^`]+)`", text, flags=re.MULTILINE))


@pytest.mark.parametrize("page", [*VERBS, "README"])
def test_each_command_line_in_the_pages_can_be_parsed(page):
    path = ROOT / "README.md" if page == "README" else ROOT / "docs" / f"{page}.md"
    lines = re.findall(r"^(?:\S+ \S+ \| )?superres (.+)$", path.read_text("utf-8"), re.MULTILINE)
    assert lines
    for line in lines:
        words = re.split(r"\s+[#>]\s|\s+#", line)[0].split()
        command = COMMANDS[words[0]]
        below = getattr(command, "commands", {})
        if len(words) > 1 and words[1] in below:
            command, words = below[words[1]], words[1:]
        command.make_context("superres", words[1:])
