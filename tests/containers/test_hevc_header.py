"""Colours in HEVC's own headers, as an encoder writes them, and in HEIC files without others."""

from __future__ import annotations

import io
import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from clips import has_encoder

from superres.containers.bit_reader import Bits
from superres.containers.hevc_header import configured_colours
from superres.containers.iso_boxes import read_iso_facts
from superres.metadata.colour_space import Cicp

needs_x265 = pytest.mark.skipif(not has_encoder("libx265"), reason="this av has no libx265")


def configuration(parameters: str, *, pix_fmt="yuv420p", primaries=12, transfer=13) -> bytes:
    """Return the `hvcC` box that FFmpeg makes of some frames of x265."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as clip:
        stream = clip.add_stream(
            "libx265", rate=25, options={"x265-params": f"log-level=error:{parameters}"}
        )
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 72, 56, pix_fmt
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace = primaries, transfer, 6
        context.time_base = Fraction(1, 25)
        for number in range(12):
            frame = av.VideoFrame.from_ndarray(np.full((56, 72, 3), 20 * number, np.uint8), "rgb24")
            frame = frame.reformat(format=pix_fmt)
            frame.color_primaries, frame.color_trc = primaries, transfer
            frame.pts = number
            clip.mux(stream.encode(frame))
        clip.mux(stream.encode(None))
    data = file.getvalue()
    at = data.index(b"hvcC")
    return data[at + 4 : at - 4 + int.from_bytes(data[at - 4 : at], "big")]


@needs_x265
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le", "yuv444p"])
@pytest.mark.parametrize("parameters", [
    "keyint=1:bframes=0", "bframes=4:ref=4", "scaling-list=default:bframes=3",
    "temporal-layers=1:bframes=3", "sar=255\\:3,2", "overscan=show", "no-sao=1:amp=1:rect=1",
    "b-pyramid=1:bframes=8:ref=6",
])  # fmt: skip
def test_the_code_points_are_those_that_the_encoder_was_given(parameters, pix_fmt):
    found = configured_colours(configuration(parameters, pix_fmt=pix_fmt))
    assert found is not None
    assert (found.primaries, found.transfer) == (12, 13)


@needs_x265
def test_headers_cut_off_or_changed_do_not_stop_the_reader():
    data = bytearray(configuration("bframes=4:ref=4"))
    for size in range(len(data)):
        configured_colours(bytes(data[:size]))
    for at in range(len(data)):
        for value in (0, 1, 0x7F, 0xFF):
            changed = bytearray(data)
            changed[at] = value
            configured_colours(bytes(changed))


@pytest.mark.parametrize(("bits", "number"), [
    ("1", 0), ("010", 1), ("011", 2), ("00100", 3), ("00111", 6), ("0001000", 7),
    ("00001" + "0101", 20),
])  # fmt: skip
def test_numbers_are_read_by_the_table_of_the_standard(bits, number):
    padded = bits.ljust(-(-len(bits) // 8) * 8, "0")
    data = bytes(int(padded[at : at + 8], 2) for at in range(0, len(padded), 8))
    assert Bits(data).golomb() == number


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + name + body


def heic(*properties: bytes) -> bytes:
    """A HEIC of one picture, without its pixels."""
    item = box(b"infe", b"\2\0\0\0" + struct.pack(">HH", 1, 0) + b"hvc1\0")
    places = bytes((len(properties), *range(1, len(properties) + 1)))
    meta = b"".join((
        bytes(4),
        box(b"pitm", bytes(4) + struct.pack(">H", 1)),
        box(b"iinf", bytes(4) + struct.pack(">H", 1) + item),
        box(
            b"iprp",
            box(b"ipco", b"".join(properties))
            + box(b"ipma", bytes(4) + struct.pack(">IH", 1, 1) + places),
        ),
    ))  # fmt: skip
    return box(b"ftyp", b"heic\0\0\0\0mif1heic") + box(b"meta", meta)


@needs_x265
def test_a_heic_s_colours_are_those_of_its_boxes_or_else_of_its_header():
    header = box(b"hvcC", configuration("keyint=1"))
    facts = read_iso_facts(io.BytesIO(heic(header)))
    assert facts.cicp == Cicp(12, 13)
    assert facts.colour is not None
    assert facts.colour.source == "the HEVC header"
    nclx = box(b"colr", b"nclx" + struct.pack(">HHHB", 9, 16, 9, 128))
    assert read_iso_facts(io.BytesIO(heic(header, nclx))).cicp == Cicp(9, 16)
    unsaid = box(b"hvcC", configuration("keyint=1", primaries=2, transfer=2))
    assert read_iso_facts(io.BytesIO(heic(unsaid))).colour is None
    profile = box(b"colr", b"prof" + bytes(200))
    assert read_iso_facts(io.BytesIO(heic(header, profile))).cicp is None
