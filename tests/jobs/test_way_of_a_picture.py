"""The way of a picture through the code, which bounds how many files one must open to follow it.

The way is what a reader follows from `upscale_picture` to the written file. On it are the functions
that are given pixels or an opened picture, or return them, and those that call such functions. They
are put in reading order: a function is entered from where it is called for the first time, or from
where its first rows are requested if it is a generator, and is read to its end, with all that it
calls, before its caller goes on; what a thread runs is entered from where the thread is handed it.

- A change of file is a function entered from a function of another file, unless the way was in that
  file just before. Going back to the caller is none.
- A change is upward if it leads into a room of a higher floor in pyproject's list of layers.
- The leaves that every file uses (errors, frame, watch, atomic) are left out, and so is opening the
  model, which is done once for many pictures.
"""

import sys
import threading
import tomllib
from pathlib import Path

import numpy as np
from picture_files import encoded, noise

import superres
from superres.jobs.picture import upscale_picture
from superres.jobs.spec import PictureJob
from superres.metadata.picture import Picture
from superres.model_pool import ModelPool
from superres.watch import Watch

PACKAGE = f"{Path(superres.__file__).parent}/"
LEAVES = {"errors", "frame", "watch", "atomic"}
MOST_CHANGES, MOST_UPWARD, MOST_ARGUMENTS = 28, 4, 10


def has_pixels(value):
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, tuple):
        return any(map(has_pixels, value))
    return isinstance(value, np.ndarray | Picture)


class Trace:
    """The functions of the package that run, in all threads that begin while it is on."""

    def __init__(self):
        self.callers = {}  # of each function, in the order of their first entries
        self.with_pixels = set()
        self._is_on = False
        self._lock = threading.Lock()

    def __enter__(self):
        threading.setprofile(self._note)
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_):
        sys.setprofile(None)
        threading.setprofile(None)

    def begin(self):
        self._is_on = True

    def _note(self, frame, event, returned):
        code = frame.f_code
        if not self._is_on or event not in ("call", "return") or not is_ours(code):
            return
        if event == "return":
            values = (returned,)
        else:
            values = tuple(frame.f_locals.get(name) for name in argument_names(code))
        caller = frame.f_back
        while caller and not is_ours(caller.f_code):
            caller = caller.f_back
        with self._lock:
            if has_pixels(values):
                self.with_pixels.add(code)
            self.callers.setdefault(code, caller and caller.f_code)

    def way(self):
        """Return (function, its caller) for all that is on the way, in reading order."""
        callers = {code: caller or self._starter(code) for code, caller in self.callers.items()}
        on_the_way = set()
        for code in self.with_pixels:
            while code and code not in on_the_way:
                on_the_way.add(code)
                code = callers[code]

        def entered(code, caller):
            if room(code) in LEAVES or code not in on_the_way:
                return
            yield code, caller
            for other in callers:
                if callers[other] is code:
                    yield from entered(other, code)

        return list(entered(upscale_picture.__code__, None))

    def _starter(self, code):
        """Return who handed a function to a thread: the one it stands in, or `submit`."""
        hosts = (code.co_qualname.rpartition(".<locals>")[0], "Batcher.submit")
        for other in self.callers:
            if other.co_filename == code.co_filename and other.co_qualname in hosts:
                return other
        return None


def is_ours(code):
    return code.co_filename.startswith(PACKAGE)


def argument_names(code):
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def file_of(code):
    return code.co_filename.removeprefix(PACKAGE)


def room(code):
    return file_of(code).partition("/")[0].removesuffix(".py")


def floors():
    """Return the floor of each room, 0 for the lowest."""
    project = Path(__file__).parents[2] / "pyproject.toml"
    contracts = tomllib.loads(project.read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = (each["layers"] for each in contracts if each["type"] == "layers")
    return {
        name.strip(): floor
        for floor, names in enumerate(reversed(layers))
        for name in names.replace("|", ":").split(":")
    }


def described(way):
    """Return the way in words, and how many changes of file it has, upward ones among them."""
    floor, before, lines = floors(), "", []
    changes = upward = 0
    for code, caller in way:
        file, mark = file_of(code), ""
        if caller is not None and file not in (file_of(caller), before):
            changes += 1
            is_upward = floor[room(code)] > floor[room(caller)]
            upward += is_upward
            mark = f"{changes}{' up' if is_upward else ''}"
        before = file
        lines.append(f"{mark:>6}  {file}: {code.co_qualname} ({len(argument_names(code))})")
    return "\n".join(lines), changes, upward


def test_a_picture_goes_through_few_files_few_of_them_upward(tmp_path):
    source, pool = tmp_path / "small.png", ModelPool()
    source.write_bytes(encoded(noise(40, 50, 3), "png"))
    with Trace() as trace:
        for name in ("first.png", "second.png"):  # the first opens the model
            job = PictureJob(source=source, target=tmp_path / name, model="espcn", scale=2)
            upscale_picture(job, pool, Watch())
            trace.begin()
    lines, changes, upward = described(trace.way())
    for step in ("open_picture", "upscale_rows", "Runtime.run", "write_picture", "write_png"):
        assert step in lines, f"{step} is not on the way:\n{lines}"
    assert changes <= MOST_CHANGES, lines
    assert upward <= MOST_UPWARD, lines
    assert max(len(argument_names(code)) for code, _ in trace.way()) <= MOST_ARGUMENTS, lines
