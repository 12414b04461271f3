"""ICC profiles built from primaries and a transfer function."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from superres.metadata.colour_space import GAMMA, SRGB, Cicp, ColourSpace, srgb

_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_CURVE_POINTS = 4096
_VERSION, _WITH_CICP = 0x04300000, 0x04400000
_COPYRIGHT = "No copyright, use freely"


def build_profile(space: ColourSpace, *, grey: bool, cicp: Cicp | None = None) -> bytes:
    """Return a matrix profile of version 4 for RGB, or one with only a curve for grey pixels.

    HDR gets the curve that shows it in SDR; its code points are in the separate tag that HDR
    viewers look for.

    Args:
        space: The colour space of the pixels.
        grey: Whether the pixels are grey.
        cicp: Code points to add.
    """
    if not grey:
        return _matrix_profile(space, _curve(space), space.name, cicp)
    tags, _, _ = _head(space, space.name)
    return _packed(tags | {b"kTRC": _curve(space)}, b"GRAY", _VERSION)


def grey_as_rgb(icc: bytes) -> bytes | None:
    """Return an RGB profile in which equal codes look as in a grey profile.

    Returns:
        The profile; None if the grey one has no curve.
    """
    count = int.from_bytes(icc[128:132], "big")
    for at in range(132, min(132 + 12 * count, len(icc) - 11), 12):
        name, begin, size = struct.unpack_from(">4sII", icc, at)
        if name == b"kTRC" and icc[begin : begin + 4] in (b"curv", b"para"):
            return _matrix_profile(srgb(), icc[begin : begin + size], "grey as RGB")
    return None


def _matrix_profile(space: ColourSpace, curve: bytes, name: str, cicp: Cicp | None = None) -> bytes:
    tags, adapted, white = _head(space, name)
    columns = adapted @ _primaries(space.chromaticities, white)
    for index, colour in enumerate((b"r", b"g", b"b")):
        tags[colour + b"XYZ"] = _xyz_tag(columns[:, index])
        tags[colour + b"TRC"] = curve
    if cicp:
        codes = bytes((cicp.primaries & 255, cicp.transfer & 255, 0, int(cicp.full)))
        tags[b"cicp"] = b"cicp\0\0\0\0" + codes
    return _packed(tags, b"RGB ", _WITH_CICP if cicp else _VERSION)


def _head(
    space: ColourSpace, name: str
) -> tuple[dict[bytes, bytes], NDArray[np.float64], NDArray[np.float64]]:
    """Return the tags common to all profiles, the matrix from its white to D50, and that white."""
    white = _xyz(*space.chromaticities[6:8])
    adapted = _adaptation(white)
    tags = {
        b"desc": _text(name),
        b"cprt": _text(_COPYRIGHT),
        b"wtpt": _xyz_tag(np.array(_D50)),
        b"chad": b"sf32\0\0\0\0" + _fixed(adapted.ravel()),
    }
    return tags, adapted, white


def _packed(tags: dict[bytes, bytes], colours: bytes, version: int) -> bytes:
    table, data, places = struct.pack(">I", len(tags)), b"", dict[bytes, int]()
    begin = 128 + 4 + 12 * len(tags)
    for name, body in tags.items():
        if body not in places:
            places[body] = begin + len(data)
            data += body + bytes(-len(body) % 4)
        table += name + struct.pack(">II", places[body], len(body))
    header = struct.pack(">I4sI4s4s4s", begin + len(data), b"", version, b"mntr", colours, b"XYZ ")
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp"
    header = header.ljust(68, b"\0") + _fixed(np.array(_D50))
    return header.ljust(128, b"\0") + table + data


def _curve(space: ColourSpace) -> bytes:
    if space.transfer == GAMMA and not space.narrow:
        return b"para\0\0\0\0\0\0\0\0" + _fixed(np.array([space.gamma]))
    if space.transfer == SRGB and not space.narrow:
        terms = [2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045]
        return b"para\0\0\0\0\0\3\0\0" + _fixed(np.array(terms))
    light = np.clip(space.light(np.linspace(0, 1, _CURVE_POINTS)), 0, 1)
    points = np.rint(light * 65535).astype(">u2").tobytes()
    return b"curv\0\0\0\0" + struct.pack(">I", _CURVE_POINTS) + points


def _xyz(x: float, y: float) -> NDArray[np.float64]:
    return np.array([x / y, 1.0, (1 - x - y) / y]) if y else np.array(_D50)


def _primaries(
    chromaticities: tuple[float, ...], white: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return XYZ of red, green and blue as columns, which add up to white."""
    pairs = zip(chromaticities[0:6:2], chromaticities[1:6:2], strict=True)
    columns = np.array([[x, y, 1 - x - y] for x, y in pairs]).T
    return columns * np.linalg.solve(columns, white).astype(np.float64)


def _adaptation(white: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrix that adapts XYZ from a white to D50, after Bradford."""
    gains = (_BRADFORD @ np.array(_D50)) / (_BRADFORD @ white)
    return np.linalg.inv(_BRADFORD) @ np.diag(gains) @ _BRADFORD


def _fixed(numbers: NDArray[np.float64]) -> bytes:
    """Return numbers in ICC's signed 16.16 fixed point."""
    return np.rint(np.clip(numbers, -32767, 32767) * 65536).astype(">i4").tobytes()


def _xyz_tag(xyz: NDArray[np.float64]) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(xyz)


def _text(text: str) -> bytes:
    words = text.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(words), 28) + words
