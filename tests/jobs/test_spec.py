"""Jobs as data: what comes back from their JSON, what is refused there, and what they make."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from clips import write_clip

from superres.burst.options import FuseOptions
from superres.degrade.config import DegradationConfig
from superres.degrade.load import built_in_degradations, load_degradation
from superres.errors import ArgumentError, UnknownNameError
from superres.frame import UINT8, Bands
from superres.infer.route import SizeRequest
from superres.jobs.run import run
from superres.jobs.spec import (
    BurstJob,
    DegradeJob,
    Job,
    PictureJob,
    VideoJob,
    job_from_json,
    job_to_json,
)
from superres.media import write_picture
from superres.metadata.header import Metadata
from superres.model_pool import ModelPool
from superres.upscaler import RunOptions
from superres.videofiles.codec_options import CodecOptions
from superres.watch import Watch

IN, OUT = Path("in.png"), Path("out.png")
CHAIN = load_degradation("real")


@pytest.mark.parametrize(
    "job",
    [
        PictureJob(source=IN, target=OUT),
        PictureJob(source="-", target="-", format="png"),
        PictureJob(
            source=Path("-"), target=Path("dir/-"), existing="skip", model="real", scale=0.1,
            run=RunOptions(tile=64, ensemble=True, precision="fp32", threads=2, alpha="resize"),
            max_pixels=9, profile="srgb", quality=7,
        ),
        PictureJob(source=Path("h\udcffhe.png"), target=Path("写.png"), size=SizeRequest(9, 16)),
        PictureJob(source=IN, target=OUT, size=SizeRequest(None, 16, "inside")),
        VideoJob(source=IN, target=OUT, size=SizeRequest(9, None)),
        VideoJob(source=IN, target="-", container="mkv", segment_frames=3),
        VideoJob(
            source=IN, target=OUT, form="folder",
            codec=CodecOptions("hevc", 18.5, "yuv420p10le", (("preset", "slow"), ("g", "1"))),
        ),
        BurstJob(frames=(IN, OUT), target=Path("b.tif")),
        BurstJob(
            frames=(IN,), target=OUT, masks=(IN,), coverage=IN, existing="replace", lossless=False,
            fuse=FuseOptions(scale=2.5, blur=0.3, method="drizzle", run=RunOptions(threads=1)),
        ),
        *(
            DegradeJob(source=IN, target=OUT, degradation=load_degradation(name), scale=2, seed=9)
            for name in built_in_degradations()
        ),
    ],
)  # fmt: skip
def test_a_job_comes_back_from_its_json_as_it_was(job):
    text = job_to_json(job)
    assert text.isascii()
    assert job_from_json(text) == job
    assert type(job_from_json(text)) is type(job)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"kind": "pictures"}, "'picture'"),
        ({"sclae": 2}, "picture.sclae"),
        ({"run": {"tlie": 3}}, "picture.run.tlie"),
        ({"existing": "overwrite"}, "'refuse'"),
        ({"scale": -1}, "greater than 0, got -1"),
        ({"quality": 101}, "less than or equal to 100"),
        ({"size": [4]}, "picture.size"),
        ({"size": {"height": 4, "width": 4, "fit": "box"}}, "picture.size.fit"),
        ({"target": None}, "picture.target"),
    ],
)
def test_unknown_keys_and_values_that_cannot_be_are_refused_by_name(change, found):
    good = json.loads(job_to_json(PictureJob(source=IN, target=OUT)))
    with pytest.raises(ArgumentError, match="the job is not valid") as caught:
        job_from_json(json.dumps(good | change))
    assert found in caught.value.message


def test_a_rule_of_ours_inside_a_job_speaks_in_its_own_words():
    good = json.loads(job_to_json(BurstJob(frames=(IN,), target=OUT)))
    with pytest.raises(UnknownNameError, match="no fusion method named 'drizle'") as caught:
        job_from_json(json.dumps(good | {"fuse": {"method": "drizle"}}))
    assert "drizzle" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", '{"kind": "picture"}', b"\xff", "[" * 100_000, '{"a": ' * 100_000,
        '{"kind": "picture", "scale": ' + "9" * 5000 + "}", "[" * 900 + "]" * 900,
        '{"kind": "picture", "target": "b", "source": ' + "[" * 900 + "]" * 900 + "}",
        '{"kind": "picture", "source": "a\\u0000b", "target": "b"}',
        '{"kind": "picture", "source": "a", "target": "a\\u0000b"}',
        '{"kind": "burst", "frames": ["a", "a\\u0000b"], "target": "b"}',
        '{"kind": "degrade", "source": "a", "target": "b", "degradation": {"steps": [1]}}',
    ],
)  # fmt: skip
def test_what_is_not_a_job_is_an_error_of_ours(text):
    with pytest.raises(ArgumentError):
        job_from_json(text)


@pytest.mark.parametrize("paths", [{"source": "a\0b"}, {"target": "a\0b"}])
def test_a_path_that_no_file_can_have_is_refused_by_name(paths):
    good = json.loads(job_to_json(PictureJob(source=IN, target=OUT)))
    with pytest.raises(ArgumentError, match=r"path 'a\\x00b' has a NUL character"):
        job_from_json(json.dumps(good | paths))


def test_a_pair_is_an_exact_size_and_half_of_a_size_is_refused():
    good = json.loads(job_to_json(PictureJob(source=IN, target=OUT)))
    expected = PictureJob(source=IN, target=OUT, size=SizeRequest(9, 16))
    assert job_from_json(json.dumps(good | {"size": [9, 16]})) == expected
    with pytest.raises(ArgumentError, match="needs a width or a height"):
        job_from_json(json.dumps(good | {"size": {"height": None, "width": None}}))


def test_a_job_does_not_change():
    job = PictureJob(source=IN, target=OUT)
    with pytest.raises(ValueError, match="frozen"):
        job.scale = 2  # pyright: ignore[reportAttributeAccessIssue]  # what is refused


def save(path: Path, seed: int) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 32, 3)).astype(np.uint8)
    write_picture(
        path, [pixels], height=24, width=32, bands=Bands.of(3), values=UINT8,
        metadata=Metadata(),
    )  # fmt: skip
    return path


def picture_job(folder: Path) -> PictureJob:
    run = RunOptions(precision="fp32", threads=1)
    return PictureJob(source=save(folder / "a.png", 0), target=folder / "o.jpg", scale=3, run=run)


def video_job(folder: Path) -> VideoJob:
    clip = write_clip(folder / "a.mp4", frames=4, codec="mpeg4")
    codec = CodecOptions("mpeg4", more=(("g", "2"),))
    return VideoJob(source=clip, target=folder / "o.mp4", scale=2, codec=codec)


def burst_job(folder: Path) -> BurstJob:
    frames = tuple(save(folder / f"{number}.png", 0) for number in range(2))
    return BurstJob(
        frames=frames, target=folder / "o.png", fuse=FuseOptions(scale=2, model="bicubic")
    )


def degrade_job(folder: Path) -> DegradeJob:
    chain = DegradationConfig.model_validate(CHAIN.model_dump() | {"clean": 0.0})
    source = save(folder / "a.png", 0)
    return DegradeJob(source=source, target=folder / "o.png", degradation=chain, scale=2, seed=5)


@pytest.mark.usefixtures("repeating_network")
@pytest.mark.parametrize("make", [picture_job, video_job, burst_job, degrade_job])
def test_a_job_parsed_from_its_json_makes_the_same_file_byte_for_byte(tmp_path, make):
    job: Job = make(tmp_path)
    other = job_from_json(
        json.dumps({**json.loads(job_to_json(job)), "existing": "replace"}, sort_keys=True)
    )
    run(job, ModelPool(), Watch())
    assert isinstance(job.target, Path)
    first = job.target.read_bytes()
    job.target.write_bytes(b"")
    run(other, ModelPool(), Watch())
    assert job.target.read_bytes() == first != b""
