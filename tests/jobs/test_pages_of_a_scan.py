"""A multi-page TIFF is upscaled page by page into one of as many pages, each as it is alone."""

from __future__ import annotations

import io
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from picture_files import noise, ramp, raw_tiff
from PIL import Image
from strict_readers import read_strictly

from superres.cli.main import main
from superres.errors import ArgumentError, OutputError, PictureError
from superres.frame import Bands, Values
from superres.jobs.picture import upscale_picture
from superres.jobs.spec import PictureJob, job_from_json, job_to_json
from superres.media import (
    Page,
    WriteOptions,
    open_picture,
    read_pixels,
    write_pages,
    write_picture,
)
from superres.metadata.header import Metadata
from superres.metadata.picture import Header
from superres.model_pool import ModelPool
from superres.upscaler import RunOptions
from superres.watch import Watch

POOL = ModelPool()
KINDS = [
    (noise(13, 9, 3), (300.0, 300.0)),
    (ramp(8, 21, 1), (150.0, 75.0)),
    (ramp(11, 7, 4, "uint16"), None),
    (noise(5, 5, 1, "float32", seed=3), (72.0, 72.0)),
]


def header_of(pixels, dpi):
    height, width, channels = pixels.shape
    return Header(
        height, width, Bands.of(channels), Values.of(pixels.dtype.name), Metadata(dpi=dpi)
    )


def write(target, pages, **more):
    return write_pages(target, (Page([px], header_of(px, dpi)) for px, dpi in pages), **more)


def run(source, target, **values):
    job = PictureJob(
        source=source, target=target, model="espcn", scale=2,
        run=RunOptions(precision="fp32"), **values,
    )  # fmt: skip
    return upscale_picture(job, POOL, Watch())


def all_pages(path):
    first = open_picture(path, max_pages=1000)
    return [first.page(number) for number in range(1, first.pages + 1)]


@pytest.mark.parametrize("options", [WriteOptions(), WriteOptions(past_4_gb=True)])
def test_pages_are_written_each_with_its_own_size_depth_bands_and_resolution(tmp_path, options):
    path = tmp_path / "a.tif"
    assert write(path, KINDS, options=options) == ()
    assert read_strictly(path.read_bytes()).pages == 4
    found = all_pages(path)
    for page, (pixels, dpi) in zip(found, KINDS, strict=True):
        assert np.array_equal(read_pixels(page), pixels)
        assert page.metadata.dpi == dpi
    assert not [other for other in tmp_path.iterdir() if other != path]


def test_another_reader_sees_the_same_pages(tmp_path):
    write(tmp_path / "a.tif", KINDS[:2])
    with Image.open(tmp_path / "a.tif") as file:
        for index, (pixels, _) in enumerate(KINDS[:2]):
            file.seek(index)
            assert np.array_equal(np.asarray(file), pixels.squeeze())


def test_each_page_is_upscaled_as_it_would_be_alone(tmp_path):
    source, target = tmp_path / "scan.tif", tmp_path / "large.tif"
    write(source, KINDS)
    report = run(source, target)
    assert any(note.startswith("4 pages, each upscaled by itself") for note in report.notes)
    assert (report.input_size, report.output_size) == ((13, 9), (26, 18))
    large = all_pages(target)
    assert len(large) == 4
    for number, (page, (pixels, dpi)) in enumerate(zip(large, KINDS, strict=True)):
        alone, result = tmp_path / f"{number}.tif", tmp_path / f"{number}_large.tif"
        write(alone, [(pixels, dpi)])
        run(alone, result)
        expected = open_picture(result)
        assert np.array_equal(read_pixels(page), read_pixels(expected))
        assert (page.bands, page.values) == (expected.bands, expected.values)
        assert page.metadata.dpi == expected.metadata.dpi


def test_metadata_of_each_page_stays_with_it(tmp_path):
    from picture_files import exif_block, profile

    source, target = tmp_path / "scan.tif", tmp_path / "large.tif"
    made = []
    for name in (b"first\0", b"second\0"):
        head = header_of(KINDS[0][0], (300.0, 300.0))
        block = exif_block({0x10E: (2, name)}, {0x9003: (2, b"2020:01:01 00:00:00\0")})
        metadata = Metadata(exif=block, icc=profile("srgb"), dpi=(300.0, 300.0))
        made.append(Page([KINDS[0][0]], replace(head, metadata=metadata)))
    write_pages(source, made)
    run(source, target)
    for page, name in zip(all_pages(target), (b"first\0", b"second\0"), strict=True):
        assert name in (page.metadata.exif or b"")
        assert b"2020:01:01" in (page.metadata.exif or b"")
        assert page.metadata.icc == profile("srgb")


def test_one_page_can_be_chosen_for_any_format(tmp_path):
    source = tmp_path / "scan.tif"
    write(source, KINDS)
    run(source, tmp_path / "two.png", page=2)
    assert open_picture(tmp_path / "two.png").width == 42
    run(source, tmp_path / "one.tif", page=1)
    assert open_picture(tmp_path / "one.tif").width == 18
    with pytest.raises(ArgumentError, match="page 5 was requested, the file has 4"):
        run(source, tmp_path / "five.tif", page=5)


def test_a_format_without_pages_is_refused_before_any_work(tmp_path, monkeypatch):
    write(tmp_path / "scan.tif", KINDS)
    monkeypatch.setattr("superres.jobs.picture._rows", None)
    with pytest.raises(OutputError, match="PNG as written here holds one page") as caught:
        run(tmp_path / "scan.tif", tmp_path / "large.png")
    assert "--page" in caught.value.hint
    assert not (tmp_path / "large.png").exists()


def test_the_verb_takes_pages_and_a_page(tmp_path):
    source = tmp_path / "scan.tif"
    write(source, KINDS[:2])
    assert main(["upscale", str(source), "-n", "espcn", "-s", "2"]) == 0
    assert [page.width for page in all_pages(tmp_path / "scan_x2.tif")] == [18, 42]
    one = str(tmp_path / "one.png")
    assert main(["upscale", str(source), "-n", "espcn", "-s", "2", "--page", "2", "-o", one]) == 0
    assert open_picture(tmp_path / "one.png").width == 42


def test_a_page_damaged_in_the_middle_leaves_no_output(tmp_path):
    pages = [(noise(40, 40, 3, seed=n), None) for n in range(3)]
    write(tmp_path / "scan.tif", pages)
    data = bytearray((tmp_path / "scan.tif").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = bytes(200)
    (tmp_path / "scan.tif").write_bytes(data)
    with pytest.raises(PictureError):
        run(tmp_path / "scan.tif", tmp_path / "large.tif")
    assert [path.name for path in tmp_path.iterdir()] == ["scan.tif"]


def test_copies_and_masks_are_no_pages(tmp_path):
    file = io.BytesIO()
    first, *rest = [Image.fromarray(ramp(8, 8, 1)[..., 0]) for _ in range(3)]
    first.save(file, "TIFF", save_all=True, append_images=rest)
    picture = open_picture(file.getvalue(), max_pages=3)
    assert picture.pages == 3
    with pytest.raises(PictureError, match="holds 3 pictures") as caught:
        open_picture(file.getvalue())
    assert "--page" in caught.value.hint


def test_memory_does_not_grow_with_pages(tmp_path):
    """Nor with what is written: pages pass one after the other."""

    def peak(count):
        pixels = np.full((64, 512, 3), 7, np.uint8)
        tracemalloc.start()
        try:
            write(tmp_path / f"{count}.tif", ((pixels, None) for _ in range(count)))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(2)
    assert peak(30) < peak(3) + 200_000


def test_a_job_keeps_its_page_in_its_json(tmp_path):
    job = PictureJob(source=tmp_path / "a.tif", target=tmp_path / "b.tif", page=3)
    assert job_from_json(job_to_json(job)) == job


def test_pages_of_different_byte_orders_are_not_joined(tmp_path):
    from superres.metadata.tags import TagError
    from superres.vips.tiff_join import add_page

    (tmp_path / "a.tif").write_bytes(raw_tiff(ramp(4, 4, 1), 1))
    write_picture(
        tmp_path / "b.tif", [ramp(4, 4, 1)], height=4, width=4, bands=Bands.of(1),
        values=Values.of("uint8"), metadata=Metadata(), options=WriteOptions(past_4_gb=True),
    )  # fmt: skip
    with pytest.raises(TagError, match="byte order or in the size"):
        add_page(tmp_path / "a.tif", tmp_path / "b.tif")
