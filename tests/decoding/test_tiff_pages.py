"""The pictures of a TIFF are told from its thumbnails, copies, masks and sensor data."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hand_tiff import block, chain, directory
from picture_files import noise, ramp

from superres.decoding.camera_raw import raw_kind
from superres.decoding.tiff_coding import Coding, coding_error
from superres.decoding.tiff_pages import read_tiff_pages
from superres.errors import PictureError
from superres.media import open_picture, read_pixels
from superres.metadata.tags import TagError

SIZE = [(0x0100, 3, (8,)), (0x0101, 3, (6,))]
PAGE, COPY, MASK = ([(0x00FE, 4, (kind,)), *SIZE] for kind in (2, 1, 4))


def pages(data):
    return read_tiff_pages(io.BytesIO(data))


def test_pages_are_counted_without_copies_and_masks_which_are_noted():
    found = pages(chain(PAGE, COPY, PAGE, MASK, PAGE))
    assert [page.index for page in found.pages] == [0, 2, 4]
    assert found.notes == ("2 reduced copies or masks in the TIFF are not kept",)


@pytest.mark.parametrize("back_to", [8, 8 + 2 + 36 + 4])
def test_a_chain_that_runs_in_a_circle_ends(back_to):
    data = bytearray(chain(PAGE, PAGE))
    data[-4:] = struct.pack("<I", back_to)
    assert len(pages(bytes(data)).pages) == 2


def test_a_chain_that_leads_past_the_end_is_damaged():
    with pytest.raises(TagError, match="past its end"):
        pages(block(SIZE, following=10**6))


SUBS = {"directory below": True, "next directory": False}


def tiff(first, second, *, below, tags=(), thumbnail=True, cfa=False):
    """A TIFF of two uncompressed pictures, the second below the first or behind it."""
    data = bytearray(struct.pack("<2sHI", b"II", 42, 0))
    places = []
    for pixels in (first, second):
        places.append(len(data))
        data += pixels.tobytes() + bytes(pixels.nbytes % 2)

    def table(pixels, place, more, following):
        height, width, channels = pixels.shape
        entries = [
            (256, 3, (width,)),
            (257, 3, (height,)),
            (258, 3, (8 * pixels.itemsize,) * channels),
            (259, 3, (1,)),
            (262, 3, (2 if channels == 3 else 1,)),
            (273, 4, (place,)),
            (277, 3, (channels,)),
            (278, 3, (height,)),
            (279, 4, (pixels.nbytes,)),
            *more,
        ]
        entries = sorted({entry[0]: entry for entry in entries}.values())
        return directory(entries, at=len(data), following=following)

    second_at = len(data)
    data += table(second, places[1], [(262, 3, (32803,))] if cfa else [], 0)
    data += bytes(len(data) % 2)
    struct.pack_into("<I", data, 4, len(data))
    more = [*tags, *([(254, 4, (1,))] if thumbnail else [])]
    more += [(330, 4, (second_at,))] if below else []
    data += table(first, places[0], more, 0 if below else second_at)
    return bytes(data)


THUMBNAIL, FULL = ramp(6, 8, 3), noise(48, 64, 3)


@pytest.mark.parametrize("below", SUBS.values(), ids=SUBS)
@pytest.mark.parametrize("thumbnail", [True, False])
def test_the_full_picture_behind_a_thumbnail_is_read(tmp_path, below, thumbnail):
    if not below and not thumbnail:
        pytest.skip("two pages, neither of which is called a copy")
    data = tiff(THUMBNAIL, FULL, below=below, thumbnail=thumbnail)
    (tmp_path / "a.tif").write_bytes(data)
    for source in (data, tmp_path / "a.tif"):
        picture = open_picture(source)
        assert np.array_equal(read_pixels(picture), FULL)
        assert "its full picture of 64x48 is read" in picture.notes[0]


def test_a_pyramid_below_the_full_picture_is_not_taken_for_it():
    picture = open_picture(tiff(FULL, THUMBNAIL, below=True, thumbnail=False))
    assert np.array_equal(read_pixels(picture), FULL)


def test_a_picture_behind_a_copy_is_read_also_where_it_is_the_smaller_one():
    data = tiff(THUMBNAIL, ramp(3, 4, 3), below=False)
    assert np.array_equal(read_pixels(open_picture(data)), ramp(3, 4, 3))


DNG = (50706, 1, (1, 4, 0, 0))
MAKER = (271, 2, tuple(b"NIKON\0"))
SENSOR = noise(48, 64, 1, "uint16")
RAWS = {
    "DNG": tiff(THUMBNAIL, SENSOR, below=True, tags=[DNG], cfa=True),
    "DNG of finished colours": tiff(THUMBNAIL, FULL, below=True, tags=[DNG]),
    "NEF, ARW": tiff(THUMBNAIL, SENSOR, below=True, tags=[MAKER], cfa=True),
    "sensor data behind the preview": tiff(THUMBNAIL, SENSOR, below=False, cfa=True),
    "PEF": tiff(THUMBNAIL, FULL, below=False, tags=[MAKER, (259, 3, (65535,))]),
}


@pytest.mark.parametrize("raw", RAWS.values(), ids=RAWS)
@pytest.mark.parametrize("name", ["shot.dng", "shot.tif", "shot.jpg"])
def test_a_camera_s_raw_file_is_refused_whatever_its_name(tmp_path, raw, name):
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(PictureError, match="a camera raw file whose preview alone") as caught:
        open_picture(tmp_path / name)
    assert name in caught.value.message
    assert "develop it first" in caught.value.hint


HEADS = {
    "CR2": b"II*\0\x10\0\0\0CR\x02\0" + bytes(40),
    "CR3": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom",
    "RAF": b"FUJIFILMCCD-RAW 0201FF383501X-T4",
    "RW2": b"IIU\0\x18\0\0\0" + bytes(40),
    "ORF": b"IIRO\x08\0\0\0" + bytes(40),
    "MRW": b"\0MRM\0\1" + bytes(40),
    "X3F": b"FOVb" + bytes(40),
}


@pytest.mark.parametrize(("kind", "head"), HEADS.items())
def test_a_camera_s_raw_file_is_known_by_its_first_bytes(kind, head):
    assert raw_kind(head) == kind
    with pytest.raises(PictureError, match=rf"a camera raw file \({kind}\)"):
        open_picture(head)


@pytest.mark.parametrize(
    ("number", "bits", "words"),
    [
        (50000, 8, "ZSTD"),
        (34925, 8, "LZMA"),
        (34712, 8, "JPEG 2000"),
        (33005, 8, "JPEG 2000"),
        (34887, 32, "LERC"),
        (50002, 8, "JPEG XL"),
        (34661, 1, "JBIG"),
        (7, 12, "12-bit JPEG"),
        (4711, 8, "an unknown compression, number 4711"),
    ],
)
def test_a_compression_that_is_not_read_is_named_with_one_that_is(number, bits, words):
    error = coding_error("a.tif", Coding(number, bits), "strip decoding is not implemented")
    assert error is not None
    assert f"a.tif is a TIFF compressed with {words}" in error.message
    assert "save it with LZW or Deflate" in error.hint


@pytest.mark.parametrize("number", [9, 10, 33003, 34712, 34715, 34925, 34933, 50000, 50002])
def test_a_file_of_such_a_compression_is_told_so_and_not_that_it_is_damaged(number):
    data = tiff(THUMBNAIL, FULL, below=True, thumbnail=False, tags=[])
    one = bytearray(data)
    (at,) = struct.unpack_from("<I", one, 4)
    # The only page that counts is the large one, in the directory below.
    (below,) = (
        struct.unpack_from("<I", one, at + 2 + 12 * n + 8)[0]
        for n in range(struct.unpack_from("<H", one, at)[0])
        if struct.unpack_from("<H", one, at + 2 + 12 * n)[0] == 330
    )
    for n in range(struct.unpack_from("<H", one, below)[0]):
        if struct.unpack_from("<H", one, below + 2 + 12 * n)[0] == 259:
            struct.pack_into("<H", one, below + 2 + 12 * n + 8, number)
    with pytest.raises(PictureError) as caught:
        read_pixels(open_picture(bytes(one)))
    assert "which is not read here" in caught.value.message
    assert "damaged" not in caught.value.hint


def test_samples_of_an_odd_size_are_named():
    error = coding_error("a.tif", Coding(1, 12), "samples_per_pixel not a whole number of bytes")
    assert error is not None
    assert "12-bit samples" in error.message
    assert coding_error("a.tif", Coding(5, 8), "Using code not yet in table") is None


def test_a_jpeg_of_twelve_bits_is_told_so(tmp_path):
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(FULL).save(file, "JPEG")
    data = bytearray(file.getvalue())
    data[data.index(b"\xff\xc0") + 1] = 0xC1
    data[data.index(b"\xff\xc1") + 4] = 12
    with pytest.raises(PictureError) as caught:
        read_pixels(open_picture(bytes(data)))
    assert "12" in caught.value.message
    assert "damaged" not in caught.value.hint


def test_what_calls_itself_a_copy_and_is_alone_is_read_and_said():
    pointer, other = (struct.pack("<HHI", tag, 4, 1) for tag in (330, 331))
    picture = open_picture(tiff(THUMBNAIL, FULL, below=True).replace(pointer, other))
    assert np.array_equal(read_pixels(picture), THUMBNAIL)
    assert "each of its pictures a reduced copy" in picture.notes[0]
