"""Parser of device names, independent of the runtimes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from superres.errors import unknown_name

DeviceKind = Literal["auto", "cpu", "gpu", "cuda", "mps", "npu"]
_KINDS: tuple[DeviceKind, ...] = get_args(DeviceKind)
_FORM = re.compile(r"(?P<kind>[a-z]+)(?:[:.](?P<index>\d+))?")


@dataclass(frozen=True, slots=True)
class Device:
    """A device as named by the user.

    Attributes:
        kind: `gpu` is any vendor's; `cuda`, `mps` and `npu` are one vendor's.
        index: Which of several; None leaves it to the runtime. 0 is an index like any other.
    """

    kind: DeviceKind
    index: int | None = None

    def __str__(self) -> str:
        return self.kind if self.index is None else f"{self.kind}:{self.index}"


def parse_device(name: str) -> Device:
    """Parse `auto`, `cpu`, `gpu`, `gpu:1`, `GPU.1`, `cuda:0`, `mps`, `npu` or a GPU's bare number.

    Raises:
        UnknownNameError: The name is none of these.
    """
    name = name.strip().lower()
    found = _FORM.fullmatch(f"gpu:{name}" if name.isdecimal() else name)
    for kind in _KINDS:
        if found and kind == found["kind"]:
            return Device(kind, None if found["index"] is None else int(found["index"]))
    raise unknown_name("device", name, (*_KINDS, "gpu:0", "cuda:0"))
