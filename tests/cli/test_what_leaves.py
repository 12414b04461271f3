"""What every verb leaves behind and whom it asks: nothing in the home folder, and nobody."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import pyvips
import typer
from clips import write_clip

import superres
from superres.cli.main import app
from superres.train.recipe_file import load_recipe, to_toml
from web_server import sending, serving

RUN = "from superres.cli.main import run; run()"
HUB = Path(__file__).parents[2] / "hub"
FETCHED = "autoencoder-x4"
EMBEDDED = Path(superres.__file__).parent / "weights"

# Python reads this file as it starts, so that children of children are watched too.
WATCH = """
import os, sys
LOG = os.open(os.environ["CONTACTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
LOOPBACK = ("127.0.0.1", "::1", "localhost", b"localhost", "", None)

def watch(event, arguments):
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        host, port = address[:2] if isinstance(address, tuple) else ("localhost", 0)
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host, port = arguments[0], (*arguments, 0)[1]
    else:
        return
    os.write(LOG, f"{event} {host} {port}\\n".encode())
    if host not in LOOPBACK:
        raise PermissionError(f"{event} of {host}")

sys.addaudithook(watch)
"""

TRAIN = "train espcn-x4 --data pictures -o run --steps 2 --validate pictures --device cpu"
TRAIN += " --threads 1 --set data.patch=8 --set data.batch=1"
VERBS = {
    "upscale": "upscale small.png -o large.png --threads 1",
    "burst": "burst burst -o large.png -s 2 --local none",
    "video": "video clip.mkv -o large.mkv -s 2 -n fsrcnn-x2 --threads 1",
    "doctor": "doctor --json",
    "evaluate": "evaluate fsrcnn-x2 --set pictures --scale 2 --threads 1",
    "train": TRAIN,
    "pack": "pack pictures -o pack.zip --smallest 8",
    "degrade": "degrade pictures/0.png degraded.png",
    "export": f"export {EMBEDDED / 'fsrcnn-x2.safetensors'} -o exported.onnx",
    "blend": f"blend {EMBEDDED / 'espcn-x2.safetensors'} {EMBEDDED / 'espcn-x2.safetensors'} "
    "-o blended.safetensors",
    "runs": "runs finished --html runs.html",
    "models": "models",
    "models list": "models list --json",
    "models info": "models info default-x4",
    "models pull": f"models pull {FETCHED}",
}
IN_HOME = {
    "HOME": "",
    "USERPROFILE": "",
    "APPDATA": "AppData/Roaming",
    "LOCALAPPDATA": "AppData/Local",
    "XDG_CACHE_HOME": ".cache",
    "XDG_CONFIG_HOME": ".config",
    "XDG_DATA_HOME": ".local/share",
    "XDG_STATE_HOME": ".local/state",
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with something for each verb to work on."""
    folder = tmp_path_factory.mktemp("inputs")
    random = np.random.default_rng(0)
    for below, count, edge in (("pictures", 2, 48), ("burst", 2, 24)):
        (folder / below).mkdir()
        for index in range(count):
            noise = random.integers(0, 255, (edge // 4, edge // 4, 3), np.uint8)
            soft = pyvips.Image.new_from_array(noise).resize(4).cast("uchar")
            soft.copy(interpretation="srgb").write_to_file(str(folder / below / f"{index}.png"))
    (folder / "finished").mkdir()
    recipe = to_toml(load_recipe("espcn-x4"))
    (folder / "finished" / "recipe.toml").write_text(recipe, encoding="utf-8")
    (folder / "finished" / "log.jsonl").write_text('{"step": 1, "loss": 0.5}\n', encoding="utf-8")
    (folder / "small.png").write_bytes((folder / "burst" / "0.png").read_bytes())
    write_clip(folder / "clip.mkv", frames=3)
    return folder


class Verb:
    """Runs verbs in children that are watched, with a home folder of their own.

    Args:
        place: A new folder.
        inputs: What the verbs work on; linked into the folder where they run.
    """

    def __init__(self, place: Path, inputs: Path) -> None:
        self.home, self.temporary, self.here = (place / name for name in ("home", "tmp", "here"))
        self._log = place / "contacts"
        for folder in (self.home, self.temporary, self.here, place / "watch"):
            folder.mkdir()
        (place / "watch" / "sitecustomize.py").write_text(WATCH)
        for one in inputs.iterdir():
            (self.here / one.name).symlink_to(one)
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("XDG_", "SUPERRES_", "TORCH", "TRITON", "OPENVINO", "ORT_"))
            and not name.lower().endswith("_proxy")
        }
        source = str(Path(superres.__file__).parents[1])
        self.environment = {
            **kept,
            **{name: str(self.home / below) for name, below in IN_HOME.items()},
            "TMPDIR": str(self.temporary),
            "TEMP": str(self.temporary),
            "TMP": str(self.temporary),
            "PYTHONPATH": os.pathsep.join((str(place / "watch"), source)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",
            "CONTACTS": str(self._log),
        }

    def run(self, words: str, code: str = RUN, **environment: str) -> str:
        """Return what a verb that must succeed writes to stdout."""
        done = subprocess.run(
            [sys.executable, "-c", code, *words.split()],
            capture_output=True,
            text=True,
            timeout=120,
            env={**self.environment, **environment},
            cwd=self.here,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def contacts(self) -> set[str]:
        """Return the hosts and ports that were asked for, as HOST PORT."""
        lines = self._log.read_text().splitlines()
        return {line.partition(" ")[2] for line in lines}

    def left_behind(self) -> list[Path]:
        """Return what stands in the home folder, and the temporary files that were not removed."""
        temporary = self.temporary.rglob("*")  # torch makes a folder there, which stays empty
        return [*self.home.rglob("*"), *(path for path in temporary if path.is_file())]


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


@pytest.mark.parametrize("name", [name for name in VERBS if name != "models pull"])
def test_a_verb_asks_nobody_and_leaves_the_home_folder_empty(name, verb):
    verb.run(VERBS[name])
    assert verb.contacts() == set()
    assert verb.left_behind() == []


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
        "from superres.infer.openvino_library import ov;"
        "from openvino.tools.ovc import telemetry_utils;"
        "import json; print(json.dumps([sys.modules['openvino_telemetry'] is mine,"
        "telemetry_utils.tm.__name__.rpartition('.')[2]]))"
    )
    assert json.loads(verb.run("", code)) == [True, "telemetry_stub"]


def test_onnx_runtimes_switch_is_off_for_the_import_alone(verb):
    code = (
        "import os; from superres.infer.onnxruntime_library import ort;"
        "ort.InferenceSession(__import__('sys').argv[1]);"
        "print(os.environ.get('ORT_DISABLE_TELEMETRY'))"
    )
    assert verb.run(str(EMBEDDED / "fsrcnn-x2.onnx"), code) == "None\n"
    assert verb.left_behind() == []
    assert verb.run(str(EMBEDDED / "fsrcnn-x2.onnx"), code, ORT_DISABLE_TELEMETRY="yes") == "yes\n"
