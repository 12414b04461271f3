from __future__ import annotations

import json
import math

from superres.evaluate.benchmark import PictureScore, SetResult
from superres.evaluate.table import picture_table, summary_table, to_json
from superres.metrics import Protocol
from superres.metrics.cpsnr import RegisteredProtocol

PUBLISHED = SetResult(
    "Set5",
    4,
    Protocol(border=4),
    "published",
    (PictureScore("baby", 30.0, 0.8, 0.5), PictureScore("butterfly", 20.0, 0.6, 0.25)),
)
MADE = SetResult("BSD", 4, Protocol(border=4), "made", (PictureScore("a", math.inf, 1.0, 0.1),))


def test_the_summary_says_the_protocol_and_where_small_pictures_came_from():
    assert summary_table([PUBLISHED, MADE], model="bicubic").splitlines() == [
        "bicubic ×4: PSNR and SSIM on luma (BT.601, 16-235), border 4 px, rounded to 8 bits",
        "Set5: small pictures as published",
        "BSD: small pictures made by MATLAB's bicubic, antialiased, mirrored borders, rounded",
        "set   pictures  PSNR (dB)    SSIM  s a picture",
        "Set5         2     25.000  0.7000        0.375",
        "BSD          1        inf  1.0000        0.100",
    ]


def test_the_table_of_pictures_ends_with_their_mean():
    assert picture_table(PUBLISHED, model="default-x4").splitlines() == [
        "default-x4 ×4: PSNR and SSIM on luma (BT.601, 16-235), border 4 px, rounded to 8 bits",
        "Set5: small pictures as published",
        "picture    PSNR (dB)    SSIM      s",
        "baby          30.000  0.8000  0.500",
        "butterfly     20.000  0.6000  0.250",
        "mean of 2     25.000  0.7000  0.375",
    ]


def test_json_holds_every_score_and_the_protocol_and_no_infinity():
    text = json.dumps(to_json([PUBLISHED, MADE], model="bicubic"), allow_nan=False)
    found = json.loads(text)
    assert found["model"] == "bicubic"
    first, second = found["sets"]
    assert (first["set"], first["scale"], first["small"]) == ("Set5", 4, "published")
    assert first["protocol"] == {
        "channels": "luma",
        "border": 4,
        "rounding": "uint8",
        "description": "luma (BT.601, 16-235), border 4 px, rounded to 8 bits",
    }
    assert (first["psnr_db"], first["seconds"]) == (25.0, 0.75)
    assert first["pictures"][1] == {
        "name": "butterfly",
        "psnr_db": 20.0,
        "ssim": 0.6,
        "seconds": 0.25,
    }
    assert second["psnr_db"] is second["pictures"][0]["psnr_db"] is None


def test_a_protocol_without_ssim_shows_a_dash_and_null():
    score = PictureScore("a", 40.0, math.nan, 0.5)
    result = SetResult("PROBA", 3, RegisteredProtocol(), "published", (score,))
    first, _, _, last = summary_table([result], model="bicubic").splitlines()
    assert first.startswith("bicubic ×3: cPSNR (PROBA-V): best of 7×7 shifts, without mean bias")
    assert last.split() == ["PROBA", "1", "40.000", "–", "0.500"]
    assert (
        json.loads(json.dumps(to_json([result], model="m"), allow_nan=False))["sets"][0]["ssim"]
        is None
    )
