"""XMP packets as elements with their offsets, so that single values can be replaced."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

# The usual prefixes of the namespaces that are searched.
PREFIXES = {
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#": "rdf",
    "http://ns.adobe.com/tiff/1.0/": "tiff",
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://ns.adobe.com/camera-raw-settings/1.0/": "crs",
    "http://ns.adobe.com/hdr-gain-map/1.0/": "hdrgm",
    "http://ns.adobe.com/xmp/note/": "xmpNote",
    "http://ns.adobe.com/xap/1.0/sType/Dimensions#": "stDim",
    "http://ns.adobe.com/xmp/sType/Area#": "stArea",
    "http://www.metadataworkinggroup.com/schemas/regions/": "mwg-rs",
    "http://ns.acdsee.com/regions/": "acdsee-rs",
    "http://ns.acdsee.com/sType/Area#": "acdsee-stArea",
    "http://ns.microsoft.com/photo/1.2/": "MP",
    "http://ns.microsoft.com/photo/1.2/t/RegionInfo#": "MPRI",
    "http://ns.microsoft.com/photo/1.2/t/Region#": "MPReg",
    "http://iptc.org/std/Iptc4xmpExt/2008-02-29/": "Iptc4xmpExt",
    "http://ns.google.com/photos/1.0/camera/": "GCamera",
    "http://ns.google.com/photos/1.0/container/": "Container",
    "http://ns.google.com/photos/1.0/container/item/": "Item",
    "http://ns.google.com/photos/1.0/depthmap/": "GDepth",
    "http://ns.google.com/photos/1.0/image/": "GImage",
    "http://ns.google.com/photos/1.0/audio/": "GAudio",
    "http://ns.google.com/photos/1.0/panorama/": "GPano",
    "http://ns.google.com/photos/dd/1.0/device/": "Device",
    "http://ns.oplus.com/photos/1.0/camera/": "OpCamera",
    "http://ns.apple.com/HDRGainMap/1.0/": "HDRGainMap",
    "http://purl.org/dc/terms/": "dcterms",
}
Edit = tuple[int, int, bytes]  # start, end, replacement
_NAME = rb"""[^\s=>/"'<]+"""
_ATTRIBUTE = re.compile(rb"""\s++(%s)\s*+=\s*+(?:"([^"]*+)"|'([^']*+)')""" % _NAME)
_TOKEN = re.compile(
    rb"""<!--.*?-->|<\?.*?\?>|<!\[CDATA\[.*?\]\]>"""
    rb"""|<(/?)(%s)((?:\s++%s\s*+=\s*+(?:"[^"]*+"|'[^']*+'))*+)\s*+(/?)>""" % (_NAME, _NAME),
    re.DOTALL,
)
_MOST_NESTED, _MOST_PREFIXES = 200, 500  # a hostile packet must not exhaust memory
_NUMBER = re.compile(r"\s*[+-]?(?:\d{1,15}(?:\.\d{0,17})?|\.\d{1,17})(?:[eE][+-]?\d\d?)?\s*")
_BLANKS = " \t\r\n"
_LISTS = ("rdf:Bag", "rdf:Seq", "rdf:Alt")


@dataclass(slots=True)
class Value:
    """A piece of text in a packet: an attribute's, or between an element's tags.

    Attributes:
        text: Its content.
        start: Offset of its first byte.
        end: Offset after its last byte.
        whole: Start and end of the property, with its name.
    """

    text: str
    start: int
    end: int
    whole: tuple[int, int]


@dataclass(slots=True)
class Node:
    """An element.

    Attributes:
        name: Its usual prefix and name.
        start: Offset of its start tag.
        inner: Offset after its start tag.
        end: Offset after its end tag.
        attributes: By their usual prefixes and names.
        children: Its elements.
        text: Its text, if it has no elements.
    """

    name: str
    start: int
    inner: int
    end: int = 0
    attributes: dict[str, Value] = field(default_factory=dict[str, Value])
    children: list[Node] = field(default_factory=list["Node"])
    text: Value | None = None


def parse(packet: bytes) -> list[Node] | None:
    """Find the elements of a packet in the order of their start tags.

    Args:
        packet: In UTF-8.

    Returns:
        The elements; None if the packet is not well-formed, declares entities, or is nested
        absurdly deep.
    """
    if not _is_well_formed(packet):
        return None
    nodes: list[Node] = []
    opened: list[tuple[Node, dict[bytes, str]]] = []
    scope: dict[bytes, str] = {}
    for token in _TOKEN.finditer(packet):
        closing, name, attributes, empty = token.groups()
        if name is None:
            continue
        if closing:
            node, _ = opened.pop()
            _close(packet, node, token.start(), token.end())
            scope = opened[-1][1] if opened else {}
            continue
        found = (
            list(_ATTRIBUTE.finditer(packet, token.start(3), token.end(3))) if attributes else []
        )
        scope = _declared(found, scope)
        if len(opened) >= _MOST_NESTED or len(scope) > _MOST_PREFIXES:
            return None
        node = Node(_usual(name, scope), token.start(), token.end())
        for each in found:
            group = 2 if each.group(2) is not None else 3
            text = each.group(group).decode("utf-8", "replace")
            node.attributes[_usual(each.group(1), scope)] = Value(
                text, each.start(group), each.end(group), each.span()
            )
        nodes.append(node)
        if opened:
            opened[-1][0].children.append(node)
        if empty:
            node.end = token.end()
            scope = opened[-1][1] if opened else {}
        else:
            opened.append((node, scope))
    return nodes


def values(nodes: list[Node]) -> Iterator[tuple[str, Value]]:
    """Yield the plain-text properties of all elements, both attributes and elements."""
    for node in nodes:
        yield from node.attributes.items()
        if node.text is not None:
            yield node.name, node.text


def fields(node: Node) -> tuple[dict[str, Value], dict[str, Node]]:
    """Return a structure's plain properties and its elements, in any RDF form."""
    plain, elements = dict(node.attributes), dict[str, Node]()
    inside = [child for child in node.children if child.name == "rdf:Description"]
    for each in inside:
        plain |= each.attributes
    for child in (*node.children, *(child for each in inside for child in each.children)):
        elements[child.name] = child
        if child.text is not None:
            plain[child.name] = child.text
    return plain, elements


def items(node: Node | None) -> list[Node]:
    """Return the elements of a list."""
    lists = [child for child in node.children if child.name in _LISTS] if node else []
    return [item for each in lists for item in each.children]


def replaced(packet: bytes, edits: list[Edit]) -> bytes:
    """Return the packet with edits applied; of nested edits, the outer ones count."""
    parts: list[bytes] = []
    at = 0
    for start, end, new in sorted(edits, key=lambda edit: (edit[0], -edit[1])):
        if start < at:
            continue
        parts += (packet[at:start], new)
        at = end
    return b"".join((*parts, packet[at:]))


def number_of(value: Value | None) -> float | None:
    """Return a value as a number; None if it is not one."""
    if value is None or not _NUMBER.fullmatch(value.text):
        return None
    return float(value.text)


def put(value: Value, new: bytes) -> Edit:
    """Replace a value and keep the whitespace around it."""
    lead = len(value.text) - len(value.text.lstrip(_BLANKS))
    tail = len(value.text) - len(value.text.rstrip(_BLANKS))
    return value.start + lead, value.end - tail, new


def _is_well_formed(packet: bytes) -> bool:
    parser = expat.ParserCreate("utf-8")
    has_own_entities = False

    def declared(*_: object) -> None:
        nonlocal has_own_entities
        has_own_entities = True

    parser.StartDoctypeDeclHandler = declared
    try:
        parser.Parse(packet, True)
    except expat.ExpatError:
        return False
    return not has_own_entities


def _close(packet: bytes, node: Node, start: int, end: int) -> None:
    node.end = end
    if not node.children:
        text = packet[node.inner : start].decode("utf-8", "replace")
        node.text = Value(text, node.inner, start, (node.start, end))


def _declared(found: list[re.Match[bytes]], scope: dict[bytes, str]) -> dict[bytes, str]:
    """Return the prefixes in scope, with those that an element's attributes declare."""
    own = {
        each.group(1)[6:]: (each.group(2) or each.group(3) or b"").decode("utf-8", "replace")
        for each in found
        if each.group(1).startswith(b"xmlns:")
    }
    return scope | own if own else scope


def _usual(name: bytes, scope: dict[bytes, str]) -> str:
    """Return a name with its namespace's usual prefix; undeclared prefixes stay as they are."""
    prefix, colon, local = name.partition(b":")
    if not colon:
        return name.decode("utf-8", "replace")
    usual = PREFIXES.get(scope.get(prefix, ""), prefix.decode("utf-8", "replace"))
    return f"{usual}:{local.decode('utf-8', 'replace')}"
