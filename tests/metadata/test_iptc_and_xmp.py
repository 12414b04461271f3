"""IPTC inside Photoshop's segment, and XMP in each encoding, from bytes set by hand."""

import codecs

import pytest

from superres.metadata.iptc import unwrap_iptc, wrap_iptc
from superres.metadata.xmp import fit_xmp, settle_xmp

RECORD = b"\x1c\2\x69\0\4head"


def resource(number, name, body):
    """One of Photoshop's: mark, number, name with its length, size, body; padded to even."""
    named = bytes([len(name)]) + name
    named += bytes(len(named) % 2)
    sized = len(body).to_bytes(4, "big") + body + bytes(len(body) % 2)
    return b"8BIM" + number.to_bytes(2, "big") + named + sized


@pytest.mark.parametrize("name", [b"", b"a", b"ab", b"x" * 255])
@pytest.mark.parametrize("other", [b"", b"odd", b"even"])
def test_the_record_is_found_behind_other_resources_of_any_length_of_name_and_body(name, other):
    segment = b"Photoshop 3.0\0" + resource(0x03ED, name, other) + resource(0x0404, name, RECORD)
    assert unwrap_iptc(segment + resource(0x0425, b"", b"digest")) == RECORD


@pytest.mark.parametrize("record", [RECORD, RECORD + b"!"])
def test_wrapping_writes_the_segment_as_set_by_hand(record):
    assert wrap_iptc(record) == b"Photoshop 3.0\0" + resource(0x0404, b"", record)
    assert unwrap_iptc(wrap_iptc(record)) == record


def test_a_bare_record_is_returned_as_it_is():
    assert unwrap_iptc(RECORD) == RECORD


@pytest.mark.parametrize(
    "rest",
    [
        b"",
        b"8BIM",
        b"8BIM\x04\x04",
        b"8BIM\x04\x04\xff",
        b"8BIM\x03\xed\0\0\xff\xff\xff\xff",
        resource(0x0404, b"", RECORD)[:-2],
        resource(0x0404, b"", RECORD)[: -len(RECORD) + 1],
        b"9BIM\x04\x04\0\0\0\0\0\4head",
        resource(0x0404, b"", b""),
        resource(0x03ED, b"", b"resolution"),
    ],
)
def test_a_segment_without_a_whole_record_has_none(rest):
    assert unwrap_iptc(b"Photoshop 3.0\0" + rest) is None


PACKET = '<r tiff:Orientation="6" x="ü"><tiff:Orientation> 8 </tiff:Orientation></r>'
UPRIGHT = '<r tiff:Orientation="1" x="ü"><tiff:Orientation> 1 </tiff:Orientation></r>'.encode()


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "utf-16", "utf-32"]
)
def test_each_encoding_with_or_without_its_mark_becomes_upright_utf_8(encoding):
    assert settle_xmp(PACKET.encode(encoding)) == UPRIGHT


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [(codecs.BOM_UTF16_BE, "utf-16-be"), (codecs.BOM_UTF32_BE, "utf-32-be")],
)
def test_a_byte_order_mark_of_the_other_order_is_obeyed_and_removed(mark, encoding):
    assert settle_xmp(mark + PACKET.encode(encoding)) == UPRIGHT


@pytest.mark.parametrize("tail", [b"\0", b"\0" * 1000])
def test_zeros_at_the_end_go_and_blanks_stay(tail):
    assert settle_xmp(b"<r/>  " + tail) == b"<r/>  "


@pytest.mark.parametrize(
    "data", [b"", b"\0\0", b"<r>\0</r>", b"<r>\xff</r>", b"<\0r", codecs.BOM_UTF32_LE + b"<"]
)
def test_what_is_not_text_is_no_packet(data):
    assert settle_xmp(data) is None


def test_sizes_are_set_in_both_ways_of_writing_and_other_numbers_stay():
    packet = (
        b'<r tiff:ImageWidth=\'30\' exif:PixelYDimension = "20" tiff:XResolution="30">'
        b"<exif:PixelXDimension>30</exif:PixelXDimension><tiff:ImageLength>\n20\n"
        b"</tiff:ImageLength><tiff:BitsPerSample>20</tiff:BitsPerSample></r>"
    )
    assert fit_xmp(packet, height=8000, width=12000) == (
        b'<r tiff:ImageWidth=\'12000\' exif:PixelYDimension = "8000" tiff:XResolution="30">'
        b"<exif:PixelXDimension>12000</exif:PixelXDimension><tiff:ImageLength>\n8000\n"
        b"</tiff:ImageLength><tiff:BitsPerSample>20</tiff:BitsPerSample></r>"
    )


@pytest.mark.parametrize(
    "packet",
    [b'<r tiff:ImageWidth="30px"/>', b'<r tiff:ImageWidthMax="30"/>', b"<r>tiff:ImageWidth 30</r>"],
)
def test_what_only_resembles_a_size_is_left_alone(packet):
    assert fit_xmp(packet, height=1, width=1) == packet


def test_a_hostile_packet_of_a_megabyte_of_blanks_is_passed_through_at_once():
    packet = b"<r tiff:ImageWidth" + b" " * 2**20 + b"><tiff:ImageWidth>" + b"\n" * 2**20
    assert fit_xmp(packet, height=1, width=1) == packet
