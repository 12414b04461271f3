"""Output policy: the one check of every job's outputs, in the same words for each kind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from superres.degrade.load import load_degradation
from superres.errors import OutputError
from superres.jobs.outputs import check_outputs, is_skipped
from superres.jobs.spec import BurstJob, DegradeJob, PictureJob, VideoJob

CHAIN = load_degradation("bicubic")


def picture(source, target, **more):
    return PictureJob(source=source, target=target, **more)


def video(source, target, **more):
    return VideoJob(source=source, target=target, **more)


def frames_of_video(source, target, **more):
    return VideoJob(source=source, target=target, form="folder", **more)


def burst(source, target, **more):
    return BurstJob(frames=(source,), target=target, **more)


def coverage(source, target, **more):
    return BurstJob(frames=(source,), target=target.parent / "other", coverage=target, **more)


def degrade(source, target, **more):
    return DegradeJob(source=source, target=target, degradation=CHAIN, **more)


FILES = (picture, video, burst, coverage, degrade)
ALL = (*FILES, frames_of_video)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.bin"
    path.write_bytes(b"x")
    return path


@pytest.mark.parametrize("make", ALL)
def test_no_output_takes_the_place_of_an_input_by_any_name(tmp_path, source, make):
    names = [source, tmp_path / "." / "in.bin", tmp_path / "IN.bin"]  # case is folded on some disks
    if os.name == "posix":
        (tmp_path / "soft").symlink_to(source)
        names.append(tmp_path / "soft")
    (tmp_path / "hard").hardlink_to(source)
    for name in (*names, tmp_path / "hard"):
        with pytest.raises(OutputError, match=r"the output .* is itself an input"):
            check_outputs(make(source, name, existing="replace"))


@pytest.mark.parametrize("make", FILES)
def test_a_file_that_exists_is_refused_unless_it_is_to_be_replaced(tmp_path, source, make):
    target = tmp_path / "out"
    target.write_bytes(b"old")
    for existing in ("refuse", "skip"):
        with pytest.raises(OutputError, match=r"the output .*out already exists") as caught:
            check_outputs(make(source, target, existing=existing))
        assert "--overwrite" in caught.value.hint
    check_outputs(make(source, target, existing="replace"))


@pytest.mark.parametrize("make", FILES)
@pytest.mark.parametrize("existing", ["refuse", "replace"])
def test_a_folder_is_never_taken_for_a_file(tmp_path, source, make, existing):
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputError, match=r"the output .*out is a folder or device"):
        check_outputs(make(source, tmp_path / "out", existing=existing))


@pytest.mark.parametrize("make", ALL)
def test_an_output_needs_a_folder(tmp_path, source, make):
    with pytest.raises(OutputError, match=r"the folder .*none does not exist"):
        check_outputs(make(source, tmp_path / "none" / "out"))


def test_frames_go_into_a_folder_that_is_new_or_empty(tmp_path, source):
    target = tmp_path / "out"
    check_outputs(frames_of_video(source, target))
    target.mkdir()
    check_outputs(frames_of_video(source, target))
    (target / "mine").write_bytes(b"")
    with pytest.raises(OutputError, match=r"already exists and is not empty"):
        check_outputs(frames_of_video(source, target, existing="replace"))
    with pytest.raises(OutputError, match=r"mine already exists"):
        check_outputs(frames_of_video(source, target / "mine", existing="replace"))


def test_two_outputs_are_two_files(tmp_path, source):
    job = BurstJob(frames=(source,), target=tmp_path / "out.png", coverage=tmp_path / "OUT.png")
    with pytest.raises(OutputError, match="two outputs") as caught:
        check_outputs(job)
    assert caught.value.hint == "name two files"


def test_a_job_is_skipped_only_if_it_is_to_be_and_its_result_exists(tmp_path, source):
    target = tmp_path / "out"
    assert not is_skipped(picture(source, target, existing="skip"))
    target.write_bytes(b"")
    assert is_skipped(picture(source, target, existing="skip"))
    assert not is_skipped(picture(source, target, existing="replace"))
    assert not is_skipped(picture(source, "-", existing="skip"))
