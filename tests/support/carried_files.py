"""Picture files that carry what cameras and editors leave in them, made by hand, and upscaled."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from picture_files import encoded
from strict_readers import read_strictly

from superres.media import WriteOptions, open_picture, read_pixels, write_picture
from superres.metadata.picture import Profile

HEIGHT, WIDTH = 64, 96
_ROWS, _COLUMNS = np.mgrid[0:HEIGHT, 0:WIDTH]
PIXELS = np.dstack([2 * _COLUMNS, 3 * _ROWS, _COLUMNS + _ROWS]).astype("uint8")
_PLAIN = WriteOptions()
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"


def segment(marker, body):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def jpeg(*segments, tail=b""):
    """A JPEG with segments at its start, and bytes behind its end."""
    plain = encoded(PIXELS, "jpeg", Q=95, subsample_mode="off", keep=0)
    at = 20 if plain[2:4] == b"\xff\xe0" else 2
    return plain[:at] + b"".join(segments) + plain[at:] + tail


def exif_segment(block):
    return segment(0xE1, b"Exif\0\0" + block)


def xmp_packet(namespaces, attributes="", inner=""):
    declared = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in namespaces.items())
    return (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">'
        f'<rdf:Description rdf:about="" {declared} {attributes}>{inner}</rdf:Description>'
        "</rdf:RDF></x:xmpmeta>"
    ).encode()


def xmp_segment(packet):
    return segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet)


def resource(number, body):
    """One of Photoshop's resources, without a name."""
    size = struct.pack(">I", len(body))
    return b"8BIM" + number.to_bytes(2, "big") + b"\0\0" + size + body + bytes(len(body) % 2)


def chunk(name, body=b""):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(*chunks, pixels=PIXELS):
    """A PNG with chunks behind its header."""
    plain = encoded(pixels, "png", keep=0)
    return plain[:33] + b"".join(chunks) + plain[33:]


def upscaled(data, kind, *, scale=2, profile: Profile = "keep", options=_PLAIN):
    """Read a file, repeat its pixels, and write them; return the file and all notes."""
    picture = open_picture(data, profile=profile)
    pixels = read_pixels(picture).repeat(scale, axis=0).repeat(scale, axis=1)
    stream = io.BytesIO()
    notes = write_picture(
        stream, [pixels], height=pixels.shape[0], width=pixels.shape[1], bands=picture.bands,
        values=picture.values, metadata=picture.metadata, format=kind, options=options,
    )  # fmt: skip
    return stream.getvalue(), (*picture.notes, *notes)


def carried(data) -> Any:
    """What a strict reader finds in a file that is known to carry it."""
    return read_strictly(data)
