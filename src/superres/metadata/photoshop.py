"""Photoshop's image resources: clipping paths, copyright flags, and others.

They are in a JPEG's APP13 segments and in a TIFF's tag 34377. IPTC is one of them, handled
separately; copies of other blocks are dropped, as the file has them in their own places.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from superres.metadata.geometry import Change, kind_of

SIGNATURE = b"Photoshop 3.0\0"
IPTC, EXIF_COPIES, XMP_COPY, ICC_COPY = 0x0404, (0x0422, 0x0423), 0x0424, 0x040F
_IPTC_DIGEST, _RESOLUTION, _PIXEL_SHAPE = 0x0425, 0x03ED, 0x0428
_PATHS = range(0x07D0, 0x0BB7)
_KNOT_BYTES = 26
_KNOTS = (1, 2, 4, 5)  # selectors of a path's records that hold three points
_POINT_UNIT = 2**24  # points are signed fractions of the picture's height and width
_GUIDE_UNIT = 32  # of a pixel
_SIGNATURES = (b"8BIM", b"MeSa", b"AgHg", b"PHUT", b"DCSR")


@dataclass(frozen=True, slots=True)
class Resource:
    """One of Photoshop's resources.

    Attributes:
        number: Its number.
        head: Its signature, number and name as stored.
        data: Its content.
    """

    number: int
    head: bytes
    data: bytes

    def packed(self) -> bytes:
        """Return it as stored in a file."""
        return self.head + struct.pack(">I", len(self.data)) + self.data + bytes(len(self.data) % 2)


def read_resources(data: bytes) -> list[Resource]:
    """Return the resources in a block, up to the first damage; the block has no signature."""
    found: list[Resource] = []
    at = 0
    while data[at : at + 4] in _SIGNATURES and at + 7 <= len(data):
        name_bytes = 1 + data[at + 6]
        size_at = at + 6 + name_bytes + name_bytes % 2
        size = int.from_bytes(data[size_at : size_at + 4], "big")
        body = data[size_at + 4 : size_at + 4 + size]
        if len(body) != size or size_at + 4 > len(data):
            break
        number = int.from_bytes(data[at + 4 : at + 6], "big")
        found.append(Resource(number, data[at:size_at], body))
        at = size_at + 4 + size + size % 2
    return found


def resource(block: bytes, *numbers: int) -> bytes | None:
    """Return the content of the first resource of these numbers; None if there is none."""
    return next((one.data for one in read_resources(block) if one.number in numbers), None)


def settle_resources(block: bytes, change: Change) -> tuple[bytes, tuple[str, ...]]:
    """Return the kept resources, turned with the pixels, and the names of the others.

    Args:
        block: Resources as a file holds them, without the segment's signature.
        change: How the pixels were turned.
    """
    kept: list[bytes] = []
    lost: list[str] = []
    for one in read_resources(block):
        kind = kind_of("Photoshop", one.number)
        if one.number in (IPTC, XMP_COPY, ICC_COPY, *EXIF_COPIES):
            continue
        if kind in ("thumbnail", "pointer"):
            lost.append({0x041A: "slices", 0x0438: "counted places"}.get(one.number, "thumbnail"))
        else:
            kept.append(_changed(one, change).packed())
    return b"".join(kept), tuple(f"Photoshop's {name}" for name in dict.fromkeys(lost))


def fit_resources(
    block: bytes,
    *,
    dpi: tuple[float, float] | None,
    change: Change | None,
    has_same_iptc: bool,
) -> bytes:
    """Return settled resources, updated for their new file.

    Args:
        block: Resources, settled.
        dpi: Horizontal and vertical pixels per inch; None removes the stated ones.
        change: From the size that positions in pixels refer to, to the new one; None leaves them.
        has_same_iptc: Whether the file gets the IPTC record that a digest belongs to.
    """
    kept: list[bytes] = []
    for one in read_resources(block):
        if one.number == _RESOLUTION and len(one.data) == 16:
            if dpi is None:
                continue
            across, down = (min(round(value * 65536), 2**32 - 1) for value in dpi)
            units = one.data[6:8], one.data[14:16]
            data = struct.pack(">IH", across, 1) + units[0]
            kept.append(replace(one, data=data + struct.pack(">IH", down, 1) + units[1]).packed())
        elif one.number != _IPTC_DIGEST or has_same_iptc:
            kept.append((_changed(one, change) if change else one).packed())
    return b"".join(kept)


def _changed(one: Resource, change: Change) -> Resource:
    """Turn a path; turn and scale guides; swap the sides of non-square pixels."""
    if one.number in _PATHS and change.orientation != 1:
        return replace(one, data=_turned_path(one.data, change))
    if kind_of("Photoshop", one.number) == "guides":
        return replace(one, data=_changed_guides(one.data, change))
    if one.number == _PIXEL_SHAPE and change.swaps and len(one.data) == 12:
        shape = struct.unpack(">d", one.data[4:])[0]
        return replace(one, data=one.data[:4] + struct.pack(">d", 1 / shape if shape else shape))
    return one


def _turned_path(data: bytes, change: Change) -> bytes:
    """Turn the knots of a path: three points each, down before across."""
    turned = bytearray(data)
    for at in range(0, len(data) - _KNOT_BYTES + 1, _KNOT_BYTES):
        if int.from_bytes(data[at : at + 2], "big") not in _KNOTS:
            continue
        for point in range(at + 2, at + _KNOT_BYTES, 8):
            down, across = struct.unpack_from(">ii", data, point)
            x, y = change.point(across / _POINT_UNIT, down / _POINT_UNIT)
            limited = (max(-(2**31), min(2**31 - 1, round(v * _POINT_UNIT))) for v in (y, x))
            struct.pack_into(">ii", turned, point, *limited)
    return bytes(turned)


def _changed_guides(data: bytes, change: Change) -> bytes:
    """Turn and scale guides: lines across (1) or down (0) the picture, in fractions of a pixel."""
    changed = bytearray(data)
    height, width = change.before
    down, across = change.scale
    for at in range(16, len(data) - 4, 5):
        place, is_across = struct.unpack_from(">IB", data, at)
        place /= _GUIDE_UNIT
        x, y = (0.5, place / height) if is_across else (place / width, 0.5)
        x, y = change.point(x, y)
        now_across = bool(is_across) != change.swaps
        new = y * change.after[0] if now_across else x * change.after[1]
        limited = max(0, min(2**32 - 1, round(new * _GUIDE_UNIT)))
        struct.pack_into(">IB", changed, at, limited, now_across)
    if len(data) >= 12:
        cycles = struct.unpack_from(">II", data, 4)
        factors = (down, across) if not change.swaps else (across, down)
        new_cycles = [min(2**32 - 1, round(c * f)) for c, f in zip(cycles, factors, strict=True)]
        struct.pack_into(">II", changed, 4, *(new_cycles[::-1] if change.swaps else new_cycles))
    return bytes(changed)
