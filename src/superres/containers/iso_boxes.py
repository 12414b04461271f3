"""AVIF and HEIC boxes: blocks of metadata, colour code points, turns, and what is not kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from superres.containers.av1_header import coded_colours
from superres.containers.hevc_header import configured_colours
from superres.metadata.blocks import Facts
from superres.metadata.colour_space import UNSPECIFIED, Cicp, Described

_MOST_META_BYTES = 2**26
_HEADER_BYTES = 256  # of a coded picture, more than its sequence header takes
_MOST_BLOCK_BYTES = 2**28
_TILES = (b"av01", b"hvc1", b"grid", b"iden", b"iovl", b"jpeg", b"avc1", b"unci", b"vvc1")
_XMP_TYPE = b"application/rdf+xml"
_ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1")
_AUXILIARY = ((b"hdrgainmap", "HDR gain map"), (b"depth", "depth map"), (b"matte", "matte"))
_KNOWN_BOXES = {b"ftyp", b"meta", b"mdat", b"free", b"skip", b"pdin"}
_BOX_NAMES = {b"mpvd": "video of a motion photo", b"moov": "video or sequence (moov)"}
_C2PA = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_LIGHT = {b"clli": "light level (clli)", b"mdcv": "mastering display (mdcv)"}
# EXIF's orientation for a number of 90 degree turns to the left, and for its mirrored form.
_TURNS, _MIRRORED = (1, 8, 3, 6), {1: 4, 8: 5, 3: 2, 6: 7}
_LEFT_RIGHT = {1: 2, 8: 7, 3: 4, 6: 5}


@dataclass(frozen=True, slots=True)
class IsoFacts(Facts):
    """Content of the boxes of an AVIF or HEIC.

    Attributes:
        orientation: How decoders turn the coded picture, as EXIF numbers it.
    """

    orientation: int = 1


@dataclass(slots=True)
class _Found:
    exif: bytes | None = None
    xmp: bytes | None = None
    icc: bytes | None = None
    cicp: Cicp | None = None
    source: str = "nclx"
    orientation: int = 1
    lost: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class _Item:
    kind: bytes = b""
    content: bytes = b""
    extents: list[tuple[int, int, int]] = field(default_factory=list[tuple[int, int, int]])
    properties: list[int] = field(default_factory=list[int])


def read_iso_facts(stream: BinaryIO) -> IsoFacts:
    """Walk a file's boxes without decoding; damaged ones are left out."""
    found = _Found()
    size = stream.seek(0, 2)
    at, meta, meta_at = 0, b"", 0
    while at + 8 <= size:
        stream.seek(at)
        head = stream.read(32)
        box, skip = int.from_bytes(head[:4], "big"), 8
        name = head[4:8]
        if box == 1:
            box, skip = int.from_bytes(head[8:16], "big"), 16
        box = box or size - at
        if box < skip:
            break
        if name == b"meta" and box <= _MOST_META_BYTES:
            stream.seek(at + skip)
            meta, meta_at = stream.read(box - skip), at + skip
        elif name == b"uuid":
            is_c2pa = head[skip : skip + 16] == _C2PA
            found.lost.append("C2PA/JUMBF" if is_c2pa else f"box uuid {head[skip:][:16].hex()}")
        elif name not in _KNOWN_BOXES:
            word = name.decode("latin-1")
            found.lost.append(_BOX_NAMES.get(name, f"box {word!r}"))
        at += box
    if 0 < size - at < size:
        found.lost.append(f"{size - at:,} bytes behind the picture")
    with suppress(IndexError):  # the decoder reports damage of the picture itself
        _read_meta(stream, found, meta, meta_at)
    cicp, colour = found.cicp, None
    if cicp and (cicp.primaries, cicp.transfer) != (UNSPECIFIED, UNSPECIFIED):
        colour = Described(cicp.space(), found.source, cicp)
    return IsoFacts(
        exif=found.exif,
        xmp=found.xmp,
        icc=found.icc,
        cicp=cicp,
        colour=colour,
        lost=tuple(dict.fromkeys(found.lost)),
        orientation=found.orientation,
    )


def _read_meta(stream: BinaryIO, found: _Found, meta: bytes, meta_at: int) -> None:
    boxes = {name: (start, end) for name, start, end in _boxes(meta, 4, len(meta))}
    body = {name: meta[start:end] for name, (start, end) in boxes.items()}
    items = _items(body.get(b"iinf", b""))
    _locate(items, body.get(b"iloc", b""))
    pitm = body.get(b"pitm", bytes(6))
    primary = int.from_bytes(pitm[4:], "big")
    refers = list(_references(body.get(b"iref", b"")))
    properties = _associate(items, body.get(b"iprp", b""))
    main = items.get(primary, _Item())
    _read_properties(found, [properties[index - 1] for index in main.properties if index])
    parts = {target for kind, _, targets in refers if kind == b"dimg" for target in targets}
    tiles = [to for kind, source, to in refers if kind == b"dimg" and source == primary]
    coded = items.get(tiles[0][0], main) if tiles and tiles[0] else main
    if found.cicp is None and found.icc is None:
        if coded.kind == b"av01":
            found.cicp = coded_colours(_data(stream, coded, 0, _HEADER_BYTES))
            found.source = "the AV1 header"
        for index in coded.properties:
            if index and properties[index - 1][0] == b"hvcC":
                found.cicp = configured_colours(properties[index - 1][1])
                found.source = "the HEVC header"
    inside = boxes.get(b"idat", (0, 0))[0] + meta_at
    for number, item in items.items():
        if number == primary:
            continue
        own = [properties[index - 1] for index in item.properties if index]
        roles = {kind for kind, source, _ in refers if source == number}
        if item.kind == b"Exif" and found.exif is None:
            data = _data(stream, item, inside)
            found.exif = (
                data[4 + int.from_bytes(data[:4], "big") :].removeprefix(b"Exif\0\0") or None
            )
        elif item.kind == b"mime" and item.content.startswith(_XMP_TYPE) and found.xmp is None:
            found.xmp = _data(stream, item, inside) or None
        elif item.kind == b"tmap":
            found.lost.append("HDR gain map")
        elif b"auxl" in roles:
            kinds = [value[4:] for name, value in own if name == b"auxC"]
            if not any(kind.startswith(_ALPHA) for kind in kinds):
                found.lost.append(_auxiliary(kinds))
        elif b"thmb" in roles or number in parts:
            continue  # a thumbnail, or a part of the picture itself
        elif item.kind in _TILES:
            found.lost.append("further pictures")
        else:
            word = item.content or item.kind
            found.lost.append(f"item {word.decode('latin-1')!r}")


def _read_properties(found: _Found, properties: list[tuple[bytes, bytes]]) -> None:
    for name, value in properties:
        if name == b"colr" and value[:4] == b"nclx" and len(value) >= 11 and not found.cicp:
            numbers = [int.from_bytes(value[at : at + 2], "big") for at in (4, 6, 8)]
            found.cicp = Cicp(numbers[0], numbers[1])  # matrix and range do not outlast decoding
        elif name == b"colr" and value[:4] in (b"prof", b"rICC"):
            found.icc = value[4:]
        elif name == b"irot" and value:
            found.orientation = _TURNS[value[0] & 3]
        elif name == b"imir" and value:
            flipped = _LEFT_RIGHT if value[0] & 1 else _MIRRORED
            found.orientation = flipped.get(found.orientation, found.orientation)
        elif name in _LIGHT:
            found.lost.append(_LIGHT[name])


def _auxiliary(kinds: list[bytes]) -> str:
    for kind in kinds:
        for word, name in _AUXILIARY:
            if word in kind:
                return name
    word = kinds[0].split(b"\0")[0].decode("latin-1") if kinds else "of an unknown kind"
    return f"auxiliary picture {word}"


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name of each box, and the start and end of its body."""
    while at + 8 <= end:
        size, skip = int.from_bytes(data[at : at + 4], "big"), 8
        if size == 1:
            size, skip = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        size = size or end - at
        if size < skip or at + size > end:
            return
        yield data[at + 4 : at + 8], at + skip, at + size
        at += size


def _items(body: bytes) -> dict[int, _Item]:
    items: dict[int, _Item] = {}
    for name, start, end in _boxes(body, 6 if body[:1] == b"\0" else 8, len(body)):
        entry = body[start:end]
        if name != b"infe" or len(entry) < 12 or entry[0] not in (2, 3):
            continue
        wide = 2 if entry[0] == 2 else 4
        number = int.from_bytes(entry[4 : 4 + wide], "big")
        kind = entry[6 + wide : 10 + wide]
        words = entry[10 + wide :].split(b"\0")
        items[number] = _Item(kind, words[1] if kind == b"mime" and len(words) > 1 else b"")
    return items


def _locate(items: dict[int, _Item], body: bytes) -> None:
    if len(body) < 8:
        return
    reader = _Reader(body, 4)
    version, sizes = body[0], reader.number(2)
    offset, length, base, index = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    wide = 4 if version == 2 else 2
    for _ in range(reader.number(wide)):
        item = items.get(reader.number(wide), _Item())
        method = reader.number(2) & 15 if version else 0
        reader.number(2)
        begin = reader.number(base)
        for _ in range(reader.number(2)):
            if version:
                reader.number(index)
            start = begin + reader.number(offset)
            item.extents.append((method, start, reader.number(length)))


def _associate(items: dict[int, _Item], body: bytes) -> list[tuple[bytes, bytes]]:
    properties: list[tuple[bytes, bytes]] = []
    for name, start, end in _boxes(body, 0, len(body)):
        if name == b"ipco":
            properties += [(kind, body[a:b]) for kind, a, b in _boxes(body, start, end)]
            continue
        if name != b"ipma":
            continue
        reader = _Reader(body[start:end], 4)
        wide, size = (4 if body[start] else 2), (2 if body[start + 3] & 1 else 1)
        for _ in range(reader.number(4)):
            item = items.get(reader.number(wide), _Item())
            for _ in range(reader.number(1)):
                item.properties.append(reader.number(size) & (0x7FFF if size == 2 else 0x7F))
    return properties


def _references(body: bytes) -> Iterator[tuple[bytes, int, list[int]]]:
    wide = 4 if body[:1] == b"\1" else 2
    for kind, start, end in _boxes(body, 4, len(body)):
        reader = _Reader(body[start:end], 0)
        source = reader.number(wide)
        yield kind, source, [reader.number(wide) for _ in range(reader.number(2))]


def _data(stream: BinaryIO, item: _Item, inside: int, most: int = -1) -> bytes:
    """Return an item's bytes, which are in the file or in its meta box's item data."""
    parts: list[bytes] = []
    for method, start, size in item.extents:
        if method in (0, 1) and size <= _MOST_BLOCK_BYTES and start < 2**62:
            stream.seek(start + (inside if method else 0))
            parts.append(stream.read(most if most > 0 else size or -1))
    return b"".join(parts)


class _Reader:
    """Reads big-endian numbers in order.

    Args:
        data: The bytes.
        at: Offset of the first number.
    """

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at

    def number(self, size: int) -> int:
        """Return the next number of `size` bytes.

        Raises:
            IndexError: Too few bytes are left.
        """
        self._at += size
        if self._at > len(self._data):
            raise IndexError("a box ends too early")
        return int.from_bytes(self._data[self._at - size : self._at], "big")


def put_code_points(path: Path, cicp: Cicp, stand_in: bytes | None) -> bool:
    """Describe a finished AVIF's colours by code points.

    An nclx box gets them; else the box of a placeholder ICC profile is turned into one.

    Args:
        path: The file.
        cicp: Primaries and transfer function.
        stand_in: The placeholder profile; None if there is an nclx box.

    Returns:
        Whether there was room.
    """
    with path.open("r+b") as file:
        head = file.read(_MOST_META_BYTES)
        codes = cicp.primaries.to_bytes(2, "big") + cicp.transfer.to_bytes(2, "big")
        if stand_in is None:
            at = head.find(b"colrnclx")
            if at < 0:
                return False
            file.seek(at + 8)
            file.write(codes)
            return True
        begin = head.find(stand_in) - 12
        places = _store(head)
        if begin < 0 or places is None or head[begin + 4 : begin + 8] != b"colr":
            return False
        end = begin + 12 + len(stand_in)
        # libheif converts colours to luma and chroma by BT.601, at full range.
        box = (19).to_bytes(4, "big") + b"colrnclx" + codes + (6).to_bytes(2, "big") + b"\x80"
        spare = end - begin - len(box)
        free = spare.to_bytes(4, "big") + b"free" + bytes(spare - 8)
        file.seek(begin)
        # The free box comes last: properties are referred to by index.
        file.write(box + head[end : places[1]] + free)
    return True


def _store(head: bytes) -> tuple[int, int] | None:
    """Return the start and end of the properties' bodies."""
    inside = (0, len(head))
    for name, skip in ((b"meta", 4), (b"iprp", 0), (b"ipco", 0)):
        found = [(a, b) for kind, a, b in _boxes(head, *inside) if kind == name]
        if not found:
            return None
        inside = found[0][0] + skip, found[0][1]
    return inside
