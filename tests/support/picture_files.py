"""Picture files for the tests, made by libvips or by hand, without the code under test."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pyvips

LOADERS = {"png": "png", "jpeg": "jpg", "webp": "webp", "tiff": "tif", "avif": "avif"}
EXACT = {
    "png": {},
    "webp": {"lossless": True, "exact": True},
    "tiff": {},
    "avif": {"lossless": True},
}
FORMATS = {"uint8": "uchar", "uint16": "ushort", "float32": "float"}


def ramp(height, width, channels, depth="uint8") -> np.ndarray:
    """Pixels that differ along both axes and between channels, and are the same each time."""
    rows, columns = np.mgrid[0:height, 0:width]
    unit = (rows * 3 + columns * 2)[..., None] / max(1, 3 * height + 2 * width)
    unit = unit * np.linspace(0.55, 1.0, channels)
    if depth == "float32":
        return unit.astype(np.float32)
    return (unit * (255 if depth == "uint8" else 65535)).astype(depth)


def noise(height, width, channels, depth="uint8", seed=0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if depth == "float32":
        return rng.normal(0.5, 1.0, (height, width, channels)).astype(np.float32)
    top = 256 if depth == "uint8" else 65536
    return rng.integers(0, top, (height, width, channels)).astype(depth)


def vips_image(pixels, interpretation=None):
    height, width, channels = pixels.shape
    image = pyvips.Image.new_from_memory(
        np.ascontiguousarray(pixels).tobytes(), width, height, channels, FORMATS[str(pixels.dtype)]
    )
    wide = pixels.dtype == np.uint16
    grey, rgb = ("grey16", "rgb16") if wide else ("b-w", "srgb")
    return image.copy(interpretation=interpretation or (grey if channels < 3 else rgb))


def encoded(pixels, kind, *, interpretation=None, fields=(), **options):
    """The bytes of a file of a kind; `fields` are (name, blob, int or text) for libvips."""
    image = vips_image(pixels, interpretation)
    # libvips makes up an EXIF block where there is none, unless told what to keep.
    options.setdefault("keep", 14 + any(name == "exif-data" for name, _ in fields))
    for name, value in fields:
        types = {bytes: "blob_type", int: "gint_type", str: "gstr_type"}
        image.set_type(getattr(pyvips.GValue, types[type(value)]), name, value)
    if kind == "avif" and pixels.dtype == np.uint16:
        options.setdefault("bitdepth", 12)
    return bytes(image.write_to_buffer(f".{LOADERS[kind]}", **options))


def profile(name):
    """An ICC profile that libvips brings along: srgb, p3 or cmyk."""
    return pyvips.Operation.call("profile_load", name)


def grey_profile(gamma=1.0):
    """A small valid ICC profile for grey pictures with a power curve."""

    def text(words):
        data = words.encode("utf-16-be")
        return b"mluc" + struct.pack(">IIIHHII", 0, 1, 12, 0x656E, 0x5553, len(data), 28) + data

    white = b"XYZ \0\0\0\0" + struct.pack(">iii", *(round(v * 65536) for v in (0.9642, 1, 0.8249)))
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    tags = {b"desc": text("grey"), b"cprt": text("none"), b"wtpt": white, b"kTRC": curve}
    table, body, at = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        padded = data.ljust(-(-len(data) // 4) * 4, b"\0")
        table += name + struct.pack(">II", at + len(body), len(data))
        body += padded
    header = bytearray(128)
    header[:4] = struct.pack(">I", at + len(body))
    header[8:12] = bytes([4, 0x30, 0, 0])
    header[12:24] = b"mntrGRAYXYZ "
    header[36:40] = b"acsp"
    header[68:80] = white[8:]
    return bytes(header) + table + body


def exif_block(entries, inner=None, *, order="<", thumbnail=None, gps=None):
    """An EXIF block from {tag: (type, value)}; values are ints, bytes or (above, below)."""

    def directory(items, begin, following):
        table, values = struct.pack(order + "H", len(items)), b""
        after = begin + 2 + 12 * len(items) + 4
        for tag in sorted(items):
            kind, value = items[tag]
            if kind in (3, 4):
                count, data = 1, struct.pack(order + "HI"[kind == 4], value)
            elif kind == 5:
                count, data = 1, struct.pack(order + "II", *value)
            else:
                count, data = len(value), value
            if len(data) > 4:
                cell = struct.pack(order + "I", after + len(values))
                values += data + b"\0" * (len(data) % 2)
            else:
                cell = data.ljust(4, b"\0")
            table += struct.pack(order + "HHI", tag, kind, count) + cell
        return table + struct.pack(order + "I", following) + values

    def size(items):
        return len(directory(items, 0, 0))

    main = dict(entries)
    at = 8
    if inner:
        main[0x8769] = (4, 0)
    if gps:
        main[0x8825] = (4, 0)
    inner_at = at + size(main)
    gps_at = inner_at + (size(inner) if inner else 0)
    thumb_at = gps_at + (size(gps) if gps else 0)
    if inner:
        main[0x8769] = (4, inner_at)
    if gps:
        main[0x8825] = (4, gps_at)
    block = struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, at)
    block += directory(main, at, thumb_at if thumbnail else 0)
    block += directory(inner, inner_at, 0) if inner else b""
    block += directory(gps, gps_at, 0) if gps else b""
    if thumbnail:
        items = {0x0201: (4, 0), 0x0202: (4, len(thumbnail))}
        items[0x0201] = (4, thumb_at + size(items))
        block += directory(items, thumb_at, 0) + thumbnail
    return block


def exif_values(block):
    """{(directory, tag): raw value bytes or int} of an EXIF block, read independently."""
    order = "<" if block[:2] == b"II" else ">"
    found = {}

    def walk(name, at):
        (count,) = struct.unpack_from(order + "H", block, at)
        for index in range(count):
            entry = at + 2 + 12 * index
            tag, kind, values = struct.unpack_from(order + "HHI", block, entry)
            width = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1}[kind] * values
            place = (
                entry + 8 if width <= 4 else struct.unpack_from(order + "I", block, entry + 8)[0]
            )
            raw = block[place : place + width]
            if kind in (3, 4) and values == 1:
                raw = struct.unpack(order + "HI"[kind == 4], raw)[0]
            elif kind == 5 and values == 1:
                above, below = struct.unpack(order + "II", raw)
                raw = above / below
            found[name, tag] = raw
        (following,) = struct.unpack_from(order + "I", block, at + 2 + 12 * count)
        found[name, "next"] = following

    walk("main", struct.unpack_from(order + "I", block, 4)[0])
    for name, pointer in (("exif", 0x8769), ("gps", 0x8825)):
        if ("main", pointer) in found:
            walk(name, found["main", pointer])
    return found


def with_jpeg_exif(jpeg, block):
    segment = b"Exif\0\0" + block
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]


def png_chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def with_jpeg_profile(jpeg, icc):
    segment = b"ICC_PROFILE\0\1\1" + icc
    return jpeg[:2] + b"\xff\xe2" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]


def with_png_chunks(png, *chunks, last=False):
    """Put (name, body) chunks behind the header, or before the end."""
    at = len(png) - 12 if last else 33
    return png[:at] + b"".join(png_chunk(*chunk) for chunk in chunks) + png[at:]


def png_chunks(png):
    """[(name, body)] of a PNG; each checksum is checked."""
    at, found = 8, []
    while at < len(png):
        (size,) = struct.unpack_from(">I", png, at)
        name, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", png, at + 8 + size)[0] == zlib.crc32(name + body)
        found.append((name, body))
        at += 12 + size
    return found


def raw_tiff(pixels, photometric, extra=None, sample_format=None, *, pages=1):
    """An uncompressed little-endian TIFF of any channels and samples, a page for each repeat."""
    height, width, channels = pixels.shape
    data = np.ascontiguousarray(pixels).tobytes()
    file = bytearray(struct.pack("<2sHI", b"II", 42, 0))
    link = 4
    for _ in range(pages):
        pixels_at = len(file)
        file += data + b"\0" * (len(data) % 2)
        tags = {
            256: [width],
            257: [height],
            258: [pixels.dtype.itemsize * 8] * channels,
            259: [1],
            262: [photometric],
            273: [pixels_at],
            277: [channels],
            278: [height],
            279: [len(data)],
        }
        if extra is not None:
            tags[338] = extra
        if sample_format is not None:
            tags[339] = [sample_format] * channels
        values = b""
        values_at = len(file)
        cells = {}
        for tag, numbers in tags.items():
            kind = "I" if tag in (273, 279) else "H"
            packed = struct.pack(f"<{len(numbers)}{kind}", *numbers)
            if len(packed) > 4:
                cells[tag] = struct.pack("<I", values_at + len(values))
                values += packed + b"\0" * (len(packed) % 2)
            else:
                cells[tag] = packed.ljust(4, b"\0")
        file += values
        struct.pack_into("<I", file, link, len(file))
        file += struct.pack("<H", len(tags))
        for tag in sorted(tags):
            kind = 4 if tag in (273, 279) else 3
            file += struct.pack("<HHI", tag, kind, len(tags[tag])) + cells[tag]
        link = len(file)
        file += struct.pack("<I", 0)
    return bytes(file)
