"""Feature networks: the layers of pretrained classifiers.

VGG16: Simonyan and Zisserman, ICLR 2015, arXiv:1409.1556. AlexNet: the one-tower form of
Krizhevsky, arXiv:1404.5997. Both end at the last requested layer, and no rectifier works in place,
so that a convolution can be read both before and after its rectifier.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from superres.errors import ArgumentError, ModelError, unknown_name

# ImageNet's mean and spread, in [0, 1].
_MEAN = (0.485, 0.456, 0.406)
_SPREAD = (0.229, 0.224, 0.225)

TrunkName = Literal["vgg16", "alexnet"]
_Layer = nn.Conv2d | nn.ReLU | nn.MaxPool2d


def _vgg16() -> Iterator[tuple[str, _Layer]]:
    stages = ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3)
    before = 3
    for stage, widths in enumerate(stages, 1):
        for number, width in enumerate(widths, 1):
            yield f"conv{stage}_{number}", nn.Conv2d(before, width, 3, padding=1)
            yield f"relu{stage}_{number}", nn.ReLU()
            before = width
        yield f"pool{stage}", nn.MaxPool2d(2, 2)


def _alexnet() -> Iterator[tuple[str, _Layer]]:
    yield "conv1", nn.Conv2d(3, 64, 11, stride=4, padding=2)
    yield "relu1", nn.ReLU()
    yield "pool1", nn.MaxPool2d(3, 2)
    yield "conv2", nn.Conv2d(64, 192, 5, padding=2)
    yield "relu2", nn.ReLU()
    yield "pool2", nn.MaxPool2d(3, 2)
    for number, (before, width) in enumerate(((192, 384), (384, 256), (256, 256)), 3):
        yield f"conv{number}", nn.Conv2d(before, width, 3, padding=1)
        yield f"relu{number}", nn.ReLU()


_TRUNKS: dict[TrunkName, Callable[[], Iterator[tuple[str, _Layer]]]] = {
    "vgg16": _vgg16,
    "alexnet": _alexnet,
}


class FeatureNetwork(nn.Module):
    """A trunk that returns the features of some of its layers.

    Its layers are its children, named by their index in the whole trunk, as in weight files. Its
    initial weights are random; `load_weights` fills them.

    Args:
        trunk: Which network.
        layers: Names of the layers to return, such as `conv5_3` (before the rectifier),
            `relu5_3` (after it) or `pool4` of VGG16, `relu5` of AlexNet.

    Attributes:
        name: Which network.
        layers: The layers to return.

    Raises:
        UnknownNameError: The trunk has no layer of such a name.
        ArgumentError: No layer was requested.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, trunk: TrunkName, layers: Collection[str]) -> None:
        super().__init__()
        if not layers:
            raise ArgumentError(f"no layer of {trunk} was requested", "name at least one layer")
        self.name: TrunkName = trunk
        self.layers = frozenset(layers)
        built: dict[str, _Layer] = {}
        for name, layer in _TRUNKS[trunk]():
            self.add_module(str(len(built)), layer)
            built[name] = layer
            if self.layers <= built.keys():
                break
        else:
            unknown = min(self.layers - built.keys())
            raise unknown_name(f"layer of {trunk}", unknown, built)
        self._names = list(built)
        self._dtype = torch.float32
        self._minimum = _minimum(list(built.values()))
        for name, values in (("mean", _MEAN), ("spread", _SPREAD)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def forward(self, x_BCHW: Tensor) -> dict[str, Tensor]:
        """Return the features of the requested layers, by name, shallow ones first.

        Args:
            x_BCHW: (B, 3, H, W) in [0, 1]; (B, 1, H, W) stands for three equal channels.

        Raises:
            ArgumentError: The picture is too small for the poolings.
        """
        height, width = x_BCHW.shape[-2:]
        if min(height, width) < self._minimum:
            raise ArgumentError(
                f"{self.name} needs pictures of {self._minimum}×{self._minimum} px for its "
                f"layer {self._names[-1]}, got {height}×{width}",
                "use larger patches, or earlier layers",
            )
        f_BFHW = ((x_BCHW - self.mean) / self.spread).to(self._dtype)
        answers: dict[str, Tensor] = {}
        for name, layer in zip(self._names, self.children(), strict=True):
            f_BFHW = layer(f_BFHW)
            if name in self.layers:
                answers[name] = f_BFHW
        return answers

    def convert(self, dtype: torch.dtype) -> None:
        """Convert weights and features, but not pictures, to a number format, for good.

        Of frozen weights autocast would make a copy for each picture.
        """
        for layer in self.children():
            layer.to(dtype=dtype)
        self._dtype = dtype


def load_weights(network: nn.Module, path: Path) -> None:
    """Fill a network that contains a trunk with the weights of a file, and freeze it.

    Args:
        network: Changed in place; it keeps its number format, whatever the file's.
        path: A .safetensors file of tensors under the names of the network's own state, such as
            `features.0.weight`. Further tensors are ignored: a trunk may end early.

    Raises:
        ModelError: The file is missing or damaged, or its weights do not fit.
    """
    try:
        weights = load(path.read_bytes())
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} cannot be read: {error}", "download the file again") from error
    for name, own in network.state_dict().items():
        if name not in weights or weights[name].shape != own.shape:
            found = tuple(weights[name].shape) if name in weights else "nothing"
            raise ModelError(
                f"{path} does not fit: {name} should be {tuple(own.shape)}, found {found}",
                "pass the weights of this network (superres models pull)",
            )
        own.copy_(weights[name])
    network.requires_grad_(False).eval()


def _minimum(layers: Sequence[_Layer]) -> int:
    """Return the smallest picture edge for which every layer has at least one output pixel."""
    need = 1
    for layer in reversed(layers):
        if isinstance(layer, nn.Conv2d):
            kernel, stride, padding = layer.kernel_size[0], layer.stride[0], layer.padding[0]
            need = max(1, (need - 1) * stride + kernel - 2 * int(padding))
        elif isinstance(layer, nn.MaxPool2d):
            assert isinstance(layer.kernel_size, int)
            assert isinstance(layer.stride, int)
            need = (need - 1) * layer.stride + layer.kernel_size
    return need
