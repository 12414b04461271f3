"""Rows pushed to libvips: what arrives, who waits, and what an abort or a release does."""

import io
import threading

import numpy as np
import pytest
import pyvips
from picture_files import noise

from superres.containers.tiff_facts import read_tiff_facts
from superres.vips.carrier import Carrier, CarrierError

LIMIT_S = 8


def pushed(carrier, blocks):
    """A started thread that pushes blocks, and the list of what it ended with."""
    ends: list[object] = []

    def work():
        try:
            for rows in blocks:
                carrier.push(rows)
            ends.append("done")
        except CarrierError as error:
            ends.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread, ends


def received(pixels, cuts):
    height, width, channels = pixels.shape
    carrier = Carrier(height, width, channels, str(pixels.dtype))
    thread, ends = pushed(carrier, np.split(pixels, cuts))
    try:
        array = carrier.image().numpy()
    finally:
        carrier.release()
    thread.join(LIMIT_S)
    assert ends == ["done"]
    return array.reshape(pixels.shape)


@pytest.mark.parametrize("depth", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_what_is_pushed_arrives_bit_for_bit(depth, channels):
    pixels = noise(23, 17, channels, depth)
    array = received(pixels, [5, 6, 20])
    assert array.dtype == pixels.dtype
    assert np.array_equal(array, pixels)


@pytest.mark.parametrize("cuts", [[], [1], list(range(1, 700)), [699], [350, 351]])
def test_the_size_of_blocks_makes_no_difference_across_strips(cuts):
    pixels = noise(700, 1100, 3)  # 2.3 MB: three strips of at most 1 MiB
    assert np.array_equal(received(pixels, cuts), pixels)


def test_a_row_longer_than_a_strip_and_rows_of_a_strided_view_arrive():
    wide = noise(3, 400_000, 3)
    assert np.array_equal(received(wide, [1, 2]), wide)
    view = noise(40, 30, 3)[::2, ::-1]
    assert np.array_equal(received(view, [7]), view)


@pytest.mark.parametrize(
    ("channels", "depth", "interpretation"),
    [(1, "uint8", "b-w"), (2, "uint16", "grey16"), (3, "uint8", "srgb"), (4, "uint16", "rgb16")],
)
def test_the_image_has_the_size_and_kind_that_was_promised(channels, depth, interpretation):
    carrier = Carrier(9, 5, channels, depth)
    image = carrier.image()
    assert (image.height, image.width, image.bands) == (9, 5, channels)
    assert image.interpretation == interpretation
    carrier.abort()


def test_a_writer_waits_with_three_blocks_until_the_reader_comes():
    pixels = noise(50, 8, 1)
    carrier = Carrier(50, 8, 1, "uint8")
    handed: list[int] = []

    def blocks():
        for index in range(10):
            handed.append(index)
            yield pixels[index * 5 : index * 5 + 5]

    thread, ends = pushed(carrier, blocks())
    thread.join(0.3)
    assert handed == [0, 1, 2, 3], "three wait, the fourth is in the writer's hands"
    assert ends == []
    assert np.array_equal(carrier.image().numpy().reshape(pixels.shape), pixels)
    thread.join(LIMIT_S)
    assert ends == ["done"]


def test_a_release_frees_a_writer_that_waits_and_refuses_all_later_rows():
    carrier = Carrier(50, 8, 1, "uint8")
    thread, ends = pushed(carrier, [noise(5, 8, 1)] * 10)
    thread.join(0.1)
    carrier.release()
    thread.join(LIMIT_S)
    assert [type(end) for end in ends] == [CarrierError]
    with pytest.raises(CarrierError):
        carrier.push(noise(5, 8, 1))


@pytest.mark.parametrize("rows_before", [0, 5])
def test_an_abort_makes_the_reader_fail_instead_of_inventing_rows(rows_before):
    carrier = Carrier(50, 8, 1, "uint8")
    image = carrier.image()
    if rows_before:
        carrier.push(noise(rows_before, 8, 1))
    timer = threading.Timer(0.1, carrier.abort)
    timer.start()
    with pytest.raises(pyvips.Error):
        image.numpy()
    timer.join(LIMIT_S)


def test_pixels_cannot_be_read_twice():
    pixels = noise(6, 8, 1)
    carrier = Carrier(6, 8, 1, "uint8")
    carrier.push(pixels)
    image = carrier.image()
    assert np.array_equal(image.numpy().reshape(pixels.shape), pixels)
    assert carrier._seek(0, 0) == 0
    start = carrier._read(10**6)
    assert start[:4] in (b"II+\0", b"MM\0+")
    assert carrier._seek(len(start) + 3, 0) == len(start) + 3
    carrier.push(pixels)  # so that a wrong answer has bytes to give, and does not wait
    assert carrier._read(100) == b""


@pytest.mark.parametrize(
    ("channels", "alpha"), [(1, "none"), (2, "straight"), (3, "none"), (4, "straight")]
)
def test_the_header_says_that_a_second_or_fourth_channel_is_straight_alpha(channels, alpha):
    header = io.BytesIO(Carrier(6, 8, channels, "uint8")._header)
    assert read_tiff_facts(header).alpha == alpha
