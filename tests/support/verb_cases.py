"""A run of each verb of the command line, in a child process that is watched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyvips
from clips import write_clip

import superres
from superres.train.recipe_file import load_recipe, to_toml

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
# As if they were not installed: an import fails, and find_spec() finds nothing.
sys.modules.update(dict.fromkeys(os.environ["MISSING"].split()))
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
    "export": f"export {EMBEDDED / 'fsrcnn-x2.onnx'} -o exported.onnx",
    "blend": f"blend {EMBEDDED / 'espcn-x2.onnx'} {EMBEDDED / 'espcn-x2.onnx'} "
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


def write_inputs(folder: Path) -> Path:
    """Fill a folder with something for each verb to work on, and return it."""
    random = np.random.default_rng(0)
    for below, count, edge in (("pictures", 2, 64), ("burst", 2, 24)):
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

    Packages named in the variable MISSING are not there for them.

    Args:
        place: A new folder.
        inputs: What the verbs work on; copied into the folder where they run.
    """

    def __init__(self, place: Path, inputs: Path) -> None:
        self.home, self.temporary, self.here = (place / name for name in ("home", "tmp", "here"))
        self._log = place / "contacts"
        for folder in (self.home, self.temporary, self.here, place / "watch"):
            folder.mkdir()
        (place / "watch" / "sitecustomize.py").write_text(WATCH)
        for one in inputs.iterdir():
            copy = shutil.copytree if one.is_dir() else shutil.copy
            copy(one, self.here / one.name)
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
            "MISSING": "",
        }

    def run(self, words: str, code: str = RUN, **environment: str) -> str:
        """Return what a verb that must succeed writes to stdout."""
        done = self.try_to_run(words, code, **environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def try_to_run(
        self, words: str, code: str = RUN, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a verb that may fail."""
        return subprocess.run(
            [sys.executable, "-c", code, *words.split()],
            capture_output=True,
            text=True,
            timeout=120,
            env={**self.environment, **environment},
            cwd=self.here,
            check=False,
        )

    def check_that_nothing_left(self) -> None:
        """Assert that nobody was asked and nothing stands where the verb had no business."""
        assert self.contacts() == set()
        assert self.left_behind() == []

    def contacts(self) -> set[str]:
        """Return the hosts and ports that were asked for, as HOST PORT."""
        lines = self._log.read_text().splitlines()
        return {line.partition(" ")[2] for line in lines}

    def left_behind(self) -> list[Path]:
        """Return what stands in the home folder, and the temporary files that were not removed."""
        temporary = self.temporary.rglob("*")  # torch makes a folder there, which stays empty
        return [*self.home.rglob("*"), *(path for path in temporary if path.is_file())]
