"""Each extra in a fresh environment of its own, with the verbs that it is for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from verb_cases import VERBS, write_inputs

ROOT = Path(__file__).parents[1]
RUNS = {
    "": ("upscale", "models", "doctor", "evaluate", "pack", "burst", "runs"),
    "torch": ("degrade", "blend"),
    "train": ("train",),
    "onnx": ("upscale with onnxruntime",),
    "video": ("video",),
    "torch,onnx": ("export",),
}
CASES = VERBS | {"upscale with onnxruntime": f"{VERBS['upscale']} --backend onnxruntime"}


@pytest.mark.slow
@pytest.mark.parametrize("extras", RUNS, ids=lambda extras: extras or "light")
def test_an_extra_alone_runs_what_it_is_for(tmp_path, extras):
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    programs = environment / ("Scripts" if os.name == "nt" else "bin")
    pip = (programs / "python", "-m", "pip", "install", "--quiet")
    wanted = f"{ROOT}[{extras}]" if extras else str(ROOT)
    subprocess.run([*pip, "-c", ROOT / "constraints" / "cpu.txt", wanted], check=True)
    inputs = write_inputs(tmp_path)
    for name in RUNS[extras]:
        done = subprocess.run(
            [programs / "superres", *CASES[name].split()],
            cwd=inputs,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
