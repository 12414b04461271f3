"""EXIF blocks set by hand: which bytes change, which stay, and what damage does."""

import io
import struct

import pytest
from hand_tiff import block, directory, start, text

from superres.containers.exif_in_tiff import (
    add_to_tiff,
    exif_of_tiff,
    iptc_of_tiff,
)
from superres.metadata.exif import (
    exif_dpi,
    exif_orientation,
    fit_exif,
    new_exif,
    settle_exif,
)
from superres.metadata.tags import TagError, read_directory, read_header, read_numbers, read_value

MARK = b"Exif\0\0"
TURNED = [(0x0112, 3, (6,))]


def with_thumbnail(thumbnail, *, behind=b"", claims=None):
    """A main table with an orientation, then a table that points at a thumbnail."""
    main = directory(TURNED, at=8, following=26)
    at = 26 + 2 + 24 + 4
    size = len(thumbnail) if claims is None else claims
    second = directory([(0x0201, 4, (at,)), (0x0202, 4, (size,))], at=26)
    return start() + main + second + thumbnail + behind


def first_table(data):
    stream = io.BytesIO(data)
    header = read_header(stream)
    return stream, header, read_directory(stream, header, header.first)


def numbers(data, tag):
    stream, header, table = first_table(data)
    return read_numbers(stream, header, table.slots.get(tag))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("mark", [b"", MARK])
def test_settling_sets_the_orientation_and_no_other_byte(order, mark):
    before = block([*TURNED, (0x927C, 7, text(b"note"))], order=order)
    after = settle_exif(mark + before)
    expected = bytearray(before)
    expected[18:20] = struct.pack(order + "H", 1)
    assert after == bytes(expected)
    assert (exif_orientation(mark + before), exif_orientation(after)) == (6, 1)


def test_a_thumbnail_at_the_end_is_cut_off_and_one_before_other_bytes_is_zeroed():
    assert b"THUMB" not in settle_exif(with_thumbnail(b"THUMB"))
    assert len(settle_exif(with_thumbnail(b"THUMB"))) == 56
    kept = settle_exif(with_thumbnail(b"THUMB", behind=b"maker"))
    assert kept[56:] == bytes(5) + b"maker"
    assert kept[22:26] == bytes(4), "nothing points at its table any more"


def test_a_thumbnail_longer_than_the_block_is_cut_off_at_its_end():
    assert len(settle_exif(with_thumbnail(b"THUMB", claims=4_000_000))) == 56


@pytest.mark.parametrize(("at", "size"), [(-3, 2), (-5, 5), (40, -8), (-5, 10)])
def test_a_thumbnail_before_the_block_or_of_less_than_nothing_is_unlinked_and_erases_nothing(
    at, size
):
    second = directory([(0x0201, 9, (at,)), (0x0202, 9, (size,))], at=26)
    data = start() + directory(TURNED, at=8, following=26) + second + b"maker"
    expected = bytearray(data)
    expected[18:20], expected[22:26] = b"\1\0", bytes(4)
    assert settle_exif(data) == bytes(expected)


def test_a_damaged_table_of_a_thumbnail_is_unlinked_and_does_no_harm():
    data = block(TURNED, following=5000)
    settled = settle_exif(data)
    assert first_table(settled)[2].next == 0
    assert numbers(settled, 0x0112) == (1,)


@pytest.mark.parametrize("data", [b"", MARK, b"garbage in here", start(), start(first=999)])
def test_a_block_without_a_first_directory_is_refused_and_states_no_orientation(data):
    with pytest.raises(TagError):
        settle_exif(data)
    with pytest.raises(TagError):
        exif_dpi(data)
    assert exif_orientation(data) is None


def test_no_block_at_all_states_no_orientation():
    assert exif_orientation(None) is None


@pytest.mark.parametrize(("value", "kind"), [(65535, 3), (65536, 4)])
def test_a_size_becomes_a_long_exactly_where_a_short_ends(value, kind):
    fitted = fit_exif(block([(0x0100, 3, (9,))]), height=1, width=value, dpi=None)
    assert numbers(fitted, 0x0100) == (value,)
    assert first_table(fitted)[2].slots[0x0100].kind == kind


def test_sizes_are_set_in_both_tables_and_added_to_neither():
    inner_at = 8 + 2 + 24 + 4
    main = directory([(0x0101, 4, (5,)), (0x8769, 4, (inner_at,))], at=8)
    inner = directory([(0xA002, 3, (6,)), (0xA003, 3, (5,))], at=inner_at)
    fitted = fit_exif(start() + main + inner, height=50, width=60, dpi=None)
    stream, header, table = first_table(fitted)
    assert read_numbers(stream, header, table.slots[0x0101]) == (50,)
    assert 0x0100 not in table.slots
    slots = read_directory(stream, header, inner_at).slots
    assert read_numbers(stream, header, slots[0xA002]) == (60,)
    assert read_numbers(stream, header, slots[0xA003]) == (50,)


def test_sizes_of_an_unexpected_type_or_count_are_left_alone():
    data = block([(0x0100, 3, (9, 9)), (0x0101, 5, (9, 1))])
    assert fit_exif(data, height=70, width=80, dpi=None) == data


def test_a_pointer_past_the_end_makes_the_block_damaged():
    with pytest.raises(TagError, match="past its end"):
        fit_exif(block([(0x8769, 4, (4000,))]), height=1, width=1, dpi=None)


@pytest.mark.parametrize(
    ("unit", "expected"), [((2,), (300.0, 150.0)), ((3,), (762.0, 381.0)), ((1,), None), ((), 300)]
)
def test_a_resolution_counts_in_its_unit_and_in_inches_without_one(unit, expected):
    entries = [(0x011A, 5, (300, 1)), (0x011B, 5, (150, 1))]
    if unit:
        entries.append((0x0128, 3, unit))
    stated = exif_dpi(block(entries))
    assert stated == ((300.0, 150.0) if expected == 300 else expected)


@pytest.mark.parametrize("across", [(0, 1), (5, 0)])
def test_a_resolution_of_zero_is_none(across):
    assert exif_dpi(block([(0x011A, 5, across), (0x011B, 5, (72, 1))])) is None


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_whole_resolution_is_overwritten_in_place_and_a_partial_one_is_appended(order):
    across, down, unit = (0x011A, 5, (72, 1)), (0x011B, 5, (72, 1)), (0x0128, 3, (3,))
    whole = block([across, down, unit], order=order)
    fitted = fit_exif(whole, height=1, width=1, dpi=(299.5, 600.0))
    assert len(fitted) == len(whole)
    assert numbers(fitted, 0x011A) == (299.5,)
    assert numbers(fitted, 0x0128) == (2,), "the unit becomes the inch"
    part = block([across, unit], order=order)
    grown = fit_exif(part, height=1, width=1, dpi=(299.5, 600.0))
    assert grown[8 : len(part)] == part[8:], "old bytes keep their place"
    assert exif_dpi(grown) == (299.5, 600.0)


@pytest.mark.parametrize("dpi", [(72.0, 72.0), (300.25, 0.5), (1.0, 429496.0)])
def test_a_new_block_states_its_resolution_and_nothing_else(dpi):
    made = new_exif(dpi)
    assert exif_dpi(made) == dpi
    assert list(first_table(made)[2].slots) == [0x011A, 0x011B, 0x0128]


def camera_tiff(order="<", description=b"a lake\0"):
    """A TIFF with a maker, a size, an EXIF table with one of Interoperability inside, and IPTC."""
    entries = [
        (0x0100, 3, (8,)),
        (0x010E, 2, text(description)),
        (0x010F, 2, text(b"Maker\0")),
        (0x83BB, 7, text(b"\x1c\2\x05\0\5title")),
        (0x8769, 4, (0,)),
    ]
    inner_at = 8 + len(directory(entries, at=8))
    inner_bytes = len(directory([(0x829A, 5, (1, 125)), (0xA005, 4, (0,))], at=0))
    inner = [(0x829A, 5, (1, 125)), (0xA005, 4, (inner_at + inner_bytes,))]
    entries[-1] = (0x8769, 4, (inner_at,))
    data = block(entries, order=order) + directory(inner, at=inner_at, order=order)
    return data + directory([(1, 2, text(b"R98\0"))], at=len(data), order=order)


@pytest.mark.parametrize("order", ["<", ">"])
def test_tags_that_describe_become_a_little_endian_block_and_sizes_stay_behind(order):
    exif, structural = exif_of_tiff(io.BytesIO(camera_tiff(order)))
    assert exif is not None
    assert (exif[:4], structural) == (b"II*\0", False)
    stream, header, table = first_table(exif)
    assert list(table.slots) == [0x010E, 0x010F, 0x8769]
    assert read_value(stream, table.slots[0x010F]) == b"Maker\0"
    inner = read_directory(stream, header, int(numbers(exif, 0x8769)[0])).slots
    assert read_numbers(stream, header, inner[0x829A]) == (1 / 125,)
    at = read_numbers(stream, header, inner[0xA005])
    assert read_value(stream, read_directory(stream, header, int(at[0])).slots[1]) == b"R98\0"


@pytest.mark.parametrize("lead", [b'{"shape": [3]}\0', b"  ImageJ=1.5\0", b"<?xml ?><OME/>\0"])
def test_a_description_that_lays_out_pixels_is_left_out_and_said_to_be(lead):
    exif, structural = exif_of_tiff(io.BytesIO(camera_tiff(description=lead)))
    assert exif is not None
    assert structural
    assert 0x010E not in first_table(exif)[2].slots


def test_a_tiff_that_describes_nothing_has_no_block_and_no_record():
    data = block([(0x0100, 3, (8,))])
    assert exif_of_tiff(io.BytesIO(data)) == (None, False)
    assert iptc_of_tiff(io.BytesIO(data)) is None
    assert iptc_of_tiff(io.BytesIO(camera_tiff())) == b"\x1c\2\x05\0\5title"


@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True), (">", True)])
def test_a_block_and_a_record_come_back_out_of_the_tiff_they_were_added_to(order, big):
    exif, _ = exif_of_tiff(io.BytesIO(camera_tiff()))
    bare = block([(0x0100, 3, (8,)), (0x0101, 3, (9,))], order=order, big=big)
    stream = io.BytesIO(bare)
    add_to_tiff(stream, exif=exif, iptc=b"record")
    assert exif_of_tiff(stream) == (exif, False)
    assert iptc_of_tiff(stream) == b"record"
    assert numbers(stream.getvalue(), 0x0101) == (9,)
    assert stream.getvalue()[16:][: len(bare) - 16] == bare[16:]
