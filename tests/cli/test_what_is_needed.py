"""Which verbs run with which packages: the light install, and each extra."""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from verb_cases import VERBS, Verb, write_inputs

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
# What a verb says that it needs; all others run in the light install.
EXTRAS = {
    "degrade": ("torch",),
    "blend": ("torch",),
    "export": ("torch", "onnx"),
    "train": ("train",),
    "video": ("video",),
}


def missing_without(extras: Iterable[str]) -> str:
    """Return the installed packages, as imported, that an install with these extras has not."""
    extras = tuple(extras)
    named = [*PROJECT["dependencies"]]
    named += itertools.chain.from_iterable(PROJECT["optional-dependencies"][one] for one in extras)
    waiting, brought = list(map(Requirement, named)), set[tuple[str, str]]()
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        for extra in ("", *wanted.extras):
            if (name, extra) in brought:
                continue
            brought.add((name, extra))
            if name == "superres":
                own = PROJECT["optional-dependencies"].get(extra, ())
            else:
                own = _requires(name)
            for more in map(Requirement, own):
                if more.marker is None or more.marker.evaluate({"extra": extra}):
                    waiting.append(more)
    here = {name for name, _ in brought}
    return " ".join(
        module
        for module, owners in metadata.packages_distributions().items()
        if module.isidentifier()
        and module not in ("superres", "sitecustomize")
        and here.isdisjoint(map(canonicalize_name, owners))
    )


def _requires(name: str) -> list[str]:
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:  # of another system, or left out where tests run
        return []


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture
def verb(tmp_path: Path, inputs: Path) -> Verb:
    return Verb(tmp_path, inputs)


def test_what_an_install_has_not_is_found_by_what_its_packages_require():
    light = missing_without(()).split()
    assert {"torch", "av", "onnx", "onnxruntime", "lightning_fabric", "tensorboard"} <= {*light}
    assert {"numpy", "openvino", "pyvips", "typer", "rich", "pydantic"}.isdisjoint(light)
    assert {"torch", "tensorboard", "PIL"}.isdisjoint(missing_without(("train",)).split())
    assert "av" in missing_without(("train",)).split()


@pytest.mark.parametrize("name", [name for name in VERBS if name not in (*EXTRAS, "models pull")])
def test_a_verb_runs_in_the_light_install(name, verb):
    verb.run(VERBS[name], MISSING=missing_without(()))
    verb.check_that_nothing_left()


@pytest.mark.parametrize("name", EXTRAS)
def test_a_verb_runs_with_its_extra_alone(name, verb):
    verb.run(VERBS[name], MISSING=missing_without(EXTRAS[name]))
    verb.check_that_nothing_left()


@pytest.mark.parametrize("name", EXTRAS)
def test_the_light_install_is_told_the_extra_that_a_verb_needs(name, verb):
    done = verb.try_to_run(VERBS[name], MISSING=missing_without(()))
    assert done.returncode == 1
    error, hint = done.stderr.splitlines()
    assert re.fullmatch(rf"error: superres {name} needs the package \w+, .* not installed", error)
    assert hint == f"hint: pip install 'superres[{','.join(EXTRAS[name])}]'"


@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
def test_a_backend_runs_with_its_extra_alone(backend, verb):
    extra = {"torch": "torch", "onnxruntime": "onnx"}[backend]
    words = f"{VERBS['upscale']} -n fsrcnn-x2 --backend {backend}"
    verb.run(words, MISSING=missing_without((extra,)))
    verb.check_that_nothing_left()


def test_watching_a_video_in_training_names_the_extra_that_it_needs(verb):
    words = "train video-x2 --data pictures -o run --steps 1 --validate clip.mkv --device cpu"
    words += " --set data.patch=8 --set data.batch=1 --set clips.frames=2"
    done = verb.try_to_run(words, MISSING=missing_without(("train",)))
    assert done.returncode == 1
    assert "clip.mkv" in done.stderr
    assert "needs the package av" in done.stderr
    assert "pip install 'superres[video]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_extra_for_users_is_needed_by_a_verb_or_a_backend():
    extras = set(PROJECT["optional-dependencies"]) - {"all", "bench", "dev"}
    assert extras == {*itertools.chain.from_iterable(EXTRAS.values()), "torch", "onnx"}
    assert PROJECT["optional-dependencies"]["all"] == ["superres[torch,train,onnx,video]"]
