"""What a backend is: something that runs a network on tiles, and the facts a planner needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from superres.runtimes.device import Device
from superres.watch import Watch

Precision = Literal["fp32", "bf16", "fp16"]
PrecisionRequest = Literal["auto", "fp32", "bf16", "fp16"]

CPU_BATCH_PX = 256**2  # a CPU is busy with one tile; small ones need not start one by one


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """What a network runs on, as users say it.

    Attributes:
        backend: `auto`, `openvino`, `torch` or `onnxruntime`.
        precision: The number format; `auto` takes the device's own, and fp32 where that is unsure.
        device: `auto`, `cpu`, `gpu`, `gpu:1`, `cuda:0`, `mps`, `npu`; see `parse_device`.
        threads: CPU threads; None takes all cores.
    """

    backend: str = "auto"
    precision: PrecisionRequest = "auto"
    device: str = "auto"
    threads: int | None = None

    def exact(self) -> Self:
        """Return the same in fp32, to fall back to."""
        return replace(self, precision="fp32")


@dataclass(frozen=True, slots=True)
class ResolvedOptions:
    """What a backend is opened with: `BackendOptions` understood, and who is told of fallbacks."""

    precision: PrecisionRequest
    device: Device
    threads: int | None
    watch: Watch


@dataclass(frozen=True, slots=True)
class BackendFacts:
    """What the planner needs to know of an opened backend.

    Attributes:
        name: `openvino`, `torch` or `onnxruntime`.
        device: Where it runs, in the backend's own words ("CPU", "cuda:0").
        precision: The number format that the network is computed in.
        best_tile: Tile edge in input pixels, halo included, that runs fastest.
        bytes_per_px: Memory that a run takes for each input pixel of a tile.
        free_bytes: Memory that is free on the device now.
        batch_px: Input pixels that one run should hold, in as many tiles as that takes, to keep
            the device busy.
        joins: Whether tiles of several pictures are worth running at once; not where each count of
            tiles is prepared anew.
    """

    name: str
    device: str
    precision: Precision
    best_tile: int
    bytes_per_px: int
    free_bytes: int
    batch_px: int = CPU_BATCH_PX
    joins: bool = False


class Backend(Protocol):
    """Runs one network. It never resizes, clamps or guesses."""

    @property
    def facts(self) -> BackendFacts:
        """The facts of this backend with this network."""
        ...

    def run(self, tiles_NCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network on (N, C, h, w) and return (N, C, s*h, s*w), both float32.

        Raises:
            OutOfMemoryError: A smaller tile may fit.
            BackendError: The runtime failed otherwise.
        """
        ...


class BurstBackend(Protocol):
    """Runs one network of many frames, which it keeps no more of than it must."""

    @property
    def facts(self) -> BackendFacts:
        """The facts of this backend with this network."""
        ...

    def fuse(self, frames: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Make (N, C, s*h, s*w) of a burst, float32.

        Args:
            frames: (N, C + 3, h, w) each as `burst_input` makes them, the reference first; the
                next is asked for when the last has been used.

        Raises:
            OutOfMemoryError: A smaller tile may fit.
            BackendError: The runtime failed otherwise.
        """
        ...


class VideoBackend(Protocol):
    """Runs one network of videos; see `layers.recurrent`."""

    @property
    def facts(self) -> BackendFacts:
        """The facts of this backend with this network; the precision is that of `restore`."""
        ...

    @property
    def aligned(self) -> int:
        """Channels that `restore` takes."""
        ...

    def align(
        self,
        frame: NDArray[np.float32],
        previous: NDArray[np.float32],
        large: NDArray[np.float32],
        memory: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Make (1, aligned, H, W) of whole frames, in fp32.

        Args:
            frame: (1, C, H, W).
            previous: (1, C, H, W), the frame before.
            large: (1, C, s*H, s*W), what `restore` made of it.
            memory: (1, M, H, W), what it made beside that.

        Raises:
            OutOfMemoryError: The frame is too large.
            BackendError: The runtime failed otherwise.
        """
        ...

    def restore(
        self, tiles_NAHW: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Make (N, C, s*h, s*w) and (N, M, h, w) of (N, aligned, h, w), float32.

        Raises:
            OutOfMemoryError: A smaller tile may fit.
            BackendError: The runtime failed otherwise.
        """
        ...


def split_reference(
    frames: Iterable[NDArray[np.float32]],
) -> tuple[NDArray[np.float32], Iterator[NDArray[np.float32]]]:
    """Return the first frame of a burst, and what gives the others."""
    others = iter(frames)
    return next(others), others
