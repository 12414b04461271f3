"""XMP packets in UTF-8, which every format accepts, updated to another turn and size."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from superres.metadata.geometry import Change, Kind, xmp_kind
from superres.metadata.xmp_places import changed_places
from superres.metadata.xmp_tree import Edit, Node, number_of, parse, put, replaced, values

NOT_TEXT = "XMP is damaged (it is not text) and not kept"
# Both ways to write a property, for packets that are not well-formed.
_PROPERTY = rb"""(\b(?:%(names)s)(?:\s*=\s*["']|\s*>\s*))(\d+)(\s*["']|\s*</(?:%(names)s)\s*>)"""
_ORIENTATION_NAMES = b"tiff:Orientation"
_WIDTH_NAMES = b"tiff:ImageWidth|exif:PixelXDimension"
_HEIGHT_NAMES = b"tiff:ImageLength|exif:PixelYDimension"
# First bytes of a packet in UTF-16 or UTF-32: a byte order mark, or "<".
_WIDE_STARTS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)


def settle_xmp(xmp: bytes, change: Change | None = None) -> bytes | None:
    """Return the packet in UTF-8, with orientation 1 and without trailing zeros.

    Pointers to what is not kept are removed; positions are turned with the pixels.

    Args:
        xmp: A packet as a file holds it, in UTF-8, UTF-16 or UTF-32.
        change: How the pixels were turned; None for unturned pixels.

    Returns:
        The packet; None if it is not text.
    """
    packet = _in_utf8(xmp)
    if packet is None:
        return None
    nodes = parse(packet)
    if nodes is None:
        return _set_numbers(packet, _ORIENTATION_NAMES, 1)
    edits = [*_removals(packet, nodes, change), *_orientation(nodes)]
    if change:
        edits += changed_places(nodes, change)
    return replaced(packet, edits)


def xmp_orientation(xmp: bytes) -> int | None:
    """Return the orientation that a packet states, 1 to 8 as EXIF numbers it; None for none."""
    packet = _in_utf8(xmp) or b""
    nodes = parse(packet)
    if nodes is None:
        found = re.search(_PROPERTY % {b"names": _ORIENTATION_NAMES}, packet)
        numbers = [float(found.group(2))] if found else []
    else:
        stated = (value for name, value in values(nodes) if xmp_kind(name) == "orientation")
        numbers = [number for value in stated if (number := number_of(value)) is not None]
    return next((int(number) for number in numbers if number in range(1, 9)), None)


def fit_xmp(xmp: bytes, *, height: int, width: int, before: tuple[int, int] | None = None) -> bytes:
    """Return the packet with the size of its new picture, where it states one.

    Args:
        xmp: A packet, settled.
        height: Pixels.
        width: Pixels.
        before: (height, width) that its positions in pixels refer to; None leaves them.
    """
    nodes = parse(xmp)
    if nodes is None:
        return _set_numbers(_set_numbers(xmp, _WIDTH_NAMES, width), _HEIGHT_NAMES, height)
    sizes = {"width": b"%d" % width, "height": b"%d" % height}
    edits = [
        put(value, sizes[kind])
        for name, value in values(nodes)
        if (kind := xmp_kind(name)) in sizes and number_of(value) is not None
    ]
    if before:
        edits += changed_places(nodes, Change(before, (height, width)))
    return replaced(xmp, edits)


def unturned(xmp: bytes, change: Change) -> tuple[str, ...]:
    """List what a settled packet lacks or misstates because it could not be turned."""
    nodes = parse(xmp)
    if change.orientation == 1:
        return ()
    if nodes is None:
        places = any(word in xmp for word in (b"Regions", b"RegionBoundary", b"crs:Crop"))
        return ("the places in XMP, which is not well-formed, are not turned",) if places else ()
    found = {
        name.partition(":")[0] if kind == "panorama" else name
        for name in _names(nodes)
        if (kind := xmp_kind(name)) in ("panorama", "masks")
    }
    lost = ", ".join(sorted(found))
    return (f"XMP's {lost} not kept: the picture was turned",) if lost else ()


def _in_utf8(xmp: bytes) -> bytes | None:
    """Return a packet in UTF-8, without trailing zeros; None if it is not text."""
    encoding = next((name for start, name in _WIDE_STARTS if xmp.startswith(start)), "utf-8")
    try:
        text = xmp.decode(encoding).rstrip("\0")
    except UnicodeDecodeError:
        return None
    return text.encode() if text and "\0" not in text else None


def _names(nodes: list[Node]) -> Iterator[str]:
    for node in nodes:
        yield node.name
        yield from node.attributes


def _removals(packet: bytes, nodes: list[Node], change: Change | None) -> Iterator[Edit]:
    """Remove thumbnails and pointers to data that is not kept; in turned pictures, masks too."""
    gone: set[Kind] = {"pointer", "thumbnail"}
    if change and change.orientation != 1:
        gone |= {"panorama", "masks"}
    for node in nodes:
        if xmp_kind(node.name) in gone:
            yield _without_line(packet, node.start, node.end)
        for name, value in node.attributes.items():
            if xmp_kind(name) in gone:
                yield (*value.whole, b"")


def _without_line(packet: bytes, start: int, end: int) -> Edit:
    """Remove an element, with its indentation if it has a line of its own."""
    blank = len(packet[:start]) - len(packet[:start].rstrip(b" \t"))
    if packet[start - blank - 1 : start - blank] == b"\n" and packet[end : end + 1] in (b"\n", b""):
        return start - blank - 1, end, b""
    return start, end, b""


def _orientation(nodes: list[Node]) -> Iterator[Edit]:
    for name, value in values(nodes):
        if xmp_kind(name) == "orientation" and number_of(value) is not None:
            yield put(value, b"1")


def _set_numbers(xmp: bytes, names: bytes, value: int) -> bytes:
    return re.sub(_PROPERTY % {b"names": names}, rb"\g<1>%d\g<3>" % value, xmp)
