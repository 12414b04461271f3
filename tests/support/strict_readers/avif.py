"""AVIF, after ISO/IEC 14496-12 (boxes), 23008-12 (HEIF) and AOM's AVIF and AV1 specifications."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from strict_readers.contents import Contents, Cursor, check_exif, check_icc, check_xmp, require

_ALPHA = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha"
_XMP_TYPE = b"application/rdf+xml"
_ESSENTIAL = {b"av1C"}
_SEQUENCE_HEADER, _TEMPORAL_DELIMITER, _FRAME_HEADER, _FRAME, _TILES = 1, 2, 3, 6, 4


@dataclass
class _Item:
    """An item of the meta box."""

    kind: bytes
    content: bytes = b""
    data: bytes = b""
    properties: list[tuple[bytes, bytes]] = field(default_factory=list)
    refers: dict[bytes, list[int]] = field(default_factory=dict)


def read_avif(data: bytes) -> Contents:
    places = _boxes(data, "the file")
    names = [name for name, _, _ in places]
    require(names[0] == b"ftyp" and names.count(b"meta") == 1, f"boxes {names}")
    require(set(names) <= {b"ftyp", b"meta", b"mdat", b"free"}, f"boxes {names}")
    boxes = {name: data[start:end] for name, start, end in places}
    _check_brands(boxes[b"ftyp"])
    holding = [(start, end) for name, start, end in places if name == b"mdat"]
    items, primary = _items(data, _full(boxes[b"meta"], (0,))[1], holding)
    main = items[primary]
    height, width = _check_picture(main)
    exif = xmp = None
    for number, item in items.items():
        if number == primary:
            continue
        if item.kind == b"av01":
            require(item.refers == {b"auxl": [primary]}, f"item {number} refers to {item.refers}")
            aux = dict(item.properties).get(b"auxC", b"")
            require(_full(aux, (0,))[1] == _ALPHA + b"\0", f"item {number}: {aux!r}")
            require(_check_picture(item) == (height, width), "alpha of another size")
            continue
        require(item.refers == {b"cdsc": [primary]}, f"item {number} refers to {item.refers}")
        if item.kind == b"Exif":
            require(exif is None, "EXIF stands twice")
            skipped = Cursor(item.data, "Exif").number(4)
            exif = check_exif(item.data[4 + skipped :])
        else:
            require((item.kind, item.content) == (b"mime", _XMP_TYPE), f"an item {item.kind!r}")
            require(xmp is None, "XMP stands twice")
            xmp = check_xmp(item.data)
    colours = [body for name, body in main.properties if name == b"colr"]
    profiles = [body[4:] for body in colours if body[:4] in (b"prof", b"rICC")]
    require(len(profiles) <= 1 and len(colours) - len(profiles) <= 1, "colr stands twice")
    return Contents(
        format="avif",
        height=height,
        width=width,
        exif=exif,
        xmp=xmp,
        icc=check_icc(profiles[0]) if profiles else None,
    )


def _boxes(data: bytes, what: str, start: int = 0) -> list[tuple[bytes, int, int]]:
    """[(name, begin, end) of its body] of boxes that fill the bytes to the last."""
    cursor, found = Cursor(data, what), []
    cursor.take(start)
    while cursor.left:
        begin = cursor.at
        size, name = cursor.unpack(">I4s")
        if size == 1:
            size = cursor.number(8)
        require(size >= cursor.at - begin, f"box {name!r} of {size} bytes in {what}")
        body = cursor.at
        cursor.take(size - (body - begin))
        found.append((name, body, cursor.at))
    return found


def _children(data: bytes, what: str, start: int = 0) -> list[tuple[bytes, bytes]]:
    return [(name, data[begin:end]) for name, begin, end in _boxes(data, what, start)]


def _full(body: bytes, versions: tuple[int, ...]) -> tuple[int, bytes]:
    """Take version and flags off; the flags are not judged."""
    require(len(body) >= 4 and body[0] in versions, f"a box of an unknown version: {body[:4]!r}")
    return body[0], body[4:]


def _check_brands(body: bytes) -> None:
    brands = [body[:4], *(body[at : at + 4] for at in range(8, len(body), 4))]
    require(len(body) % 4 == 0 and brands[0] == b"avif", f"brands {brands}")
    require({b"avif", b"mif1"} <= set(brands[1:]), f"compatible brands {brands[1:]}")


def _items(data: bytes, meta: bytes, holding: list[tuple[int, int]]) -> tuple[dict, int]:
    children = _children(meta, "meta")
    names = [name for name, _ in children]
    require(names and names[0] == b"hdlr", f"meta begins with {names[:1]}")
    require(len(set(names)) == len(names), f"boxes of meta that stand twice: {names}")
    found = dict(children)
    require(found[b"hdlr"][8:12] == b"pict", "meta is not of pictures")
    version, body = _full(found[b"pitm"], (0, 1))
    primary = int.from_bytes(body, "big")
    require(len(body) == (4 if version else 2), "pitm's length")
    items = _information(found[b"iinf"])
    require(primary in items and items[primary].kind == b"av01", "the primary item")
    _locate(items, found[b"iloc"], found.get(b"idat", b""), data, holding)
    _associate(items, found[b"iprp"])
    _refer(items, found.get(b"iref"))
    return items, primary


def _information(body: bytes) -> dict[int, _Item]:
    version, body = _full(body, (0, 1))
    wide = 4 if version else 2
    entries = _children(body, "iinf", wide)
    require(len(entries) == int.from_bytes(body[:wide], "big"), "the number of items")
    items: dict[int, _Item] = {}
    for name, entry in entries:
        require(name == b"infe", f"a box {name!r} in iinf")
        version, entry = _full(entry, (2, 3))
        cursor = Cursor(entry, "infe")
        number, protected, kind = cursor.number(version * 2 - 2), cursor.number(2), cursor.take(4)
        require(number not in items and not protected, f"item {number}")
        cursor.text()
        content = b""
        if kind == b"mime":
            content = cursor.text()
            require(not cursor.left or cursor.text() == b"", "an encoding of an item's content")
        require(not cursor.left, f"infe of item {number} is too long")
        items[number] = _Item(kind, content)
    return items


def _locate(
    items: dict[int, _Item], body: bytes, inside: bytes, data: bytes, holding: list
) -> None:
    """Collect each item's bytes; extents lie within an mdat (or idat) and do not overlap."""
    version, body = _full(body, (0, 1, 2))
    cursor = Cursor(body, "iloc")
    sizes = cursor.number(2)
    offset, length, base, index = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    require({offset, length, base} <= {0, 4, 8}, f"iloc: sizes {sizes:04x}")
    wide = 4 if version == 2 else 2
    located, taken = [], []
    for _ in range(cursor.number(wide)):
        number = cursor.number(wide)
        method = cursor.number(2) if version else 0
        require(cursor.number(2) == 0, "iloc: data in another file")
        begin = cursor.number(base)
        require(number in items and number not in located, f"iloc: item {number}")
        require(method in (0, 1), f"iloc: method {method}")
        located.append(number)
        for _ in range(cursor.number(2)):
            cursor.number(index if version else 0)
            start = begin + cursor.number(offset)
            end = start + cursor.number(length)
            ranges = holding if method == 0 else [(0, len(inside))]
            within = any(first <= start < end <= last for first, last in ranges)
            require(within, f"item {number}: bytes {start} to {end} lie in no mdat: {ranges}")
            items[number].data += (data if method == 0 else inside)[start:end]
            taken.append((method, start, end))
    require(not cursor.left, "iloc is too long")
    require(set(located) == set(items), f"items {list(items)}, {located} are located")
    for (one, _, end), (other, start, _) in itertools.pairwise(sorted(taken)):
        require(one != other or end <= start, f"extents overlap at {start}")


def _associate(items: dict[int, _Item], body: bytes) -> None:
    children = _children(body, "iprp")
    require([name for name, _ in children] == [b"ipco", b"ipma"], "the boxes of iprp")
    properties = _children(children[0][1], "ipco")
    flags = children[1][1][1:4]
    version, body = _full(children[1][1], (0, 1))
    cursor, seen = Cursor(body, "ipma"), []
    for _ in range(cursor.number(4)):
        number = cursor.number(4 if version else 2)
        require(number in items and number not in seen, f"ipma: item {number}")
        require(not seen or number > seen[-1], "ipma: items are not in order")
        seen.append(number)
        for _ in range(cursor.number(1)):
            size = 2 if flags[2] & 1 else 1
            value = cursor.number(size)
            index, essential = value & (0x7FFF if size == 2 else 0x7F), value >> (8 * size - 1)
            require(1 <= index <= len(properties), f"ipma: property {index}")
            name = properties[index - 1][0]
            require(essential or name not in _ESSENTIAL, f"{name!r} is not marked essential")
            items[number].properties.append(properties[index - 1])
    require(not cursor.left, "ipma is too long")


def _refer(items: dict[int, _Item], body: bytes | None) -> None:
    if body is None:
        return
    version, body = _full(body, (0, 1))
    wide = 4 if version else 2
    for kind, entry in _children(body, "iref"):
        cursor = Cursor(entry, "iref")
        source = cursor.number(wide)
        targets = [cursor.number(wide) for _ in range(cursor.number(2))]
        require(not cursor.left and {source, *targets} <= set(items), f"a reference {kind!r}")
        require(kind not in items[source].refers, f"item {source} refers twice as {kind!r}")
        items[source].refers[kind] = targets


def _check_picture(item: _Item) -> tuple[int, int]:
    """Check an AV1 item against its properties; return its size."""
    names = [name for name, _ in item.properties]
    for name in (b"av1C", b"ispe", b"pixi"):
        require(names.count(name) == 1, f"{name!r} stands {names.count(name)} times")
    found = dict(item.properties)
    size = _full(found[b"ispe"], (0,))[1]
    width, height = int.from_bytes(size[:4], "big"), int.from_bytes(size[4:], "big")
    require(len(size) == 8 and height and width, f"ispe says {height} x {width} px")
    config = found[b"av1C"]
    require(len(config) >= 4 and config[0] == 0x81, f"av1C: {config[:4]!r}")
    deep, twelve, mono = (config[2] >> shift & 1 for shift in (6, 5, 4))
    bits = 12 if deep and twelve else 10 if deep else 8
    channels = _full(found[b"pixi"], (0,))[1]
    expected = bytes([bits]) * (1 if mono else 3)
    require(channels == bytes([len(expected)]) + expected, f"pixi: {channels!r}, not {expected!r}")
    require(_coded_size(item.data) == (height, width), f"a coded size of {_coded_size(item.data)}")
    return height, width


def _coded_size(data: bytes) -> tuple[int, int]:
    """Walk the OBUs of a still picture to the last byte; return the sequence's largest frame."""
    cursor, kinds, size = Cursor(data, "AV1"), [], (0, 0)
    while cursor.left:
        head = cursor.number(1)
        require(not head & 0x81 and head & 2, f"an OBU's header {head:02x}")
        cursor.take(head >> 2 & 1)
        body = cursor.take(_leb128(cursor))
        kinds.append(head >> 3 & 15)
        if kinds[-1] == _SEQUENCE_HEADER:
            size = _sequence_size(body)
    require(kinds.count(_SEQUENCE_HEADER) == 1, f"OBUs {kinds}: not one sequence header")
    pictures = {_FRAME_HEADER, _FRAME} & set(kinds)
    require(pictures, f"OBUs {kinds}: no frame")
    known = {_SEQUENCE_HEADER, _TEMPORAL_DELIMITER, _FRAME_HEADER, _FRAME, _TILES, 5, 15}
    require(set(kinds) <= known, f"OBUs {kinds}")
    return size


def _leb128(cursor: Cursor) -> int:
    value = 0
    for index in range(8):
        byte = cursor.number(1)
        value |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            break
    return value


def _sequence_size(body: bytes) -> tuple[int, int]:
    """Read a sequence header as far as its size (AV1, 5.5.1)."""
    bits = "".join(f"{byte:08b}" for byte in body)
    at = 0

    def take(count: int) -> int:
        nonlocal at
        at += count
        return int(bits[at - count : at], 2)

    take(3)
    still, reduced = take(1), take(1)
    require(still or not reduced, "AV1: a reduced header that is not of a still picture")
    if reduced:
        take(5)
    else:
        require(not take(1), "AV1: timing of a still picture")
        take(1)
        for _ in range(take(5) + 1):
            take(12)
            if take(5) > 7:
                take(1)
    wide, tall = take(4) + 1, take(4) + 1
    width = take(wide) + 1
    return take(tall) + 1, width
