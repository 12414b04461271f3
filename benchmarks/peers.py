"""The peers of the speed benchmark: each runs the same weights on the same pixels, in fp32."""

from __future__ import annotations

import importlib.util
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import runners
from runners import Run
from superres.modelfiles.checkpoint import load_network
from superres.modelfiles.files import ModelFile


def peers(model: ModelFile, threads: int) -> dict[str, Callable[[], Run]]:
    """Return how to open each peer whose package is installed."""
    onnx = model.onnx
    assert onnx is not None
    table: dict[str, tuple[str, Callable[[], Run]]] = {
        "torch eager fp32": ("torch", lambda: _torch(model.weights, threads)),
        "ONNX Runtime fp32": ("onnxruntime", lambda: runners.onnxruntime(onnx, threads)),
        "OpenCV dnn fp32": ("cv2", lambda: _opencv(model, threads)),
        "ncnn fp32": ("ncnn", lambda: _ncnn(model.weights, threads, half=False)),
        "ncnn with its bf16 storage": ("ncnn", lambda: _ncnn(model.weights, threads, half=True)),
    }
    return {
        name: open for name, (package, open) in table.items() if importlib.util.find_spec(package)
    }


def _torch(weights: Path | None, threads: int) -> Run:
    assert weights is not None
    return runners.torch_eager(weights, threads, half=False, channels_last=False)


def _opencv(model: ModelFile, threads: int) -> Run:
    import cv2

    cv2.setNumThreads(threads)
    network = cv2.dnn.readNetFromONNX(str(model.onnx))

    def run(x: NDArray[np.float32]) -> NDArray[np.float32]:
        network.setInput(x)
        return network.forward()

    return run


def _ncnn(weights: Path | None, threads: int, *, half: bool) -> Run:
    assert weights is not None
    with tempfile.TemporaryDirectory() as folder:
        param, _ = write_lean_for_ncnn(weights, Path(folder))
        return runners.ncnn(param, threads, half=half)


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
