"""Reader of weight files without a card, as data and never as code.

Pickles are read only by `torch.load(weights_only=True)`, and only by a torch in which that is safe:
before 2.10 a crafted file could execute code.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from superres.errors import ModelError
from superres.interop.envelopes import weights_inside
from superres.interop.weight_names import Weights

_MAX_BYTES = 2**30  # of the file, and of the tensors in it: the largest known network takes 0.2 GB
_SAFE_TORCH = (2, 10)
_ZIP_START = b"PK\x03\x04"
_SHOWN = 3


def read_tensors(path: Path) -> Weights:
    """Read the weights of a pickle (`.pth`, `.pt`, `.ckpt`) or of a `.safetensors` file.

    Returns:
        The tensors by their published names, floating ones in fp32, in the file's order.

    Raises:
        ModelError: The file is missing, too large or damaged, holds more than tensors, or torch
            is too old to read a pickle safely.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(len(_ZIP_START))
    except (OSError, ValueError) as error:  # ValueError: no file can have the name
        raise ModelError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or error}",
            "check the path and its permissions",
        ) from error
    if size > _MAX_BYTES:
        raise _too_large(path, size)
    if path.suffix == ".safetensors":
        try:
            found: object = load(path.read_bytes())
        except (SafetensorError, OSError) as error:
            raise _damaged(path, str(error)) from error
    else:
        found = _unpickle(path, zipped=start == _ZIP_START)
    return _plain(path, weights_inside(found))


def describe(weights: Mapping[str, Tensor]) -> str:
    """Return a file's contents in one line: the number of tensors, the first names and shapes."""
    first = ", ".join(f"{name} {tuple(t.shape)}" for name, t in islice(weights.items(), _SHOWN))
    return f"{len(weights)} tensors, the first are {first}"


def _unpickle(path: Path, *, zipped: bool) -> object:
    release = tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2])
    if release < _SAFE_TORCH:
        raise ModelError(
            f"{path} is a pickle, which torch {torch.__version__} cannot read safely",
            "pip install --upgrade 'torch>=2.10', or convert the file to .safetensors elsewhere",
        )
    if zipped:
        _check_archive(path)
    try:
        # Any: torch's annotation of the function is incomplete. Only archives can be mapped.
        return cast("Any", torch.load)(path, map_location="cpu", weights_only=True, mmap=zipped)
    except OSError as error:
        raise _damaged(path, error.strerror or str(error)) from error
    except Exception as error:  # a crafted pickle can make the reader raise anything
        raise _unreadable(path, error) from error


def _check_archive(path: Path) -> None:
    """Check an archive's unpacked size, and that it is not a program.

    Raises:
        ModelError: It is too large, a program, or not an archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except Exception as error:  # zipfile's errors on crafted files have no common root
        raise _damaged(path, str(error)) from error
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > _MAX_BYTES:
        raise _too_large(path, unpacked)
    if any(entry.filename.endswith("/constants.pkl") for entry in entries):
        raise ModelError(
            f"{path} is a TorchScript program, not weights",
            "take the model's weights: its .pth, .safetensors or ncnn files",
        )


def _unreadable(path: Path, error: Exception) -> ModelError:
    """Return the error for a pickle that torch rejected, naming the type that it requires."""
    asked = re.search(r"GLOBAL (\S+)", str(error))
    if asked is None:
        return _damaged(path, (str(error).strip() or type(error).__name__).splitlines()[0][:200])
    return ModelError(
        f"{path} holds more than tensors: it needs {asked[1]}",
        "only plain tensors are read; save the network's state_dict() where you trust the file",
    )


def _plain(path: Path, found: object) -> Weights:
    """Return the ordinary tensors of a dictionary in fp32, without its numbers and texts."""
    kind = "an empty dictionary" if isinstance(found, dict) else f"a {type(found).__name__}"
    named = cast("dict[object, object]", found) if isinstance(found, dict) else {}
    if not named:
        raise ModelError(
            f"{path} holds no weights by name, but {kind}",
            "name a file that holds a network's state_dict()",
        )
    weights: Weights = {}
    some = any(isinstance(value, Tensor) for value in named.values())
    for key, value in named.items():
        if some and isinstance(value, (bool, int, float, str, list, tuple, type(None))):
            continue  # such as a step's number
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise ModelError(
                f"{path} holds a {type(value).__name__} under {key!r} among its weights",
                "only a dictionary of names to tensors is read",
            )
        usual = value.layout is torch.strided and value.device.type == "cpu"
        if not usual or value.is_quantized or value.is_complex():
            raise ModelError(
                f"{path} holds a tensor of an unusual kind under {key!r}",
                "save the weights as ordinary fp32 or fp16 tensors",
            )
        weights[key] = value
    # A tensor can claim more than its file holds, by repeating the same bytes.
    claimed = sum(value.numel() * 4 for value in weights.values())
    if claimed > _MAX_BYTES:
        raise _too_large(path, claimed)
    return {k: v.float() if v.is_floating_point() else v for k, v in weights.items()}


def _too_large(path: Path, size: int) -> ModelError:
    return ModelError(
        f"{path} holds {size / 2**20:.0f} MiB, at most {_MAX_BYTES / 2**20:.0f} are read",
        "it is not an upscaling network of a known kind",
    )


def _damaged(path: Path, what: str) -> ModelError:
    return ModelError(f"{path} is damaged: {what}", "download the file again")
