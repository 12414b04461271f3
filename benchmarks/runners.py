"""Runners: a model file opened in a library, as a function of pixels, timed in turn with others."""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from superres.modelfiles.checkpoint import load_network

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]  # (1, C, H, W) -> (1, C, sH, sW)


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one model.

    Attributes:
        onnx: For OpenVINO, ONNX Runtime and OpenCV.
        weights: For torch.
        ncnn: The `.param` of ncnn's pair, if there is one.
    """

    onnx: Path
    weights: Path | None = None
    ncnn: Path | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of one run, as medians.

    Attributes:
        wall: By the clock.
        cpu: Of all cores together; only this is of use on a machine that others use too.
    """

    wall: float
    cpu: float


def in_turn(
    candidates: Mapping[str, Callable[[], object]], runs: int, *, warm: bool = True
) -> dict[str, Timing]:
    """Return the median times of each candidate, run in turn after one warm-up each."""
    if warm:
        for run in candidates.values():
            run()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in candidates}
    for _ in range(runs):
        for name, run in candidates.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            times[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {
        name: Timing(*(statistics.median(column) for column in zip(*values, strict=True)))
        for name, values in times.items()
    }


def openers(files: Files, threads: int, *, bf16: bool) -> dict[str, Callable[[], Run]]:
    """Return how to open a model in each installed library, by library and number format.

    Args:
        files: The model.
        threads: CPU threads.
        bf16: Whether the CPU multiplies in bf16; without, libraries would emulate it.
    """
    table: dict[str, tuple[str, Callable[[], Run]]] = {
        "OpenVINO fp32": ("openvino", lambda: openvino(files.onnx, threads, "f32")),
        "ONNX Runtime fp32": ("onnxruntime", lambda: onnxruntime(files.onnx, threads)),
    }
    if bf16:
        table["OpenVINO bf16"] = ("openvino", lambda: openvino(files.onnx, threads, "bf16"))
    if (param := files.ncnn) is not None:
        table["ncnn fp32"] = ("ncnn", lambda: ncnn(param, threads, half=False))
        if bf16:
            table["ncnn bf16"] = ("ncnn", lambda: ncnn(param, threads, half=True))
    if bf16 and (weights := files.weights) is not None:
        table["torch bf16"] = ("torch", lambda: torch_eager(weights, threads, half=True))
    return {
        name: opener
        for name, (package, opener) in table.items()
        if importlib.util.find_spec(package)
    }


def openvino(path: Path, threads: int, precision: str) -> Run:
    """Open a model in OpenVINO, compiled for each size."""
    from superres.runtimes.openvino_library import ov

    core = ov.Core()
    model = core.read_model(path)
    hints = {
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": str(threads),
    }
    requests: dict[tuple[int, ...], ov.InferRequest] = {}

    def run(x: NDArray[np.float32]) -> NDArray[np.float32]:
        if x.shape not in requests:
            requests.clear()
            model.reshape(list(x.shape))
            requests[x.shape] = core.compile_model(model, "CPU", hints).create_infer_request()
        return requests[x.shape].infer([x], share_outputs=True)[0]

    return run


def openvino_kernels(path: Path, precision: str) -> list[str]:
    """Return the names of the convolution kernels that OpenVINO chooses in this process."""
    from superres.runtimes.openvino_library import ov

    model = ov.Core().read_model(path)
    model.reshape([1, 3, 64, 64])
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision})
    found = {
        str(node.get_rt_info()["primitiveType"].astype(str))
        for node in compiled.get_runtime_model().get_ops()
        if node.get_rt_info()["layerType"].astype(str) == "Convolution"
    }
    return sorted(found)


def torch_eager(path: Path, threads: int, *, half: bool, channels_last: bool = True) -> Run:
    """Open a network in torch, without compilation."""
    import torch

    from superres.layers.reparameterised import for_inference

    torch.set_num_threads(threads)
    network = for_inference(load_network(path)[0]).eval()
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = network.to(memory_format=layout)

    def run(x: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
            small = torch.from_numpy(x).contiguous(memory_format=layout)
            return network(small).float().numpy()

    return run


def onnxruntime(path: Path, threads: int) -> Run:
    """Open a model in ONNX Runtime, in fp32: its CPU provider has no bf16."""
    from superres.runtimes.onnxruntime_library import ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: x})[0]


def ncnn(param: Path, threads: int, *, half: bool) -> Run:
    """Open a pair of ncnn's files.

    Args:
        param: The text file; the weights lie beside it as `.bin`.
        threads: CPU threads.
        half: Store values as bf16, and multiply in it where the CPU can.
    """
    import ncnn as library

    network = library.Net()
    network.opt.num_threads = threads
    network.opt.use_bf16_storage = half
    network.opt.use_fp16_packed = network.opt.use_fp16_storage = False
    network.opt.use_fp16_arithmetic = False
    network.load_param(str(param))
    network.load_model(str(param.with_suffix(".bin")))
    source, target = network.input_names()[0], network.output_names()[0]

    def run(x: NDArray[np.float32]) -> NDArray[np.float32]:
        extractor = network.create_extractor()
        extractor.input(source, library.Mat(x[0]))
        return np.array(extractor.extract(target)[1])[None]

    return run
