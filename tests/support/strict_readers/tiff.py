"""TIFF 6.0 with its supplements, and BigTIFF: directories, values and strips."""

from __future__ import annotations

import itertools
import math
import struct
from typing import Any

from strict_readers.contents import Contents, check_icc, inflate, require

_TYPES = {
    **{1: "B", 2: "s", 3: "H", 4: "I", 5: "II", 6: "b", 7: "s", 8: "h", 9: "i", 10: "ii"},
    **{11: "f", 12: "d", 13: "I", 16: "Q", 17: "q", 18: "Q"},
}
_POINTERS = {0x8769: "exif", 0x8825: "gps", 0xA005: "interoperability"}
_REQUIRED = (256, 257, 258, 259, 262, 273, 277, 278, 279, 282, 283, 296)
_KINDS = {  # types that the specifications allow for the tags of pixels and metadata
    **{256: (3, 4), 257: (3, 4), 258: (3,), 259: (3,), 262: (3,), 273: (3, 4, 16), 277: (3,)},
    **{278: (3, 4), 279: (3, 4, 16), 282: (5,), 283: (5,), 284: (3,), 296: (3,), 317: (3,)},
    **{338: (3,), 339: (3,), 700: (1, 7), 33723: (1, 7), 34675: (7,), 274: (3,)},
    **dict.fromkeys(_POINTERS, (4, 13, 16, 18)),
}
_COLOURS = {0: 1, 1: 1, 2: 3}


class _File:
    """A TIFF's bytes, and which of them are taken."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.order = {b"II": "<", b"MM": ">"}.get(data[:2], "")
        require(self.order, f"a TIFF that begins with {data[:4]!r}")
        self.big = self.number("H", 2) == 43
        require(self.big or self.number("H", 2) == 42, "not a TIFF's version")
        if self.big:
            require(self.number("HH", 4) == (8, 0), "BigTIFF: its header")
        self.offset, self.cell, self.entry = ("Q", 8, 20) if self.big else ("I", 4, 12)
        self.taken = [(0, 16 if self.big else 8, "the header")]

    def number(self, code: str, at: int) -> Any:
        code = self.order + code
        require(0 <= at <= len(self.data) - struct.calcsize(code), f"{at} is outside the file")
        values = struct.unpack_from(code, self.data, at)
        return values[0] if len(values) == 1 else values

    def take(self, at: int, size: int, what: str) -> bytes:
        require(at > 0 and at + size <= len(self.data), f"{what}: {size} bytes at {at}, outside")
        self.taken.append((at, at + size, what))
        return self.data[at : at + size]

    def check_overlaps(self) -> None:
        for (_, end, one), (start, _, other) in itertools.pairwise(sorted(self.taken)):
            require(end <= start, f"{one} and {other} overlap by {end - start} bytes")


def read_tiff(data: bytes) -> Contents:
    file = _File(data)
    tags: dict[tuple[str, int], Any] = {}
    at, pages = file.number(file.offset, 8 if file.big else 4), 0
    seen: set[int] = set()
    while at:
        require(at not in seen, "a chain of pages that runs in a circle")
        seen.add(at)
        page: dict[tuple[str, int], Any] = {}
        at = _walk(file, "main", at, page)
        pages += 1
        tags = tags or page
        _check_pixels(file, {tag: value for (name, tag), value in page.items() if name == "main"})
    file.check_overlaps()
    require(pages, "no picture")
    main = {tag: value for (name, tag), value in tags.items() if name == "main"}
    icc, xmp, iptc = (_bytes(main.get(tag)) for tag in (34675, 700, 33723))
    return Contents(
        format="tiff",
        height=main[257][0],
        width=main[256][0],
        xmp=xmp,
        icc=icc and check_icc(icc),
        iptc=iptc,
        tags=tags,
        pages=pages,
    )


def _bytes(value: Any) -> bytes | None:
    return bytes(value) if isinstance(value, tuple) else value


def _walk(file: _File, name: str, at: int, tags: dict[tuple[str, int], Any]) -> int:
    """Read a directory and those that it points to; return where the next one is, of pages."""
    require(at % 2 == 0, f"the {name} directory begins at an odd offset, {at}")
    count = file.number("Q" if file.big else "H", at)
    begin = at + (8 if file.big else 2)
    require(count, f"the {name} directory is empty")
    file.take(at, begin - at + count * file.entry + file.cell, f"the {name} directory")
    following = file.number(file.offset, begin + count * file.entry)
    require(name == "main" or following == 0, f"a directory behind the {name} directory")
    previous = -1
    for index in range(count):
        entry = begin + index * file.entry
        tag, kind = file.number("HH", entry)
        require(tag > previous, f"tag {tag} behind tag {previous} in the {name} directory")
        previous = tag
        tags[name, tag] = _values(file, name, tag, kind, entry)
        if tag in _POINTERS:
            _walk(file, _POINTERS[tag], tags[name, tag][0], tags)
    return following


def _values(file: _File, name: str, tag: int, kind: int, entry: int) -> Any:
    what = f"tag {tag} of the {name} directory"
    require(kind in _TYPES and (kind < 16 or file.big), f"{what} has the unknown type {kind}")
    require(name != "main" or kind in _KINDS.get(tag, _TYPES), f"{what} has the type {kind}")
    count = file.number("Q" if file.big else "I", entry + 4)
    require(count, f"{what} has no values")
    size = count * struct.calcsize("=" + _TYPES[kind])
    at = entry + file.entry - file.cell
    if size > file.cell:
        at = file.number(file.offset, at)
        require(at % 2 == 0, f"{what} stands at an odd offset, {at}")
        file.take(at, size, what)
    raw = file.data[at : at + size]
    if _TYPES[kind] == "s":
        require(kind != 2 or raw.endswith(b"\0"), f"{what} is a text without its zero")
        return raw
    return struct.unpack(file.order + _TYPES[kind] * count, raw)


def _check_pixels(file: _File, main: dict[int, Any]) -> None:
    """Check the tags of the pixels, and that each strip holds its rows and no more."""
    missing = [tag for tag in _REQUIRED if tag not in main]
    require(not missing, f"tags are missing: {missing}")
    height, width, samples, rows = (main[tag][0] for tag in (257, 256, 277, 278))
    require(height and width and samples and rows, "a picture without pixels")
    require(main[262][0] in _COLOURS, f"pixels of the kind {main[262][0]}")
    extra = main.get(338, ())
    require(len(extra) == samples - _COLOURS[main[262][0]], f"{samples} samples, extra {extra}")
    require(all(value == 2 for value in extra), f"extra samples {extra}, not straight alpha")
    require(len(main[258]) == samples, f"{len(main[258])} depths for {samples} samples")
    kinds = main.get(339, (1,) * samples)
    require(len(kinds) == samples, f"{len(kinds)} sample formats for {samples} samples")
    depth = main[258][0]
    require(set(main[258]) == {depth} and set(kinds) <= {1, 3}, "mixed or unknown samples")
    require((depth == 32) == (kinds[0] == 3), f"{depth} bits of the sample format {kinds[0]}")
    require(main.get(284, (1,)) == (1,), "samples in planes")
    require(main.get(317, (1,))[0] in {1, 3 if kinds[0] == 3 else 2}, "an unknown predictor")
    require(main.get(274, (1,)) == (1,), "a picture that is to be turned")
    require(main[296][0] in (1, 2, 3), f"the unit {main[296][0]} of the resolution")
    require(all(above and below for above, below in (main[282], main[283])), "no resolution")
    strips, row = math.ceil(height / rows), width * samples * depth // 8
    for tag in (273, 279):
        require(len(main[tag]) == strips, f"{len(main[tag])} numbers for {strips} strips")
    for index, (at, size) in enumerate(zip(main[273], main[279], strict=True)):
        packed = file.take(at, size, f"strip {index}")
        if main[259][0] == 8:
            packed = inflate(packed, f"strip {index}")
        else:
            require(main[259][0] == 1, f"the compression {main[259][0]}")
        expected = min(rows, height - index * rows) * row
        require(len(packed) == expected, f"strip {index} of {len(packed)} bytes, not {expected}")
