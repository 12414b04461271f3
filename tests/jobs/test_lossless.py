"""Lossless in, lossless out, unless requested otherwise."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from picture_files import encoded, noise, vips_image
from PIL import Image

import superres
from superres.burst.options import FuseOptions
from superres.decoding.compression import webp_says_lossless
from superres.errors import ArgumentError, OutputError
from superres.jobs import burst as burst_job
from superres.jobs.burst import fuse_burst_files
from superres.jobs.picture import upscale_picture
from superres.jobs.pipes import Pipes
from superres.jobs.spec import BurstJob, PictureJob, job_from_json, job_to_json
from superres.model_pool import ModelPool
from superres.upscaler import RunOptions
from superres.watch import Watch

PIXELS = noise(12, 15, 3)
POOL = ModelPool()


def upscaled(tmp_path, data, target="b.webp", **values):
    (tmp_path / "a").write_bytes(data)
    place = "-" if target == "-" else tmp_path / target
    stream = io.BytesIO()
    job = PictureJob(
        source=tmp_path / "a", target=place, model="espcn", scale=2,
        run=RunOptions(precision="fp32"), **values,
    )  # fmt: skip
    upscale_picture(job, POOL, Watch(), Pipes(target=stream))
    return stream.getvalue() if place == "-" else place.read_bytes()


def expected():
    return superres.load("espcn", scale=2, precision="fp32")(PIXELS)


def off(data):
    """How far a file's pixels are from what the network made, as another reader sees them."""
    back = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    return np.abs(back - expected()).max()


LOSSLESS, LOSSY = (encoded(PIXELS, "webp", lossless=flag, exact=True) for flag in (True, False))


def test_a_webp_says_whether_it_is_lossless():
    assert webp_says_lossless(io.BytesIO(LOSSLESS))
    assert not webp_says_lossless(io.BytesIO(LOSSY))
    assert not webp_says_lossless(io.BytesIO(LOSSLESS[:14]))


def test_an_animation_says_so_in_its_frames():
    frames = vips_image(np.concatenate([PIXELS, PIXELS[::-1]]))
    for lossless in (True, False):
        data = bytes(frames.webpsave_buffer(page_height=12, lossless=lossless))
        assert webp_says_lossless(io.BytesIO(data)) is lossless


@pytest.mark.parametrize("target", ["b.webp", "-"])
def test_lossless_goes_in_and_comes_out(tmp_path, target):
    data = upscaled(tmp_path, LOSSLESS, target)
    assert off(data) == 0
    assert webp_says_lossless(io.BytesIO(data))


@pytest.mark.parametrize(
    ("data", "values"),
    [(LOSSY, {}), (LOSSLESS, {"lossless": False}), (LOSSLESS, {"quality": 80}),
     (encoded(PIXELS, "png"), {})],
)  # fmt: skip
def test_lossy_is_what_was_lossy_or_is_requested(tmp_path, data, values):
    assert not webp_says_lossless(io.BytesIO(upscaled(tmp_path, data, **values)))


@pytest.mark.parametrize("target", ["b.webp", "b.avif", "b.png", "b.tif"])
def test_lossless_can_be_requested_of_each_format_that_can(tmp_path, target):
    assert off(upscaled(tmp_path, encoded(PIXELS, "png"), target, lossless=True)) == 0


def test_lossless_webp_to_jpeg_is_lossy_unless_it_is_requested(tmp_path):
    assert off(upscaled(tmp_path, LOSSLESS, "b.jpg")) > 0
    with pytest.raises(ArgumentError, match="JPEG cannot be lossless"):
        upscaled(tmp_path, LOSSLESS, "c.jpg", lossless=True)
    assert not (tmp_path / "c.jpg").exists()


def test_quality_and_lossless_contradict_each_other(tmp_path):
    with pytest.raises(ArgumentError, match="a quality of 80 and lossless"):
        upscaled(tmp_path, LOSSLESS, lossless=True, quality=80)


@pytest.mark.parametrize("lossless", [True, False, None])
def test_a_job_keeps_it_in_its_json(tmp_path, lossless):
    job = PictureJob(source=tmp_path / "a", target=tmp_path / "b.webp", lossless=lossless)
    assert job_from_json(job_to_json(job)) == job


# Bursts.

PNG = encoded(PIXELS, "png")


def fused(tmp_path, kind, data, **values):
    frames = [tmp_path / f"{number}.{kind}" for number in range(2)]
    for frame in frames:
        frame.write_bytes(data)
    job = BurstJob(
        frames=tuple(frames), target=tmp_path / "large.webp",
        fuse=FuseOptions(scale=2, method="backproject", model="bicubic"), **values,
    )  # fmt: skip
    assert job_from_json(job_to_json(job)) == job
    fuse_burst_files(job, POOL, Watch())
    return webp_says_lossless(io.BytesIO(job.target.read_bytes()))


@pytest.mark.parametrize(("kind", "data", "values", "lossless"), [
    ("webp", LOSSLESS, {}, True), ("webp", LOSSY, {}, False),
    ("webp", LOSSLESS, {"quality": 80}, False), ("webp", LOSSLESS, {"lossless": False}, False),
    ("webp", LOSSY, {"lossless": True}, True), ("png", PNG, {}, False),
    ("png", PNG, {"lossless": True}, True),
])  # fmt: skip
def test_a_burst_is_lossless_on_request_and_as_its_frames_are(
    tmp_path, kind, data, values, lossless
):
    assert fused(tmp_path, kind, data, **values) == lossless


@pytest.mark.parametrize(("values", "error", "message"), [
    ({"target": Path("large.jpg"), "lossless": True}, ArgumentError, "JPEG cannot be lossless"),
    ({"target": Path("large.webp"), "lossless": True, "quality": 8}, ArgumentError, "quality of 8"),
    ({"target": Path("large.bmp")}, OutputError, "cannot be written"),
    ({"target": Path("a.png"), "coverage": Path("seen.bmp")}, OutputError, "cannot be written"),
])  # fmt: skip
def test_what_a_burst_cannot_be_written_as_is_refused_before_any_work(
    tmp_path, monkeypatch, values, error, message
):
    def fuse_burst(*args, **more):
        raise AssertionError("work was done")

    monkeypatch.setattr(burst_job, "fuse_burst", fuse_burst)
    monkeypatch.chdir(tmp_path)
    frames = (tmp_path / "0.png", tmp_path / "1.png")
    for frame in frames:
        frame.write_bytes(PNG)
    with pytest.raises(error, match=message):
        fuse_burst_files(BurstJob(frames=frames, **values), POOL, Watch())
