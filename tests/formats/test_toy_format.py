"""A format is one file and one row of the table: rasters and planes that no other one holds."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from strict_readers import Contents
from strict_readers.contents import require
from strict_readers.picture import READERS
from toy_format import Toy

import superres
from superres import media
from superres.cli.main import main
from superres.data.folders import find_pictures
from superres.errors import ArgumentError, OutputError, PictureError
from superres.formats.format import EncoderError
from superres.frame import Bands, Values
from superres.media import WriteOptions, open_picture, read_pixels, write_picture
from superres.metadata.header import Metadata

RASTER = Bands("bands", 6), Values("int16", -50.0, 10_000.0, nodata=-9999.0)
GREY12 = Bands("grey", 1), Values("uint16", 0.0, 4095.0)
KINDS = pytest.mark.parametrize(("bands", "values"), [RASTER, GREY12], ids=["raster", "grey12"])


def strictly(data: bytes) -> Contents:
    """Read a toy file apart from `Toy`: its numbers fill it to the last byte."""
    line, _, numbers = data.partition(b"\n")
    header = json.loads(line[5:])
    channels = header["bands"]["count"] + header["bands"]["alpha"]
    values = header["height"] * header["width"] * channels * header["planes"]
    require(len(numbers) == values * np.dtype(header["values"]["dtype"]).itemsize, "all numbers")
    return Contents("toy", header["height"], header["width"])


@pytest.fixture(autouse=True)
def with_toy(monkeypatch):
    """Add the row."""
    monkeypatch.setattr(media, "FORMATS", (*media.FORMATS, Toy()))
    monkeypatch.setitem(READERS, b"TOY1 ", strictly)


def pixels_of(bands, values, height=14, width=11):
    """Numbers over the whole range, smooth, with a hole of 4 x 3 px where they may have one."""
    y, x, c = np.mgrid[0:height, 0:width, 0 : bands.channels]
    unit = (y / (height - 1) + x / (width - 1) + c / max(1, bands.channels - 1)) / 3
    span = values.white - values.black
    pixels = np.rint(unit / unit.max() * span + values.black).astype(values.dtype)
    if values.nodata is not None:
        pixels[4:8, 5:8] = values.nodata
    return pixels


def save(target, pixels, bands, values, **more):
    return write_picture(
        target, [pixels], height=pixels.shape[0], width=pixels.shape[1],
        bands=bands, values=values, metadata=Metadata(), **more,
    )  # fmt: skip


def check_large(large, small, values):
    """The large picture is the small one, four times as large, in the same numbers."""
    assert large.dtype == small.dtype
    if values.nodata is not None:
        expected = (small == values.nodata).repeat(4, axis=0).repeat(4, axis=1)
        holes = large == values.nodata
        assert holes.any()
        assert (holes == expected).mean() > 0.95
        assert np.array_equal(holes.all(axis=2), holes.any(axis=2))
        small = np.where(small == values.nodata, np.nan, small)
        large = np.where(holes, np.nan, large)
    assert np.nanmin(large) >= values.black
    assert np.nanmax(large) <= values.white
    blocks = large.reshape(len(small), 4, -1, 4, small.shape[2])
    with np.errstate(all="ignore"):
        off = np.abs(np.nanmean(blocks, axis=(1, 3)) - small)[1:-1, 1:-1]
    # A shift, swapped bands or another range would be off by far more.
    assert np.nanmedian(off) < 0.02 * (values.white - values.black)


@KINDS
def test_what_is_written_is_read_back(tmp_path, bands, values):
    pixels = pixels_of(bands, values)
    assert save(tmp_path / "a.toy", pixels, bands, values) == ()
    picture = open_picture(tmp_path / "a.toy")
    assert (picture.bands, picture.values, picture.format) == (bands, values, "toy")
    assert np.array_equal(read_pixels(picture), pixels)


@pytest.mark.filterwarnings("ignore:Mean of empty slice:RuntimeWarning")
@KINDS
def test_it_goes_through_the_upscaler_and_back(tmp_path, bands, values):
    small = pixels_of(bands, values)
    save(tmp_path / "a.toy", small, bands, values)
    picture = open_picture(tmp_path / "a.toy")
    large = superres.upscale(
        read_pixels(picture), scale=4, bands=picture.bands, values=picture.values
    )
    save(tmp_path / "b.toy", large, picture.bands, picture.values)
    result = open_picture(tmp_path / "b.toy")
    assert (result.height, result.width) == (56, 44)
    assert (result.bands, result.values) == (bands, values)
    check_large(read_pixels(result), small, values)


@pytest.mark.filterwarnings("ignore:Mean of empty slice:RuntimeWarning")
@KINDS
def test_the_verb_takes_it_from_a_folder(tmp_path, bands, values, capsys):
    small = pixels_of(bands, values)
    (tmp_path / "in").mkdir()
    save(tmp_path / "in" / "a.toy", small, bands, values)
    assert main(["upscale", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--scale", "4"]) == 0
    result = open_picture(tmp_path / "out" / "a_x4.toy")
    assert (result.bands, result.values) == (bands, values)
    check_large(read_pixels(result), small, values)


def test_folders_and_suffixes_know_it(tmp_path):
    save(tmp_path / "a.toy", pixels_of(*GREY12), *GREY12)
    assert [source.path.name for source in find_pictures([tmp_path])] == ["a.toy"]
    assert media.is_written("a.TOY")
    assert media.format_for("toy").title == "Toy"


def test_its_planes_are_read_one_by_one(tmp_path):
    bands, values = GREY12
    planes = np.random.default_rng(0).integers(0, 4096, (3, 70, 9, 1)).astype(np.uint16)
    write_picture(
        tmp_path / "a.toy", iter(planes), height=70, width=9, bands=bands, values=values,
        metadata=Metadata(), planes=3,
    )  # fmt: skip
    with pytest.raises(PictureError, match="holds 3 pictures"):
        open_picture(tmp_path / "a.toy")
    picture = open_picture(tmp_path / "a.toy", max_planes=3)
    assert picture.planes == 3
    for number, plane in enumerate(planes):
        assert np.array_equal(np.concatenate(list(picture.rows(number))), plane)
        assert np.array_equal(read_pixels(picture, number), plane)
    with pytest.raises(ArgumentError, match="plane 3 was requested, the picture has 3"):
        picture.rows(3)


@pytest.mark.parametrize("name", ["png", "jpeg", "webp", "tiff", "avif"])
def test_formats_of_one_colour_picture_refuse_bands_and_planes(name):
    bands, values = RASTER
    with pytest.raises(OutputError, match="this one has 6 bands"):
        save(io.BytesIO(), pixels_of(bands, values), bands, values, format=name)
    with pytest.raises(OutputError, match="got 2 planes"):
        save(io.BytesIO(), pixels_of(*GREY12), *GREY12, format=name, planes=2)


@pytest.mark.parametrize(("name", "white"), [("png", 65_535), ("tiff", 65_535), ("jpeg", 255)])
def test_a_format_without_ranges_gets_all_of_its_own(name, white):
    stream = io.BytesIO()
    pixels = pixels_of(*GREY12)
    (note,) = save(stream, pixels, *GREY12, format=name, options=WriteOptions(quality=100))
    back = read_pixels(open_picture(stream.getvalue()))
    expected = pixels / 4095 * white
    assert np.abs(back - expected).max() <= (3 if name == "jpeg" else 0.5)
    assert ("reduced to 8-bit" if name == "jpeg" else "0 to 4095 of uint16 written as") in note


@pytest.mark.parametrize(("name", "mark"), [("png", 0), ("tiff", 0)])
def test_pixels_without_a_value_become_black_where_there_is_no_mark(name, mark):
    bands, values = Bands("grey", 1), RASTER[1]
    pixels = pixels_of(bands, values)
    stream = io.BytesIO()
    notes = save(stream, pixels, bands, values, format=name)
    back = read_pixels(open_picture(stream.getvalue()))
    assert (back[pixels == values.nodata] == mark).all()
    assert any("without a value written as black" in note for note in notes)
    known = pixels != values.nodata
    expected = (pixels[known] + 50.0) / 10_050 * 65_535
    assert np.abs(back[known] - expected).max() <= 0.5


def test_a_file_that_is_cut_off_or_too_large_is_an_error(tmp_path):
    path = tmp_path / "a.toy"
    save(path, pixels_of(*GREY12), *GREY12)
    with pytest.raises(PictureError, match="the limit is 100"):
        open_picture(path, max_pixels=100)
    picture = open_picture(path.read_bytes()[:-1])
    with pytest.raises(PictureError, match="cannot be read as Toy: it ends too early"):
        read_pixels(picture)


def test_an_encoder_that_fails_names_the_target_and_leaves_nothing(tmp_path, monkeypatch):
    def failing(self, path, rows, header, options):
        raise EncoderError("the toy broke")

    monkeypatch.setattr(Toy, "write", failing)
    with pytest.raises(OutputError, match=r"a\.toy cannot be written: the toy broke"):
        save(tmp_path / "a.toy", pixels_of(*GREY12), *GREY12)
    assert not list(tmp_path.iterdir())
