"""Int8 forms of graphs, and the pictures that their ranges are measured on."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from int8_graph import convolutions, measure_ranges, quantised, read_in_fp32, run, with_halves
from quantise import Crops, choose, cut_crops, mean_loss_db, patterns
from superres.frame import UINT8, Bands
from superres.media import write_picture
from superres.metadata.header import Metadata
from superres.modelfiles.onnx_weights import read_initialisers


@pytest.fixture(scope="module")
def graph(model_file):
    return read_in_fp32(model_file("lean").onnx)


@pytest.fixture
def pictures():
    return np.random.default_rng(0).random((3, 3, 24, 20), np.float32)


@pytest.fixture
def folder(tmp_path):
    """A folder of pictures, one of them too small."""
    for number, edge in enumerate((200, 220, 20)):
        pixels = np.random.default_rng(number).integers(0, 256, (edge, edge, 3), np.uint8)
        write_picture(
            tmp_path / f"{number}.png", [pixels], height=edge, width=edge, bands=Bands.of(3),
            values=UINT8, metadata=Metadata(None, None, None, None),
        )  # fmt: skip
    return tmp_path


def stored(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}


def test_weights_in_fp32_are_the_files_and_give_the_same_pictures(model_file, graph, pictures):
    path = model_file("lean").onnx
    halves = read_initialisers(path)
    for name in convolutions(graph):
        assert stored(graph)[name].dtype == np.float32
        assert np.array_equal(stored(graph)[name], halves[f"{name}.half"].astype(np.float32))
    whole: onnx.ModelProto = onnx.load(path)
    assert np.array_equal(run(graph, pictures), run(whole, pictures))


def test_halves_take_half_the_bytes_and_change_nothing(graph, pictures):
    small = with_halves(graph)
    assert small.ByteSize() < 0.7 * graph.ByteSize()
    assert np.array_equal(run(graph, pictures), run(small, pictures))


def test_a_form_without_int8_convolutions_is_the_graph(graph, pictures):
    ranges = measure_ranges(graph, pictures)
    same = quantised(graph, ranges, set())
    assert np.array_equal(run(graph, pictures), run(same, pictures))


@pytest.mark.parametrize("architecture", ["lean", "span", "espcn", "srcnn", "fsrcnn", "smfanet"])
def test_forms_of_any_network_are_valid_and_near(model_file, architecture, pictures):
    graph = read_in_fp32(model_file(architecture).onnx)
    names = convolutions(graph)
    assert names
    form = quantised(graph, measure_ranges(graph, pictures), set(names))
    onnx.checker.check_model(form)
    exact, rounded = run(graph, pictures), run(form, pictures)
    assert 0 < np.abs(exact - rounded).mean() < 0.05 * exact.std()


def test_ranges_are_those_of_each_channel_over_all_pictures(graph, pictures):
    few, all_ = measure_ranges(graph, pictures[:1]), measure_ranges(graph, pictures)
    (name, *_) = sorted(few.keys() - {"small"})
    assert few[name].low.shape == (16,)
    for one in few:
        assert (all_[one].low <= few[one].low).all()
        assert (all_[one].high >= few[one].high).all()
    assert (all_["small"].low.max(), all_["small"].high.min()) == (0, 1)


def test_levels_of_8_bit_pictures_are_kept_exactly(graph):
    """The picture's own steps are those of 8 bits, so its rounding changes nothing."""
    levels = np.arange(256).reshape(1, 1, 16, 16).repeat(3, axis=1) / np.float32(255)
    ranges = measure_ranges(graph, levels.astype(np.float32))
    form = quantised(graph, ranges, {convolutions(graph)[0]})
    scale, zero = (float(stored(form)[f"small.{part}"]) for part in ("scale", "zero"))
    assert zero == 0
    assert scale == pytest.approx(1 / 255, rel=1e-6)


def test_weights_and_activations_are_bytes(graph, pictures):
    form = quantised(graph, measure_ranges(graph, pictures), set(convolutions(graph)))
    levels = {name: one for name, one in stored(form).items() if name.endswith("weight.levels")}
    assert len(levels) == len(convolutions(graph))
    for one in levels.values():
        assert one.dtype == np.int8
        assert np.abs(one.astype(int)).max() == 127


def test_values_beyond_the_range_are_clipped_which_is_why_patterns_are_measured(graph):
    calm = np.full((1, 3, 24, 24), 0.5, np.float32)
    wild = patterns()[:1, :, :24, :24]
    ranges = measure_ranges(graph, calm), measure_ranges(graph, np.concatenate([calm, wild]))
    exact = run(graph, wild)
    names = set(convolutions(graph)[1:-1])
    forms = (quantised(graph, one, names) for one in ranges)
    narrow, wide = (np.abs(run(form, wild) - exact).mean() for form in forms)
    assert narrow > 3 * wide


def test_the_form_keeps_as_few_floats_as_the_loss_allows(graph):
    """The truth here is what the floats answer, so that every rounding costs something."""
    small = np.random.default_rng(1).random((4, 3, 48, 48), np.float32)
    crops = Crops(small, run(graph, small).clip(0, 1), small)
    loose, tight = (choose(graph, crops, most) for most in (100.0, 0.1))
    count = len(convolutions(graph))
    assert len([n for n in stored(loose) if n.endswith("weight.levels")]) == count
    assert 0 < len([n for n in stored(tight) if n.endswith("weight.levels")]) < count
    with pytest.raises(SystemExit, match="no int8 form loses at most -1"):
        choose(graph, crops, -1)


def test_crops_are_downscaled_in_levels_of_8_bits_and_cut_as_they_are(folder, model_file):
    crops = cut_crops(folder, model_file("lean").card, 5)
    assert crops.small.shape == crops.crisp.shape == (2, 3, 48, 48)  # the third picture is small
    assert crops.truth.shape == (2, 3, 192, 192)
    for one in (crops.small, crops.crisp):
        assert np.abs(255 * one - np.rint(255 * one)).max() < 1e-4
    assert crops.crisp.std() > 2 * crops.small.std()  # noise, which downscaling averages


def test_a_folder_without_pictures_ends_the_script(tmp_path, model_file):
    with pytest.raises(SystemExit, match="holds no 8-bit RGB pictures"):
        cut_crops(tmp_path, model_file("lean").card, 5)


def test_patterns_reach_black_and_white():
    made = patterns()
    assert made.shape[1:] == (3, 48, 48)
    assert (made.min(), made.max()) == (0, 1)


def test_the_loss_is_that_of_psnr_a_crop():
    truth = np.zeros((2, 3, 4, 4), np.float32)
    exact, worse = truth + np.float32(0.1), truth + np.float32(0.2)
    assert mean_loss_db(truth, exact, exact) == 0
    assert mean_loss_db(truth, exact, worse) == pytest.approx(6.02, abs=0.01)
