"""Reading of a run's log."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from superres.errors import DataError, ModelError
from superres.runs.checkpoint import Progress, load_state, save_state
from superres.runs.journal import Journal
from superres.runs.log import read_log, read_progress


def test_a_folder_without_a_log_has_no_lines(tmp_path):
    assert read_log(tmp_path) == []


def test_a_log_that_cannot_be_read_is_an_error_of_ours(tmp_path):
    (tmp_path / "log.jsonl").mkdir()
    with pytest.raises(DataError, match=r"log\.jsonl cannot be read: .*\nhint: "):
        read_log(tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        read_log(tmp_path / "a\0b")


@pytest.mark.parametrize("cut", ['{"step": 2, "l1', '{"l1": 0.5}', '{"step": 2, "l1": "x"}', "[2]",
    '{"step": 2, "l1": ' + "9" * 5000 + "}", '{"step": 2, "l1": 1' + "0" * 400 + "}", "[" * 100_000,
    '{"step": -1}', '{"step": NaN}', '{"step": Infinity}', '{"step": true}',
    '{"step": 2, "l1": true}',
    '{"step": 1' + "0" * 30 + "}",
])  # fmt: skip
def test_a_line_that_a_kill_cut_short_ends_the_log(tmp_path, cut):
    (tmp_path / "log.jsonl").write_text('{"step": 1, "l1": 0.5}\n' + cut)
    assert read_log(tmp_path) == [{"step": 1, "l1": 0.5}]


def test_bytes_that_are_no_text_end_the_log(tmp_path):
    (tmp_path / "log.jsonl").write_bytes(b'{"step": 1}\n\xff\xfe')
    assert read_log(tmp_path) == [{"step": 1}]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e400", "0.5"])
def test_values_that_are_not_finite_are_read(tmp_path, value):
    (tmp_path / "log.jsonl").write_text('{"step": 1, "l1": ' + value + "}\n")
    assert len(read_log(tmp_path)) == 1


HOSTILE_NOTES = [
    "null", "[]", "{}", "[" * 100_000, '{"step": Infinity, "elapsed_s": 1}',
    '{"step": 1, "elapsed_s": 1' + "0" * 400 + "}", '{"step": -5, "elapsed_s": 1}',
    '{"step": 1, "elapsed_s": NaN}', '{"step": 1, "elapsed_s": Infinity}',
    '{"step": 1, "elapsed_s": -1}', '{"step": true, "elapsed_s": 1}',
    '{"step": "1", "elapsed_s": 1}',
    '{"step": 1.5, "elapsed_s": 1}', '{"step": ' + "9" * 5000 + ', "elapsed_s": 1}',
    '{"step": 1, "elapsed_s": null}', '{"step": ' + "9" * 30 + ', "elapsed_s": 1}',
]  # fmt: skip


@pytest.mark.parametrize("note", HOSTILE_NOTES, ids=lambda note: note[:30])
def test_a_note_of_impossible_progress_is_refused_and_cannot_be_resumed_from(tmp_path, note):
    with pytest.raises(ValueError, match=r"\w"):
        read_progress(note)
    path = tmp_path / "state.safetensors"
    save_file({"network.a": torch.zeros(1)}, path, metadata={"superres_run": note})
    with pytest.raises(ModelError, match="cannot be resumed from"):
        load_state(path)


def test_a_state_comes_back_with_its_progress(tmp_path):
    save_state(tmp_path / "state", {"network": {"a": torch.ones(1)}}, Progress(7, 2.5))
    parts, progress = load_state(tmp_path / "state")
    assert (progress, list(parts)) == (Progress(7, 2.5), ["network"])


def test_a_kill_while_a_journal_is_opened_again_leaves_the_old_lines(tmp_path, monkeypatch):
    log = tmp_path / "log.jsonl"
    log.write_text('{"step": 1}\n{"step": 2}\n')

    def killed(path, data):
        assert data == b'{"step": 1}\n'
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", killed)
    monkeypatch.setattr(Path, "write_text", lambda path, *_, **__: path.open("w").close())
    with pytest.raises(KeyboardInterrupt):
        Journal(tmp_path, 1)
    assert read_log(tmp_path) == [{"step": 1}, {"step": 2}]
