"""What is written is what was given, whole or not at all, with words for what a format lacks."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import pyvips
from picture_files import noise, ramp

from superres.errors import ArgumentError, OutputError, PictureError
from superres.formats import saving, tiff
from superres.frame import UINT8, Bands, Values, to_unit
from superres.media import WriteOptions, open_picture, read_pixels, write_picture
from superres.metadata.header import Metadata

KINDS = ["png", "jpeg", "webp", "tiff", "avif"]
DEPTHS = ["uint8", "uint16", "float32"]
LOSSLESS = WriteOptions(lossless=True)
posix_only = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals or permissions")


def write(target, pixels, *, blocks=None, metadata=None, **options):
    return write_picture(
        target,
        blocks if blocks is not None else [pixels],
        height=pixels.shape[0],
        width=pixels.shape[1],
        bands=Bands.of(pixels.shape[2]),
        values=Values.of(pixels.dtype),
        metadata=metadata or Metadata(),
        **options,
    )


def options_for(kind):
    return LOSSLESS if kind in ("webp", "avif") else WriteOptions()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_depth_and_layout_goes_through_every_format_or_is_said_to_change(
    tmp_path, kind, depth, channels
):
    pixels = ramp(21, 34, channels, depth) if kind == "jpeg" else noise(21, 34, channels, depth)
    path = tmp_path / f"out.{kind}"
    notes = write(path, pixels, options=options_for(kind))
    picture = open_picture(path)
    read = read_pixels(picture)
    held = {"png": 65535, "jpeg": 255, "webp": 255, "tiff": None, "avif": 4095}[kind]
    exact = kind != "jpeg" and (depth == "uint8" or (depth == "uint16" and held in (65535, None)))
    wide = kind in ("png", "avif") and depth != "uint8"
    expected_depth = depth if kind == "tiff" else "uint16" if wide else "uint8"
    assert picture.values.dtype == expected_depth

    expected = to_unit(pixels)
    if kind == "jpeg" and channels in (2, 4):
        alpha = np.clip(expected[..., -1:], 0, 1)
        expected = expected[..., :-1] * alpha + (1 - alpha)
    if kind in ("webp", "avif") and channels < 3:
        expected = np.concatenate([expected[..., :1]] * 3 + [expected[..., 1:]], axis=2)
    assert picture.bands == Bands.of(expected.shape[2])
    if kind == "tiff" and depth == "float32":
        assert np.array_equal(read, pixels), "floats outside [0, 1] are kept"
    elif exact:
        assert np.array_equal(to_unit(read), expected)
    else:
        assert held is not None
        # Floats go to 12 bits by way of 16.
        step = 0.03 if kind == "jpeg" else 0.505 / held + 0.5 / 65535 * (held == 4095)
        assert np.abs(to_unit(read) - np.clip(expected, 0, 1)).max() <= step

    words = " | ".join(notes)
    assert ("alpha composited on white" in words) == (kind == "jpeg" and channels in (2, 4))
    assert ("grey written as RGB" in words) == (kind in ("webp", "avif") and channels < 3)
    assert ("clamped" in words) == (depth == "float32" and kind != "tiff")
    reduced = expected_depth != depth or (kind == "avif" and depth == "uint16")
    assert ("reduced to" in words) == reduced


@pytest.mark.parametrize("kind", KINDS)
def test_white_and_black_stay_white_and_black(kind):
    for depth, white in (("uint8", 255), ("uint16", 65535), ("float32", 1.0)):
        pixels = np.zeros((32, 32, 3), depth)
        pixels[:, 16:] = white
        stream = io.BytesIO()
        write(stream, pixels, format=kind)
        read = read_pixels(open_picture(stream.getvalue()))
        # AVIF's lossy coding may be off by two 12-bit steps.
        slack = 2.01 / 4095 if kind == "avif" and depth != "uint8" else 0
        assert to_unit(read)[:, :8].max() <= slack
        assert to_unit(read)[:, 24:].min() >= 1 - slack


def test_16_bit_to_8_bit_is_rounded_to_nearest():
    pixels = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    stream = io.BytesIO()
    write(stream, pixels.repeat(3, axis=2), format="webp", options=LOSSLESS)
    read = read_pixels(open_picture(stream.getvalue()))[..., 0]
    assert np.array_equal(read, np.rint(pixels[..., 0] / 257))


def test_16_bit_to_12_bit_is_rounded_to_nearest():
    pixels = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    stream = io.BytesIO()
    write(stream, pixels.repeat(3, axis=2), format="avif", options=LOSSLESS)
    read = read_pixels(open_picture(stream.getvalue()))[..., 0].astype(int)
    assert np.abs(read - pixels[..., 0]).max() <= 65535 / 4095 / 2 + 1


@pytest.mark.parametrize("kind", ["png", "tiff"])
@pytest.mark.parametrize("block", [1, 3, 64, 700, 5000])
def test_blocks_of_any_height_give_the_same_file(kind, block):
    pixels = noise(700, 900, 3)  # several strips of the carrier
    stream = io.BytesIO()
    blocks = (pixels[top : top + block] for top in range(0, 700, block))
    write(stream, pixels, blocks=blocks, format=kind)
    assert np.array_equal(read_pixels(open_picture(stream.getvalue())), pixels)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (3, 70_000)])
@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_odd_sizes_are_written(kind, size):
    height, width = size
    pixels = noise(height, width, 4, "uint16")
    stream = io.BytesIO()
    write(stream, pixels, format=kind)
    assert np.array_equal(read_pixels(open_picture(stream.getvalue())), pixels)


def test_views_and_foreign_byte_orders_are_written_as_the_values_they_hold():
    pixels = noise(40, 30, 3, "uint16")
    blocks = [pixels[:20].astype(">u2"), np.asfortranarray(pixels[20:30]), pixels[30:][::-1][::-1]]
    stream = io.BytesIO()
    write(stream, pixels, blocks=blocks, format="png")
    assert np.array_equal(read_pixels(open_picture(stream.getvalue())), pixels)


def test_empty_blocks_are_passed_over():
    pixels = noise(8, 8, 3)
    stream = io.BytesIO()
    write(stream, pixels, blocks=[pixels[:0], pixels[:4], pixels[4:4], pixels[4:]], format="png")
    assert np.array_equal(read_pixels(open_picture(stream.getvalue())), pixels)


def test_jpeg_is_written_without_halving_its_colours():
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:, ::2] = (255, 0, 0)
    pixels[:, 1::2] = (0, 0, 255)
    stream = io.BytesIO()
    write(stream, pixels, format="jpg")
    image = pyvips.Image.new_from_buffer(stream.getvalue(), "")
    assert image.get("jpeg-chroma-subsample") == "4:4:4"
    assert np.abs(image.numpy().astype(int) - pixels).max() < 40


def test_quality_and_compression_change_the_size():
    pixels = ramp(200, 200, 3) // 2 + noise(200, 200, 3) // 8
    sizes = {}
    for name, kind, options in [
        ("jpeg low", "jpeg", WriteOptions(quality=30)),
        ("jpeg", "jpeg", WriteOptions()),
        ("png none", "png", WriteOptions(compression="none")),
        ("png", "png", WriteOptions()),
        ("tiff none", "tiff", WriteOptions(compression="none")),
        ("tiff", "tiff", WriteOptions()),
        ("webp", "webp", WriteOptions()),
        ("webp lossless", "webp", LOSSLESS),
    ]:
        stream = io.BytesIO()
        write(stream, pixels, format=kind, options=options)
        sizes[name] = len(stream.getvalue())
    assert sizes["jpeg low"] < sizes["jpeg"] < sizes["png"] < sizes["png none"]
    assert sizes["tiff"] < sizes["tiff none"]
    assert sizes["webp"] < sizes["webp lossless"]


@pytest.mark.parametrize("options", [{"quality": 0}, {"quality": 101}, {"compression": 10}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ArgumentError, match="must be"):
        WriteOptions(**options)


def test_jpeg_cannot_be_lossless(tmp_path):
    with pytest.raises(ArgumentError, match="JPEG cannot be lossless"):
        write(tmp_path / "a.jpg", noise(4, 4, 3), options=LOSSLESS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("kind", "height", "width"),
    [("jpeg", 4, 65_501), ("jpeg", 65_501, 4), ("webp", 16_384, 1), ("avif", 1, 16_385)],
)
def test_edges_that_a_format_cannot_hold_are_refused_before_any_work(tmp_path, kind, height, width):
    def untouchable():
        raise AssertionError("blocks were requested")
        yield

    with pytest.raises(OutputError, match=f"{height} x {width}") as caught:
        write_picture(
            tmp_path / f"a.{kind}",
            untouchable(),
            height=height,
            width=width,
            bands=Bands("rgb", 3, False),
            values=UINT8,
            metadata=Metadata(),
        )
    assert "PNG or TIFF" in caught.value.hint
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("kind", "edge"), [("jpeg", 65_500), ("webp", 16_383), ("avif", 16_384)])
def test_the_longest_edge_that_a_format_takes_is_written(kind, edge):
    for height, width in ((1, edge), (edge, 1)):
        stream = io.BytesIO()
        assert write(stream, ramp(height, width, 3), format=kind) == ()
        picture = open_picture(stream.getvalue())
        assert (picture.height, picture.width) == (height, width)


def test_a_stream_needs_a_format_and_leaves_a_path_none():
    with pytest.raises(ArgumentError, match="no suffix"):
        write(io.BytesIO(), noise(4, 4, 3))


@pytest.mark.parametrize(
    "name", ["größe 漢字 🙂.png", "brackets[Q=1].png", "-dash.png", "x" * 250 + ".png"]
)
def test_any_file_name_is_written(tmp_path, name):
    pixels = noise(5, 6, 3)
    try:
        (tmp_path / name).touch()
        (tmp_path / name).unlink()
    except OSError:
        pytest.skip("this file system has no such name")
    write(tmp_path / name, pixels)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert np.array_equal(read_pixels(open_picture(tmp_path / name)), pixels)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' names are always text")
def test_a_file_name_that_is_no_utf8_is_written(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.tif")
    write(path, noise(5, 6, 3))
    assert open_picture(path).width == 6


def test_a_relative_path_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(Path("a.png"), noise(5, 6, 3))
    assert (tmp_path / "a.png").stat().st_size > 50


def test_while_it_is_written_only_a_hidden_unfinished_file_is_seen(tmp_path):
    pixels = noise(64, 8, 3)
    (tmp_path / "a.png").write_bytes(b"what stood here before")
    seen = []

    def blocks():
        yield pixels[:32]
        seen.extend(path.name for path in tmp_path.iterdir())
        assert (tmp_path / "a.png").read_bytes() == b"what stood here before"
        yield pixels[32:]

    write(tmp_path / "a.png", pixels, blocks=blocks())
    (hidden,) = [name for name in seen if name != "a.png"]
    assert hidden.startswith(".a.png.superres-")
    assert hidden.endswith(".part")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


class UnusualError(BaseException):
    pass


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), UnusualError()])
def test_what_the_blocks_raise_comes_through_and_nothing_is_left(tmp_path, kind, after, error):
    pixels = noise(2000 if kind != "avif" else 64, 50, 3)
    target = tmp_path / f"a.{kind}"
    target.write_bytes(b"as it was")

    def blocks():
        for _ in range(after):
            yield pixels[:32]
        raise error

    with pytest.raises(type(error)) as caught:
        write(target, pixels, blocks=blocks())
    assert caught.value is error
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
    assert target.read_bytes() == b"as it was"


def test_a_damaged_input_leaves_no_output(tmp_path):
    stream = io.BytesIO()
    pixels = noise(300, 300, 3)
    write(stream, pixels, format="png")
    picture = open_picture(stream.getvalue()[:100_000])
    with pytest.raises(PictureError):
        write(tmp_path / "a.tif", pixels, blocks=picture.rows())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: [p[:10]], "hold 10 rows, expected 20"),
        (lambda p: [p, p[:1]], "hold more than 20 rows, expected 20"),
        (lambda p: [], "hold 0 rows, expected 20"),
        (lambda p: [p[:, :5]], r"must be \(h, 8, 3\)"),
        (lambda p: [p[..., :1]], r"must be \(h, 8, 3\)"),
        (lambda p: [p[0]], r"must be \(h, 8, 3\)"),
        (lambda p: [p.astype(np.uint16)], "must be uint8, got uint16"),
        (lambda p: [p.astype(np.float64)], "float64"),
    ],
)
def test_blocks_that_are_not_what_was_announced_are_refused(tmp_path, change, words):
    pixels = noise(20, 8, 3)
    with pytest.raises(ArgumentError, match=words):
        write(tmp_path / "a.png", pixels, blocks=change(pixels))
    assert not list(tmp_path.iterdir())


def test_no_thread_is_left_behind(tmp_path):
    def encoders():  # libvips's own threads come and go, and Python counts those that log
        return [thread for thread in threading.enumerate() if thread.name == "superres-encode"]

    before = encoders()
    for kind in KINDS:
        write(tmp_path / f"a.{kind}", noise(30, 30, 3))
        with pytest.raises(ArgumentError):
            write(tmp_path / f"b.{kind}", noise(30, 30, 3), blocks=[])
    assert encoders() == before


def test_a_failing_encoder_stops_the_blocks_and_names_the_target(tmp_path, monkeypatch):
    def failing(image, header, reserve):
        raise pyvips.Error("unable to call jpegsave", "write error: No space left on device\n")

    monkeypatch.setattr(saving, "_described", failing)
    requested = []

    def endless():
        while True:
            requested.append(1)
            yield noise(10, 10, 3)

    with pytest.raises(OutputError, match=r"a\.jpg cannot be written: No space left") as caught:
        write(tmp_path / "a.jpg", noise(10_000, 10, 3), blocks=endless())
    assert "free space" in caught.value.hint
    assert len(requested) < 20
    assert not list(tmp_path.iterdir())


def in_another_process(script, tmp_path, **options):
    head = """
        import sys, time
        from pathlib import Path
        import numpy as np
        from superres.frame import UINT8, Bands
        from superres.metadata.header import Metadata
        from superres.media import write_picture, WriteOptions
        def write(path, blocks, height, width, **more):
            return write_picture(path, blocks, height=height, width=width, values=UINT8,
                bands=Bands("rgb", 3, False), metadata=Metadata(), **more)
    """
    code = textwrap.dedent(head) + textwrap.dedent(script)
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@posix_only
@pytest.mark.parametrize("kind", ["png", "jpg", "tif", "webp"])
def test_a_full_disk_is_an_error_that_leaves_nothing(tmp_path, kind):
    # A limit on file sizes makes writes fail as a full disk does, in the middle.
    script = f"""
        import resource, signal
        from superres.errors import OutputError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        rng = np.random.default_rng(0)
        blocks = (rng.integers(0, 256, (50, 1000, 3)).astype(np.uint8) for _ in range(40))
        try:
            write(Path("a.{kind}"), blocks, 2000, 1000, options=WriteOptions(quality=100))
        except OutputError as error:
            print(error)
    """
    process = in_another_process(script, tmp_path)
    out, err = process.communicate(timeout=60)
    assert err == ""
    assert out.startswith(f"a.{kind} cannot be written: ")
    assert "hint: check free space" in out
    assert not list(tmp_path.iterdir())


SLOWLY = """
    def blocks():
        for index in range(1000):
            yield np.zeros((10, 100, 3), np.uint8)
            if index == 20:
                print("begun", flush=True)
            time.sleep(0.01)
    write(Path("a.png"), blocks(), 10_000, 100)
"""


@posix_only
def test_ctrl_c_leaves_nothing(tmp_path):
    process = in_another_process(SLOWLY, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in err
    assert not list(tmp_path.iterdir())


@posix_only
def test_a_killed_process_leaves_no_output_but_a_hidden_part(tmp_path):
    process = in_another_process(SLOWLY, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.kill()
    process.communicate(timeout=30)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".a.png.superres-")


@posix_only
def test_ctrl_c_while_the_encoder_works_is_heard(tmp_path):
    script = """
        import threading, _thread
        from superres.formats import saving
        def slow(image, header, reserve):
            threading.Timer(0.3, _thread.interrupt_main).start()
            time.sleep(20)
        saving._described = slow
        saving._LAST_WAIT_S = 0.1
        write(Path("a.jpg"), [np.zeros((10, 10, 3), np.uint8)], 10, 10)
    """
    began = time.monotonic()
    process = in_another_process(script, tmp_path)
    _, err = process.communicate(timeout=15)
    assert "KeyboardInterrupt" in err
    assert time.monotonic() - began < 15
    assert not list(tmp_path.iterdir())


@posix_only
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_the_file_has_the_permissions_of_any_new_file(tmp_path, mask):
    before = os.umask(mask)
    try:
        write(tmp_path / "a.png", noise(4, 4, 3))
    finally:
        os.umask(before)
    assert (tmp_path / "a.png").stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_missing_folder_or_a_file_in_its_place_is_an_error(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        write(tmp_path / "missing" / "a.png", noise(4, 4, 3))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot be written"):
        write(tmp_path / "file" / "a.png", noise(4, 4, 3))


@posix_only
def test_a_closed_folder_is_an_error(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        write(folder / "a.png", noise(4, 4, 3))


def test_a_folder_as_target_is_an_error(tmp_path):
    (tmp_path / "a.png").mkdir()
    with pytest.raises(OutputError, match="is a folder or device"):
        write(tmp_path / "a.png", noise(4, 4, 3))
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@posix_only
def test_a_device_is_not_replaced():
    with pytest.raises(OutputError, match="is a folder or device"):
        write(Path("/dev/null"), noise(4, 4, 3), format="png")
    assert Path("/dev/null").is_char_device()


@posix_only
def test_a_link_stays_a_link_and_its_file_is_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "b.png").write_bytes(b"old")
    (tmp_path / "a.png").symlink_to(tmp_path / "real" / "b.png")
    write(tmp_path / "a.png", noise(4, 4, 3))
    assert (tmp_path / "a.png").is_symlink()
    assert open_picture(tmp_path / "real" / "b.png").width == 4
    assert len(list((tmp_path / "real").iterdir())) == 1


class FullStream(io.BytesIO):
    def write(self, data):
        raise OSError(28, "No space left on device")


def test_a_stream_that_takes_no_more_is_an_error():
    with pytest.raises(OutputError, match="the output stream cannot be written: No space left"):
        write(FullStream(), noise(4, 4, 3), format="png")


def test_a_stream_gets_nothing_if_the_blocks_fail():
    stream = io.BytesIO()

    def blocks():
        yield noise(4, 4, 3)
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 (it is the one above)
        write(stream, noise(8, 4, 3), blocks=blocks(), format="png")
    assert stream.getvalue() == b""


def test_a_stream_and_a_file_get_the_same_bytes(tmp_path):
    pixels = noise(30, 40, 3)
    stream = io.BytesIO()
    write(stream, pixels, format="png")
    write(tmp_path / "a.png", pixels)
    assert stream.getvalue() == (tmp_path / "a.png").read_bytes()


def test_a_large_tiff_is_a_bigtiff(monkeypatch):
    monkeypatch.setattr(tiff, "_BIG_TIFF_BYTES", 100)
    pixels = noise(20, 20, 3)
    stream = io.BytesIO()
    block = b"MM\0*\0\0\0\x08\0\1\x01\x0f\0\2\0\0\0\x06\0\0\0\x1aMaker\0"
    block = block[:22] + b"\0\0\0\0" + block[22:]
    write(stream, pixels, format="tiff", metadata=Metadata(exif=block, dpi=(300.0, 300.0)))
    data = stream.getvalue()
    assert data[2:4] == b"+\0"
    picture = open_picture(data)
    assert picture.metadata.exif is not None
    assert b"Maker\0" in picture.metadata.exif
    assert picture.metadata.dpi == (300.0, 300.0)
    assert np.array_equal(read_pixels(picture), pixels)


def test_reading_and_writing_run_at_the_same_time_in_many_threads(tmp_path):
    failures = []

    def work(seed):
        try:
            pixels = noise(200, 100, 3, seed=seed)
            path = tmp_path / f"{seed}.png"
            write(path, pixels, blocks=(pixels[top : top + 20] for top in range(0, 200, 20)))
            assert np.array_equal(read_pixels(open_picture(path)), pixels)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_the_writer_asks_for_rows_only_as_it_needs_them(monkeypatch):
    """Memory is bounded: a slow encoder holds the blocks back."""
    requested, held_back = [], threading.Event()
    plain = saving._described

    def late(image, header, reserve):
        held_back.wait(0.3)
        assert len(requested) <= 5
        return plain(image, header, reserve)

    monkeypatch.setattr(saving, "_described", late)
    pixels = noise(1000, 20, 3)

    def blocks():
        for top in range(0, 1000, 10):
            requested.append(top)
            yield pixels[top : top + 10]

    write(io.BytesIO(), pixels, blocks=blocks(), format="png")
    assert len(requested) == 100
