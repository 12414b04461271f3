from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pyvips
from toy_format import know_toys, put_bands

from superres.burst.options import FuseOptions
from superres.errors import ArgumentError, OutputError, PictureError
from superres.jobs import burst as module
from superres.jobs.burst import fuse_burst_files
from superres.jobs.report import BurstReport
from superres.jobs.spec import BurstJob
from superres.model_pool import ModelPool
from superres.watch import Watch

FAST = FuseOptions(model="bicubic", blur="bicubic", scale=2, reference=1)


def fuse(frames, target, **more) -> BurstReport:
    job = BurstJob(frames=frames, target=target, fuse=FAST, **more)
    return fuse_burst_files(job, ModelPool(), Watch())


def write(path: Path, pixels: np.ndarray, **options: object) -> Path:
    wide = pixels.dtype == np.uint16
    shaped = pixels if pixels.ndim == 3 else pixels[..., None]
    image = pyvips.Image.new_from_array(np.ascontiguousarray(shaped))
    names = ("grey16", "rgb16") if wide else ("b-w", "srgb")
    image.copy(interpretation=names[shaped.shape[2] > 2], xres=10, yres=10).write_to_file(
        str(path), **options
    )
    return path


def read(path: Path) -> np.ndarray:
    return pyvips.Image.new_from_file(str(path)).numpy()


@pytest.fixture
def frames(tmp_path, burst) -> tuple[Path, ...]:
    return tuple(
        write(tmp_path / f"{index}.png", frame) for index, frame in enumerate(burst.frames[:3])
    )


def test_files_become_one_file_with_the_references_metadata_and_a_report(tmp_path, frames):
    target, coverage = tmp_path / "out.tif", tmp_path / "seen.png"
    report = fuse(frames, target, coverage=coverage)
    height, width, _ = read(frames[0]).shape
    large = pyvips.Image.new_from_file(str(target))
    assert (large.height, large.width, large.bands) == (2 * height, 2 * width, 3)
    assert large.xres == pytest.approx(10, rel=0.01)
    seen = read(coverage)
    assert seen.dtype == np.uint16
    assert np.median(seen) > 0.7 * 65535
    told = report.to_dict()
    assert (told["reference"], told["used"]) == (1, 3)
    assert [Path(f["source"]).name for f in told["frames"]] == ["0.png", "1.png", "2.png"]
    assert set(told["frames"][0]) >= {"shift", "residual", "weight", "dropped", "gain"}


def test_a_16_bit_burst_stays_16_bit(tmp_path, burst):
    paths = [
        write(tmp_path / f"{i}.png", f.astype(np.uint16) * 257)
        for i, f in enumerate(burst.frames[:2])
    ]
    fuse(tuple(paths), tmp_path / "out.png")
    assert read(tmp_path / "out.png").dtype == np.uint16


def test_one_mask_serves_all_frames_and_others_must_be_as_many(tmp_path, frames, burst):
    mask = np.full(burst.frames[0].shape[:2], 255, np.uint8)
    mask[10:14, 20:24] = 0
    path = write(tmp_path / "mask.png", mask)
    seen = tmp_path / "seen.png"
    fuse(frames, tmp_path / "a.png", masks=(path,), coverage=seen)
    # Every frame's sensor has the same hole, so what it hides depends on how the frames moved.
    assert read(seen).min() < 0.5 * np.median(read(seen))
    with pytest.raises(ArgumentError, match="3 frames need 3 masks, or one for all; got 2"):
        fuse(frames, tmp_path / "b.png", masks=(path, path))


def test_a_frame_of_another_size_is_named(tmp_path, frames, burst):
    odd = write(tmp_path / "odd.png", burst.frames[0][1:])
    with pytest.raises(PictureError, match=r"odd\.png is 47 x 58 px"):
        fuse((*frames, odd), tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("damage", ["cut", "no picture", "missing pixels"])
def test_a_damaged_frame_is_left_out_by_name(tmp_path, burst, damage):
    frames = [write(tmp_path / f"{i}.png", frame) for i, frame in enumerate(burst.frames[:4])]
    whole = frames[0].read_bytes()
    cut = {"cut": 30, "no picture": 0, "missing pixels": len(whole) * 2 // 3}[damage]
    frames[0].write_bytes(whole[:cut])
    report = fuse(tuple(frames), tmp_path / "out.png")
    told = report.to_dict()
    assert (told["reference"], told["used"]) == (1, 3)
    assert told["frames"][0]["dropped"].startswith(str(frames[0]))
    assert any(str(frames[0]) in note and "dropped" in note for note in report.notes)
    others = [(tmp_path / f"same{i}.png") for i in range(3)]
    for one, path in zip(frames[1:], others, strict=True):
        path.write_bytes(one.read_bytes())
    job = FuseOptions(model="bicubic", blur="bicubic", scale=2, reference=0)
    rest = BurstJob(frames=tuple(others), target=tmp_path / "rest.png", fuse=job)
    fuse_burst_files(rest, ModelPool(), Watch())
    np.testing.assert_array_equal(read(tmp_path / "out.png"), read(tmp_path / "rest.png"))


def test_too_few_frames_that_can_be_read_are_an_error(tmp_path, frames):
    for path in frames[:2]:
        path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(PictureError, match=r"frame 1 was requested as the reference: .*1\.png"):
        fuse(frames, tmp_path / "out.png")
    free = FuseOptions(model="bicubic", blur="bicubic", scale=2)
    job = BurstJob(frames=frames, target=tmp_path / "out.png", fuse=free)
    with pytest.raises(PictureError, match=r"1 of 3 frames can be read, 2 are needed: .*0\.png"):
        fuse_burst_files(job, ModelPool(), Watch())
    assert not (tmp_path / "out.png").exists()


def test_outputs_that_stand_or_are_inputs_are_kept(tmp_path, frames):
    before = frames[0].read_bytes()
    with pytest.raises(OutputError, match="is itself an input"):
        fuse(frames, frames[0], existing="replace")
    assert frames[0].read_bytes() == before
    (tmp_path / "old.png").write_bytes(b"old")
    with pytest.raises(OutputError, match="already exists"):
        fuse(frames, tmp_path / "old.png")
    with pytest.raises(OutputError, match="name two files"):
        fuse(frames, tmp_path / "x.png", coverage=tmp_path / "x.png")
    with pytest.raises(OutputError, match="does not exist"):
        fuse(frames, tmp_path / "none" / "x.png")


def test_too_many_pixels_are_refused_before_they_are_read(tmp_path, frames, monkeypatch):
    monkeypatch.setattr(module, "MAX_BURST_PIXELS", 1000)
    monkeypatch.setattr(module, "read_pixels", None)
    with pytest.raises(ArgumentError, match="the limit is 1,000"):
        fuse(frames, tmp_path / "out.png")


@pytest.mark.parametrize("count", [2, 4, 6])
def test_frames_and_masks_of_bands_that_are_no_colours_are_refused(
    tmp_path, frames, monkeypatch, count
):
    know_toys(monkeypatch)
    shape = (*read(frames[0]).shape[:2], count)
    numbers = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    raster = put_bands(tmp_path / "a.toy", numbers)
    words = f"{count} bands that are no colours; a burst of files takes grey or RGB"
    with pytest.raises(PictureError, match=words):
        fuse((raster, raster), tmp_path / "large.png")
    with pytest.raises(PictureError, match="no colours; a mask takes"):
        fuse(frames, tmp_path / "large.png", masks=(raster,))
    assert not (tmp_path / "large.png").exists()
