"""Boxes and elements that FFmpeg does not hand on, and files that are damaged there."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from clips import write_clip
from hand_mp4 import add_to_user_data, add_to_video_entry, box, dolby_vision

from superres.errors import PictureError
from superres.videofiles.boxes import DOLBY_VISION, dolby_vision_profile, hide, unread
from superres.videofiles.probe import probe
from superres.videofiles.side_data import named, needs_dolby_vision

XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")


@pytest.fixture
def clip(tmp_path):
    return write_clip(tmp_path / "a.mp4", codec="mpeg4", sound=True, metadata={"title": "T"})


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.ts", "a.avi"])
def test_a_clip_of_ffmpegs_own_carries_nothing_unknown(tmp_path, name):
    path = write_clip(tmp_path / name, codec="mpeg4", chapters=("one",), metadata={"title": "T"})
    assert unread(path) == {}


def test_boxes_of_the_video_of_the_film_and_of_no_kind_are_found_by_name(clip):
    add_to_video_entry(clip, box(b"abcd", b"hello"), box(b"\x00\x01\x02\x03", b"odd"))
    add_to_user_data(clip, box(b"GPMF", b"telemetry"), box(b"\xa9nam", b"a tag"))
    clip.write_bytes(clip.read_bytes() + box(b"uuid", XMP, b"<xmp/>") + box(b"uuid", bytes(16)))
    assert unread(clip) == {
        "abcd box of video": b"hello",
        "00010203 box of video": b"odd",
        "user data GPMF": b"telemetry",
        "XMP metadata": b"<xmp/>",
        f"uuid box {bytes(16).hex()}": b"",
    }


@pytest.mark.parametrize("profile", [4, 5, 7, 8, 9])
def test_the_profile_of_dolby_vision_is_read_of_its_configuration(clip, profile):
    found = unread(add_to_video_entry(clip, dolby_vision(profile)))
    assert dolby_vision_profile(found[DOLBY_VISION]) == profile


def element(kind: int, body: bytes) -> bytes:
    """Return an element of EBML, RFC 8794."""
    return kind.to_bytes((kind.bit_length() + 7) // 8, "big") + bytes([0x80 | len(body)]) + body


@pytest.mark.parametrize("profile", [5, 8])
def test_matroska_has_it_among_the_additions_of_its_video(tmp_path, profile):
    """A whole file is not needed: tracks are found by their place in it."""
    configuration = bytes([1, 0, profile << 1, 13, 16])
    kind = int.from_bytes(b"dvcC" if profile == 5 else b"dvvC", "big")
    addition = element(
        0x41E4, element(0x41E7, kind.to_bytes(4, "big")) + element(0x41ED, configuration)
    )
    other = element(0x41E4, element(0x41E7, b"\x04") + element(0x41ED, b"x"))
    video = element(0xAE, element(0x83, b"\x01") + addition + other)
    sound = element(0xAE, element(0x83, b"\x02") + addition)
    tracks = element(0x1654AE6B, video + sound)
    path = tmp_path / "a.mkv"
    path.write_bytes(
        element(0x1A45DFA3, b"") + element(0x18538067, element(0xEC, bytes(40)) + tracks)
    )
    found = unread(path)
    assert found == {DOLBY_VISION: configuration, "4 addition": b"x"}
    assert dolby_vision_profile(found[DOLBY_VISION]) == profile


@pytest.mark.parametrize("seed", range(40))
def test_what_is_damaged_or_cut_off_ends_the_search_and_nothing_else(tmp_path, clip, seed):
    rng = np.random.default_rng(seed)
    mkv = write_clip(tmp_path / "a.mkv", metadata={"title": "T"})
    add_to_user_data(add_to_video_entry(clip, dolby_vision(8)), box(b"GPMF", b"x"))
    for path in (clip, mkv):
        data = bytearray(path.read_bytes())
        for place in rng.integers(0, len(data), 12):
            data[place] = rng.integers(0, 256)
        (tmp_path / "bad").write_bytes(data[: rng.integers(0, len(data))])
        assert isinstance(unread(tmp_path / "bad"), dict)


def test_sizes_beyond_the_file_and_boxes_in_boxes_without_end_are_not_followed(tmp_path):
    endless = b"".join(struct.pack(">I4s", 8 * (100 - depth), b"moov") for depth in range(100))
    for data in (endless, struct.pack(">I4sQ", 1, b"moov", 2**63), box(b"ftyp") + b"\xff" * 8):
        (tmp_path / "bad").write_bytes(data)
        assert unread(tmp_path / "bad") == {}
    assert unread(tmp_path / "none") == {}


def test_a_hidden_box_is_free_space_and_nothing_else_moves(clip):
    add_to_video_entry(clip, box(b"vexu", b"hello"), box(b"abcd", b"stays"))
    before = clip.read_bytes()
    hide(clip, "vexu")
    assert clip.read_bytes() == before.replace(b"vexuhello", b"freehello")
    assert unread(clip) == {"abcd box of video": b"stays"}


# Side data of frames.


def test_side_data_is_named_for_people_and_unknown_kinds_by_ffmpegs_name():
    side = {
        "A53_CC": b"1", "DISPLAYMATRIX": b"2", "MASTERING_DISPLAY_METADATA": b"3",
        "NEW_FANGLED_THING": b"4", "MOTION_VECTORS": b"5", "77": b"6",
    }  # fmt: skip
    assert named(side) == {"closed captions": b"1", "new fangled thing": b"4", "77": b"6"}


def test_an_encoders_own_notes_are_no_loss_and_other_user_data_is():
    x264 = bytes.fromhex("dc45e9bde6d948b7962cd820d923eeef") + b"x264 - core"
    assert named({"SEI_UNREGISTERED": x264}) == {}
    assert named({"SEI_UNREGISTERED": bytes(16) + b"drone"}) == {
        "user data of frames": bytes(16) + b"drone"
    }


@pytest.mark.parametrize(("profile", "full_range", "needed"), [
    (0, 1, True), (0, 0, False), (1, 0, False), (1, 1, False),
])  # fmt: skip
def test_a_frame_of_profile_5_is_known_by_its_own_header(profile, full_range, needed):
    header = bytes([2, 0, 0, 0, profile, 0, 0, 0, 0, 0, full_range, 0])
    data = struct.pack("<3Q", 40, 60, 80) + bytes(16) + header
    assert needs_dolby_vision({"DOVI_METADATA": data}) == needed


@pytest.mark.parametrize("data", [b"", b"\x05", bytes(8), struct.pack("<Q", 2**60)])
def test_a_header_that_is_cut_off_says_nothing(data):
    assert not needs_dolby_vision({"DOVI_METADATA": data})


def test_profile_5_is_refused_by_the_probe(clip):
    with pytest.raises(PictureError, match="profile 5"):
        probe(add_to_video_entry(clip, dolby_vision(5)))
