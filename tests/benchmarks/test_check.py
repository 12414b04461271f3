import json
from typing import Literal

import pytest

import check
import check_rows
from check import Check, Verdict


def verdict(stored, value, *, tolerance=0.2, better: Literal["lower", "higher"] = "lower"):
    return Verdict(Check("x", lambda: value, tolerance, better), stored, value)


@pytest.mark.parametrize(
    ("stored", "value", "better", "failed"),
    [
        (1.0, 1.19, "lower", False),
        (1.0, 1.21, "lower", True),
        (1.0, 0.5, "lower", False),
        (10.0, 8.1, "higher", False),
        (10.0, 7.9, "higher", True),
        (10.0, 20.0, "higher", False),
        (0.0, 0.0, "lower", False),
        (0.0, 1.0, "lower", True),
    ],
)
def test_a_value_fails_if_it_is_worse_by_more_than_its_tolerance(stored, value, better, failed):
    assert verdict(stored, value, better=better).failed is failed


def test_a_count_has_no_tolerance():
    assert verdict(9106, 9107, tolerance=0.0).failed
    assert not verdict(9106, 9106, tolerance=0.0).failed


def test_a_check_without_a_stored_value_fails_and_one_that_cannot_run_here_does_not():
    assert verdict(None, 1.0).failed
    assert "no stored value" in verdict(None, 1.0).line()
    assert not verdict(1.0, None).failed
    assert "not measurable here" in verdict(1.0, None).line()


@pytest.fixture
def rows(monkeypatch, tmp_path):
    def install(value, stored=None):
        path = tmp_path / "check.json"
        path.write_text(json.dumps(stored or {}))
        monkeypatch.setattr(check, "RESULTS", path)
        monkeypatch.setattr(check, "CHECKS", (Check("a ratio", lambda: value, 0.1),))
        return path

    return install


def test_the_command_fails_naming_what_became_slower(rows, monkeypatch, capsys):
    rows(2.0, {"a ratio": 1.0})
    monkeypatch.setattr("sys.argv", ["check.py"])
    assert check.main() == 1
    printed = capsys.readouterr()
    assert "FAILED: +100% worse, 10% allowed" in printed.out
    assert "hint:" in printed.err


def test_values_are_stored_and_compared_with_next_time(rows, monkeypatch):
    path = rows(2.0, {"a ratio": 1.0, "a row that is gone": 3.0})
    monkeypatch.setattr("sys.argv", ["check.py", "--store"])
    assert check.main() == 0
    assert json.loads(path.read_text()) == {"a ratio": 2.0}
    monkeypatch.setattr("sys.argv", ["check.py"])
    assert check.main() == 0


def test_stored_values_are_those_of_checks_and_names_are_distinct():
    stored = json.loads(check.RESULTS.read_text())
    names = [one.name for one in check.CHECKS]
    assert len(set(names)) == len(names)
    assert stored
    assert set(stored) <= set(names)


def test_rows_of_a_program_that_is_not_there_cannot_be_measured():
    assert check_rows._program("no such program.py") is None


def test_a_ratio_is_that_of_cpu_times_in_pairs(monkeypatch):
    clock = iter([0.0, 2.0, 2.0, 6.0, 6.0, 9.0, 9.0, 15.0])  # 2 over 4, then 3 over 6
    monkeypatch.setattr(check_rows, "_cpu_seconds", lambda: next(clock))
    assert check_rows.pair_ratio(lambda: None, lambda: None, 2) == 0.5


def test_import_of_superres_loads_few_modules_beyond_numpys():
    assert 0 < check_rows.modules_of_import() < 10
