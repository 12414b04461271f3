"""Reader of ncnn models: the layers of a .param file, with their weights from the .bin.

Format: ncnn's developer guide, "param and model file structure". Only layers without weights and
the three weighted kinds of upscaling networks are supported; after an unknown layer the rest of the
.bin cannot be read, so it is an error.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from superres.errors import ModelError

_MAGIC = "7767517"
_MAX_TEXT_BYTES = 16 * 2**20
_MAX_WEIGHT_BYTES = 2**30
_MAX_LAYERS = 100_000
_ARRAY_KEY = -23300  # keys at and below it hold an array: its length, then its values
_FLAGS = {0: torch.float32, 0x0002C056: torch.float32, 0x01306B47: torch.float16}
_INT8_FLAG = 0x000D4B38
_WEIGHTLESS = (
    *("Input", "Split", "Dropout", "Noop", "Concat", "BinaryOp", "Eltwise", "Interp"),
    *("PixelShuffle", "Reorg", "ReLU", "Swish", "Sigmoid"),
)


@dataclass(frozen=True, slots=True)
class NcnnLayer:
    """One line of a .param file.

    Attributes:
        kind: ncnn's name of the operation, such as `Convolution`.
        name: The layer's own name.
        settings: The operation's numbers by their key, arrays as tuples.
        weights: fp32 tensors in the order of the .bin: a convolution's weight (out, in, height,
            width) and bias (out,), PReLU's slopes, a constant's values.
    """

    kind: str
    name: str
    settings: dict[int, float | tuple[float, ...]]
    weights: tuple[Tensor, ...]

    def number(self, key: int, default: float = 0) -> float:
        """Return a setting that is one number."""
        value = self.settings.get(key, default)
        if isinstance(value, tuple):
            raise ModelError(
                f"layer {self.name} has a list where setting {key} is a number",
                "the .param file is damaged; download it again",
            )
        return value

    def size(self, key: int, default: int = 0) -> int:
        """Return a setting that counts something."""
        value = self.number(key, default)
        if not (value == int(value) and 0 <= value < 2**31):
            raise ModelError(
                f"layer {self.name} has {value:g} where setting {key} is a count",
                "the .param file is damaged; download it again",
            )
        return int(value)


def read_ncnn(path: Path) -> list[NcnnLayer]:
    """Read a .param file and the .bin file of the same name.

    Raises:
        ModelError: A file is missing, too large, damaged or in the binary format, a layer is
            unknown, or weights are quantised to 8 bits.
    """
    lines = _text(path).split("\n")
    if lines[0].strip() != _MAGIC:
        raise ModelError(
            f"{path} is not an ncnn graph: it begins with {lines[0][:20]!r}, not {_MAGIC}",
            "name the text form (.param), with its weights next to it in a .bin of the same name",
        )
    source = _Weights(path.with_suffix(".bin"))
    layers = [_layer(line, path, source) for line in lines[2:] if line.strip()]
    source.expect_end()
    return layers


def _text(path: Path) -> str:
    data = _bytes(path, _MAX_TEXT_BYTES)
    text = data.decode("utf-8", errors="replace")
    if text.count("\n") > _MAX_LAYERS:
        raise _damaged(path, f"it has more than {_MAX_LAYERS} lines")
    return text


def _bytes(path: Path, limit: int) -> bytes:
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= limit else b""
    except (OSError, ValueError) as error:  # ValueError: no file can have the name
        raise ModelError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or error}",
            "an ncnn model is two files side by side, NAME.param and NAME.bin",
        ) from error
    if size > limit:
        raise ModelError(
            f"{path} has {size / 2**20:.0f} MiB, at most {limit / 2**20:.0f} are read",
            "it is not an upscaling network of a known kind",
        )
    return data


def _layer(line: str, path: Path, source: _Weights) -> NcnnLayer:
    """Read a layer's line, then its weights, which follow the previous layer's."""
    words = line.split()
    try:
        kind, name, blobs = words[0], words[1], int(words[2]) + int(words[3])
        settings = dict(_setting(word) for word in words[4 + blobs :])
    except (ValueError, IndexError) as error:
        raise _damaged(path, f"it has the line {line[:60]!r}") from error
    layer = NcnnLayer(kind, name, settings, ())
    return NcnnLayer(kind, name, settings, _weights(layer, path, source))


def _setting(word: str) -> tuple[int, float | tuple[float, ...]]:
    """Read `key=value`, or `key=length,value,value,...` for an array."""
    key, _, value = word.partition("=")
    if int(key) > _ARRAY_KEY:
        return int(key), _finite(value)
    length, *values = value.split(",")
    if len(values) != int(length):
        raise ValueError(word)
    return _ARRAY_KEY - int(key), tuple(_finite(one) for one in values)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _weights(layer: NcnnLayer, path: Path, source: _Weights) -> tuple[Tensor, ...]:
    """Read a layer's weights in ncnn's order."""
    if layer.kind in _WEIGHTLESS:
        return ()
    if layer.kind == "MemoryData":
        shape = [layer.size(key) for key in (2, 1, 0) if layer.size(key)]
        return (source.plain(math.prod(shape)).reshape(shape),)
    if layer.kind == "PReLU":
        return (source.plain(layer.size(0)),)
    if layer.kind == "Convolution":
        out, width, count = layer.size(0), layer.size(1), layer.size(6)
        height = layer.size(11, width)
        if layer.size(8):
            raise _eight_bits(layer.name)
        if not out * width * height or count % (out * width * height):
            raise _damaged(path, f"layer {layer.name} has {count} weights for {out} channels")
        weight = source.flagged(count, layer.name).reshape(out, -1, height, width)
        return (weight, source.plain(out)) if layer.size(5) else (weight,)
    raise ModelError(
        f"{path} has a layer of the kind {layer.kind} ({layer.name})",
        "supported are ncnn's RRDBNet, SRVGGNetCompact and SPAN; try the .pth of this one",
    )


class _Weights:
    """A .bin file, read from front to back."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._data = memoryview(_bytes(path, _MAX_WEIGHT_BYTES))
        self._at = 0

    def plain(self, count: int) -> Tensor:
        """Read numbers that are always fp32: biases, slopes, constants."""
        return self._numbers(count, torch.float32)

    def flagged(self, count: int, name: str) -> Tensor:
        """Read a convolution's numbers, after the four bytes that give their storage type."""
        (flag,) = struct.unpack("<I", self._take(4))
        if flag == _INT8_FLAG:
            raise _eight_bits(name)
        if flag not in _FLAGS:
            raise ModelError(
                f"{self._path} stores layer {name} in an unsupported way: 0x{flag:08X}",
                "fp32 and fp16 are supported; convert the model again without quantisation",
            )
        return self._numbers(count, _FLAGS[flag])

    def expect_end(self) -> None:
        """Check that the file ends after the graph's last weights."""
        if self._at != len(self._data):
            rest = len(self._data) - self._at
            raise _damaged(self._path, f"{rest} bytes are left after the last layer of its .param")

    def _numbers(self, count: int, dtype: torch.dtype) -> Tensor:
        if not count:
            return torch.empty(0)
        data = self._take(count * dtype.itemsize)
        self._take(-len(data) % 4)  # every block ends at a multiple of four bytes
        return torch.frombuffer(bytearray(data), dtype=dtype).float()

    def _take(self, size: int) -> memoryview:
        end = self._at + size
        if end > len(self._data):
            raise _damaged(self._path, f"it ends {end - len(self._data)} bytes too early")
        self._at, start = end, self._at
        return self._data[start:end]


def _eight_bits(name: str) -> ModelError:
    return ModelError(
        f"layer {name} is stored in 8 bits", "take the fp16 or fp32 form of the model"
    )


def _damaged(path: Path, what: str) -> ModelError:
    return ModelError(f"{path} is damaged: {what}", "download or convert the model again")
