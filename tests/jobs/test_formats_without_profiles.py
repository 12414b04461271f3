"""A result without a colour profile is sRGB: colours described otherwise are converted to it."""

from __future__ import annotations

import numpy as np
import pytest
from picture_files import encoded, profile, vips_image

from superres.burst.options import FuseOptions
from superres.jobs.burst import fuse_burst_files
from superres.jobs.picture import upscale_picture
from superres.jobs.spec import BurstJob, PictureJob
from superres.media import open_picture, read_pixels
from superres.metadata.header import set_blob
from superres.model_pool import ModelPool
from superres.upscaler import RunOptions
from superres.watch import Watch

POOL = ModelPool()
COLOURS = np.array([[200, 60, 20], [30, 180, 40], [20, 40, 220], [128, 128, 128]], np.uint8)
FLAT = np.repeat(np.repeat(COLOURS.reshape(2, 2, 3), 8, axis=0), 8, axis=1)


def upscaled(tmp_path, data, name="b.gif", **values):
    (tmp_path / "a").write_bytes(data)
    job = PictureJob(
        source=tmp_path / "a", target=tmp_path / name, existing="replace", scale=1, **values
    )
    report = upscale_picture(job, POOL, Watch())
    return open_picture(tmp_path / name, max_planes=9), report


def middles(picture, plane=0):
    """Return the colours of the four quarters."""
    return read_pixels(picture, plane)[4::8, 4::8, :3].astype(int)


def with_profile(name, pixels=FLAT):
    return encoded(pixels, "png", fields=[("icc-profile-data", profile(name))])


def test_a_gif_of_wide_colours_shows_them_as_srgb(tmp_path):
    converted, _ = upscaled(tmp_path, with_profile("p3"), "b.png", profile="srgb")
    found, report = upscaled(tmp_path, with_profile("p3"))
    assert np.abs(middles(found) - middles(converted)).max() <= 1
    assert np.abs(middles(found) - FLAT[4::8, 4::8]).max() > 15
    assert "converted to sRGB" in report.notes
    assert not any("profile is not kept" in note for note in report.notes)


def test_a_gif_of_colours_in_srgb_lost_no_profile(tmp_path):
    found, report = upscaled(tmp_path, with_profile("srgb"))
    assert np.abs(middles(found) - FLAT[4::8, 4::8]).max() <= 1
    assert not any("profile" in note for note in report.notes)


def test_each_frame_of_an_animation_is_converted(tmp_path):
    frames = vips_image(np.concatenate([FLAT, FLAT[::-1]]))
    set_blob(frames, "icc-profile-data", profile("p3"))
    data = bytes(frames.webpsave_buffer(page_height=16, lossless=True))
    converted, _ = upscaled(tmp_path, with_profile("p3"), "b.png", profile="srgb")
    found, _ = upscaled(tmp_path, data)
    assert np.abs(middles(found) - middles(converted)).max() <= 1
    assert np.abs(middles(found, 1) - middles(converted)[::-1]).max() <= 1


def test_a_profile_is_kept_where_the_format_holds_it(tmp_path):
    found, _ = upscaled(tmp_path, with_profile("p3"), "b.png")
    assert found.metadata.icc == profile("p3")
    assert np.array_equal(middles(found), FLAT[4::8, 4::8])


def test_vectors_are_not_converted(tmp_path):
    found, report = upscaled(tmp_path, with_profile("p3"), run=RunOptions(normal_map=True))
    assert any("the ICC profile is not kept" in note for note in report.notes)
    assert "converted to sRGB" not in report.notes
    assert found.format == "gif"


@pytest.mark.parametrize("suffix", ["gif", "png"])
def test_a_burst_is_converted_likewise(tmp_path, suffix):
    frames = [tmp_path / f"{number}.png" for number in range(2)]
    for frame in frames:
        frame.write_bytes(with_profile("p3"))
    job = BurstJob(
        frames=tuple(frames),
        target=tmp_path / f"b.{suffix}",
        fuse=FuseOptions(scale=1, method="backproject", model="bicubic"),
    )
    report = fuse_burst_files(job, POOL, Watch())
    assert ("converted to sRGB" in report.notes) == (suffix == "gif")
    green = read_pixels(open_picture(job.target))[4, 12]
    assert (green[0] < 10) == (suffix == "gif")  # outside sRGB
