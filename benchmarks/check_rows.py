"""What `check.py` measures: counts, and ratios of CPU times that take turns on one core.

Ratios with networks are taken in a process that is limited to AVX2, as oneDNN's switch limits both
superres's runtime and torch: they are then nearly the same on AVX2 CPUs and on newer ones.
"""

from __future__ import annotations

import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import instruction_sets
import runners
from pictures import photograph, write
from superres import zoo
from superres.layers.graphs import ENLARGE, INPUT
from superres.runtimes.open import open_runtime
from superres.runtimes.precision import cpu_flags, native_bf16
from superres.runtimes.runtime import PrecisionRequest, RuntimeOptions
from superres.upscaler import RunOptions, Upscaler
from superres.watch import Watch

_ROUNDS = 5
_EDGE = 128  # of the small picture that networks run on
_AVX2 = next(isa for isa in instruction_sets.SETS if isa.name == "AVX2")
_ONE_CORE = {"OMP_NUM_THREADS": "1", "ATEN_CPU_CAPABILITY": "avx2"}
_SRC = str(Path(__file__).parent.parent / "src")


def pair_ratio(
    ours: Callable[[], object], theirs: Callable[[], object], rounds: int = _ROUNDS
) -> float:
    """Return the median over pairs of runs of one CPU time over the other, after a warm-up."""
    ours(), theirs()
    ratios: list[float] = []
    for _ in range(rounds):
        times: list[float] = []
        for run in (ours, theirs):
            start = _cpu_seconds()
            run()
            times.append(_cpu_seconds() - start)
        ratios.append(times[0] / times[1])
    return statistics.median(ratios)


def _cpu_seconds() -> float:
    """Return the CPU time of this process and of its finished children."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def default_over_torch() -> float | None:
    """Return default-x4's time over torch's."""
    return _on_avx2().get("default-x4")


def fast_over_torch() -> float | None:
    """Return fast-x2's time over torch's."""
    return _on_avx2().get("fast-x2")


def array_over_network() -> float | None:
    """Return espcn-x4's time from array to array, over that of its network on as many pixels."""
    return _on_avx2().get("array")


@functools.cache
def _on_avx2() -> dict[str, float]:
    """Return the ratios of a process limited to AVX2; {} where the CPU has none."""
    if not _AVX2.needs <= cpu_flags():
        return {}
    return instruction_sets.run_limited([__file__], _AVX2, _ONE_CORE)


def _over_torch(name: str) -> float:
    model = zoo.resolve(name)
    assert model.weights is not None
    x = np.random.default_rng(0).random((1, 3, _EDGE, _EDGE), dtype=np.float32)
    ours = _network(name, "fp32", x)
    theirs = runners.torch_eager(model.weights, 1, half=False)
    return pair_ratio(ours, lambda: theirs(x))


def _network(name: str, precision: PrecisionRequest, x: np.ndarray) -> Callable[[], object]:
    options = RuntimeOptions("openvino", precision, threads=1)
    runtime = open_runtime(zoo.resolve(name), options, watch=Watch())
    return lambda: runtime.run(ENLARGE, {INPUT: x})


def bf16_over_fp32() -> float | None:
    """Return default-x4's time in bf16 over fp32, where the CPU has bf16."""
    if not native_bf16():
        return None
    x = np.random.default_rng(0).random((1, 3, _EDGE, _EDGE), dtype=np.float32)
    return pair_ratio(_network("default-x4", "bf16", x), _network("default-x4", "fp32", x))


def _array_over_network() -> float:
    small = photograph(512, 512)
    upscale = Upscaler("espcn-x4", RunOptions(precision="fp32", threads=1))
    x = np.ascontiguousarray(small.transpose(2, 0, 1)[None] / 255, np.float32)
    return pair_ratio(lambda: upscale(small), _network("espcn-x4", "fp32", x))


def png_over_libvips() -> float:
    """Return the time of our PNG over that of libvips's defaults, same pixels."""
    return _encoding(".png")


def tiff_over_libvips() -> float:
    """Return the time of our TIFF over that of libvips with deflate, same pixels."""
    return _encoding(".tif")


def _encoding(suffix: str) -> float:
    import pyvips

    pixels = photograph(2048, 2048)
    theirs = {".png": {}, ".tif": {"compression": "deflate", "predictor": "horizontal"}}[suffix]
    with tempfile.TemporaryDirectory() as name:
        target, other = Path(name) / f"a{suffix}", Path(name) / f"b{suffix}"

        return pair_ratio(
            lambda: write(target, pixels),
            lambda: pyvips.Image.new_from_array(pixels).write_to_file(str(other), **theirs),
            3,
        )


def command_start() -> float:
    """Return the time of a whole command on a tiny picture, over that of importing OpenVINO."""
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name) / "in.png", Path(name) / "out.png"
        write(source, photograph(64, 64))
        words = ("-m", "superres", "upscale", str(source), "-o", str(target), "--overwrite")
        return pair_ratio(lambda: _python(*words), lambda: _python("-c", "import openvino"))


def modules_of_import() -> float:
    """Return how many modules `import superres` loads beyond those of numpy."""
    code = "import sys, {}; print(len(sys.modules))"
    ours, numpy = (int(_python("-c", code.format(name))) for name in ("numpy, superres", "numpy"))
    return ours - numpy


def operations_a_step() -> float | None:
    """Return the operations that torch dispatches in a training step of default-x4."""
    tiny = ("--set", "data.batch=4", "--set", "data.patch=16", "--device", "cpu")
    found = _program("train.py", "--json", "--alone", "--seconds", "0.1", *tiny)
    return None if found is None else found["operations_a_step"]


def pipeline_over_numpy() -> float | None:
    """Return the pipeline's own CPU time for a ×4 output megapixel, over that of plain numpy.

    Plain numpy is one pass over floats: clamped, scaled, rounded, as 8 bits.
    """
    found = _program("pipeline.py")
    if found is None:
        return None
    pixels = np.random.default_rng(0).random((1024, 1024, 3), dtype=np.float32)
    times: list[float] = []
    for _ in range(_ROUNDS + 2):
        start = time.process_time()
        _ = (pixels.clip(0, 1) * 255 + 0.5).astype(np.uint8)
        times.append((time.process_time() - start) * 1e3 / 1024**2 * 1e6)
    return found["x4"]["cpu_ms"] / statistics.median(times)


def bytes_a_pixel() -> float | None:
    """Return the bytes between host and device for a pixel of 8-bit RGB output at x4."""
    found = _program("border.py")
    return None if found is None else found["8 bits"]


@functools.cache
def _program(name: str, *words: str) -> dict[str, Any] | None:
    """Return what another program of this folder prints as JSON; None if there is none."""
    path = Path(__file__).with_name(name)
    return json.loads(_python(str(path), *words)) if path.exists() else None


def _python(*words: str) -> str:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": _SRC}
    done = subprocess.run(
        [sys.executable, *words], check=True, capture_output=True, text=True, env=environment
    )
    return done.stdout


if __name__ == "__main__":
    ratios = {name: _over_torch(name) for name in ("default-x4", "fast-x2")}
    print(json.dumps(ratios | {"array": _array_over_network()}))
