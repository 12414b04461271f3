"""Folders of frames as videos: their order, their times, and what does not fit together."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from clips import view

from superres.errors import ArgumentError, PictureError
from superres.frame import UINT8, UINT16, Bands, Values
from superres.media import write_picture
from superres.metadata.header import Metadata
from superres.video.frame_folder import exact_rate, open_folder
from superres.video.picture_frames import PictureReader
from superres.videofiles.colour import ToRgb

RNG = np.random.default_rng(3)


def write(path, pixels, values: Values = UINT8, metadata=None):
    height, width, channels = pixels.shape
    colours = channels - (channels in (2, 4))
    bands = Bands("grey" if colours == 1 else "rgb", colours, alpha=channels != colours)
    write_picture(
        path, [pixels], height=height, width=width, bands=bands, values=values,
        metadata=metadata or Metadata(),
    )  # fmt: skip
    return path


def flat(level, channels=3, size=(8, 10)):
    return np.full((*size, channels), level, np.uint8)


def levels(folder, fps=25.0):
    """Return the first number of each frame."""
    return [
        int(view(still.frame.planes[0])[0, 0])
        for still in PictureReader(open_folder(folder, fps)).frames()
    ]


def test_frames_come_in_the_order_of_their_numbers_and_other_files_are_left_alone(tmp_path):
    for number in (10, 2, 1, 100):
        write(tmp_path / f"f{number}.png", flat(number))
    (tmp_path / "notes.txt").write_text("mine")
    write(tmp_path / ".f3.png", flat(3))
    (tmp_path / "more").mkdir()
    assert levels(tmp_path) == [1, 2, 10, 100]


@pytest.mark.parametrize(("suffix", "off"), [(".png", 1e-3), (".tif", 1e-3), (".jpg", 4)])
def test_pixels_are_the_files_own(tmp_path, suffix, off):
    pixels = RNG.integers(0, 256, (8, 10, 3), np.uint8) if off < 1 else flat((200, 60, 20))
    write(tmp_path / f"1{suffix}", pixels)
    folder = open_folder(tmp_path, 25)
    frame = next(PictureReader(folder).frames()).frame
    rgb = ToRgb(folder.facts.size, folder.facts.colour)(frame)
    assert np.abs(rgb * 255 - pixels).max() < off


def test_sixteen_bits_stay_sixteen_and_eight_beside_them_are_said(tmp_path):
    deep = RNG.integers(0, 65536, (8, 10, 3), np.uint16)
    write(tmp_path / "1.png", deep, UINT16)
    write(tmp_path / "2.png", flat(51))
    folder = open_folder(tmp_path, 25)
    assert folder.facts.pix_fmt == "rgb48le"
    assert "some frames have 8 bits and some 16" in folder.notes
    to_rgb = ToRgb(folder.facts.size, folder.facts.colour)
    first, second = [to_rgb(still.frame) for still in PictureReader(folder).frames()]
    assert np.abs(first * 65535 - deep).max() < 0.05
    assert np.abs(second - 0.2).max() < 1e-5


def test_grey_becomes_colours_and_transparency_is_composited_on_white_and_named(tmp_path):
    write(tmp_path / "1.png", flat(7, channels=1))
    half = flat(100, channels=4)
    half[..., 3] = 255
    half[2:4, :, 3], half[4:6, :, 3] = 0, 51
    write(tmp_path / "2.png", half)
    reader = PictureReader(open_folder(tmp_path, 25))
    grey, colour = [still.frame.to_ndarray() for still in reader.frames()]
    assert np.array_equal(grey, flat(7))
    assert colour[[0, 2, 4], 0, 0].tolist() == [100, 255, 224]
    assert reader.not_kept() == ["transparency"]
    assert any("areas of 1 frame are composited on white" in note for note in reader.notes())


def test_alpha_that_hides_nothing_is_not_called_lost(tmp_path):
    write(tmp_path / "1.png", flat((9, 9, 9, 255), channels=4))
    reader = PictureReader(open_folder(tmp_path, 25))
    assert np.array_equal(next(reader.frames()).frame.to_ndarray(), flat(9))
    assert (reader.not_kept(), reader.notes()) == ([], [])


def test_what_pictures_carry_besides_pixels_is_known_to_be_there(tmp_path):
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    write(tmp_path / "1.png", flat(1))
    write(tmp_path / "2.png", flat(2), metadata=Metadata(xmp=xmp))
    assert list(open_folder(tmp_path, 25).facts.carried) == ["XMP of the frames"]


@pytest.mark.parametrize(("fps", "rate"), [
    (24.0, Fraction(24)), (23.976, Fraction(24000, 1001)), (29.97, Fraction(30000, 1001)),
    (24000 / 1001, Fraction(24000, 1001)), (59.94, Fraction(60000, 1001)),
    (12.5, Fraction(25, 2)), (0.5, Fraction(1, 2)), (0.04, Fraction(1, 25)),
    (1000.0, Fraction(1000)),
])  # fmt: skip
def test_a_rate_is_the_fraction_that_people_mean(fps, rate):
    assert exact_rate(fps) == rate


@pytest.mark.parametrize("fps", [24.0, 23.976, 0.5, 240.0])
def test_frames_follow_each_other_at_the_rate_to_the_tick(tmp_path, fps):
    for number in range(5):
        write(tmp_path / f"{number}.png", flat(number))
    folder = open_folder(tmp_path, fps)
    times = [stamp * folder.facts.time_base for stamp in folder.stamps]
    assert times == [place / exact_rate(fps) for place in range(5)]
    stills = list(PictureReader(folder).frames())
    assert [still.stamp for still in stills] == list(folder.stamps)
    assert {still.duration * folder.facts.time_base for still in stills} == {1 / exact_rate(fps)}


def test_listed_times_are_kept_and_a_rate_outweighs_them(tmp_path):
    for number in range(4):
        write(tmp_path / f"{number}.png", flat(number))
    times = tmp_path / "timestamps.txt"
    times.write_text("# timestamp format v2\n0\n40\n90.5\n300\n")
    folder = open_folder(tmp_path, None)
    seconds = [float(stamp * folder.facts.time_base) for stamp in folder.stamps]
    assert seconds == [0, 0.04, 0.0905, 0.3]
    assert open_folder(tmp_path, 10.0).facts.rate == 10
    times.write_text("# timestamp format v2\n0.000000\n41.708333\n83.416667\n125.125000\n")
    assert open_folder(tmp_path, None).facts.rate == Fraction(24000, 1001)


@pytest.mark.parametrize(("lines", "message"), [
    ("0\n40\n", "lists 2 times, but there are 3 frames"),
    ("0\n40\n40\n", "do not grow"),
    ("0\n40\nsoon\n", "cannot be read as a list of times"),
    ("0\n40\ninf\n", "impossible times"),
    ("0\n40\n1e300\n", "impossible times"),
])  # fmt: skip
def test_times_that_cannot_be_are_refused_with_the_way_round_them(tmp_path, lines, message):
    for number in range(3):
        write(tmp_path / f"{number}.png", flat(number))
    (tmp_path / "timestamps.txt").write_text(lines)
    with pytest.raises(PictureError, match=message) as caught:
        open_folder(tmp_path, None)
    assert "--fps" in caught.value.hint


def test_without_a_rate_and_times_a_rate_is_asked_for(tmp_path):
    write(tmp_path / "1.png", flat(1))
    with pytest.raises(ArgumentError, match="how fast the frames of") as caught:
        open_folder(tmp_path, None)
    assert "--fps 24" in caught.value.hint


def test_numbers_that_are_missing_are_said(tmp_path):
    for number in (1, 2, 4, 9):
        write(tmp_path / f"shot2_{number:03}.png", flat(number))
    assert open_folder(tmp_path, 25).notes == (
        "frames are missing, and no time is left for them: 3, 5 to 8",
    )


def test_a_frame_of_another_size_is_refused_by_name(tmp_path):
    write(tmp_path / "1.png", flat(1))
    write(tmp_path / "2.png", flat(2, size=(8, 11)))
    with pytest.raises(PictureError, match=r"2\.png is 11x8, but 1\.png is 10x8"):
        open_folder(tmp_path, 25)


def test_a_frame_that_changed_since_is_refused_by_name(tmp_path):
    write(tmp_path / "1.png", flat(1))
    folder = open_folder(tmp_path, 25)
    (tmp_path / "1.png").unlink()
    write(tmp_path / "1.png", flat(1, size=(4, 10)))
    with pytest.raises(PictureError, match=r"1\.png is 10x4"):
        list(PictureReader(folder).frames())


def test_numbers_that_a_video_cannot_hold_are_refused_by_name(tmp_path):
    height, width = 8, 10
    write_picture(
        tmp_path / "1.tif", [np.zeros((height, width, 1), np.float32)], height=height, width=width,
        bands=Bands("grey", 1), values=Values.of("float32"), metadata=Metadata(),
    )  # fmt: skip
    with pytest.raises(PictureError, match=r"1\.tif has float32 numbers"):
        open_folder(tmp_path, 25)


def test_a_folder_without_pictures_is_refused_with_what_it_has(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(PictureError, match="holds no pictures, of 1 files"):
        open_folder(tmp_path, 25)
