"""Saving through libvips: rows as they come, and whose error comes out if something breaks."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import pyvips

from superres.formats.format import EncoderError
from superres.formats.saving import save, save_with_exif
from superres.frame import UINT8, Bands, Values
from superres.metadata.exif import exif_dpi, new_exif
from superres.metadata.header import KEEP_FLAGS, Metadata
from superres.metadata.picture import Header

HEIGHT, WIDTH = 83, 31
PIXELS = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)


def header(metadata=Metadata(), *, channels=3, values=UINT8) -> Header:  # noqa: B008 - it is frozen
    return Header(HEIGHT, WIDTH, Bands.of(channels), values, metadata)


def as_png(image: pyvips.Image, file: str, keep: int) -> None:
    image.pngsave(file, keep=keep)


def as_jpeg(image: pyvips.Image, file: str, keep: int) -> None:
    image.jpegsave(file, keep=keep)


def blocks(*heights: int):
    top = 0
    for height in heights:
        yield PIXELS[top : top + height]
        top += height


def encoders() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "superres-encode"]


def settled() -> bool:
    """Say whether the encoder's thread ends within two seconds."""
    end = time.monotonic() + 2
    while encoders() and time.monotonic() < end:
        time.sleep(0.01)
    return not encoders()


@pytest.mark.parametrize("heights", [(1,) * HEIGHT, (1, 50, 32), (82, 1), (40, 43)])
def test_blocks_of_any_height_make_the_file_of_the_whole(tmp_path, heights):
    save(tmp_path / "whole.png", [PIXELS], header(), as_png)
    save(tmp_path / "parts.png", blocks(*heights), header(), as_png)
    assert (tmp_path / "parts.png").read_bytes() == (tmp_path / "whole.png").read_bytes()
    read = pyvips.Image.new_from_file(str(tmp_path / "parts.png")).numpy()
    assert np.array_equal(read, PIXELS)


@pytest.mark.parametrize(("channels", "dtype", "interpretation"), [
    (1, "uint8", "b-w"), (2, "uint8", "b-w"), (1, "uint16", "grey16"), (3, "uint8", "srgb"),
    (4, "uint8", "srgb"), (3, "uint16", "rgb16"), (4, "uint16", "rgb16"), (3, "float32", "scrgb"),
])  # fmt: skip
def test_the_saver_is_told_what_the_channels_mean(tmp_path, channels, dtype, interpretation):
    seen: list[tuple[str, int, int, int]] = []

    def saver(image: pyvips.Image, file: str, keep: int) -> None:
        seen.append((str(image.interpretation), image.bands, image.height, image.width))
        image.copy_memory()

    pixels = np.zeros((HEIGHT, WIDTH, channels), dtype)
    made = header(channels=channels, values=Values.of(dtype))
    save(tmp_path / "a", [pixels], made, saver)
    assert seen == [(interpretation, channels, HEIGHT, WIDTH)]


@pytest.mark.parametrize(("metadata", "names"), [
    (Metadata(), []),
    (Metadata(xmp=b"<x/>"), ["xmp"]),
    (Metadata(xmp=b"<x/>", iptc=b"\x1c\x02\x05\x00\x01a", dpi=(72, 72)), ["xmp", "iptc"]),
])  # fmt: skip
def test_the_saver_is_to_keep_what_there_is_and_no_more(tmp_path, metadata, names):
    seen: list[int] = []

    def saver(image: pyvips.Image, file: str, keep: int) -> None:
        seen.append(keep)
        image.copy_memory()

    save(tmp_path / "a", [PIXELS], header(metadata), saver)
    assert seen == [sum(KEEP_FLAGS[name] for name in names)]


def test_resolutions_reach_libvips_in_pixels_a_millimetre(tmp_path):
    seen: list[tuple[float, float]] = []

    def saver(image: pyvips.Image, file: str, keep: int) -> None:
        seen.append((image.xres, image.yres))
        image.copy_memory()

    save(tmp_path / "a", [PIXELS], header(Metadata(dpi=(254.0, 508.0))), saver)
    assert seen == [pytest.approx((10.0, 20.0))]


@pytest.mark.parametrize("error", [ValueError("bad rows"), KeyboardInterrupt(), SystemExit(3)])
@pytest.mark.parametrize("after", [0, 1])
def test_what_the_rows_raise_comes_out_as_it_is_and_no_thread_stays(tmp_path, error, after):
    def rows():
        yield from blocks(*[10] * after)
        raise error

    with pytest.raises(type(error)) as caught:
        save(tmp_path / "a.png", rows(), header(), as_png)
    assert caught.value is error
    assert settled()


@pytest.mark.parametrize("read_first", [False, True])
def test_a_fault_in_the_saver_comes_out_as_it_is(tmp_path, read_first):
    fault = ZeroDivisionError("ours")

    def saver(image: pyvips.Image, file: str, keep: int) -> None:
        if read_first:
            image.copy_memory()
        raise fault

    with pytest.raises(ZeroDivisionError) as caught:
        save(tmp_path / "a", blocks(*[1] * HEIGHT), header(), saver)
    assert caught.value is fault
    assert settled()


def test_an_encoder_that_fails_at_once_ends_the_rows_early_and_gives_its_reason(tmp_path):
    asked: list[int] = []

    def rows():
        for number in range(HEIGHT):
            asked.append(number)
            time.sleep(0.01)
            yield PIXELS[number : number + 1]

    def saver(image: pyvips.Image, file: str, keep: int) -> None:
        pyvips.Image.black(4, 4).pngsave(str(tmp_path / "none" / "b.png"))

    with pytest.raises(EncoderError, match=r"b\.png: unable to open") as caught:
        save(tmp_path / "a.png", rows(), header(), saver)
    assert isinstance(caught.value.__cause__, pyvips.Error)
    assert len(asked) < HEIGHT


def test_a_target_without_its_folder_is_an_encoders_error(tmp_path):
    with pytest.raises(EncoderError, match=r"a\.png"):
        save(tmp_path / "none" / "a.png", [PIXELS], header(), as_png)


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX alone")
def test_a_file_name_that_is_no_text_is_written(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\xff\xfe.png"))
    try:
        path.touch()
    except OSError:
        pytest.skip("this disk takes no such names")
    save(path, [PIXELS], header(), as_png)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_exif_is_in_the_finished_jpeg_byte_for_byte_and_once(tmp_path):
    exif = new_exif((300.0, 150.0))
    path = tmp_path / "a.jpg"
    assert save_with_exif(path, [PIXELS], header(), as_jpeg, held=Metadata(exif=exif)) == ()
    data = path.read_bytes()
    assert data.count(b"Exif\0\0") == data.count(exif) == 1
    assert exif_dpi(exif) == (300.0, 150.0)


def test_without_exif_none_is_made_up(tmp_path):
    path = tmp_path / "a.jpg"
    assert save_with_exif(path, [PIXELS], header(), as_jpeg, held=Metadata(dpi=(72, 72))) == ()
    assert b"Exif" not in path.read_bytes()


def test_exif_for_which_a_saver_left_no_room_is_told(tmp_path):
    def without(image: pyvips.Image, file: str, keep: int) -> None:
        image.jpegsave(file, keep=0)

    made = Metadata(exif=new_exif((300.0, 300.0)))
    notes = save_with_exif(tmp_path / "a.jpg", [PIXELS], header(), without, held=made)
    assert notes == ("EXIF and XMP are not kept: this libvips left no room for them",)
    assert pyvips.Image.new_from_file(str(tmp_path / "a.jpg")).height == HEIGHT
