"""Offsets that no file can have, and resolutions that no two numbers of 32 bits state exactly."""

from __future__ import annotations

import io
import struct

import pytest

from superres.metadata.exif import exif_orientation, resolution_fields
from superres.metadata.tags import TagError, read_directory, read_header


@pytest.mark.parametrize("first", [2**63, 2**64 - 1])
def test_an_offset_past_what_files_can_have_is_a_tag_error(first):
    data = b"II+\0" + struct.pack("<HHQ", 8, 0, first)
    stream = io.BytesIO(data)
    header = read_header(stream)
    with pytest.raises(TagError, match="past its end"):
        read_directory(stream, header, header.first)
    assert exif_orientation(data) is None


def test_an_offset_before_the_beginning_is_a_tag_error():
    stream = io.BytesIO(b"II*\0" + struct.pack("<I", 8) + bytes(20))
    with pytest.raises(TagError, match="past its end"):
        read_directory(stream, read_header(stream), -1)


@pytest.mark.parametrize("dpi", [508_000.0254, 999_999.5, 300.0, 72.009])
def test_every_resolution_that_is_kept_fits_its_tags(dpi):
    header = read_header(io.BytesIO(b"II*\0" + struct.pack("<I", 8) + bytes(20)))
    for field in list(resolution_fields(header, (dpi, dpi)).values())[:2]:
        above, below = struct.unpack("<II", field.data)
        assert above / below == pytest.approx(dpi, rel=1e-6)
