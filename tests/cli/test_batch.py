"""Batches: what is printed of each job, once, and the whole as JSON even if it is interrupted."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from superres.cli import batch
from superres.cli.batch import open_pipes, run_batch
from superres.jobs.plan import Plan
from superres.jobs.run import Outcome
from superres.jobs.spec import PictureJob


def job(source: Path | str = "a.png", target: Path | str = "b.png") -> PictureJob:
    return PictureJob.model_validate({"source": source, "target": target})


def done(made: PictureJob, *notes: str) -> Outcome:
    report: Any = SimpleNamespace(notes=notes)
    return Outcome("done", made, report)


@pytest.fixture
def becomes(monkeypatch):
    """Return what makes given outcomes of a batch; an exception among them is raised."""

    def set_outcomes(outcomes: Iterable[Outcome | BaseException], notices: Iterable[str] = ()):
        def run_all(jobs, models, watch_of, pipes):
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
                for notice in notices:
                    watch_of(outcome.job).note(notice)
                yield outcome

        monkeypatch.setattr(batch, "run_all", run_all)

    return set_outcomes


def statuses(outcomes):
    return [outcome.status for outcome in outcomes]


def test_results_go_to_stdout_as_they_come_and_notes_to_stderr(becomes, capsys):
    jobs = [job("a.png", "1.png"), job("b.png", "2.png")]
    becomes([done(jobs[0], "alpha is gone"), done(jobs[1])])
    assert statuses(run_batch(jobs, Plan(), None)) == ["done", "done"]
    out, err = capsys.readouterr()
    assert out == "1.png\n2.png\n"
    assert err == "note: a.png: alpha is gone\n"


def test_a_note_that_was_shown_while_a_job_ran_is_not_shown_again_of_any_file(becomes, capsys):
    jobs = [job("a.png"), job("b.png")]
    becomes([done(made, "on the CPU", f"of {made.source}") for made in jobs], ["on the CPU"])
    run_batch(jobs, Plan(), None)
    err = capsys.readouterr().err
    assert err.splitlines() == ["on the CPU", "note: a.png: of a.png", "note: b.png: of b.png"]


def test_a_failure_is_two_lines_its_traceback_before_them_and_no_result(becomes, capsys):
    made = job()
    fault = "Traceback (most recent call last):\n  boom\n"
    becomes([Outcome("failed", made, error="a.png: boom", hint="report it", fault=fault)])
    assert statuses(run_batch([made], Plan(), None)) == ["failed"]
    out, err = capsys.readouterr()
    assert out == ""
    assert err == fault + "error: a.png: boom\nhint: report it\n"


def test_a_skipped_job_says_what_stood_in_its_way(becomes, capsys):
    becomes([Outcome("skipped", job())])
    run_batch([job()], Plan(), None)
    assert capsys.readouterr() == ("", "skipped a.png: b.png already exists\n")


def test_with_a_summary_stdout_is_json_and_nothing_else(becomes, capsys):
    jobs = [job(), job("c.png", "d.png")]
    becomes([done(jobs[0], "a note"), Outcome("failed", jobs[1], error="c", hint="h")])
    run_batch(jobs, Plan(), statuses)
    out, err = capsys.readouterr()
    assert json.loads(out) == ["done", "failed"]
    assert "a note" in err


def test_an_interrupt_prints_the_summary_of_what_is_done_and_goes_on_up(becomes, capsys):
    jobs = [job(), job("c.png", "d.png")]
    becomes([done(jobs[0]), KeyboardInterrupt()])
    with pytest.raises(KeyboardInterrupt):
        run_batch(jobs, Plan(), statuses)
    assert json.loads(capsys.readouterr().out) == ["done"]


def test_another_error_goes_up_without_a_summary_that_would_look_whole(becomes, capsys):
    becomes([done(job()), ValueError("no such model")])
    with pytest.raises(ValueError, match="no such model"):
        run_batch([job(), job()], Plan(), statuses)
    assert capsys.readouterr().out == ""


def test_a_folder_without_pictures_is_an_error_before_the_first_job(becomes, capsys):
    becomes([Outcome("skipped", job())])
    run_batch([job()], Plan(empty=(Path("void"),)), None)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "error: void has no pictures"
    assert "--recursive" in lines[1]
    assert lines[2].startswith("skipped")


def test_a_result_in_a_pipe_is_not_followed_by_a_name_in_it(becomes, capsys):
    made = job("-", "-")
    becomes([done(made, "a note")])
    run_batch([made], Plan(), None)
    assert capsys.readouterr() == ("", "note: -: a note\n")


def test_a_file_that_is_called_as_a_pipe_is_named_like_any_other(becomes, capsys):
    made = job(Path("-"), Path("-"))
    becomes([done(made, "a note")])
    run_batch([made], Plan(), None)
    assert capsys.readouterr() == ("./-\n", "note: ./-: a note\n")


@pytest.mark.parametrize(("names", "source", "target"), [
    ([("a", "b")], False, False),
    ([("-", "b")], True, False),
    ([("a", "b"), ("a", "-")], False, True),
    ([("-", "-")], True, True),
    ([(Path("-"), Path("-"))], False, False),
])  # fmt: skip
def test_only_the_streams_that_a_job_names_are_handed_over(monkeypatch, names, source, target):
    streams = SimpleNamespace(buffer=object()), SimpleNamespace(buffer=object())
    monkeypatch.setattr(sys, "stdin", streams[0])
    monkeypatch.setattr(sys, "stdout", streams[1])
    pipes = open_pipes([job(*pair) for pair in names])
    assert pipes.source is (streams[0].buffer if source else None)
    assert pipes.target is (streams[1].buffer if target else None)
