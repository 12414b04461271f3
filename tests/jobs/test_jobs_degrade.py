from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from toy_format import know_toys, put_bands

from superres.degrade.load import load_degradation
from superres.errors import PictureError
from superres.frame import Bands, Values
from superres.images.resize import resize
from superres.jobs.degrade import degrade_picture_file
from superres.jobs.report import DegradeReport
from superres.jobs.spec import DegradeJob
from superres.media import open_picture, write_picture
from superres.metadata.header import Metadata
from superres.metadata.picture import read_pixels
from superres.watch import Watch

BICUBIC = load_degradation("bicubic")


def degrade(source: Path, target: Path, config=BICUBIC, **more) -> DegradeReport:
    job = DegradeJob(source=source, target=target, existing="replace", degradation=config, **more)
    return degrade_picture_file(job, Watch())


def put(path: Path, pixels: np.ndarray) -> Path:
    height, width, channels = pixels.shape
    write_picture(
        path,
        [pixels],
        height=height,
        width=width,
        bands=Bands.of(channels),
        values=Values.of(pixels.dtype),
        metadata=Metadata(),
    )
    return path


def pixels(height: int, width: int, channels: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels)).astype(np.uint8)


def test_the_small_picture_is_cropped_and_made_small_as_in_training(tmp_path):
    large = pixels(18, 23, 3)
    source, target = put(tmp_path / "a.png", large), tmp_path / "small.png"
    report = degrade(source, target, scale=4)
    expected = np.clip(np.floor(resize(large[:16, :20], scale=0.25) + 0.5), 0, 255)
    np.testing.assert_array_equal(read_pixels(open_picture(target)), expected)
    assert (report.input_size, report.output_size) == ((18, 23), (4, 5))
    assert report.notes == ("cropped from 23×18 to 20×16 as in training",)


def test_16_bit_grey_with_transparency_becomes_8_bit_rgb_and_says_so(tmp_path):
    deep = pixels(8, 8, 2).astype(np.uint16) * 257
    source, target = put(tmp_path / "a.png", deep), tmp_path / "small.png"
    report = degrade(source, target, scale=2)
    small = open_picture(target)
    assert (small.values.dtype, small.bands) == ("uint8", Bands("rgb", 3, alpha=False))
    assert any("transparency" in note for note in report.notes)


def test_a_picture_has_the_same_flaws_wherever_it_lies_and_others_with_another_seed(tmp_path):
    (tmp_path / "other").mkdir()
    large = pixels(32, 32, 3)
    places = [put(tmp_path / name, large) for name in ("a.png", "other/a.png", "b.png")]
    config = load_degradation("real", {"clean": 0.0})

    def degraded(source: Path, seed: int) -> bytes:
        degrade(source, tmp_path / "small.png", config, scale=4, seed=seed)
        return (tmp_path / "small.png").read_bytes()

    first = degraded(places[0], 0)
    assert first == degraded(places[1], 0)
    assert first not in (degraded(places[2], 0), degraded(places[0], 1))


def test_a_picture_of_less_than_one_small_pixel_is_an_error(tmp_path):
    source = put(tmp_path / "a.png", pixels(3, 9, 3))
    with pytest.raises(PictureError, match="too small for a scale of 4"):
        degrade(source, tmp_path / "small.png", scale=4)
    assert not (tmp_path / "small.png").exists()


@pytest.mark.parametrize("count", [2, 4, 6])
def test_bands_that_are_no_colours_are_refused_with_their_number(tmp_path, monkeypatch, count):
    know_toys(monkeypatch)
    source = put_bands(tmp_path / "a.toy", pixels(48, 64, count))
    with pytest.raises(PictureError, match=f"{count} bands that are no colours; degrade takes"):
        degrade(source, tmp_path / "b.png")
    assert not (tmp_path / "b.png").exists()
