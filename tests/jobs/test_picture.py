"""Picture files from end to end: what they carry, what is refused, and what a stop leaves."""

import dataclasses
import hashlib
import io
import itertools
import json
from pathlib import Path

import numpy as np
import pytest

import superres
from superres import zoo
from superres.errors import (
    ArgumentError,
    Cancelled,
    NumericalError,
    OutputError,
    PictureError,
    UnknownNameError,
)
from superres.frame import UINT8, Bands, Values
from superres.infer.route import SizeRequest
from superres.jobs.picture import upscale_file, upscale_picture
from superres.jobs.pipes import Pipes
from superres.jobs.spec import PictureJob
from superres.media import WriteOptions, open_picture, read_pixels, write_picture
from superres.metadata.header import Metadata
from superres.model_pool import ModelPool
from superres.upscaler import RunOptions
from superres.watch import Watch

NOTHING = Metadata(None, None, None, None)


def save(path, pixels, metadata=NOTHING):
    write_picture(
        path, [pixels], height=pixels.shape[0], width=pixels.shape[1],
        bands=Bands.of(pixels.shape[2]), values=Values.of(pixels.dtype), metadata=metadata,
    )  # fmt: skip
    return path


def noise(*shape, dtype=np.uint8):
    values = np.random.default_rng(0).random(shape)
    return values.astype(dtype) if dtype == np.float32 else (values * 250).astype(dtype)


class FileUpscaler:
    """Upscales files with one set of values, and one pool of models."""

    def __init__(self, **values) -> None:
        names = {field.name for field in dataclasses.fields(RunOptions)} & values.keys()
        run = {"precision": "fp32", **{name: values.pop(name) for name in names}}
        self.values = {"run": RunOptions(**run), **values}
        self.models = ModelPool()

    def upscale(self, source, target, *, progress=None, notice=None):
        pipes = Pipes(
            source=io.BytesIO(source) if isinstance(source, bytes) else None,
            target=target if isinstance(target, io.BytesIO) else None,
        )
        job = PictureJob(
            source="-" if isinstance(source, bytes) else source,
            target="-" if isinstance(target, io.BytesIO) else target,
            **self.values,
        )
        return upscale_picture(job, self.models, Watch(notice, progress), pipes)


def file_upscaler(**values) -> FileUpscaler:
    return FileUpscaler(**values)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_depth_and_layout_come_out_as_they_went_in(tmp_path, channels, dtype):
    source = save(tmp_path / "in.tif", noise(11, 9, channels, dtype=dtype))
    file_upscaler().upscale(source, tmp_path / "out.tif")
    result = open_picture(tmp_path / "out.tif")
    assert (result.height, result.width) == (44, 36)
    assert result.bands == Bands.of(channels)
    assert result.values.dtype == np.dtype(dtype).name


def test_the_file_holds_what_the_array_call_returns(tmp_path):
    pixels = noise(70, 90, 4)
    source = save(tmp_path / "in.png", pixels)
    file_upscaler().upscale(source, tmp_path / "out.png")
    expected = superres.load(precision="fp32")(pixels, scale=4)
    np.testing.assert_array_equal(read_pixels(open_picture(tmp_path / "out.png")), expected)


def test_small_tiles_give_the_same_file_as_large_ones(tmp_path):
    source = save(tmp_path / "in.png", noise(100, 131, 3))
    for tile in (48, 512):
        file_upscaler(tile=tile).upscale(source, tmp_path / f"{tile}.png")
    one, two = (read_pixels(open_picture(tmp_path / f"{t}.png")) for t in (48, 512))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
def test_a_mask_in_alpha_touches_no_colour_on_its_way_through_files(tmp_path, suffix):
    texture = noise(64, 96, 4)
    rows, columns = np.mgrid[:64, :96]
    texture[..., 3] = np.where(np.hypot(columns - 48, rows - 32) < 15, 255, 0)
    run = RunOptions(alpha="data", precision="fp32")
    results = []
    for name, pixels in (("with", texture), ("without", texture[..., :3])):
        source, target = save(tmp_path / f"{name}.png", pixels), tmp_path / f"{name}_x1.{suffix}"
        job = PictureJob(source=source, target=target, scale=1, run=run)
        if suffix == "jpg" and name == "with":
            with pytest.raises(OutputError, match=r"alpha is data, .* does not hold alpha"):
                upscale_picture(job, ModelPool(), Watch())
            return
        upscale_picture(job, ModelPool(), Watch())
        results.append(read_pixels(open_picture(target)))
    np.testing.assert_array_equal(results[0][..., :3], results[1])
    np.testing.assert_array_equal(results[0], texture)


def test_resolution_and_xmp_are_carried_over(tmp_path):
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'></x:xmpmeta>"
    source = save(tmp_path / "in.png", noise(9, 9, 3), Metadata(None, None, xmp, (300.0, 300.0)))
    file_upscaler().upscale(source, tmp_path / "out.png")
    metadata = open_picture(tmp_path / "out.png").metadata
    assert b"x:xmpmeta" in (metadata.xmp or b"")
    assert metadata.dpi == pytest.approx((300, 300), abs=0.1)


@pytest.mark.parametrize(("size", "expected"), [((None, 30), (18, 30)), ((27, None), (27, 45))])
def test_one_edge_of_a_size_keeps_the_shape(tmp_path, size, expected):
    source = save(tmp_path / "in.png", noise(9, 15, 3))
    report = file_upscaler(size=size).upscale(source, tmp_path / "out.png")
    assert report.output_size == expected


@pytest.mark.parametrize("size", [(20, 33), (9, 9), (5, 4), (100, 37)])
def test_any_target_size_is_met_exactly(tmp_path, size):
    source = save(tmp_path / "in.png", noise(9, 9, 3))
    report = file_upscaler(size=SizeRequest(size[0], size[1], "stretch")).upscale(
        source, tmp_path / "out.png"
    )
    result = open_picture(tmp_path / "out.png")
    assert (result.height, result.width) == size == report.output_size


@pytest.mark.parametrize(
    ("size", "fit", "expected"),
    [
        ((None, 20), "exact", (30, 20)),
        ((20, 20), "inside", (20, 13)),
        ((20, 20), "stretch", (20, 20)),
    ],
)
def test_a_file_keeps_its_shape_at_another_size_unless_asked(tmp_path, size, fit, expected):
    source = save(tmp_path / "in.png", noise(12, 8, 3))
    report = upscale_file(source, tmp_path / "out.png", size=size, fit=fit, model="espcn")
    assert report.output_size == expected
    with pytest.raises(ArgumentError, match="another shape"):
        upscale_file(source, tmp_path / "no.png", size=(20, 20))
    assert not (tmp_path / "no.png").exists()


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 40, 1), (40, 1, 4)])
def test_pictures_of_one_pixel_or_one_line_are_upscaled(tmp_path, shape):
    source = save(tmp_path / "in.png", noise(*shape))
    report = file_upscaler().upscale(source, tmp_path / "out.png")
    assert report.output_size == (4 * shape[0], 4 * shape[1])


def test_bytes_in_and_a_stream_out(tmp_path):
    source = save(tmp_path / "in.webp", noise(9, 9, 3)).read_bytes()
    stream = io.BytesIO()
    report = file_upscaler().upscale(source, stream)
    assert (report.source, report.target) == ("-", "-")
    result = open_picture(stream.getvalue())
    assert (result.format, result.height) == ("webp", 36)


def test_progress_counts_up_to_all_rows(tmp_path):
    source = save(tmp_path / "in.png", noise(300, 20, 3))
    seen: list[tuple[int, int]] = []
    file_upscaler(tile=64).upscale(
        source, tmp_path / "o.png", progress=lambda d, n: seen.append((d, n))
    )
    assert seen[-1] == (1200, 1200)
    assert all(a < b for (a, _), (b, _) in itertools.pairwise(seen))


def test_an_existing_output_is_kept_unless_overwriting_is_asked_for(tmp_path):
    source = save(tmp_path / "in.png", noise(5, 5, 3))
    target = tmp_path / "out.png"
    target.write_bytes(b"mine")
    with pytest.raises(OutputError, match="already exists"):
        file_upscaler().upscale(source, target)
    assert target.read_bytes() == b"mine"
    file_upscaler(existing="replace").upscale(source, target)
    assert open_picture(target).height == 20


def test_the_input_is_never_overwritten(tmp_path):
    source = save(tmp_path / "in.png", noise(5, 5, 3))
    before = source.read_bytes()
    with pytest.raises(OutputError, match="is itself an input"):
        file_upscaler(existing="replace").upscale(source, tmp_path / "." / "in.png")
    assert source.read_bytes() == before


def test_a_result_beyond_the_pixel_cap_is_refused_before_any_work(tmp_path):
    source = save(tmp_path / "in.png", noise(30, 30, 3))
    with pytest.raises(OutputError, match="the limit is 5,000"):
        file_upscaler(max_pixels=5000).upscale(source, tmp_path / "out.png")
    with pytest.raises(PictureError):
        file_upscaler(max_pixels=500).upscale(source, tmp_path / "out.png")


def test_a_file_damaged_halfway_leaves_no_output(tmp_path):
    source = save(tmp_path / "in.png", noise(400, 300, 3))
    data = source.read_bytes()
    source.write_bytes(data[: len(data) // 2])
    with pytest.raises(PictureError):
        file_upscaler().upscale(source, tmp_path / "out.png")
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


def test_a_network_that_answers_nan_leaves_no_output(tmp_path, monkeypatch):
    from superres.runtimes.openvino_runtime import OpenVinoRuntime

    whole = OpenVinoRuntime.run

    def broken(self, graph, tensors):
        made = whole(self, graph, tensors)
        return {name: np.full_like(values, np.nan) for name, values in made.items()}

    monkeypatch.setattr(OpenVinoRuntime, "run", broken)
    source = save(tmp_path / "in.png", noise(20, 20, 3))
    with pytest.raises(NumericalError, match="fp32"):
        file_upscaler().upscale(source, tmp_path / "out.png")
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


def test_an_interrupt_in_the_middle_leaves_no_output(tmp_path):
    source = save(tmp_path / "in.png", noise(300, 50, 3))

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        file_upscaler(tile=64).upscale(source, tmp_path / "out.png", progress=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


def test_an_interrupt_waits_for_a_tile_and_not_for_a_row_of_them(tmp_path, monkeypatch):
    from superres.runtimes.openvino_runtime import OpenVinoRuntime

    whole, runs = OpenVinoRuntime.run, []

    def count(self, graph, tensors):
        runs.append(tensors["small"].shape)
        return whole(self, graph, tensors)

    monkeypatch.setattr(OpenVinoRuntime, "run", count)
    source = save(tmp_path / "in.png", noise(300, 2000, 3))

    def interrupt(done: int, total: int) -> None:
        runs.clear()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        file_upscaler(tile=96).upscale(source, tmp_path / "out.png", progress=interrupt)
    assert len(runs) <= 3  # of 35 in a row


def test_a_picture_after_an_interrupted_one_is_whole(tmp_path):
    source = save(tmp_path / "in.png", noise(200, 50, 3))
    one = file_upscaler(tile=64)

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        one.upscale(source, tmp_path / "out.png", progress=interrupt)
    assert one.upscale(source, tmp_path / "out.png").output_size == (800, 200)


def test_the_report_says_what_ran(tmp_path):
    source = save(tmp_path / "in.png", noise(20, 30, 3))
    report = file_upscaler(scale=2.5).upscale(source, tmp_path / "out.png")
    assert report.scale == 2.5
    assert (report.backend, report.precision) == ("openvino", "fp32")
    assert report.to_dict()["input_size"] == (20, 30)


def test_upscale_file_takes_plain_strings(tmp_path):
    save(tmp_path / "in.png", noise(5, 6, 3))
    report = superres.upscale_file(str(tmp_path / "in.png"), str(tmp_path / "á b.png"), scale=2)
    assert report.output_size == (10, 12)


def test_enlarge_still_works_and_names_its_successor_where_it_is_called(tmp_path):
    source = save(tmp_path / "in.png", noise(5, 6, 3))
    superres.upscale_file(source, tmp_path / "new.png", scale=2)
    with pytest.warns(DeprecationWarning, match=r"superres\.upscale_file") as caught:
        superres.enlarge(source, tmp_path / "old.png", scale=2)
    assert caught[0].filename == __file__
    assert (tmp_path / "old.png").read_bytes() == (tmp_path / "new.png").read_bytes()


@pytest.mark.parametrize(
    ("values", "found"), [({"scale": 0}, "scale: .* got 0"), ({"size": (0, 5)}, "got 5 x 0")]
)
def test_a_bad_value_is_an_error_of_ours_before_any_file_is_read(tmp_path, values, found):
    with pytest.raises(ArgumentError, match=found):
        superres.upscale_file(tmp_path / "none.png", tmp_path / "out.png", **values)


def test_a_cancelled_job_leaves_no_output(tmp_path):
    source = save(tmp_path / "in.png", noise(300, 50, 3))
    watch = Watch(on_progress=lambda done, total: watch.cancel())
    job = PictureJob(source=source, target=tmp_path / "out.png", run=RunOptions(tile=64))
    with pytest.raises(Cancelled):
        upscale_picture(job, ModelPool(), watch)
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


def test_a_file_that_is_called_as_a_pipe_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "in.png", noise(8, 9, 3)).rename("-")
    job = PictureJob(source=Path("-"), target=tmp_path / "a.png")
    report = upscale_picture(job, ModelPool(), Watch())
    assert (report.source, report.target) == ("./-", str(tmp_path / "a.png"))
    assert open_picture(tmp_path / "a.png").width == 36


def test_a_pipe_without_a_stream_is_an_error(tmp_path):
    job = PictureJob(source="-", target=tmp_path / "out.png")
    with pytest.raises(ArgumentError, match="no stream was given"):
        upscale_picture(job, ModelPool(), Watch())


@pytest.fixture
def _with_real(tmp_path_factory, monkeypatch):
    """Let the zoo have a family `real` at two scales, which is the default under another name."""
    folder = tmp_path_factory.mktemp("weights")
    embedded, hashes = zoo.weights_folder(), {}
    for family, scale in (("default", 2), ("default", 4), ("real", 2), ("real", 4)):
        data = (embedded / f"default-x{scale}.onnx").read_bytes()
        (folder / f"{family}-x{scale}.onnx").write_bytes(data)
        hashes[f"{family}-x{scale}.onnx"] = hashlib.sha256(data).hexdigest()
    (folder / zoo.MANIFEST_NAME).write_text(json.dumps(hashes))
    monkeypatch.setattr(zoo, "weights_folder", lambda: folder)
    zoo.open_embedded.cache_clear()
    yield
    zoo.open_embedded.cache_clear()


def clean_and_damaged(folder):
    """Save a picture with sharp edges, and the same as a JPEG of low quality."""
    pixels = noise(9, 12, 3).repeat(6, 0).repeat(6, 1)
    clean, damaged = save(folder / "clean.png", pixels), folder / "damaged.jpg"
    write_picture(
        damaged, [pixels], height=54, width=72, bands=Bands.of(3), values=UINT8,
        metadata=NOTHING, options=WriteOptions(quality=40),
    )  # fmt: skip
    return clean, damaged


@pytest.mark.usefixtures("_with_real")
def test_auto_takes_each_file_of_a_batch_to_the_model_that_suits_it(tmp_path):
    said: list[str] = []
    one = file_upscaler(model="auto")
    reports = [
        one.upscale(source, tmp_path / f"{index}.png", notice=said.append)
        for index, source in enumerate(clean_and_damaged(tmp_path) * 2)
    ]
    assert [report.model for report in reports] == ["default", "real"] * 2
    reasons = ["(little compression, noise or blur)", "(JPEG quality of about 40)"] * 2
    for report, reason in zip(reports, reasons, strict=True):
        line = f"{report.source}: model {report.model} {reason}"
        assert report.output_size == (216, 288)
        assert line in report.notes
        assert line in said


@pytest.mark.usefixtures("_with_real")
@pytest.mark.parametrize(
    ("wanted", "size"),
    [({"scale": 2}, (108, 144)), ({"scale": 3}, (162, 216)), ({"size": (60, 80)}, (60, 80))],
)
def test_auto_meets_scales_that_the_chosen_model_has_not(tmp_path, wanted, size):
    _, damaged = clean_and_damaged(tmp_path)
    report = file_upscaler(model="auto", **wanted).upscale(damaged, tmp_path / "out.png")
    assert (report.model, report.output_size) == ("real", size)


@pytest.mark.usefixtures("_with_real")
def test_auto_looks_at_bytes_as_at_files(tmp_path):
    _, damaged = clean_and_damaged(tmp_path)
    report = file_upscaler(model="auto").upscale(damaged.read_bytes(), io.BytesIO())
    assert report.model == "real"
    assert "the picture in memory: model real (JPEG quality of about 40)" in report.notes


def test_a_wrong_model_is_told_before_any_file_is_read(tmp_path):
    with pytest.raises(UnknownNameError, match="named 'autoo'"):
        file_upscaler(model="autoo").upscale(tmp_path / "none.png", tmp_path / "out.png")
