from __future__ import annotations

from pathlib import Path

import pytest
import torch

from superres.degrade import codecs
from superres.degrade.codecs import code_batch
from superres.errors import ArgumentError, BackendError
from superres.media import open_picture, read_pixels

COFFEE = Path(__file__).parents[2] / "examples" / "coffee.png"


def photograph() -> torch.Tensor:
    """A part of a natural picture of odd size, (1, 3, 61, 75)."""
    pixels = read_pixels(open_picture(COFFEE))[40:101, 60:135, :3]
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255.0


@pytest.mark.parametrize("codec", ["jpeg", "webp", "avif"])
def test_a_codec_loses_little_at_high_quality_and_much_at_low(codec):
    x_BCHW = photograph()
    coded_BCHW = code_batch(x_BCHW.repeat(2, 1, 1, 1), codec, [95, 5])
    assert coded_BCHW.shape == (2, *x_BCHW.shape[1:])
    fine, coarse = ((coded_BCHW - x_BCHW).abs().mean((1, 2, 3)) * 255).tolist()
    assert 0.1 < fine < 4
    assert coarse > 1.5 * fine
    torch.testing.assert_close(coded_BCHW * 255, (coded_BCHW * 255).round(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("codec", ["jpeg", "webp", "avif"])
def test_grey_stays_grey(codec):
    grey_BCHW = photograph()[:, :1]
    coded_BCHW = code_batch(grey_BCHW, codec, [90])
    assert coded_BCHW.shape == grey_BCHW.shape
    assert float((coded_BCHW - grey_BCHW).abs().mean()) < 0.02


def test_a_video_codec_gives_a_frame_of_the_same_size_back():
    pytest.importorskip("av")
    x_BCHW = photograph()
    coded_BCHW = code_batch(x_BCHW.repeat(2, 1, 1, 1), "h264", [90, 10])
    assert coded_BCHW.shape == (2, *x_BCHW.shape[1:])
    fine, coarse = ((coded_BCHW - x_BCHW).abs().mean((1, 2, 3)) * 255).tolist()
    assert 0.1 < fine < 6
    assert coarse > 1.5 * fine


def test_without_av_the_error_names_the_extra(monkeypatch):
    def missing(name: str):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(codecs, "import_module", missing)
    with pytest.raises(BackendError, match=r"superres\[video\]"):
        code_batch(photograph(), "h264", [50])


def test_a_missing_quality_is_refused():
    with pytest.raises(ArgumentError, match="and 1"):
        code_batch(torch.zeros(2, 3, 8, 8), "jpeg", [50])
