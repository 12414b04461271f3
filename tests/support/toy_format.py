"""A format of the tests' own: one line of JSON, then the numbers, plane after plane."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from superres import media
from superres.formats.format import Holding
from superres.frame import Bands, Values
from superres.metadata.picture import (
    Header,
    Notes,
    Picture,
    ReadLimits,
    WriteOptions,
    name_of,
    stream_of,
    unreadable,
)

_MAGIC = b"TOY1 "
_MAX_HEADER_BYTES = 4096


class Toy:
    """Any bands, any whole numbers or floats, what they mean, any number of planes."""

    name = "toy"
    title = "Toy"
    suffixes = (".toy",)
    holding = Holding(
        dtypes=("uint8", "uint16", "int16", "float32", "float64"),
        ranges=True,
        bands=True,
        planes=True,
    )

    def sniff(self, head: bytes) -> bool:
        return head.startswith(_MAGIC)

    def open(self, source: Path | bytes, limits: ReadLimits) -> Picture:
        from superres.metadata.header import Metadata

        with closing(stream_of(source)) as stream:
            line = stream.readline(_MAX_HEADER_BYTES)
        told = json.loads(line[len(_MAGIC) :])
        bands, values = Bands(**told["bands"]), Values(**told["values"])
        height, width, planes = told["height"], told["width"], told["planes"]
        limits.check_size(name_of(source), height, width)
        row_bytes = width * bands.channels * np.dtype(values.dtype).itemsize

        def rows(plane: int, block: int) -> Iterator[NDArray[Any]]:
            with closing(stream_of(source)) as stream:
                stream.seek(len(line) + plane * height * row_bytes)
                for top in range(0, height, block):
                    count = min(block, height - top)
                    data = stream.read(count * row_bytes)
                    if len(data) < count * row_bytes:
                        raise unreadable(source, self.title, "it ends too early")
                    numbers = np.frombuffer(data, values.dtype)
                    yield numbers.reshape(count, width, bands.channels)

        return Picture(
            height=height,
            width=width,
            bands=bands,
            values=values,
            metadata=Metadata(),
            format=self.name,
            title=self.title,
            notes=(),
            planes=planes,
            _decode=rows,
        )

    def write(
        self, path: Path, rows: Iterable[NDArray[Any]], header: Header, options: WriteOptions
    ) -> Notes:
        told = {key: getattr(header, key) for key in ("height", "width", "planes")}
        told |= {"bands": asdict(header.bands), "values": asdict(header.values)}
        with path.open("wb") as file:
            file.write(_MAGIC + json.dumps(told).encode() + b"\n")
            for block in rows:
                file.write(np.ascontiguousarray(block).tobytes())
        return ()


def know_toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files of this format be read and written in a test."""
    monkeypatch.setattr(media, "FORMATS", (*media.FORMATS, Toy()))


def put_bands(path: Path, pixels: NDArray[Any]) -> Path:
    """Write pixels (H, W, C), as bands that are no colours, to a file of a known toy."""
    from superres.metadata.header import Metadata

    height, width, count = pixels.shape
    header = Header(height, width, Bands("bands", count), Values.of(pixels.dtype), Metadata())
    Toy().write(path, [pixels], header, WriteOptions())
    return path
