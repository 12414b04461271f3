from __future__ import annotations

import io
import json
import os
import re
import sys
from pathlib import Path

import pytest

from superres.cli.main import main
from superres.errors import NumericalError, OutputError, PictureError, unknown_name
from superres.infer.route import SizeRequest
from superres.jobs import picture
from superres.jobs.pipes import Pipes
from superres.jobs.report import Report
from superres.jobs.spec import PictureJob
from superres.model_pool import ModelPool
from superres.upscaler import RunOptions
from superres.watch import Watch

CORRUPT, FAULTY, STOP, NO_BACKEND = b"corrupt", b"faulty", b"stop", b"no backend"


class FakeUpscaling:
    """Copies bytes in place of upscaling, and fails as real files and networks would."""

    seen: PictureJob

    @staticmethod
    def run(job: PictureJob, models: ModelPool, watch: Watch, pipes: Pipes) -> Report:
        FakeUpscaling.seen = job
        watch.note("openvino on CPU in bf16")
        source, target = pipes.read(job.source), pipes.open_target(job.target)
        try:
            data = source if isinstance(source, bytes) else source.read_bytes()
        except OSError as error:
            raise PictureError(f"{source} cannot be read", "check the path") from error
        if data == CORRUPT:
            raise PictureError(f"{source} is damaged", "fetch it again")
        if data == FAULTY:
            raise ZeroDivisionError("oh")
        if data == STOP:
            raise KeyboardInterrupt
        if data == NO_BACKEND:
            raise unknown_name("backend", "openvin", ["openvino", "torch"])
        watch.progress(2, 8)
        watch.progress(8, 8)
        if isinstance(target, Path):
            target.write_bytes(data)
        else:
            target.write(data)
        return Report(
            source=str(job.source), target=str(job.target), model="default", scale=4.0,
            input_size=(2, 3), output_size=(8, 12), backend="openvino", device="CPU",
            precision="bf16", tile=256, seconds=0.1, notes=(*watch.notes, "alpha dropped"),
        )  # fmt: skip


@pytest.fixture(autouse=True)
def _fake_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(picture, "upscale_picture", FakeUpscaling.run)
    monkeypatch.setattr("superres.zoo.scales", lambda name: (2, 4))


def put(name: str, data: bytes = b"picture") -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_a_result_is_named_on_stdout_and_everything_else_on_stderr(capsys):
    put("a.png")
    assert main(["upscale", "a.png"]) == 0
    out, err = capsys.readouterr()
    assert out == "a_x4.png\n"
    assert Path("a_x4.png").read_bytes() == b"picture"
    assert re.sub(r"\d\.\d\d s", "0.00 s", err).splitlines() == [
        "openvino on CPU in bf16",
        "note: a.png: alpha dropped",
        "3×2 → 12×8 in 0.00 s (default on openvino CPU, bf16)",
    ]


def test_all_options_reach_the_job():
    put("a.png")
    words = (
        "-s 2.5 -n mine.onnx -t 128 -f webp --quality 80 --compression small -x --alpha resize "
        "--wrap x --profile srgb "
        "--backend torch --precision fp32 --device cuda:0 --threads 3 --max-pixels 99 --overwrite"
    )
    assert main(["upscale", "-i", "a.png", *words.split()]) == 0
    assert FakeUpscaling.seen == PictureJob(
        source=Path("a.png"),
        target=Path("a_x2.5.webp"),
        model="mine.onnx",
        scale=2.5,
        profile="srgb",
        run=RunOptions(
            tile=128,
            ensemble=True,
            alpha="resize",
            wrap="x",
            backend="torch",
            precision="fp32",
            device="cuda:0",
            threads=3,
        ),
        max_pixels=99,
        format="webp",
        quality=80,
        compression="small",
        existing="replace",
    )
    assert Path("a_x2.5.webp").exists()


def test_a_normal_map_is_named_as_one():
    put("a.png")
    assert main(["upscale", "a.png", "--normal-map"]) == 0
    assert FakeUpscaling.seen.run == RunOptions(normal_map=True)


def test_a_size_is_given_as_width_and_height_and_names_the_result():
    put("a.png")
    assert main(["upscale", "a.png", "-r", "1920x1080", "--tile", "0"]) == 0
    assert FakeUpscaling.seen.size == SizeRequest(1080, 1920)
    assert FakeUpscaling.seen.run.tile is None
    assert Path("a_1920x1080.png").exists()


@pytest.mark.parametrize(
    ("words", "request_", "name"),
    [
        ("--size 3000x", SizeRequest(None, 3000), "a_w3000.png"),
        ("--size x2000", SizeRequest(2000, None), "a_h2000.png"),
        ("--size 3000x2000 --fit", SizeRequest(2000, 3000, "inside"), "a_fit3000x2000.png"),
        ("--size 3000x2000 --stretch", SizeRequest(2000, 3000, "stretch"), "a_3000x2000.png"),
        ("--size 3000× --fit", SizeRequest(None, 3000, "inside"), "a_w3000.png"),
    ],
)
def test_a_size_may_be_one_edge_or_a_box_or_distort(words, request_, name):
    put("a.png")
    assert main(["upscale", "a.png", *words.split()]) == 0
    assert FakeUpscaling.seen.size == request_
    assert Path(name).exists()


@pytest.mark.parametrize(
    ("words", "wrap"),
    [
        ("a.png", "none"),
        ("--wrap a.png", "xy"),
        ("a.png --wrap", "xy"),
        ("--wrap x a.png", "x"),
        ("a.png --wrap y -s 2", "y"),
        ("a.png --wrap=xy", "xy"),
        ("--wrap -- a.png", "xy"),
    ],
)
def test_wrap_needs_no_value_and_takes_no_file_for_one(words, wrap):
    put("a.png")
    assert main(["upscale", *words.split()]) == 0
    assert FakeUpscaling.seen.run.wrap == wrap
    assert FakeUpscaling.seen.source == Path("a.png")


@pytest.mark.parametrize(
    "words",
    [
        "",
        "a.png -s 4 --size 8x8",
        "a.png -s 0",
        "a.png -s nan",
        "a.png --size 8",
        "a.png --size 0x8",
        "a.png --size x",
        "a.png --size 8x8 --fit --stretch",
        "a.png --size 8x --stretch",
        "a.png --fit",
        "a.png --stretch",
        "a.png --overwrite --skip-existing",
        "a.png -f bmp",
        "a.png --suffix ../x",
        "a.png --alpha magic",
        "a.png --normal-map --profile srgb",
        "a.png --normal-map --alpha resize",
        "a.png --wrap=z",
        "a.png --tile -1",
        "a.png --quality 101",
        "a.png --no-such-option",
        "a.png b.png -o c.png",
        "a.png -",
        "a.png -o - --json",
        "a.png -o",
    ],
)
def test_wrong_usage_is_told_in_two_lines_and_computes_nothing(words, capsys, monkeypatch):
    put("a.png")
    monkeypatch.setattr(picture, "upscale_picture", None)
    assert main(["upscale", *words.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.partition(": ")[0] for line in err.splitlines()] == ["error", "hint"]


def test_auto_names_results_by_the_scale_that_both_its_models_have():
    put("a.png")
    assert main(["upscale", "a.png", "-n", "auto"]) == 0
    assert FakeUpscaling.seen.model == "auto"
    assert Path("a_x4.png").exists()


def test_an_unknown_format_names_the_nearest_one(capsys):
    assert main(["upscale", "a.png", "-f", "jpgeg"]) == 2
    assert "did you mean 'jpeg'?" in capsys.readouterr().err


def test_an_unknown_name_is_wrong_usage_and_ends_the_batch(capsys):
    put("a.png", NO_BACKEND)
    put("b.png")
    assert main(["upscale", "a.png", "b.png"]) == 2
    assert "did you mean 'openvino'?" in capsys.readouterr().err
    assert not Path("b_x4.png").exists()


@pytest.mark.parametrize("bad", [CORRUPT, FAULTY])
def test_one_bad_file_never_stops_the_rest(bad, capsys):
    put("in/a.png", bad)
    put("in/b.png")
    assert main(["upscale", "in", "missing.png", "-o", "out"]) == 1
    out, err = capsys.readouterr()
    assert out.split() == [str(Path("out/in/b_x4.png"))]
    assert f"error: {Path('in/a.png')}" in err
    assert "error: missing.png cannot be read" in err
    assert err.splitlines()[-1].startswith("1 done, 0 skipped, 2 failed")


def test_a_folder_without_pictures_fails_by_name_and_the_rest_is_done(capsys):
    Path("empty").mkdir()
    put("a.png")
    assert main(["upscale", "empty", "a.png", "-o", "out"]) == 1
    assert "error: empty has no pictures" in capsys.readouterr().err
    assert Path("out/a_x4.png").exists()


def test_an_existing_output_is_an_error_and_stays(capsys):
    put("a.png", b"new")
    put("a_x4.png", b"old")
    assert main(["upscale", "a.png"]) == 1
    assert "a_x4.png already exists" in capsys.readouterr().err
    assert Path("a_x4.png").read_bytes() == b"old"


def test_an_existing_output_is_replaced_or_skipped_when_asked(capsys):
    put("a.png", b"new")
    put("a_x4.png", b"old")
    assert main(["upscale", "a.png", "--skip-existing"]) == 0
    assert Path("a_x4.png").read_bytes() == b"old"
    assert "skipped a.png" in capsys.readouterr().err
    assert main(["upscale", "a.png", "--overwrite"]) == 0
    assert Path("a_x4.png").read_bytes() == b"new"


@pytest.mark.parametrize("words", ["a.png -o a.png", "a.png --suffix=", "a.png a_x4.png"])
def test_an_input_is_never_overwritten(words, capsys):
    put("a.png")
    put("a_x4.png", b"precious")
    assert main(["upscale", *words.split(), "--overwrite"]) == 1
    assert "is itself an input" in capsys.readouterr().err
    assert Path("a.png").read_bytes() == b"picture"
    assert Path("a_x4.png").read_bytes() == b"precious"


@pytest.mark.skipif(os.name != "posix", reason="needs symbolic links")
def test_an_input_is_not_overwritten_through_a_link(capsys):
    put("a.png")
    os.symlink("a.png", "b.png")
    assert main(["upscale", "a.png", "-o", "b.png", "--overwrite"]) == 1
    assert "is itself an input" in capsys.readouterr().err


def test_an_output_folder_that_cannot_be_made_is_told(capsys):
    put("a.png")
    put("out")
    assert main(["upscale", "a.png", "-o", "out/"]) == 1
    assert "cannot be created" in capsys.readouterr().err


def test_json_stands_alone_on_stdout_and_names_every_file(capsys):
    put("in/a.png", CORRUPT)
    put("in/b.png")
    put("in/c.png")
    put("out/c_x4.png")
    assert main(["upscale", "in", "-o", "out", "--skip-existing", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [one["status"] for one in told["files"]] == ["failed", "done", "skipped"]
    assert told["files"][0]["hint"] == "fetch it again"
    assert told["files"][1]["output_size"] == [8, 12]
    assert (told["done"], told["skipped"], told["failed"], told["left"]) == (1, 1, 1, 0)


def test_an_interrupt_ends_the_batch_and_json_tells_what_is_left(capsys):
    put("in/a.png")
    put("in/b.png", STOP)
    put("in/c.png")
    assert main(["upscale", "in", "-o", "out", "--json"]) == 130
    out, err = capsys.readouterr()
    assert (json.loads(out)["done"], json.loads(out)["left"]) == (1, 2)
    assert "error: interrupted" in err
    assert "Traceback" not in err


def test_stdin_goes_to_stdout_byte_by_byte(capsysbinary, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\x00piped")))
    assert main(["upscale", "-"]) == 0
    assert capsysbinary.readouterr().out == b"\xff\x00piped"


def test_an_endless_pipe_is_not_read_to_its_end(capsys, monkeypatch):
    monkeypatch.setattr("superres.jobs.pipes._MAX_PIPED_BYTES", 1000)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x" * 10_000)))
    assert main(["upscale", "-"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "arrived on stdin" in err


def test_a_picture_is_not_printed_to_a_terminal(monkeypatch, capsys):
    put("a.png")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["upscale", "a.png", "-o", "-"]) == 2
    assert "terminal" in capsys.readouterr().err


def test_no_bar_is_drawn_in_a_pipe_and_one_is_on_a_terminal(monkeypatch, capsys):
    put("in/a.png")
    put("in/b.png")
    assert main(["upscale", "in", "-o", "out"]) == 0
    assert "\x1b" not in capsys.readouterr().err
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["upscale", "in", "-o", "out2"]) == 0
    out, err = capsys.readouterr()
    assert "\x1b" in err
    assert "%" in err
    assert out.split() == [str(Path(f"out2/{name}_x4.png")) for name in "ab"]


def test_names_beyond_ascii_pass_through(capsys):
    put("写真/été [1].png")
    assert main(["upscale", "写真", "-o", "大"]) == 0
    assert capsys.readouterr().out.strip() == str(Path("大/été [1]_x4.png"))


def test_json_is_ascii_whatever_the_names_are(capsys):
    put("é.png")
    assert main(["upscale", "é.png", "--json"]) == 0
    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out)["files"][0]["target"] == "é_x4.png"


@pytest.mark.parametrize(
    "error",
    [NumericalError("NaN in the answer", "report it"), OutputError("disk full", "make room")],
)
def test_a_failure_without_the_files_name_gets_it(error, monkeypatch, capsys):
    put("a.png")

    def fail(*arguments):
        raise error

    monkeypatch.setattr(picture, "upscale_picture", fail)
    assert main(["upscale", "a.png"]) == 1
    assert f"error: a.png: {error.message}\nhint: {error.hint}\n" in capsys.readouterr().err


def test_without_options_the_job_has_all_its_defaults():
    put("a.png")
    assert main(["upscale", "a.png"]) == 0
    assert FakeUpscaling.seen == PictureJob(source=Path("a.png"), target=Path("a_x4.png"))


def test_a_closed_subfolder_has_failed_and_the_rest_is_done(close_folder, capsys):
    put("in/a.png")
    put("in/lost+found/b.png")
    put("in/z/c.png")
    close_folder(Path("in/lost+found"))
    assert main(["upscale", "in", "-o", "out", "--recursive", "--json"]) == 1
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert (told["done"], told["failed"], told["left"]) == (2, 1, 0)
    assert {file["source"]: file["status"] for file in told["files"]} == {
        "in/lost+found": "failed", "in/a.png": "done", "in/z/c.png": "done",
    }  # fmt: skip
    closed = told["files"][0]
    assert "cannot be listed: Permission denied" in closed["error"]
    assert (closed["target"], bool(closed["hint"])) == (None, True)
    assert f"error: {closed['error']}" in err
    assert "2 done, 0 skipped, 1 failed" in err


def test_one_done_beside_a_closed_folder_is_not_the_whole_story(close_folder, capsys):
    put("in/a.png")
    put("in/closed/b.png")
    close_folder(Path("in/closed"))
    assert main(["upscale", "in", "-o", "out", "--recursive"]) == 1
    assert "1 done, 0 skipped, 1 failed" in capsys.readouterr().err


def test_files_of_other_kinds_are_counted_in_one_line_and_in_the_report(capsys):
    for name in ("a.png", "b.obj", "c.txt", "d.txt", ".hidden.txt"):
        put(f"in/{name}")
    assert main(["upscale", "in", "-o", "out", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["left_alone"] == {".obj": 1, ".txt": 2}
    assert err.count("3 files of other kinds left alone: 1 .obj, 2 .txt\n") == 1


def test_no_word_is_lost_on_other_kinds_where_there_are_none(capsys):
    put("in/a.png")
    assert main(["upscale", "in", "-o", "out"]) == 0
    assert "left alone" not in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="needs links")
def test_sources_and_targets_that_cannot_be_are_failures_of_their_own(capsys):
    put("in/a.png")
    put("in/b.png")
    put("in/" + "n" * 251 + ".png")
    Path("in/c.png").symlink_to("nowhere")
    Path("out/b_x4.png").mkdir(parents=True)
    assert main(["upscale", "in", "-o", "out", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["done"], told["failed"]) == (1, 3)
    assert Path("out/a_x4.png").read_bytes() == b"picture"
