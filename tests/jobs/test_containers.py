"""Each cell of the table of containers, tried: what one is said to hold is found in its files."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import get_args

import pytest
from clips import has_encoder, with_picture_stream, write_clip
from hand_mp4 import add_to_video_entry, spherical

from superres.jobs.report import VideoReport
from superres.jobs.spec import VideoJob
from superres.jobs.video import upscale_video
from superres.model_pool import ModelPool
from superres.videofiles.codec_options import CodecOptions
from superres.videofiles.containers import CONTAINERS, Thing, container_of
from superres.watch import Watch

pytestmark = [
    pytest.mark.usefixtures("repeating_network"),
    pytest.mark.skipif(
        not (has_encoder("libx264") and has_encoder("libvpx-vp9")),
        reason="this av lacks an encoder",
    ),
]

PAGE = Path(__file__).parents[2] / "docs" / "video.md"
# How a report names each thing.
WORDS: dict[Thing, str] = {
    "every time stamp": "time stamps",
    "chapters": "chapters (2)",
    "tags": "tags (title)",
    "covers": "cover picture 1 (mjpeg)",
    "attachments": "attachment 1 (font.ttf)",
    "time code": "timecode (01:00:00:00)",
    "rotation": "rotation",
    "360° projection": "360° projection",
}


def upscaled(source: Path, target: Path) -> VideoReport:
    codec = CodecOptions("vp9" if target.suffix == ".webm" else "h264")
    return upscale_video(
        VideoJob(source=source, target=target, scale=2, codec=codec), ModelPool(), Watch()
    )


def sources(folder: Path) -> list[Path]:
    """Return clips that have all things between them."""
    base = Fraction(1, 12800)
    plain = write_clip(folder / "plain.mp4", codec="mpeg4", rotation=90, time_base=base)
    return [
        write_clip(
            folder / "a.mkv", frames=20, attachment=b"FONT", chapters=("one", "two"),
            metadata={"title": "T"}, time_base=Fraction(1, 1000),
        ),
        with_picture_stream(plain, folder / "cover.mp4"),
        add_to_video_entry(
            write_clip(
                folder / "code.mp4", codec="mpeg4", stamps=[0, 513, 1027, 1540, 2051, 2567],
                metadata={"timecode": "01:00:00:00"}, time_base=base,
            ),
            spherical(),
        ),
    ]  # fmt: skip


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda container: container.name)
def test_a_container_holds_what_its_row_says_and_nothing_that_it_does_not(tmp_path, container):
    reports = [
        upscaled(source, tmp_path / f"{source.stem}_large{container.suffixes[0]}")
        for source in sources(tmp_path)
    ]
    # Times of whole milliseconds, as the first clip has them, prove nothing.
    kept = {words for report in reports[1:] for words in report.kept} | {
        words for words in reports[0].kept if words != "time stamps"
    }
    assert {thing for thing, words in WORDS.items() if words in kept} == container.holds
    lost = " ".join(words for report in reports for words in report.not_kept)
    for thing in get_args(Thing):
        if thing not in container.holds:
            words = {"tags": "tag title", "every time stamp": "exact time stamps"}.get(thing)
            assert (words or WORDS[thing]) in lost


def test_the_page_has_the_table_of_the_code():
    columns = " | ".join(f"`{container.suffixes[0]}`" for container in CONTAINERS)
    rows = [f"| | {columns} |", "|---|" + "---|" * len(CONTAINERS)]
    for thing in get_args(Thing):
        cells = " | ".join("yes" if thing in one.holds else "no" for one in CONTAINERS)
        rows.append(f"| {thing} | {cells} |")
    page = PAGE.read_text(encoding="utf-8")
    table = page.partition("<!-- containers -->")[2].partition("<!-- end of containers -->")[0]
    assert table.strip() == "\n".join(rows)
    for container in CONTAINERS:
        for suffix in container.suffixes:
            assert f"`{suffix}`" in page
            assert container_of(suffix) == container.name
