"""What every verb leaves behind and whom it asks: nothing in the home folder, and nobody."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from verb_cases import EMBEDDED, FETCHED, HUB, VERBS, Verb, write_inputs
from web_server import sending, serving

from superres.cli.main import app

IMPORT_TORCH = ("train", "degrade", "blend", "export")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture
def verb(tmp_path: Path, inputs: Path) -> Verb:
    return Verb(tmp_path, inputs)


def verbs_of(command: object, name: str = "") -> Iterator[str]:
    """Yield the names of a command line's verbs, and of those below them."""
    for word, below in getattr(command, "commands", {}).items():
        yield f"{name} {word}".strip()
        yield from verbs_of(below, f"{name} {word}".strip())


def test_every_verb_of_the_command_line_has_a_case_here():
    assert set(verbs_of(typer.main.get_command(app))) == set(VERBS)


# Each also runs, and is watched, with only what it needs: test_what_is_needed.
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in IMPORT_TORCH else ())
        for name in VERBS
        if name != "models pull"
    ],
)
def test_a_verb_asks_nobody_and_leaves_the_home_folder_empty(name, verb):
    verb.run(VERBS[name])
    verb.check_that_nothing_left()


def test_a_download_asks_the_configured_host_alone_and_fills_the_configured_cache(verb, tmp_path):
    file = HUB / f"{FETCHED}.safetensors"
    cache = tmp_path / "cache"
    with serving({f"/{file.name}": sending(file.read_bytes())}) as (address, asked):
        out = verb.run(
            VERBS["models pull"], SUPERRES_HUB=address, SUPERRES_CACHE=str(cache), no_proxy="*"
        )
    assert out.split() == [str(cache / file.name)]
    assert asked == [f"/{file.name}"]
    assert verb.contacts() == {address.removeprefix("http://").replace(":", " ")}
    assert verb.left_behind() == []


def test_the_watch_sees_and_stops_what_would_leave(verb):
    code = "import socket\ntry: socket.getaddrinfo('elsewhere.invalid', 443)\n"
    code += "except PermissionError as error: print(error)"
    assert verb.run("", code) == "socket.getaddrinfo of elsewhere.invalid\n"
    assert verb.contacts() == {"elsewhere.invalid 443"}


def test_what_reports_is_imported_nowhere_but_where_that_is_switched_off():
    root = Path(__file__).parents[2]
    files = [
        file for top in ("src", "benchmarks", "scripts") for file in (root / top).rglob("*.py")
    ]
    for package in ("openvino", "onnxruntime"):
        pattern = re.compile(rf"^\s*(import|from) {package}\b", re.MULTILINE)
        found = [file.name for file in files if pattern.search(file.read_text(encoding="utf-8"))]
        assert found == [f"{package}_library.py"]


def test_a_telemetry_that_is_imported_already_stays_what_it_was(verb):
    """OpenVINO takes its stub, and the rest of the process keeps the package."""
    code = (
        "import sys, types; mine = types.ModuleType('openvino_telemetry');"
        "sys.modules['openvino_telemetry'] = mine;"
        "from superres.runtimes.openvino_library import ov;"
        "from openvino.tools.ovc import telemetry_utils;"
        "import json; print(json.dumps([sys.modules['openvino_telemetry'] is mine,"
        "telemetry_utils.tm.__name__.rpartition('.')[2]]))"
    )
    assert json.loads(verb.run("", code)) == [True, "telemetry_stub"]


def test_onnx_runtimes_switch_is_off_for_the_import_alone(verb):
    code = (
        "import os; from superres.runtimes.onnxruntime_library import ort;"
        "ort.InferenceSession(__import__('sys').argv[1]);"
        "print(os.environ.get('ORT_DISABLE_TELEMETRY'))"
    )
    assert verb.run(str(EMBEDDED / "fsrcnn-x2.onnx"), code) == "None\n"
    assert verb.left_behind() == []
    assert verb.run(str(EMBEDDED / "fsrcnn-x2.onnx"), code, ORT_DISABLE_TELEMETRY="yes") == "yes\n"
