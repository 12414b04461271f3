"""Runner of jobs: what becomes of many of them, of whatever kinds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from superres.degrade.load import load_degradation
from superres.errors import UnknownNameError
from superres.frame import UINT8, Bands
from superres.jobs import picture
from superres.jobs.run import run_all
from superres.jobs.spec import DegradeJob, PictureJob
from superres.media import open_picture, write_picture
from superres.metadata.header import Metadata
from superres.model_pool import ModelPool
from superres.watch import Watch

pytestmark = pytest.mark.usefixtures("repeating_network")


def save(path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, 3)).astype(np.uint8)
    write_picture(
        path, [pixels], height=8, width=12, bands=Bands.of(3), values=UINT8, metadata=Metadata()
    )
    return path


def outcomes(*jobs):
    return list(run_all(jobs, ModelPool(), lambda job: Watch()))


def test_jobs_of_several_kinds_run_one_after_the_other_and_folders_are_made(tmp_path):
    source = save(tmp_path / "a.png")
    large, small = tmp_path / "new" / "large.png", tmp_path / "other" / "small.png"
    done = outcomes(
        PictureJob(source=source, target=large, scale=2),
        DegradeJob(source=source, target=small, degradation=load_degradation("bicubic"), scale=2),
    )
    assert [outcome.status for outcome in done] == ["done", "done"]
    assert open_picture(large).width == 24
    assert open_picture(small).width == 6
    assert done[1].to_dict()["output_size"] == (4, 6)


def test_one_files_failure_never_stops_the_rest_and_names_the_file(tmp_path):
    source, broken = save(tmp_path / "a.png"), tmp_path / "b.png"
    broken.write_bytes(b"no picture")
    done = outcomes(
        PictureJob(source=tmp_path / "none.png", target=tmp_path / "1.png"),
        PictureJob(source=broken, target=tmp_path / "2.png"),
        PictureJob(source=source, target=tmp_path / "3.png"),
    )
    assert [outcome.status for outcome in done] == ["failed", "failed", "done"]
    assert "none.png" in done[0].error
    assert "b.png" in done[1].error
    assert all(outcome.hint for outcome in done[:2])


def test_a_fault_of_ours_is_an_outcome_with_its_traceback(tmp_path, monkeypatch):
    def fail(*arguments):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(picture, "upscale_picture", fail)
    (outcome,) = outcomes(PictureJob(source=save(tmp_path / "a.png"), target=tmp_path / "1.png"))
    assert outcome.status == "failed"
    assert outcome.error.endswith("ZeroDivisionError: oh")
    assert "Traceback" in outcome.fault


def test_an_output_that_is_another_jobs_input_is_refused(tmp_path):
    one, two = save(tmp_path / "a.png"), save(tmp_path / "b.png")
    before = two.read_bytes()
    done = outcomes(
        PictureJob(source=one, target=two, existing="replace"),
        PictureJob(source=two, target=tmp_path / "c.png"),
    )
    assert [outcome.status for outcome in done] == ["failed", "done"]
    assert "is itself an input" in done[0].error
    assert two.read_bytes() == before


@pytest.mark.parametrize(
    ("existing", "status", "kept"),
    [("refuse", "failed", True), ("skip", "skipped", True), ("replace", "done", False)],
)
def test_an_output_that_exists_meets_the_jobs_policy(tmp_path, existing, status, kept):
    source, target = save(tmp_path / "a.png"), tmp_path / "b.png"
    target.write_bytes(b"old")
    (outcome,) = outcomes(PictureJob(source=source, target=target, existing=existing))
    assert outcome.status == status
    assert (target.read_bytes() == b"old") == kept


def test_an_unknown_name_ends_the_run(tmp_path):
    source = save(tmp_path / "a.png")
    with pytest.raises(UnknownNameError):
        outcomes(PictureJob(source=source, target=tmp_path / "b.png", model="defualt"))


def test_a_cancelled_job_fails_and_the_next_one_runs(tmp_path):
    source = save(tmp_path / "a.png")
    stopped = Watch()
    stopped.cancel()
    watches = iter((stopped, Watch()))
    jobs = [PictureJob(source=source, target=tmp_path / name) for name in ("1.png", "2.png")]
    done = list(run_all(jobs, ModelPool(), lambda job: next(watches)))
    assert [outcome.status for outcome in done] == ["failed", "done"]
    assert "cancelled" in done[0].error
    assert not (tmp_path / "1.png").exists()
