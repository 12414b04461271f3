"""A new runtime: one file and one row of a table."""

from __future__ import annotations

import numpy as np
import pytest
import pyvips
from fake_backends import random_picture
from toy_runtime import ToyRuntime

import superres
from superres.cli.main import main
from superres.runtimes.open import BACKENDS, RuntimeEntry


@pytest.fixture(autouse=True)
def _toy(monkeypatch):
    monkeypatch.setitem(BACKENDS, "toy", RuntimeEntry("numpy", "superres", "onnx", ToyRuntime))


def test_a_toy_runtime_upscales_a_picture():
    picture = random_picture(70, 90)
    large = superres.load("default", scale=4, backend="toy")(picture)
    assert np.array_equal(large, picture.repeat(4, axis=0).repeat(4, axis=1))


def test_users_choose_a_toy_runtime_by_its_name(tmp_path):
    picture = (255 * random_picture(20, 30)).astype(np.uint8)
    image = pyvips.Image.new_from_array(picture).copy(interpretation="srgb")
    image.write_to_file(tmp_path / "in.png")
    command = ["upscale", str(tmp_path / "in.png"), "-o", str(tmp_path / "out.png")]
    assert main([*command, "--backend", "toy"]) == 0
    large = pyvips.Image.new_from_file(tmp_path / "out.png").numpy()
    assert np.array_equal(large, picture.repeat(4, axis=0).repeat(4, axis=1))
