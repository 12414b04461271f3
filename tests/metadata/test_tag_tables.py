"""Tables of tags: what is read from bytes set by hand, what damage says, and what is appended."""

import io
import struct

import pytest
from hand_tiff import block, start, text

from superres.metadata.tags import (
    ASCII,
    LONG,
    SHORT,
    Field,
    Header,
    Slot,
    TagError,
    add_to_first_directory,
    point_header,
    read_directory,
    read_field,
    read_header,
    read_numbers,
    read_value,
    write_directory,
)

LAYOUTS = [("<", False), (">", False), ("<", True), (">", True)]
ENTRIES = [
    (0x0100, 4, (70000,)),
    (0x0102, 3, (8, 9, 10, 11, 12)),
    (0x010E, 2, text(b"a long description\0")),
    (0x011A, 5, (300, 7)),
]


def opened(data):
    stream = io.BytesIO(data)
    header = read_header(stream)
    return stream, header, read_directory(stream, header, header.first)


@pytest.mark.parametrize(("order", "big"), LAYOUTS)
def test_numbers_are_read_in_each_byte_order_and_width_of_offsets(order, big):
    stream, header, table = opened(block(ENTRIES, order=order, big=big, following=77))
    assert header == Header(order, big, 16 if big else 8, 8 if big else 4)
    assert read_numbers(stream, header, table.slots[0x0100]) == (70000,)
    assert read_numbers(stream, header, table.slots[0x0102]) == (8, 9, 10, 11, 12)
    assert read_numbers(stream, header, table.slots[0x011A]) == (300 / 7,)
    assert read_value(stream, table.slots[0x010E]) == b"a long description\0"
    assert table.next == 77


def test_places_of_entries_and_values_are_the_offsets_counted_by_hand():
    _, _, table = opened(block(ENTRIES))
    # Header 8, count 2, four entries of 12, next 4: values begin at 62.
    assert table.slots[0x0100] == Slot(4, 1, 10, 18, 4)
    assert table.slots[0x0102] == Slot(3, 5, 22, 62, 10)
    assert table.slots[0x010E] == Slot(2, 19, 34, 72, 19)
    assert table.slots[0x011A] == Slot(5, 1, 46, 92, 8)
    assert table.next_at == 58


def test_of_doubled_tags_the_first_counts_and_unknown_types_are_left_out():
    data = bytearray(block([(0x0100, 3, (5,)), (0x0100, 3, (6,)), (0x0101, 3, (7,))]))
    data[10 + 24 + 2 : 10 + 24 + 4] = struct.pack("<H", 99)
    stream, header, table = opened(bytes(data))
    assert list(table.slots) == [0x0100]
    assert read_numbers(stream, header, table.slots[0x0100]) == (5,)


def test_a_rational_over_zero_is_zero_and_text_has_no_numbers():
    stream, header, table = opened(block([(1, 5, (3, 0, 1, 4)), (2, 2, text(b"12\0"))]))
    assert read_numbers(stream, header, table.slots[1]) == (0.0, 0.25)
    assert read_numbers(stream, header, table.slots[2]) == ()
    assert read_numbers(stream, header, None) == ()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "does not begin as a TIFF"),
        (b"II*\0\x08\0\0", "does not begin as a TIFF"),
        (b"IM*\0\x08\0\0\0", "does not begin as a TIFF"),
        (b"II\x2c\0\x08\0\0\0", "version is 44, not 42 or 43"),
        (b"MM*\0\0\0\0\x08", "version is 10752, not 42 or 43"),
        (b"II+\0\x08\0\0\0" + bytes(4), "version is 43"),
    ],
)
def test_what_is_no_tiff_is_refused_by_its_first_bytes(data, message):
    with pytest.raises(TagError, match=message):
        read_header(io.BytesIO(data))


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        (b"", "points past its end"),
        (b"\1", "points past its end"),
        (b"\0\0", "claims 0 entries"),
        (struct.pack("<H", 4097), "claims 4097 entries"),
        (struct.pack("<HHHII", 2, 1, 3, 1, 0), "points past its end"),
    ],
)
def test_a_table_that_is_cut_off_or_absurd_is_refused(tail, message):
    with pytest.raises(TagError, match=message):
        opened(start() + tail)


def test_a_table_without_its_last_offset_is_read_and_has_none_after_it():
    data = block([(0x0100, 3, (5,))])[:-1]
    _, _, table = opened(data)
    assert table.next == 0
    assert list(table.slots) == [0x0100]


def test_a_value_past_the_end_and_one_of_more_than_16_mb_are_refused():
    stream, header, table = opened(block(ENTRIES)[:-1])
    with pytest.raises(TagError, match="past its end"):
        read_value(stream, table.slots[0x011A])
    huge = start() + struct.pack("<HHHIII", 1, 0x83BB, 7, 16 * 2**20 + 1, 0, 0)
    stream, header, table = opened(huge)
    with pytest.raises(TagError, match="claims 16777217 bytes"):
        read_numbers(stream, header, Slot(4, 1, 0, 0, table.slots[0x83BB].size))


@pytest.mark.parametrize(
    ("kind", "numbers"), [(3, (1, 515)), (4, (66051, 2)), (5, (1, 3, 7, 9)), (16, (2**40,))]
)
def test_values_are_turned_number_by_number_for_the_other_byte_order(kind, numbers):
    big = kind == 16
    stream, header, table = opened(block([(1, kind, numbers)], order=">", big=big))
    codes = {3: "H", 4: "I", 5: "I", 16: "Q"}
    field = read_field(stream, header, table.slots[1], "<")
    assert field.data == struct.pack(f"<{len(numbers)}{codes[kind]}", *numbers)
    same = read_field(stream, header, table.slots[1], ">")
    assert same.data == struct.pack(f">{len(numbers)}{codes[kind]}", *numbers)


@pytest.mark.parametrize(("value", "kept"), [(b"ab", b"ab\0"), (b"ab\0", b"ab\0")])
def test_a_text_gets_a_closing_zero_only_where_it_lacks_one(value, kept):
    stream, header, table = opened(block([(1, 2, text(value))]))
    assert read_field(stream, header, table.slots[1], "<") == Field(ASCII, len(kept), kept)


@pytest.mark.parametrize(("order", "big"), LAYOUTS)
@pytest.mark.parametrize("odd", [0, 1])
def test_a_directory_is_appended_sorted_at_even_offsets_and_moves_nothing(order, big, odd):
    before = block(ENTRIES, order=order, big=big) + b"x" * odd
    stream = io.BytesIO(before)
    header = read_header(stream)
    fields = {
        9: Field(ASCII, 11, b"0123456789\0"),
        3: Field(SHORT, 1, struct.pack(order + "H", 7)),
        5: Field(ASCII, 13, b"abcdefghijkl\0"),
    }
    at = write_directory(stream, header, fields, following=24)
    after = stream.getvalue()
    assert after[: len(before)] == before, "the header still points at the old table"
    table = read_directory(stream, header, at)
    assert list(table.slots) == [3, 5, 9]
    assert table.next == 24
    assert at % 2 == 0
    for tag in (5, 9):
        assert table.slots[tag].value_at % 2 == 0
        assert read_value(stream, table.slots[tag]) == fields[tag].data
    assert read_numbers(stream, header, table.slots[3]) == (7,)
    point_header(stream, header, at)
    assert read_header(stream).first == at


@pytest.mark.parametrize(("order", "big"), LAYOUTS)
def test_more_tags_leave_old_values_where_they_were_and_outrank_doubles(order, big):
    before = block(ENTRIES, order=order, big=big, following=123)
    stream, header, old = opened(before)
    new = {
        0x0100: Field(LONG, 1, struct.pack(order + "I", 9)),
        0x8298: Field(ASCII, 10, b"(c) by me\0"),
    }
    add_to_first_directory(stream, header, new)
    data = stream.getvalue()
    _, _, table = opened(data)
    assert (
        data[header.first_at + header.cell_bytes : len(before)]
        == (before[header.first_at + header.cell_bytes :])
    )
    assert table.next == 123
    for tag in (0x0102, 0x010E):
        assert table.slots[tag].value_at == old.slots[tag].value_at
    for tag in (0x0102, 0x010E, 0x011A):  # BigTIFF's cell holds a rational itself
        assert read_value(stream, table.slots[tag]) == read_value(
            io.BytesIO(before), old.slots[tag]
        )
    assert read_numbers(stream, header, table.slots[0x0100]) == (9,)
    assert read_value(stream, table.slots[0x8298]) == b"(c) by me\0"


def test_an_offset_past_4_gb_is_refused_by_small_offsets_and_taken_by_large_ones():
    small = io.BytesIO(block(ENTRIES))
    with pytest.raises(TagError, match="past 4 GB"):
        point_header(small, read_header(small), 2**32)
    assert small.getvalue() == block(ENTRIES)
    large = io.BytesIO(block(ENTRIES, big=True))
    point_header(large, read_header(large), 2**32)
    assert read_header(large).first == 2**32
