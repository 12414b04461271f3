from __future__ import annotations

import os
from pathlib import Path

import pytest

from superres.errors import ArgumentError
from superres.jobs.plan import Naming, Task, make_plan

KEEP = Naming("_x4", None)
TO_PNG = Naming("_x4", ".png")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def targets(inputs: list[str], output: str | None, naming: Naming = KEEP, recursive=False):
    plan = make_plan(inputs, output, naming, recursive=recursive)
    return {Path(task.source).as_posix(): Path(task.target).as_posix() for task in plan.tasks}


def test_without_an_output_the_result_stands_beside_its_input():
    touch("holiday/a.jpg")
    assert targets(["holiday/a.jpg"], None) == {"holiday/a.jpg": "holiday/a_x4.jpg"}


@pytest.mark.parametrize(
    ("name", "expected"), [("a.HEIC", "a_x4.png"), ("a.JPG", "a_x4.JPG"), ("a", "a_x4.png")]
)
def test_an_ending_that_cannot_be_written_becomes_png_and_others_are_kept(name, expected):
    assert targets([name], None) == {name: expected}


def test_a_format_changes_the_ending():
    assert targets(["a.jpg"], None, Naming("_x2", ".webp")) == {"a.jpg": "a_x2.webp"}


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("b.png", "b.png"),
        ("out/b.tif", "out/b.tif"),
        ("out/", "out/a_x4.jpg"),
        ("out", "out/a_x4.jpg"),
        ("there.png", "there.png/a_x4.jpg"),
    ],
)
def test_an_output_is_a_folder_by_its_slash_its_missing_ending_or_its_existence(output, expected):
    Path("there.png").mkdir()
    assert targets(["a.jpg"], output) == {"a.jpg": expected}


def test_many_inputs_go_into_a_folder_even_if_it_has_a_dot():
    assert targets(["a.jpg", "b.png"], "results.v2") == {
        "a.jpg": "results.v2/a_x4.jpg",
        "b.png": "results.v2/b_x4.png",
    }


@pytest.mark.parametrize("inputs", [["a.jpg", "b.png"], ["folder"]])
def test_many_pictures_into_one_file_are_refused(inputs):
    Path("folder").mkdir()
    with pytest.raises(ArgumentError, match=r"out\.png is one file"):
        make_plan(inputs, "out.png", KEEP, recursive=False)


def test_a_folder_is_searched_flat_unless_recursive():
    touch("in/b.png", "in/a.jpg", "in/deep/er/c.webp", "in/notes.txt")
    assert targets(["in"], "out") == {"in/a.jpg": "out/a_x4.jpg", "in/b.png": "out/b_x4.png"}
    assert targets(["in"], "out", recursive=True) == {
        "in/a.jpg": "out/a_x4.jpg",
        "in/b.png": "out/b_x4.png",
        "in/deep/er/c.webp": "out/deep/er/c_x4.webp",
    }


def test_several_folders_keep_their_names_in_the_output():
    touch("first/a.png", "second/a.png", "b.png")
    assert targets(["first", "second", "b.png"], "out") == {
        "first/a.png": "out/first/a_x4.png",
        "second/a.png": "out/second/a_x4.png",
        "b.png": "out/b_x4.png",
    }


def test_hidden_files_and_folders_are_left_alone():
    touch("in/a.png", "in/._a.png", "in/.thumbs/a.png")
    assert list(targets(["in"], "out", recursive=True)) == ["in/a.png"]


def test_an_output_folder_inside_the_input_is_not_searched():
    touch("in/a.png", "in/out/a_x4.png", "in/out/old.png")
    assert list(targets(["in"], "in/out", recursive=True)) == ["in/a.png"]


def test_an_input_folder_inside_the_output_folder_is_searched():
    touch("all/in/a.png")
    assert targets(["all/in"], "all") == {"all/in/a.png": "all/a_x4.png"}


def test_results_of_an_earlier_run_in_a_folder_are_not_upscaled_again():
    touch("in/a.png", "in/a_x4.png")
    assert targets(["in"], None) == {"in/a.png": "in/a_x4.png"}


def test_a_result_of_an_earlier_run_is_upscaled_when_it_is_named():
    touch("a_x4.png")
    assert targets(["a_x4.png"], None) == {"a_x4.png": "a_x4_x4.png"}


def test_an_empty_suffix_does_not_hide_the_inputs_of_a_folder():
    touch("in/a.png")
    assert targets(["in"], None, Naming("", None)) == {"in/a.png": "in/a.png"}


def test_a_picture_that_is_named_twice_is_upscaled_once():
    touch("in/a.png")
    assert targets(["in", "in/a.png", "./in/a.png"], "out") == {"in/a.png": "out/a_x4.png"}


@pytest.mark.parametrize("order", [["a.png", "a.jpg", "a.webp"], ["a.webp", "a.jpg", "a.png"]])
def test_pictures_of_one_stem_get_names_of_their_own_whatever_their_order(order):
    assert targets(order, "out", TO_PNG) == {
        "a.png": "out/a_x4.png",
        "a.jpg": "out/a_jpg_x4.png",
        "a.webp": "out/a_webp_x4.png",
    }


def test_no_name_is_given_twice_even_if_a_picture_is_called_like_a_way_out():
    touch("x/a.png", "y/a.png", "z/a.png")
    inputs = ["a.jpg", "a.png", "a_jpg.png", "x/a.png", "y/a.png", "z/a.png"]
    found = targets(inputs, "out", TO_PNG)
    assert len(set(found.values())) == len(inputs)
    assert found["a.png"] == "out/a_x4.png"
    assert found["a_jpg.png"] == "out/a_jpg_x4.png"
    assert found["a.jpg"] == "out/a_jpg_2_x4.png"


def test_names_that_differ_only_in_case_get_names_of_their_own():
    found = targets(["A.png", "x/a.png"], "out")
    assert len({name.casefold() for name in found.values()}) == 2


def test_names_that_differ_only_in_their_unicode_form_get_names_of_their_own():
    found = targets(["x/\u00e9.png", "y/e\u0301.png"], "out")
    assert sorted(found.values()) == ["out/e\u0301_png_x4.png", "out/\u00e9_x4.png"]


def test_names_beyond_ascii_are_kept():
    touch("写真/été.png")
    assert targets(["写真"], "大") == {"写真/été.png": "大/été_x4.png"}


def test_a_folder_without_pictures_is_named():
    touch("in/readme.txt")
    plan = make_plan(["in", "a.png"], "out", KEEP, recursive=False)
    assert plan.empty == (Path("in"),)
    assert [task.source for task in plan.tasks] == [Path("a.png")]


def test_a_missing_file_stays_in_the_plan_to_fail_at_its_turn():
    assert targets(["nowhere.png"], "out") == {"nowhere.png": "out/nowhere_x4.png"}


@pytest.mark.parametrize(
    ("output", "target"),
    [(None, "-"), ("-", "-"), ("a.webp", Path("a.webp")), ("out/", Path("out/stdin_x4.png"))],
)
def test_stdin_goes_to_stdout_unless_an_output_is_named(output, target):
    assert make_plan(["-"], output, KEEP, recursive=False).tasks == (Task("-", target),)


def test_a_picture_goes_to_stdout_when_asked():
    assert make_plan(["a.png"], "-", KEEP, recursive=False).tasks == (Task(Path("a.png"), "-"),)


@pytest.mark.parametrize(("inputs", "output"), [(["-", "a.png"], None), (["a", "b"], "-")])
def test_a_pipe_takes_one_picture_only(inputs, output):
    with pytest.raises(ArgumentError):
        make_plan(inputs, output, KEEP, recursive=False)


@pytest.mark.skipif(os.name != "posix", reason="needs symbolic links")
def test_a_loop_of_folders_ends():
    touch("in/a.png")
    os.symlink(os.path.abspath("in"), "in/again")
    assert list(targets(["in"], "out", recursive=True)) == ["in/a.png"]


def test_what_cannot_be_listed_is_in_the_plan_and_the_rest_is_planned(close_folder):
    touch("in/a.png", "in/lost+found/b.png", "other/c.png")
    close_folder(Path("in/lost+found"))
    plan = make_plan(["in", "other"], "out", KEEP, recursive=True)
    assert [task.source for task in plan.tasks] == [Path("in/a.png"), Path("other/c.png")]
    assert [fault.path for fault in plan.faults] == [Path("in/lost+found")]


def test_a_closed_folder_is_not_called_one_without_pictures(close_folder):
    touch("in/a.png")
    close_folder(Path("in"))
    plan = make_plan(["in"], "out", KEEP, recursive=False)
    assert (plan.empty, plan.tasks, len(plan.faults)) == ((), (), 1)


def test_a_file_that_is_named_behind_a_closed_folder_stays_in_the_plan(monkeypatch):
    touch("b.png")
    is_dir = Path.is_dir

    def closed(path: Path) -> bool:
        if path.parts[0] == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return is_dir(path)

    monkeypatch.setattr(Path, "is_dir", closed)  # as it is below a folder that may not be searched
    for inputs in (["closed/a.png", "b.png"], ["closed/a.png"]):
        assert list(targets(inputs, "out")) == inputs


def test_files_of_other_kinds_are_counted_over_all_folders():
    touch("in/a.png", "in/b.txt", "other/c.png", "other/d.txt", "other/e.obj")
    assert make_plan(["in", "other"], "out", KEEP, recursive=False).others == {".txt": 2, ".obj": 1}
