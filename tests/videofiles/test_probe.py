"""What a file holds, and files that hold no video."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from av.stream import Disposition
from clips import picture, write_clip

from superres.errors import PictureError
from superres.video.decode import FrameReader
from superres.videofiles.probe import probe


def test_a_clip_is_told_as_it_was_written(tmp_path):
    path = write_clip(
        tmp_path / "a.mp4", frames=7, codec="mpeg4", sound=True, chapters=("one",),
        metadata={"title": "T"}, aspect=Fraction(4, 3),
    )  # fmt: skip
    facts = probe(path)
    assert (facts.codec, facts.size, facts.pix_fmt) == ("mpeg4", (24, 32), "yuv420p")
    assert (facts.frames, facts.counted, facts.rate, facts.start) == (7, True, 25, 0)
    assert (facts.time_base, facts.aspect) == (Fraction(1, 12800), Fraction(4, 3))
    assert [track.words for track in facts.tracks] == ["audio 1 (aac)"]  # and no track of chapters
    assert facts.chapters == ("one",)
    assert facts.metadata["title"] == "T"


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(PictureError, match=r"none\.mp4 does not exist"):
        probe(tmp_path / "none.mp4")


def test_an_empty_file_is_said_to_be_empty(tmp_path):
    path = tmp_path / "empty.mp4"
    path.touch()
    with pytest.raises(PictureError, match=r"empty\.mp4 is empty"):
        probe(path)


def test_nonsense_is_refused_by_name(tmp_path):
    path = tmp_path / "text.mp4"
    path.write_bytes(np.random.default_rng(0).bytes(4000))
    with pytest.raises(PictureError, match=r"text\.mp4 cannot be read as a video"):
        probe(path)


def test_an_mp4_that_lost_its_index_is_refused(tmp_path):
    path = write_clip(tmp_path / "a.mp4", frames=9, codec="mpeg4")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(PictureError, match=r"a\.mp4"):
        probe(path)


def test_sound_alone_is_no_video(tmp_path):
    path = tmp_path / "sound.mka"
    with av.open(str(path), "w", format="matroska") as file:
        stream = file.add_stream("aac", rate=16000, layout="mono")
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        tone.sample_rate, tone.pts = 16000, 0
        file.mux(stream.encode(tone))
        file.mux(stream.encode(None))
    with pytest.raises(PictureError, match="holds no video stream, only audio"):
        probe(path)


def test_a_cover_picture_is_not_taken_for_the_video(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as file:
        cover = file.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        video = file.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 32, 24, "yuv420p"
        cover.disposition = Disposition.attached_pic
        file.mux(cover.encode(picture(0, (64, 64), "yuvj420p")))
        file.mux(cover.encode(None))
        for number in range(3):
            file.mux(video.encode(picture(number)))
        file.mux(video.encode(None))
    facts = probe(path)
    assert facts.size == (24, 32)
    assert [track.words for track in facts.tracks] == ["cover picture 1 (mjpeg)"]


@pytest.mark.parametrize("name", ["a:b.mkv", "concat:x|y.mkv", "http:x.mkv", "ä ö %03d.mkv"])
def test_a_files_name_is_never_taken_for_an_address_or_a_pattern(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "plain.mkv", frames=2).rename(tmp_path / name)
    facts = probe((tmp_path / name).relative_to(tmp_path))
    assert len(list(FrameReader(tmp_path / name, facts).frames())) == 2


def test_tags_in_another_alphabet_do_not_hide_the_video(tmp_path):
    path = write_clip(tmp_path / "a.mkv", frames=2, metadata={"title": "Hoehe"})
    path.write_bytes(path.read_bytes().replace(b"Hoehe", b"H\xf6he!"))
    assert probe(path).metadata["title"].startswith("H")
