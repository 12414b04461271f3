"""What libvips has to say of damaged files neither ends the process nor reaches the terminal."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest
from picture_files import encoded, noise

# A file's closing logs. Here the collector runs at the first object that is made meanwhile, and
# closes files that only it can reach.
READ_AND_DROP = """
    import gc, sys, threading, warnings
    from pathlib import Path
    import pyvips
    from superres.errors import PictureError
    from superres.media import open_picture, read_pixels

    def failure():
        try:
            read_pixels(open_picture(Path("damaged.jpg")))
        except PictureError as error:
            return error
        raise AssertionError("the damage was not noticed")

    def failure_in_a_circle():
        error = failure()
        error.itself = error

    def drop(rounds):
        for _ in range(rounds):
            gc.disable()
            failure_in_a_circle()
            one = failure()
            gc.set_threshold(1)
            gc.enable()
            del one
"""


@pytest.fixture(params=["damaged", "damaged, and mended elsewhere"])
def run(tmp_path, request):
    """Runs a script beside a damaged JPEG, in a process of its own, for it might abort."""
    whole = encoded(noise(24, 24, 3), "jpeg")
    at = whole.index(b"\xff\xc4")  # bytes too many before the tables of the Huffman codes
    stray = b"" if request.param == "damaged" else bytes(18)
    damaged = whole[:at] + stray + whole[at:-200] + b"\xff\xd9"
    (tmp_path / "damaged.jpg").write_bytes(damaged)

    def run(script, **environment):
        path = os.pathsep.join(map(os.path.abspath, sys.path))
        return subprocess.run(
            [sys.executable, "-c", textwrap.dedent(READ_AND_DROP) + textwrap.dedent(script)],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": path} | environment,
            capture_output=True,
            text=True,
            timeout=100,
        )

    return run


def test_a_file_that_the_collector_closes_while_another_is_closed_does_not_end_the_process(run):
    done = run("print(failure().message); drop(10); print('alive')")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "damaged.jpg cannot be read as JPEG: "
        "Corrupt JPEG data: premature end of data segment\nalive\n"
    )


def test_damaged_files_in_several_threads_at_once_do_not_end_the_process(run):
    script = """
        threads = [threading.Thread(target=drop, args=(20,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print('alive')
    """
    done = run(script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "alive\n", "")


def test_a_damaged_file_that_is_closed_as_the_process_ends_prints_nothing(run):
    done = run("kept = failure()")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(os.name == "nt", reason="a message box may wait for an answer")
def test_what_glib_takes_for_fatal_is_printed(run):
    done = run("drop(1)", G_DEBUG="fatal-warnings")
    assert done.returncode != 0
    assert "VIPS-WARNING" in done.stderr


def test_a_pyvips_that_cannot_be_silenced_is_said_and_prints_but_does_not_end_the_process(run):
    script = """
        pyvips.glib_lib = object()
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            drop(10)
        (only,) = said
        assert only.category is RuntimeWarning
        assert "g_log_set_handler" in str(only.message), only.message
        assert "printed to stderr" in str(only.message), only.message
        print('alive')
    """
    done = run(script)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr
    assert "VIPS-WARNING" in done.stderr
    assert "recursed" not in done.stderr
