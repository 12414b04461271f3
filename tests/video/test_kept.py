"""What a finished result kept of its source, in words."""

from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest

from superres.video.contents import Contents, time_fault
from superres.video.join import Rest
from superres.video.kept import changes, compare, findings
from superres.videofiles.colour import Numbers
from superres.videofiles.probe import Colour, VideoFacts
from superres.videofiles.streams import Track

UNSAID = Colour(range=0, matrix=2, primaries=2, transfer=2)
SAID = Colour(range=1, matrix=9, primaries=9, transfer=16)
YUV = Numbers("yuv", 8, False, 1)
BEFORE = VideoFacts(
    index=0, codec="h264", size=(24, 32), pix_fmt="yuv420p", time_base=Fraction(1, 12800),
    start=Fraction(0), rate=Fraction(25), frames=6, counted=True, colour=UNSAID, aspect=None,
    display=None, mastering=b"", light=b"", interlaced=False, tracks=(), chapters=(), metadata={},
    video_metadata={},
)  # fmt: skip


def judged(before: VideoFacts, after: VideoFacts, colour=UNSAID, refused=None, packets=None):
    contents = Contents((), packets or {track.index: 1 for track in after.tracks})
    return compare(before, after, contents, (), colour=colour, refused=refused or {})


def test_a_plain_copy_keeps_its_time_stamps_and_loses_nothing():
    assert judged(BEFORE, BEFORE) == (["time stamps"], [])


@pytest.mark.parametrize(("fields", "words"), [
    ({"aspect": Fraction(4, 3)}, "pixel aspect ratio (4/3)"),
    ({"display": (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)}, "rotation"),
    ({"mastering": b"x" * 88}, "HDR mastering display"),
    ({"light": b"x" * 8}, "HDR content light level"),
    ({"chapters": ("One", "Two")}, "chapters (2)"),
    ({"timecode": "01:00:00:00"}, "timecode (01:00:00:00)"),
    ({"carried": {"360° projection": b"x"}}, "360° projection"),
    ({"carried": {"box abcd of video": b"x"}}, "box abcd of video"),
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
    (Fraction(1, 1000), None),
    (Fraction(2, 1000), "0.002"),
    (Fraction(3, 2), "1.500"),
    (Fraction(-3, 2), "-1.500"),
])  # fmt: skip
def test_a_beginning_that_moved_by_more_than_a_tick_is_told(start, later):
    lost = judged(BEFORE, replace(BEFORE, start=start))[1]
    told = f"where time begins: all streams are {later} s later"
    assert lost == ([told] if later else [])


SOUND = Track(1, "audio 1 (aac, eng)", "audio", "aac", {"language": "eng"})
TEXT = Track(2, "subtitles 1 (ass)", "subtitle", "ass", {}, ("forced",))


def test_a_track_that_was_refused_is_lost_with_the_reason():
    before, after = replace(BEFORE, tracks=(SOUND, TEXT)), replace(BEFORE, tracks=(SOUND,))
    kept, lost = judged(before, after, refused={2: "no such codec"})
    assert "audio 1 (aac, eng)" in kept
    assert lost == ["subtitles 1 (ass): the container cannot hold it (no such codec)"]


def test_a_track_is_kept_if_the_finished_file_has_it_and_not_because_it_was_to_have_it():
    before = replace(BEFORE, tracks=(SOUND, TEXT))
    kept, lost = judged(before, replace(BEFORE, tracks=(TEXT,)))
    assert (SOUND.words in kept, TEXT.words in kept) == (False, True)
    assert lost == ["audio 1 (aac, eng): the finished file does not have it"]


def test_two_tracks_that_became_one_are_not_both_kept():
    other = replace(SOUND, index=3, words="audio 2 (aac, eng)")
    before, after = replace(BEFORE, tracks=(SOUND, other)), replace(BEFORE, tracks=(SOUND,))
    assert judged(before, after)[1] == ["audio 2 (aac, eng): the finished file does not have it"]


def test_a_track_without_packets_is_lost():
    before = replace(BEFORE, tracks=(SOUND,))
    kept, lost = judged(before, before, packets={0: 6})
    assert (kept, lost) == (
        ["time stamps"], ["audio 1 (aac, eng): it is empty in the finished file"],
    )  # fmt: skip


def test_what_a_kept_track_lost_of_its_own_is_told():
    title = replace(SOUND, metadata={"language": "eng", "title": "Comments"})
    bare = replace(TEXT, purposes=())
    unsaid = replace(SOUND, metadata={"language": "und"})
    before, after = replace(BEFORE, tracks=(title, TEXT)), replace(BEFORE, tracks=(unsaid, bare))
    kept, lost = judged(before, after)
    assert kept == ["time stamps", title.words, TEXT.words]
    assert lost == [
        "language eng of audio 1 (aac, eng)",
        "tag title of audio 1 (aac, eng): the container does not hold it",
        "purpose of subtitles 1 (ass): forced",
    ]


def test_side_data_that_changed_is_not_kept():
    before, after = (replace(BEFORE, carried={"stereoscopic layout": b}) for b in (b"1", b"2"))
    assert judged(before, after)[1] == ["stereoscopic layout"]


@pytest.mark.parametrize(("found", "words"), [
    ((0.0, 0.04, 0.08), None),
    ((1.0, 1.04, 1.08), None),  # a beginning that moved is judged by itself
    ((0.0, 0.0407, 0.0795), None),  # rounded to 1/1000 s
    ((0.0, 0.04), "2 of 3 frames are in the finished file"),
    ((0.0, 0.04, 0.06, 0.08), "4 of 3 frames are in the finished file"),
    ((0.0, 0.045, 0.08), "frames are shown up to 0.0050 s off"),
])  # fmt: skip
def test_the_times_of_frames_are_looked_up_in_the_finished_file(found, words):
    assert time_fault(Contents(found, {}), (0.0, 0.04, 0.08), 0.001) == words


def test_tags_are_found_whatever_their_case_and_lost_if_their_text_changed():
    before = replace(BEFORE, metadata={"Title": "A", "artist": "B", "comment": "C"})
    after = replace(BEFORE, metadata={"TITLE": "A", "ARTIST": "b"})
    kept, lost = judged(before, after)
    assert kept == ["time stamps", "tags (Title)"]
    assert lost == [f"tag {name}: the container does not hold it" for name in ("artist", "comment")]


def test_tags_that_containers_write_of_themselves_are_neither_kept_nor_lost():
    before = replace(BEFORE, metadata={"ENCODER": "Lavf", "major_brand": "isom"})
    assert judged(before, BEFORE) == (["time stamps"], [])


def test_of_a_pipe_only_the_tracks_are_known_and_that_is_said():
    before = replace(BEFORE, tracks=(SOUND, TEXT), metadata={"title": "A"})
    encoding = SimpleNamespace(numbers=YUV, colour=SAID, encoder="ffv1", pix_fmt="yuv420p")
    rest = Rest((1,), {2: "no room"})
    plan: Any = SimpleNamespace(facts=replace(before, colour=SAID), encoding=encoding, rest=rest)
    found = findings(plan, io.BytesIO(), [])
    assert found.kept == (SOUND.words,)
    assert found.not_kept == (f"{TEXT.words}: the container cannot hold it (no room)",)
    assert "what went into the pipe was not read back" in found.notes


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


@pytest.mark.parametrize(("pix_fmt", "png"), [("yuv420p", "rgb24"), ("yuv420p10le", "rgb48")])
def test_a_folder_keeps_times_and_no_track_and_has_as_many_bits_as_it_needs(tmp_path, pix_fmt, png):
    facts = replace(BEFORE, pix_fmt=pix_fmt, tracks=(Track(1, "audio 1"),), chapters=("a",))
    plan: Any = SimpleNamespace(facts=facts, encoding=None, rest=None)
    found = findings(plan, tmp_path, ["2 frames were lost"], (), ["transparency"])
    assert (found.codec, found.pix_fmt) == ("png", png)
    assert found.kept == ("time stamps (in timestamps.txt)",)
    assert found.not_kept == (
        "audio 1: a folder holds pictures only",
        "chapters (1): a folder holds pictures only",
        "transparency",
    )
    assert found.notes == ("2 frames were lost",)
