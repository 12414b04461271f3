"""What a finished result kept of its source, in words."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest

from superres.video.kept import changes, compare, findings
from superres.videofiles.colour import Numbers
from superres.videofiles.probe import Colour, Track, VideoFacts

UNSAID = Colour(range=0, matrix=2, primaries=2, transfer=2)
SAID = Colour(range=1, matrix=9, primaries=9, transfer=16)
YUV = Numbers("yuv", 8, False, 1)
BEFORE = VideoFacts(
    index=0, codec="h264", size=(24, 32), pix_fmt="yuv420p", time_base=Fraction(1, 12800),
    start=Fraction(0), rate=Fraction(25), frames=6, counted=True, colour=UNSAID, aspect=None,
    display=None, mastering=b"", light=b"", interlaced=False, tracks=(), chapters=(), metadata={},
    video_metadata={},
)  # fmt: skip


def judged(before: VideoFacts, after: VideoFacts, colour=UNSAID, refused=None):
    return compare(before, after, colour=colour, refused=refused or {})


def test_a_plain_copy_keeps_its_time_stamps_and_loses_nothing():
    assert judged(BEFORE, BEFORE) == (["time stamps"], [])


@pytest.mark.parametrize(("fields", "words"), [
    ({"aspect": Fraction(4, 3)}, "pixel aspect ratio (4/3)"),
    ({"display": (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)}, "rotation"),
    ({"mastering": b"x" * 88}, "HDR mastering display"),
    ({"light": b"x" * 8}, "HDR content light level"),
    ({"chapters": ("One", "Two")}, "chapters (2)"),
])  # fmt: skip
def test_what_the_source_has_is_kept_if_the_result_has_it_and_lost_if_not(fields: Any, words):
    before = replace(BEFORE, **fields)
    kept, lost = judged(before, before)
    assert (words in kept, lost) == (True, [])
    kept, lost = judged(before, BEFORE)
    assert (words in kept, lost) == (False, [words])


def test_square_pixels_are_nothing_to_keep():
    assert judged(replace(BEFORE, aspect=Fraction(1)), BEFORE) == (["time stamps"], [])


def test_a_chapter_too_few_is_a_loss():
    before, after = replace(BEFORE, chapters=("a", "b")), replace(BEFORE, chapters=("a",))
    assert judged(before, after)[1] == ["chapters (2)"]


def test_each_part_of_the_colour_is_judged_by_itself_against_what_was_to_be_said():
    after = replace(BEFORE, colour=replace(SAID, transfer=1, range=2))
    kept, lost = judged(BEFORE, after, SAID)
    assert kept == ["time stamps", "colour matrix", "colour primaries"]
    assert lost == ["colour transfer", "colour range"]


@pytest.mark.parametrize(("after", "words"), [
    (Fraction(1, 25600), None),  # each old unit is two of the new
    (Fraction(1, 1000), "exact time stamps: the container rounds them to 1/1000 s"),
    (Fraction(1, 90000), "exact time stamps: the container rounds them to 1/90000 s"),
])  # fmt: skip
def test_time_stamps_are_kept_where_the_new_unit_divides_the_old_one(after, words):
    kept, lost = judged(BEFORE, replace(BEFORE, time_base=after))
    assert (kept, lost) == (([], [words]) if words else (["time stamps"], []))


@pytest.mark.parametrize(("start", "later"), [
    (Fraction(1, 12800), None),
    (Fraction(2, 12800), "0.000"),
    (Fraction(3, 2), "1.500"),
    (Fraction(-3, 2), "-1.500"),
])  # fmt: skip
def test_a_beginning_that_moved_by_more_than_a_tick_is_told(start, later):
    lost = judged(BEFORE, replace(BEFORE, start=start))[1]
    told = f"where time begins: all streams are {later} s later"
    assert lost == ([told] if later else [])


def test_a_track_that_was_refused_is_lost_with_the_reason():
    tracks = (Track(1, "audio 1 (aac, eng)"), Track(2, "subtitles 1 (ass)"))
    kept, lost = judged(replace(BEFORE, tracks=tracks), BEFORE, refused={2: "no such codec"})
    assert "audio 1 (aac, eng)" in kept
    assert lost == ["subtitles 1 (ass): the container cannot hold it (no such codec)"]


def test_tags_are_found_whatever_their_case_and_lost_if_their_text_changed():
    before = replace(BEFORE, metadata={"Title": "A", "artist": "B", "comment": "C"})
    after = replace(BEFORE, metadata={"TITLE": "A", "ARTIST": "b"})
    kept, lost = judged(before, after)
    assert kept == ["time stamps", "tags (Title)"]
    assert lost == [f"tag {name}: the container does not hold it" for name in ("artist", "comment")]


def test_tags_that_containers_write_of_themselves_are_neither_kept_nor_lost():
    before = replace(BEFORE, metadata={"ENCODER": "Lavf", "major_brand": "isom"})
    assert judged(before, BEFORE) == (["time stamps"], [])


def test_of_a_pipe_only_the_tracks_are_known():
    before = replace(BEFORE, tracks=(Track(1, "audio 1"),), metadata={"title": "A"})
    assert compare(before, None, colour=SAID, refused={}) == (["audio 1"], [])


@pytest.mark.parametrize(("before", "source", "copy", "expected"), [
    (SAID, YUV, YUV, None),
    (SAID, replace(YUV, bits=10), YUV, "10 bits become 8"),
    (SAID, YUV, replace(YUV, bits=10), None),
    (SAID, replace(YUV, full=True), YUV, "full range becomes limited, as players expect"),
    (SAID, Numbers("rgb", 8, True, 1), YUV, "are encoded as luma and chroma by BT.709"),
    (UNSAID, replace(YUV, matrix=6), YUV, "names no colour matrix; players assume BT.601"),
    (UNSAID, YUV, YUV, "names no colour matrix; players assume BT.709"),
    (replace(SAID, matrix=8), YUV, YUV, "matrix 8 of H.273 is computed as BT.709"),
])  # fmt: skip
def test_each_change_of_the_pixels_is_told_and_no_other(before, source, copy, expected):
    colour = UNSAID if before == UNSAID else before
    notes = changes(replace(BEFORE, colour=before), source, copy, colour)
    assert len(notes) == (expected is not None)
    assert all(expected in note for note in notes)


@pytest.mark.parametrize(("pix_fmt", "png", "lost"), [
    ("yuv420p", "rgb24", []),
    ("yuv420p10le", "rgb48", []),
    ("yuva420p", "rgb24", ["transparency"]),
])  # fmt: skip
def test_a_folder_keeps_times_and_no_track_and_has_as_many_bits_as_it_needs(
    tmp_path, pix_fmt, png, lost
):
    facts = replace(BEFORE, pix_fmt=pix_fmt, tracks=(Track(1, "audio 1"),))
    plan: Any = SimpleNamespace(facts=facts, encoding=None, rest=None)
    found = findings(plan, tmp_path, ["2 frames were lost"])
    assert (found.codec, found.pix_fmt) == ("png", png)
    assert found.kept == ("time stamps (in timestamps.txt)",)
    assert found.not_kept == ("audio 1: a folder holds pictures only", *lost)
    assert found.notes == ("2 frames were lost",)
