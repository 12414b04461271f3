"""A run's log as it is read back."""

import pytest

from superres.runs.log import read_log


def test_a_folder_without_a_log_has_no_lines(tmp_path):
    assert read_log(tmp_path) == []


@pytest.mark.parametrize("cut", ['{"step": 2, "l1', '{"l1": 0.5}', '{"step": 2, "l1": "x"}', "[2]"])
def test_a_line_that_a_kill_cut_short_ends_the_log(tmp_path, cut):
    (tmp_path / "log.jsonl").write_text('{"step": 1, "l1": 0.5}\n' + cut)
    assert read_log(tmp_path) == [{"step": 1, "l1": 0.5}]


def test_bytes_that_are_no_text_end_the_log(tmp_path):
    (tmp_path / "log.jsonl").write_bytes(b'{"step": 1}\n\xff\xfe')
    assert read_log(tmp_path) == [{"step": 1}]
