"""Which model `auto` takes for a picture, and the reason that it gives."""

from __future__ import annotations

import io

import numpy as np
import pytest

from superres import zoo
from superres.errors import ArgumentError, PictureError
from superres.frame import UINT8, Bands
from superres.images.flaws import Flaws
from superres.jobs import auto_model
from superres.jobs.auto_model import choose_model, find_flaw, largest_scale
from superres.media import WriteOptions, open_picture, write_picture
from superres.metadata.header import Metadata
from superres.upscaler import load


@pytest.fixture
def found(monkeypatch):
    """Let pictures have the flaws that a test says, and count how often they are looked at."""
    said = {"flaws": Flaws(0.0, 0.0, 0.4), "looks": 0}

    def measure(picture):
        said["looks"] += 1
        return said["flaws"]

    monkeypatch.setattr(auto_model, "measure_flaws", measure)
    return said


def coded(format, quality=None):
    pixels = np.random.default_rng(0).integers(60, 200, (12, 15, 3)).repeat(8, 0).repeat(8, 1)
    file = io.BytesIO()
    write_picture(
        file, [pixels.astype(np.uint8)], height=96, width=120, bands=Bands.of(3), values=UINT8,
        metadata=Metadata(), format=format, options=WriteOptions(quality=quality),
    )  # fmt: skip
    return file.getvalue()


def flaw_of(data):
    return find_flaw(open_picture(data))


def test_a_clean_picture_goes_to_the_default_model(found):
    data = coded("png")
    choice = choose_model(open_picture(data))
    assert (choice.model, choice.reason) == ("default", "little compression, noise or blur")


@pytest.mark.parametrize(
    ("flaws", "reason"),
    [
        (Flaws(1.44, 0.0, 0.4), "edges of 1.4 levels between blocks of 8×8, as JPEG leaves them"),
        (Flaws(0.0, 6.6, 0.7), "noise of about 7 levels of 255"),
        (Flaws(0.0, 0.0, 0.04), "blur: a sharpness of 0.04, sharp pictures have 0.1 or more"),
    ],
)
def test_each_strong_flaw_leads_to_real_and_is_named(flaws, reason, found):
    found["flaws"] = flaws
    data = coded("png")
    choice = choose_model(open_picture(data))
    assert (choice.model, choice.reason) == ("real", reason)


@pytest.mark.parametrize("flaws", [Flaws(0.7, 0, 0.4), Flaws(0, 2.9, 0.8), Flaws(0, 0, 0.1)])
def test_weak_flaws_are_let_pass(flaws, found):
    found["flaws"] = flaws
    assert flaw_of(coded("png")) == ""


@pytest.mark.parametrize(
    ("format", "quality", "reason"),
    [("jpeg", 50, "JPEG quality of about 50"), ("webp", 30, "WebP quality of about ")],
)
def test_a_file_that_says_that_it_was_compressed_is_not_decoded(format, quality, reason, found):
    assert flaw_of(coded(format, quality)).startswith(reason)
    assert found["looks"] == 0


@pytest.mark.parametrize(("format", "quality"), [("jpeg", 92), ("webp", 95), ("avif", 40)])
def test_any_other_file_is_looked_at(format, quality, found):
    assert flaw_of(coded(format, quality)) == ""
    assert found["looks"] == 1
    found["flaws"] = Flaws(0.0, 9.0, 0.9)
    assert "noise" in flaw_of(coded(format, quality))


def test_edges_that_a_good_jpeg_makes_itself_are_let_pass_and_those_of_an_earlier_one_not(found):
    found["flaws"] = Flaws(1.0, 0.0, 0.4)
    assert flaw_of(coded("jpeg", 92)) == ""
    assert "edges of 1.0 levels" in flaw_of(coded("png"))
    found["flaws"] = Flaws(1.3, 0.0, 0.4)
    assert "edges of 1.3 levels" in flaw_of(coded("jpeg", 92))


def test_a_damaged_file_is_refused_before_a_choice():
    data = coded("png")
    damaged = data[: len(data) // 2] + bytes(40)
    with pytest.raises(PictureError):
        flaw_of(damaged)


def test_without_a_scale_both_choices_enlarge_alike(monkeypatch):
    offered = {"default": (2, 4), "real": (2,)}
    monkeypatch.setattr(zoo, "scales", offered.__getitem__)
    assert largest_scale() == 4
    offered["real"] = (2, 8)
    assert largest_scale() == 8


@pytest.mark.parametrize("use", [zoo.resolve, zoo.scales, load])
def test_where_there_is_no_picture_to_look_at_auto_is_refused(use):
    with pytest.raises(ArgumentError, match="auto is not a model: it chooses a model") as caught:
        use("auto")
    assert "such as default" in caught.value.hint
