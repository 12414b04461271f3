"""Work folders: what goes on, what is refused, and what is never thrown away."""

from __future__ import annotations

import hashlib
import json
import os

import pytest

from superres.errors import BusyError, OutputError
from superres.video.encode import Segment
from superres.video.manifest import (
    fingerprint,
    locked_work,
    open_work,
    take_over,
    work_folder_of,
)
from superres.watch import Watch

COMMAND = {"scale": 2, "size": (48, 64), "codec": {"crf": 18.0}}
SEGMENTS = [Segment("000000.nut", 60, 0, 2, 512), Segment("000001.nut", 7, 30720, 0, 0)]


def segment_of(**values):
    """Return a manifest with one segment, of which some values are others."""
    fields = {"name": "a.nut", "frames": 5, "start": 0, "delay": 0, "duration": 0, **values}
    return json.dumps({"version": 1, "command": {}, "segments": [fields]}).encode()


def begun(tmp_path):
    """Return a work folder with 67 finished frames."""
    work = open_work(work_folder_of(tmp_path / "a.mkv"), COMMAND, overwrite=False)
    for segment in SEGMENTS:
        (work.path / segment.name).write_bytes(b"frames")
        work.add(segment)
    return work


def test_the_work_folder_lies_beside_its_target_whatever_its_name(tmp_path):
    assert work_folder_of(tmp_path / "a.b.mkv") == tmp_path / "a.b.mkv.part"
    assert work_folder_of(tmp_path / "frames") == tmp_path / "frames.part"


def test_the_same_command_goes_on_with_every_finished_segment(tmp_path):
    path = begun(tmp_path).path
    again = open_work(path, {**COMMAND, "size": [48, 64]}, overwrite=False)
    assert again.segments == SEGMENTS
    assert again.frames == 67
    again.add(Segment("000002.nut", 3, 34304, 0, 0))
    assert open_work(path, COMMAND, overwrite=False).frames == 70


def test_going_on_drops_what_a_killed_run_left_half_written_and_nothing_else(tmp_path):
    path = begun(tmp_path).path
    (path / ".000002.nut.x1.part").write_bytes(b"half")
    (path / ".hidden").write_bytes(b"")
    (path / "notes.part").write_bytes(b"")
    open_work(path, COMMAND, overwrite=False)
    left = {file.name for file in path.iterdir()}
    assert left == {"manifest.json", "000000.nut", "000001.nut", ".hidden", "notes.part"}


def test_another_command_is_refused_with_what_differs_and_how_much_would_be_lost(tmp_path):
    path = begun(tmp_path).path
    with pytest.raises(OutputError) as caught:
        open_work(path, {**COMMAND, "scale": 4}, overwrite=False)
    assert "67 frames" in caught.value.message
    assert caught.value.message.endswith("scale was 2, now 4")
    assert "--overwrite" in caught.value.hint
    assert open_work(path, COMMAND, overwrite=False).frames == 67


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        ({**COMMAND, "codec": None}, COMMAND, "codec was None, now {'crf': 18.0}"),
        ({**COMMAND, "cut": 3}, COMMAND, "cut was 3, now not stated"),
        (COMMAND, {**COMMAND, "cut": None}, "cut was not stated, now None"),
    ],
)
def test_what_only_one_of_two_commands_states_is_named(tmp_path, before, now, words):
    open_work(tmp_path / "work", before, overwrite=False)
    with pytest.raises(OutputError) as caught:
        open_work(tmp_path / "work", now, overwrite=False)
    assert caught.value.message.endswith(f"another command: {words}")


def test_at_most_three_differences_are_named(tmp_path):
    path = tmp_path / "work"
    open_work(path, dict.fromkeys("abcde", 0), overwrite=False)
    with pytest.raises(OutputError) as caught:
        open_work(path, dict.fromkeys("abcde", 1), overwrite=False)
    assert caught.value.message.endswith("a was 0, now 1, b was 0, now 1, c was 0, now 1")


def test_overwriting_begins_anew_and_the_old_segments_are_gone(tmp_path):
    path = begun(tmp_path).path
    work = open_work(path, {**COMMAND, "scale": 4}, overwrite=True)
    assert work.frames == 0
    assert [file.name for file in path.iterdir()] == ["manifest.json"]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("manifest", [
    None, b"", b"\xff\xfe{", b"[]", b"5", b"{}",
    b'{"version": 2, "command": {}, "segments": []}',
    b'{"version": 1, "command": {}}',
    b'{"version": 1, "command": {}, "segments": null}',
    b'{"version": 1, "command": {}, "segments": [{"name": "a", "more": 1}]}',
    b'{"version": 1, "command": {}, "segments": ["a"]}',
    b'{"version": 1, "command": [], "segments": []}',
    b'{"version": 1, "command": null, "segments": []}',
    b'{"version": 1, "command": "scale", "segments": []}',
    segment_of(frames="5"), segment_of(frames=None), segment_of(frames=True),
    segment_of(frames=2.5), segment_of(frames=0), segment_of(frames=-3), segment_of(start="0"),
    segment_of(name=3), segment_of(name=""), segment_of(name="../a.nut"), segment_of(name=".."),
    b"[" * 100_000,
])  # fmt: skip
def test_a_folder_that_is_not_our_work_is_never_emptied(tmp_path, manifest, overwrite):
    path = tmp_path / "a.mkv.part"
    path.mkdir()
    (path / "holiday.jpg").write_bytes(b"dear")
    if manifest is not None:
        (path / "manifest.json").write_bytes(manifest)
    with pytest.raises(OutputError, match="is not unfinished work") as caught:
        open_work(path, COMMAND, overwrite=overwrite)
    assert "move it away" in caught.value.hint
    assert (path / "holiday.jpg").read_bytes() == b"dear"


def test_a_folder_with_nothing_but_half_a_manifest_is_begun_again(tmp_path):
    path = tmp_path / "work"
    path.mkdir()
    (path / ".manifest.json.x1.part").write_bytes(b"{")
    assert open_work(path, COMMAND, overwrite=False).frames == 0
    assert [file.name for file in path.iterdir()] == ["manifest.json"]


def test_a_file_in_the_work_folders_place_is_an_error_and_stays(tmp_path):
    path = tmp_path / "a.mkv.part"
    path.write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"a\.mkv\.part"):
        open_work(path, COMMAND, overwrite=True)
    assert path.read_bytes() == b"mine"


def test_a_segment_is_listed_on_disk_when_it_is_added(tmp_path):
    work = begun(tmp_path)
    listed = json.loads((work.path / "manifest.json").read_bytes())
    assert [segment["frames"] for segment in listed["segments"]] == [60, 7]
    assert listed["command"]["size"] == [48, 64]


def test_removing_and_forgetting_leave_nothing_of_ours(tmp_path):
    work = begun(tmp_path)
    result = work.path.rename(tmp_path / "frames")
    work.forget(result)
    assert {file.name for file in result.iterdir()} == {"000000.nut", "000001.nut"}
    with pytest.raises(OutputError):
        work.remove()  # it has another name now


@pytest.mark.parametrize("size", [0, 5, 2**20, 2**20 + 5, 2**21 + 9])
def test_a_fingerprint_is_the_hash_of_a_megabyte_at_each_end(tmp_path, size):
    data = os.urandom(size)
    path = tmp_path / "a"
    path.write_bytes(data)
    found = fingerprint(path)
    assert found["bytes"] == size
    ends = data[: 2**20] + data[max(0, size - 2**20) :]
    assert found["sha256_of_ends"] == hashlib.sha256(ends).hexdigest()


@pytest.mark.parametrize("at", [0, -1])
def test_a_byte_changed_at_an_end_changes_the_fingerprint_though_size_and_time_stay(tmp_path, at):
    path = tmp_path / "a"
    data = bytearray(3 * 2**20)
    path.write_bytes(data)
    os.utime(path, ns=(10**18, 10**18))
    before = fingerprint(path)
    data[at] = 1
    path.write_bytes(data)
    os.utime(path, ns=(10**18, 10**18))
    after = fingerprint(path)
    assert after["sha256_of_ends"] != before["sha256_of_ends"]
    assert {**after, "sha256_of_ends": 0} == {**before, "sha256_of_ends": 0}


# Work that another target's container could not hold.


def made(path, command, *, complete):
    work = open_work(path, command, overwrite=False)
    (path / "000000.nut").write_bytes(b"frames")
    work.add(Segment("000000.nut", 4, 0, 0, 0))
    if complete:
        work.complete()
    return work


def test_complete_work_for_the_same_command_is_taken_over(tmp_path):
    made(tmp_path / "o.mp4.part", {"a": (1, 2)}, complete=True)
    assert take_over(tmp_path / "o.mkv.part", {"a": (1, 2)}, Watch()) == tmp_path / "o.mp4.part"
    assert [path.name for path in tmp_path.iterdir()] == ["o.mkv.part"]
    assert open_work(tmp_path / "o.mkv.part", {"a": (1, 2)}, overwrite=False).frames == 4


@pytest.mark.parametrize(("name", "command", "complete"), [
    ("o.mp4.part", {"a": 2}, True),  # another command
    ("o.mp4.part", {"a": 1}, False),  # a run may be at it
    ("other.mp4.part", {"a": 1}, True),  # another result
    ("o.mp4.old", {"a": 1}, True),
])  # fmt: skip
def test_other_work_is_left_alone(tmp_path, name, command, complete):
    made(tmp_path / name, command, complete=complete)
    assert take_over(tmp_path / "o.mkv.part", {"a": 1}, Watch()) is None
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_work_of_its_own_outweighs_that_of_another_target(tmp_path):
    made(tmp_path / "o.mp4.part", {"a": 1}, complete=True)
    made(tmp_path / "o.mkv.part", {"a": 1}, complete=False)
    assert take_over(tmp_path / "o.mkv.part", {"a": 1}, Watch()) is None
    assert (tmp_path / "o.mp4.part").exists()


def test_a_folder_of_frames_is_told_by_its_files(tmp_path):
    frames = tmp_path / "frames"
    frames.mkdir()
    (frames / "1.png").write_bytes(b"one")
    before = fingerprint(frames)
    assert fingerprint(frames) == before
    (frames / "1.png").write_bytes(b"other")
    changed = fingerprint(frames)
    assert changed != before
    (frames / "2.png").write_bytes(b"two")
    assert fingerprint(frames) != changed


def test_finished_frames_are_not_taken_from_a_run_that_is_joining_them(tmp_path):
    work = open_work(tmp_path / "o.mp4.part", {"a": 1}, overwrite=False)
    work.complete()
    with locked_work(tmp_path / "o.mp4", Watch()):
        assert take_over(tmp_path / "o.mkv.part", {"a": 1}, Watch()) is None
    assert take_over(tmp_path / "o.mkv.part", {"a": 1}, Watch()) == work.path


def test_a_target_is_one_runs_at_a_time_and_the_error_says_whose(tmp_path):
    target = tmp_path / "o.mp4"
    with locked_work(target, Watch()), locked_work(tmp_path / "o.mkv", Watch()):
        with (
            pytest.raises(BusyError, match=r"o\.mp4 is in use by another run: process") as caught,
            locked_work(target, Watch()),
        ):
            pass
        assert f"process {os.getpid()} on" in caught.value.message
        assert "repeat this command" in caught.value.hint
    with locked_work(target, Watch()):
        pass
    assert list(tmp_path.iterdir()) == []
