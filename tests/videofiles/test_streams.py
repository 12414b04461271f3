"""Which stream of a file is its video, and what the others are."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from av.stream import Disposition

from superres.errors import ArgumentError, PictureError
from superres.videofiles.streams import choose_stream, disposition_names

DEFAULT, COVER, THUMBNAILS, STILL = 0x1, 0x400, 0x800, 0x100000
SOURCE = Path("a.mp4")


def stream(
    index: int, frames: int = 10, disposition: int = 0, *, kind="video", decoder=True
) -> Any:
    return SimpleNamespace(
        index=index, frames=frames, disposition=disposition, type=kind, duration=None,
        time_base=None, average_rate=None, codec_context=object() if decoder else None,
    )  # fmt: skip


def chosen(*streams: Any, requested: int | None = None) -> int:
    class Streams(list[Any]):
        @property
        def video(self):
            return [each for each in self if each.type == "video"]

    container: Any = SimpleNamespace(streams=Streams(streams), duration=None)
    return choose_stream(container, SOURCE, requested).index


@pytest.mark.parametrize(("streams", "expected"), [
    ([stream(0)], 0),
    ([stream(0, 1), stream(1, 50)], 1),  # the most frames
    ([stream(0, 50), stream(1, 50)], 0),  # the first of several alike
    ([stream(0, 50), stream(1, 10, DEFAULT)], 1),  # the one marked default
    ([stream(0, 10, DEFAULT), stream(1, 50, DEFAULT)], 1),
    ([stream(0, 90, COVER | DEFAULT), stream(1, 3)], 1),
    ([stream(0, 90, THUMBNAILS), stream(1, 3)], 1),
    ([stream(0, 90, STILL), stream(1, 3)], 1),
    ([stream(0, 90, decoder=False), stream(1, 3)], 1),
    ([stream(0, kind="audio"), stream(1)], 1),
])  # fmt: skip
def test_the_video_is_what_players_show(streams, expected):
    assert chosen(*streams) == expected


def test_a_requested_stream_may_also_be_one_that_players_do_not_show():
    assert chosen(stream(0), stream(1, 1), requested=1) == 1
    assert chosen(stream(0), stream(1, 1, COVER), requested=1) == 1


@pytest.mark.parametrize("requested", [1, 7])
def test_a_request_for_something_else_is_refused_with_what_there_is(requested):
    with pytest.raises(
        ArgumentError, match=f"stream {requested} of a.mp4 is not a video"
    ) as caught:
        chosen(stream(0), stream(1, kind="audio"), requested=requested)
    assert "0 (video), 1 (audio)" in caught.value.message


@pytest.mark.parametrize(("streams", "message"), [
    ([stream(0, kind="audio")], "holds no video stream, only audio"),
    ([], "holds no video stream, only nothing"),
    ([stream(0, 1, COVER), stream(1, kind="audio")], "only audio, video"),
    ([stream(0, decoder=False)], "no decoder"),
])  # fmt: skip
def test_a_file_without_a_video_is_refused(streams, message):
    with pytest.raises(PictureError, match=message):
        chosen(*streams)


def test_purposes_are_words_and_leave_out_what_is_no_purpose():
    held: Any = SimpleNamespace(disposition=Disposition(0x1 | 0x40 | 0x80))
    assert disposition_names(held) == ("forced", "hearing impaired")
