"""Torch canvas: pixels on a GPU between their file and the network.

Pixels cross to the device and back as the whole numbers of the picture. Copies to the host run on a
stream of their own, while the next rows are computed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from superres.frame import Pixels, Unit, Values, from_unit, to_unit
from superres.images.anchor import anchored
from superres.images.canvas import Planes, Result
from superres.images.strips import (
    CELL,
    COLOURS,
    PARTS,
    Block,
    Finished,
    Strip,
    Sums,
    node_sums,
    ramp,
)

_from_numpy = cast("Any", torch).from_numpy  # its types are incomplete


class TorchCanvas:
    """The canvas of a torch device; its planes are tensors.

    Args:
        device: The device.
    """

    block_bytes = 256 * 2**20

    def __init__(self, device: torch.device) -> None:
        self.device = device
        cuda = device.type == "cuda"
        self._copies = torch.cuda.Stream(device) if cuda else None

    def upload(self, values: Pixels) -> Tensor:
        """Return an array as a tensor on the device; unsigned 16-bit numbers as signed ones."""
        contiguous = np.require(values, requirements=("C", "W"))
        if contiguous.dtype == np.uint16:
            contiguous = contiguous.view(np.int16)
        tensor: Tensor = _from_numpy(contiguous)
        if self._copies is not None:
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)

    def download(self, tensor: Tensor) -> _Download:
        """Begin to copy a tensor to the host."""
        return _Download(tensor, self._copies)

    def planes(self, rows: Pixels, values: Values) -> Planes:
        """Return rows of a picture as planes; see `Canvas.planes`."""
        with torch.inference_mode():
            if _is_plain(values):
                numbers = self.upload(rows)
                if numbers.dtype == torch.int16:
                    numbers = numbers.to(torch.int32) & 0xFFFF
                # As `to_unit` does, to the last bit.
                unit = numbers.float() * float(np.float32(1.0 / values.white))
            else:
                unit = self.upload(to_unit(rows, values))
            return _as_planes(unit.permute(2, 0, 1).contiguous())

    def stacked(self, tiles: Sequence[Planes]) -> Planes:
        """Return tiles as one contiguous batch."""
        with torch.inference_mode():
            return _as_planes(torch.stack([_tensor(tile) for tile in tiles]))

    def joined(self, parts: Sequence[Planes], axis: int) -> Planes:
        """Return arrays joined along an axis."""
        with torch.inference_mode():
            return _as_planes(torch.cat([_tensor(part) for part in parts], axis))

    def flipped(self, tiles: Planes) -> Planes:
        """Return tiles mirrored from left to right."""
        return _as_planes(torch.flip(_tensor(tiles), (3,)))

    def turned(self, tiles: Planes, turns: int) -> Planes:
        """Return tiles after quarter turns."""
        return _as_planes(torch.rot90(_tensor(tiles), turns, (2, 3)).contiguous())

    def finished(self, blocks: Iterable[Block], result: Result) -> Iterator[Pixels]:
        """Anchor a network's output and yield it as rows; see `Canvas.finished`."""
        bench, values = _TorchBench(self, result.scale), result.values
        waiting: _Download | None = None  # being copied while the next rows are computed
        for _, pieces in anchored(blocks, bench, size=result.size, clamped=result.clamped):
            for _, _, planes in pieces:
                tensor = _tensor(planes)[: result.channels]
                began = self.download(_whole(tensor, values) if _is_plain(values) else tensor)
                if waiting:
                    yield _pixels(waiting, values)
                waiting = began
        if waiting:
            yield _pixels(waiting, values)


class _Download:
    """A tensor on its way to the host.

    Args:
        tensor: The tensor.
        stream: The stream that copies it, on CUDA.
    """

    def __init__(self, tensor: Tensor, stream: torch.cuda.Stream | None) -> None:
        self._done: torch.cuda.Event | None = None
        tensor = tensor.contiguous()
        if stream is None:
            self._host = tensor.cpu()
            return
        stream.wait_stream(torch.cuda.current_stream(tensor.device))
        with torch.cuda.stream(stream):
            self._host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            self._host.copy_(tensor, non_blocking=True)
            self._done = torch.cuda.Event()
            self._done.record(stream)
        tensor.record_stream(stream)  # or its memory would be used again too early

    def result(self) -> Pixels:
        """Wait for the copy and return it."""
        if self._done is not None:
            self._done.synchronize()
        return self._host.numpy()


class _TorchBench:
    """The bench of a torch device, which works on whole strips; see `images.strips.Bench`.

    Args:
        canvas: Of the device.
        scale: The output's size over the input's.
    """

    def __init__(self, canvas: TorchCanvas, scale: int) -> None:
        self._canvas = canvas
        self.scale = scale
        self._parts = canvas.upload(PARTS)  # (CELL, 2)
        self._ramps = {each: canvas.upload(ramp(each)) for each in (1, scale)}

    @torch.inference_mode()
    def measure(self, strip: Strip, *, clamped: bool) -> tuple[Sums, Sums]:
        """Measure a strip's errors; see `Bench.measure`."""
        large = self._large(strip)
        errors = self._means(large) - _tensor(strip.small)
        if clamped:
            self._look(strip, large)
        if strip.known.equal is not None:
            equal, colours = self._canvas.upload(strip.known.equal), errors[:COLOURS]
            colours += equal * (colours.mean(0, keepdim=True) - colours)
        unknown = self._unknown(strip)
        if strip.free is None or strip.excess is None:
            plain = self._sums(strip, unknown, unknown * errors)
            return plain, plain
        free, excess = _tensor(strip.free), _tensor(strip.excess)
        return (
            self._sums(strip, unknown, unknown * errors),
            self._sums(strip, unknown * free, unknown * (errors + excess)),
        )

    @torch.inference_mode()
    def surplus(self, strip: Strip, step: Unit, least: float) -> Sums:
        """Look at clamping once more; see `Bench.surplus`."""
        cells = strip.look_closer(step, least)
        unknown = self._unknown(strip)
        free = unknown if strip.free is None else unknown * _tensor(strip.free)
        if strip.free is None or strip.excess is None or not cells.any():
            return self._sums(strip, free, 0.0)
        before, excess = _tensor(strip.free), _tensor(strip.excess)
        mask = self._canvas.upload(cells).repeat_interleave(CELL, 0).repeat_interleave(CELL, 1)
        mask = mask[: before.shape[1], : before.shape[2]]
        self._look(strip, self._corrected(strip))
        change = self._interpolated(step, before.shape[1], before.shape[2], 1)
        surplus = (_tensor(strip.excess) - excess - (1 - before) * change) * mask
        strip.free = _as_planes(torch.where(mask, _tensor(strip.free), before))
        strip.excess = _as_planes(torch.where(mask, _tensor(strip.excess), excess))
        return self._sums(strip, unknown * _tensor(strip.free), unknown * surplus)

    def finished(self, strip: Strip) -> Iterator[Finished]:
        """Yield a strip as one piece; see `Bench.finished`."""
        known = strip.known
        with torch.inference_mode():
            pixels = self._corrected(strip)
            if known.equal is not None:
                colours = pixels[:COLOURS]
                grey = colours.mean(0, keepdim=True).expand_as(colours)
                colours.copy_(_blended(colours, grey, self._wide(known.equal)))
            if known.flat is not None:
                colour = self._repeated(_tensor(strip.small))
                pixels = _blended(pixels, colour, self._wide(known.flat))
        _, height, width = pixels.shape
        yield slice(0, height), slice(0, width), _as_planes(pixels)

    def _large(self, strip: Strip) -> Tensor:
        """Return a strip's output in one piece."""
        if len(strip.large) > 1:
            strip.large = (self._canvas.joined(strip.large, axis=2),)
        return _tensor(next(iter(strip.large)))

    def _look(self, strip: Strip, large: Tensor) -> None:
        """Note the effect of clamping to [0, 1] on the blocks of a strip."""
        kept = large.clamp(0.0, 1.0)
        strip.free = _as_planes(self._means((kept == large).float()))
        strip.excess = _as_planes(self._means(kept - large))

    def _corrected(self, strip: Strip) -> Tensor:
        large = self._large(strip)
        if strip.nodes is None:
            return large.clone()
        _, height, width = large.shape
        return large - self._interpolated(strip.nodes, height, width, self.scale)

    def _means(self, planes: Tensor) -> Tensor:
        """Return the means of blocks of scale x scale px, (C, h, w)."""
        return F.avg_pool2d(planes[None], self.scale)[0]

    def _unknown(self, strip: Strip) -> Tensor | float:
        flat = strip.known.flat
        return 1.0 if flat is None else 1.0 - self._canvas.upload(flat)

    def _repeated(self, planes: Tensor) -> Tensor:
        return planes.repeat_interleave(self.scale, 1).repeat_interleave(self.scale, 2)

    def _wide(self, weights: Unit) -> Tensor:
        """Return weights of 0, a half and 1, (1, h, W), at the output's pixels."""
        return self._repeated(self._canvas.upload((2 * weights).astype(np.uint8)) * 0.5)

    def _sums(self, strip: Strip, weights: Tensor | float, errors: Tensor | float) -> Sums:
        """Return the sums of weights and weighted errors at nodes, on the host."""
        return self._at_nodes(strip, weights), self._at_nodes(strip, errors)

    def _at_nodes(self, strip: Strip, values: Tensor | float) -> Unit:
        """Return the sums of (C, h, W) at the nodes; see `images.strips.node_sums`."""
        _, height, width = strip.small.shape
        if not isinstance(values, Tensor):
            return node_sums(values, height, width)
        count = len(values)
        down, across = math.ceil(height / CELL), math.ceil(width / CELL)
        values = F.pad(values, (0, across * CELL - width, 0, down * CELL - height))
        cells = values.reshape(count, down, CELL, across, CELL)
        cells = torch.einsum("cdiaj,ik,jl->cdkal", cells, self._parts, self._parts)
        sums = values.new_zeros(count, down + 1, across + 1)
        for lower in (0, 1):
            for later in (0, 1):
                corner = sums[:, lower : lower + down, later : later + across]
                corner += cells[:, :, lower, :, later]
        return self._canvas.download(sums).result()

    def _interpolated(self, nodes: Unit, height: int, width: int, scale: int) -> Tensor:
        """Interpolate nodes (C, cells + 1, nodes) at the output's pixels, (C, height, width)."""
        at, between = self._canvas.upload(nodes), self._ramps[scale]
        across = torch.stack((at[..., :-1], at[..., 1:]), -1) @ between.T
        wide = across.reshape(*at.shape[:2], -1)[..., :width]
        down = torch.einsum("rk,cnkw->cnrw", between, torch.stack((wide[:, :-1], wide[:, 1:]), 2))
        return down.reshape(len(nodes), -1, width)[:, :height]


def _is_plain(values: Values) -> bool:
    """Return whether numbers are 8 or 16 unsigned bits from 0 to white."""
    return values.dtype in ("uint8", "uint16") and values.black == 0 and values.nodata is None


def _whole(planes: Tensor, values: Values) -> Tensor:
    """Return planes as rows (h, W, C) of whole numbers, clamped and rounded as `from_unit` does."""
    with torch.inference_mode():
        numbers = (planes * values.white).clamp_(0, values.white).round_().permute(1, 2, 0)
        if values.dtype == "uint8":
            return numbers.to(torch.uint8).contiguous()
        numbers = numbers.to(torch.int32)
        return (
            torch.where(numbers > 0x7FFF, numbers - 0x10000, numbers).to(torch.int16).contiguous()
        )


def _pixels(download: _Download, values: Values) -> Pixels:
    """Return rows (h, W, C) of a picture."""
    made = download.result()
    if _is_plain(values):
        return made.view(values.dtype)
    return from_unit(made.transpose(1, 2, 0), values)


def _blended(planes: Tensor, known: Tensor, weights: Tensor) -> Tensor:
    """Blend planes (C, h, w) with known ones, which replace them where the weight is 1."""
    return torch.where(weights == 1.0, known, planes + weights * (known - planes))


def _tensor(planes: Planes) -> Tensor:
    return cast("Tensor", planes)


def _as_planes(tensor: Tensor) -> Planes:
    return cast("Planes", tensor)
