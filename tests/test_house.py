"""The plan of the house: sizes of rooms, and branches on the kind of input."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import superres

SOURCE = Path(superres.__file__).parent
MOST_FILES = 14  # except in networks, where a file is an architecture
MOST_BRANCHES = 4
SAYS_NOTHING = {"base", "common", "helpers", "misc", "util", "utils"}
# What distinguishes image, burst and video: the card's field, or the class that runs it.
BRANCH = re.compile(
    r"\.(?:input|frames)\s*(?:==|!=|in\b)"
    r"|isinstance\([^()]*\b(?:BurstNetwork|Recurrent|VideoNetworks|BurstEngine|VideoEngine)\b"
)


def rooms() -> list[Path]:
    return sorted({path.parent for path in SOURCE.rglob("*.py")})


@pytest.mark.parametrize("room", rooms(), ids=lambda room: room.name)
def test_a_room_holds_at_most_14_files(room):
    files = sorted(path.name for path in room.glob("*.py"))
    assert room.name == "networks" or len(files) <= MOST_FILES, files


def test_rooms_lie_two_levels_deep_and_none_holds_less_than_three_files():
    for room in rooms():
        assert len(room.relative_to(SOURCE).parts) <= 1, room
        assert len(list(room.glob("*.py"))) >= 4, f"{room}: a module would do"  # with __init__


def test_a_file_s_name_says_something():
    assert not [path for path in SOURCE.rglob("*.py") if path.stem in SAYS_NOTHING]


def test_a_file_s_docstring_is_one_line_that_ends():
    for path in SOURCE.rglob("*.py"):
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        if path.name not in ("version.py", "__main__.py"):
            assert first.startswith('"""'), path
            assert first.rstrip('"').endswith((".", ":")), f"{path}: {first}"


def test_kinds_of_input_are_told_apart_in_few_places():
    """Outside `jobs`, where a job's own class says what it is."""
    found = [
        f"{path.relative_to(SOURCE)}:{number}: {line.strip()}"
        for path in sorted(SOURCE.rglob("*.py"))
        if path.parent.name != "jobs"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if BRANCH.search(line)
    ]
    assert len(found) <= MOST_BRANCHES, "\n".join(found)
