"""Positions and sizes in XMP, turned and scaled with the pixels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from superres.metadata.geometry import Change, Kind, turned_area, xmp_kind
from superres.metadata.xmp_tree import Edit, Node, Value, fields, items, number_of, put, values

_SRGB_NAMES = {"exif:ColorSpace": b"1", "photoshop:ICCProfile": b"sRGB IEC61966-2.1"}
_PAIRS: dict[Kind, Kind] = {
    "across": "down",
    "down": "across",
    "focal_across": "focal_down",
    "focal_down": "focal_across",
}


def changed_places(nodes: list[Node], change: Change) -> Iterator[Edit]:
    """Turn and scale positions, and record converted colours."""
    yield from _paired(nodes, change)
    yield from _crop(nodes, change)
    for name, value in values(nodes):
        kind = xmp_kind(name)
        if kind == "panorama":
            yield from _panorama(name, value, change)
        elif kind == "rectangle":
            yield from _rectangle(value, change)
        elif kind == "colour" and change.to_srgb:
            yield put(value, _SRGB_NAMES[name])
    structures: dict[Kind, Callable[[Node, Change], Iterator[Edit]]] = {
        "regions": _regions,
        "boundary": _boundary,
        "area": _area,
    }
    for node in nodes:
        kind = xmp_kind(node.name)
        if kind in structures:
            yield from structures[kind](node, change)


def _paired(nodes: list[Node], change: Change) -> Iterator[Edit]:
    """Swap the resolutions of both axes in turned pictures, and scale those of the sensor."""
    found = {xmp_kind(name): value for name, value in values(nodes)}
    down, across = change.scale
    factors: tuple[tuple[Kind, float], ...] = (
        ("across", 1.0),
        ("down", 1.0),
        ("focal_across", across),
        ("focal_down", down),
    )
    for kind, factor in factors:
        value = found.get(kind)
        origin = found.get(_PAIRS[kind], value) if change.swaps else value
        if value is None or origin is None or (factor == 1 and not change.swaps):
            continue
        yield put(value, _rational(origin.text, factor).encode())


def _rational(text: str, factor: float) -> str:
    """Multiply "96/36", keeping the denominator if the factor is an integer."""
    above, slash, below = text.strip().partition("/")
    try:
        number = float(above) * factor
    except ValueError:
        return text
    if number == round(number) or not slash:
        return f"{_plain(number)}{slash}{below}"
    try:
        return f"{round(number * 1000)}/{round(float(below) * 1000)}"
    except ValueError:
        return text


def _crop(nodes: list[Node], change: Change) -> Iterator[Edit]:
    found = dict(values(nodes))
    if change.orientation != 1 and not _is_true(found.get("crs:AlreadyApplied")):
        sides = [found.get(f"crs:Crop{side}") for side in ("Left", "Top", "Right", "Bottom")]
        numbers = [number_of(side) for side in sides]
        left, top, right, bottom = numbers
        if left is not None and top is not None and right is not None and bottom is not None:
            x, y, width, height = change.corner(left, top, right - left, bottom - top)
            for side, number in zip(sides, (x, y, x + width, y + height), strict=True):
                yield _set(side, number)
        angle = number_of(found.get("crs:CropAngle"))
        if angle and change.mirrors:
            yield _set(found["crs:CropAngle"], -angle)
    wide, tall = found.get("crs:CropWidth"), found.get("crs:CropHeight")
    width, height = number_of(wide), number_of(tall)
    if width is None or height is None or _is_true(found.get("crs:AlreadyApplied")):
        return
    in_pixels = number_of(found.get("crs:CropUnit")) in (None, 0)
    new = change.span_px(width, height) if in_pixels else change.span(width, height)
    yield _set(wide, new[0])
    yield _set(tall, new[1])


def _panorama(name: str, value: Value, change: Change) -> Iterator[Edit]:
    number, (down, across) = number_of(value), change.scale
    local = name.partition(":")[2]
    if number is None or not local.endswith(("Pixels", "Left", "Top", "Width", "Height")):
        return
    yield put(value, b"%d" % round(number * (across if re.search("Width|Left", local) else down)))


def _rectangle(value: Value, change: Change) -> Iterator[Edit]:
    """Turn "x, y, width, height" from 0 to 1, as Microsoft writes faces."""
    try:
        x, y, width, height = (float(part) for part in value.text.split(","))
    except ValueError:
        return
    if change.orientation != 1:
        turned = change.corner(x, y, width, height)
        yield put(value, ", ".join(_plain(part) for part in turned).encode())


def _regions(node: Node, change: Change) -> Iterator[Edit]:
    """Turn the areas of a list of regions, which are given by their centres."""
    _, elements = fields(node)
    for name, applied in elements.items():
        if name.endswith(":AppliedToDimensions"):
            size = fields(applied)[0]
            width, height = number_of(size.get("stDim:w")), number_of(size.get("stDim:h"))
            if change.swaps and width and height and _is_upright(width, height, change):
                change = Change(change.after, change.after)
            yield from _sized(size, "stDim:", change)
    lists = [each for name, each in elements.items() if name.endswith(":RegionList")]
    for item in (item for each in lists for item in items(each)):
        for name, area in fields(item)[1].items():
            if name.endswith("Area"):
                yield from _region_area(fields(area)[0], change)


def _is_upright(width: float, height: float, change: Change) -> bool:
    """Return whether regions refer to the upright picture, by the shape that they state."""
    tall, wide = change.before
    return abs(width * wide - height * tall) < abs(width * tall - height * wide)


def _sized(size: dict[str, Value], prefix: str, change: Change) -> Iterator[Edit]:
    unit = size.get(f"{prefix}unit")
    if unit is None or unit.text.strip() == "pixel":
        for side, number in (("w", change.after[1]), ("h", change.after[0])):
            if f"{prefix}{side}" in size:
                yield put(size[f"{prefix}{side}"], b"%d" % number)


def _region_area(area: dict[str, Value], change: Change) -> Iterator[Edit]:
    prefix = next((name[:-1] for name in area if name.endswith("rea:x")), "stArea:")
    x, y, w, h, d = (number_of(area.get(prefix + part)) for part in "xywhd")
    unit = area.get(prefix + "unit")
    in_pixels = unit is not None and unit.text.strip() == "pixel"
    if x is None or y is None or (change.orientation == 1 and not in_pixels):
        return
    place = change.point_px(x, y) if in_pixels else change.point(x, y)
    new = {"x": place[0], "y": place[1]}
    if w is not None and h is not None:
        new["w"], new["h"] = change.span_px(w, h) if in_pixels else change.span(w, h)
    if d is not None and in_pixels:
        new["d"] = d * min(change.scale)
    for part, number in new.items():
        yield _set(area[prefix + part], number)


def _boundary(node: Node, change: Change) -> Iterator[Edit]:
    """Turn a rectangle, circle or polygon in the form of IPTC's extension."""
    at = "Iptc4xmpExt:rb"
    plain, elements = fields(node)
    unit = plain.get(f"{at}Unit")
    in_pixels = unit is not None and unit.text.strip() == "pixel"
    if change.orientation == 1 and not in_pixels:
        return
    height, width = change.before
    down, across = (height, width) if in_pixels else (1, 1)
    wide, tall = change.after[::-1] if in_pixels else (1, 1)
    x, y, w, h = (number_of(plain.get(at + part)) for part in "XYWH")
    if x is not None and y is not None:
        box = (x / across, y / down, (w or 0) / across, (h or 0) / down)
        new = change.corner(*box)
        for part, number, unit_size in zip("XYWH", new, (wide, tall, wide, tall), strict=True):
            yield _set(plain.get(at + part), number * unit_size)
    radius = number_of(plain.get(f"{at}Rx"))
    if radius is not None:  # relative to the width, which has changed
        turned = radius * width / height if change.swaps else radius
        yield _set(plain[f"{at}Rx"], radius * min(change.scale) if in_pixels else turned)
    for vertex in items(elements.get(f"{at}Vertices")):
        corner = fields(vertex)[0]
        x, y = number_of(corner.get(f"{at}X")), number_of(corner.get(f"{at}Y"))
        if x is not None and y is not None:
            place = change.point(x / across, y / down)
            yield _set(corner[f"{at}X"], place[0] * wide)
            yield _set(corner[f"{at}Y"], place[1] * tall)


def _area(node: Node, change: Change) -> Iterator[Edit]:
    """Turn a point, circle or rectangle in pixels, given as a list of numbers."""
    texts = [item.text for item in items(node)]
    numbers = [number_of(text) for text in texts]
    known = [number for number in numbers if number is not None]
    if len(known) == len(numbers) and 2 <= len(known) <= 4:
        for text, number in zip(texts, turned_area(known, change), strict=True):
            if text is not None:
                yield put(text, b"%d" % round(number))


def _is_true(value: Value | None) -> bool:
    return value is not None and value.text.strip().lower() == "true"


def _plain(number: float) -> str:
    text = f"{number:.7f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _set(value: Value | None, number: float) -> Edit:
    return (0, 0, b"") if value is None else put(value, _plain(number).encode())
