"""The peers of the speed benchmark: each runs the same weights on the same pixels, in fp32."""

from __future__ import annotations

import importlib.util
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from superres.modelfiles.checkpoint import load_network
from superres.modelfiles.files import ModelFile

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]  # (1, C, H, W) -> (1, C, sH, sW)


def peers(model: ModelFile, threads: int) -> dict[str, Callable[[], Run]]:
    """Return how to open each peer whose package is installed."""
    table: dict[str, tuple[str, Callable[[], Run]]] = {
        "torch eager fp32": ("torch", lambda: _torch(model, threads)),
        "ONNX Runtime fp32": ("onnxruntime", lambda: _onnxruntime(model, threads)),
        "OpenCV dnn fp32": ("cv2", lambda: _opencv(model, threads)),
        "ncnn fp32": ("ncnn", lambda: _ncnn(model, threads, half=False)),
        "ncnn with its bf16 storage": ("ncnn", lambda: _ncnn(model, threads, half=True)),
    }
    return {
        name: open for name, (package, open) in table.items() if importlib.util.find_spec(package)
    }


def _torch(model: ModelFile, threads: int) -> Run:
    import torch

    assert model.weights is not None
    torch.set_num_threads(threads)
    network, _ = load_network(model.weights)

    def run(x: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return network(torch.from_numpy(x)).numpy()

    return run


def _onnxruntime(model: ModelFile, threads: int) -> Run:
    from superres.runtimes.onnxruntime_library import ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(str(model.onnx), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: x})[0]


def _opencv(model: ModelFile, threads: int) -> Run:
    import cv2

    cv2.setNumThreads(threads)
    network = cv2.dnn.readNetFromONNX(str(model.onnx))

    def run(x: NDArray[np.float32]) -> NDArray[np.float32]:
        network.setInput(x)
        return network.forward()

    return run


def _ncnn(model: ModelFile, threads: int, *, half: bool) -> Run:
    import ncnn

    assert model.weights is not None
    network = ncnn.Net()
    network.opt.num_threads = threads
    network.opt.use_bf16_storage = half
    network.opt.use_fp16_packed = network.opt.use_fp16_storage = False
    network.opt.use_fp16_arithmetic = False
    with tempfile.TemporaryDirectory() as folder:
        param, weights = write_lean_for_ncnn(model.weights, Path(folder))
        network.load_param(str(param))
        network.load_model(str(weights))

    def run(x: NDArray[np.float32]) -> NDArray[np.float32]:
        extractor = network.create_extractor()
        extractor.input("in", ncnn.Mat(x[0]))
        return np.array(extractor.extract("out")[1])[None]

    return run


def write_lean_for_ncnn(path: Path, folder: Path) -> tuple[Path, Path]:
    """Write a Lean network in ncnn's own format.

    The text file lists layers as `type name inputs outputs blobs... key=value`; the binary file
    holds each convolution's weights, after a zero that says fp32, and its bias.

    Args:
        path: The network's file of weights.
        folder: Where to write.

    Returns:
        The paths of the text and the binary file.
    """
    network, card = load_network(path)
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    lines: list[str] = []
    data = bytearray()

    def layer(kind: str, sources: list[str], targets: list[str], *values: str) -> None:
        name = f"{kind}{len(lines)}"
        counts = f"{len(sources)} {len(targets)}"
        lines.append(" ".join((kind, name, counts, *sources, *targets, *values)))

    def convolution(prefix: str, source: str, target: str, *, relu: bool = False) -> None:
        weight, bias = state[f"{prefix}.weight"], state[f"{prefix}.bias"]
        values = [f"0={weight.shape[0]}", "1=3", "4=1", "5=1", f"6={weight.size}", f"9={int(relu)}"]
        layer("Convolution", [source], [target], *values)
        data.extend(
            struct.pack("<I", 0) + weight.astype("<f4").tobytes() + bias.astype("<f4").tobytes()
        )

    def fork(source: str) -> tuple[str, str]:
        layer("Split", [source], [f"{source}_a", f"{source}_b"])
        return f"{source}_a", f"{source}_b"

    scale, blocks = card.scale, int(str(card.config["blocks"]))
    layer("Input", [], ["in"])
    picture, skipped = fork("in")
    convolution("head", picture, "features")
    body, around = fork("features")
    for index in range(blocks):
        source, kept = fork(body)
        convolution(f"body.{index}.first", source, f"b{index}", relu=True)
        convolution(f"body.{index}.second", f"b{index}", f"c{index}")
        layer("BinaryOp", [kept, f"c{index}"], [f"d{index}"], "0=0")
        body = f"d{index}"
    layer("BinaryOp", [around, body], ["refined"], "0=0")
    convolution("tail", "refined", "residual")
    layer("PixelShuffle", ["residual"], ["detail"], f"0={scale}")
    layer("Interp", [skipped], ["repeated"], "0=1", f"1={float(scale)}", f"2={float(scale)}")
    layer("BinaryOp", ["detail", "repeated"], ["out"], "0=0")

    blobs = sum(int(line.split()[3]) for line in lines)
    text = "\n".join(("7767517", f"{len(lines)} {blobs}", *lines)) + "\n"
    param, weights = folder / "lean.param", folder / "lean.bin"
    param.write_text(text)
    weights.write_bytes(bytes(data))
    return param, weights
