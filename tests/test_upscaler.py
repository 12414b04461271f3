"""Arrays through a model: routes, layouts, depths, sizes, and errors."""

import itertools

import numpy as np
import pytest
import torch

import superres
from superres.errors import ArgumentError, UnknownNameError
from superres.frame import FLOAT32, Bands, Values
from superres.images.resize import resize
from superres.infer.route import plan_route
from superres.modelfiles.checkpoint import card_for, load_network, save_network
from superres.networks.catalog import network_config
from superres.runtimes.export import export_onnx
from superres.runtimes.open import open_runtime
from superres.upscaler import RunOptions, Upscaler
from superres.watch import Watch
from superres.zoo import resolve

OFFERED = (2, 3, 4)


def quiet(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Return the path of a tiny untrained ×2 model."""
    torch.manual_seed(0)
    config = {"scale": 2, "features": 8, "blocks": 1}
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_network(network_config("lean", config).build(), card_for("tiny", "lean", config), path)
    network, card = load_network(path)
    export_onnx(network, card, path.with_suffix(".onnx"), half=False)
    return str(path.with_suffix(".onnx"))


@pytest.fixture(scope="module")
def upscaler(tiny):
    return Upscaler(tiny, RunOptions(precision="fp32"))


@pytest.mark.parametrize(
    ("scale", "passes"),
    [(1.5, (2,)), (2, (2,)), (2.1, (3,)), (4, (4,)), (4.5, (4, 2)), (8, (4, 2)), (16, (4, 4)),
     (0.5, ()), (1, ())],
)  # fmt: skip
def test_a_route_takes_the_next_larger_network_or_the_largest_again(scale, passes):
    route = plan_route((100, 60), OFFERED, scale, None)
    assert route.passes == passes
    assert route.target == (round(100 * scale), round(60 * scale))


def test_a_target_of_another_shape_is_reached_by_its_larger_ratio():
    assert plan_route((100, 100), OFFERED, None, (150, 310)).passes == (4,)


def test_without_a_wish_the_largest_network_runs_once():
    assert plan_route((10, 10), OFFERED, None, None).target == (40, 40)


@pytest.mark.parametrize(
    ("scale", "size", "found"),
    [(2, (5, 5), "mutually exclusive"), (0, None, "above 0"), (float("nan"), None, "above 0"),
     (None, (0, 5), "at least 1x1"), (65, None, "passes")],
)  # fmt: skip
def test_impossible_routes_are_refused(scale, size, found):
    with pytest.raises(ArgumentError, match=found):
        plan_route((10, 10), OFFERED, scale, size)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 1), (9, 7, 2), (9, 7, 3), (9, 7, 4), (1, 1)])
def test_dtype_axes_and_channels_come_back(upscaler, dtype, shape):
    pixels = np.random.default_rng(0).random(shape)
    pixels = pixels.astype(dtype) if dtype == np.float32 else (pixels * 200).astype(dtype)
    large = upscaler(pixels)
    assert large.dtype == dtype
    assert large.shape == (2 * shape[0], 2 * shape[1], *shape[2:])


@pytest.mark.parametrize("size", [(18, 14), (13, 20), (5, 4), (40, 9)])
def test_any_size_can_be_asked_for(upscaler, size):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 4), np.uint8)
    assert upscaler(pixels, size=size).shape == (*size, 4)


def test_alpha_is_upscaled_as_a_grey_picture_is(upscaler):
    rng = np.random.default_rng(0)
    pixels = rng.random((20, 30, 4), dtype=np.float32)
    large = upscaler(pixels)
    alone = upscaler(pixels[..., 3]).clip(0, 1)
    np.testing.assert_allclose(large[..., 3], alone, atol=1e-6)


def test_alpha_can_be_resized_instead(tiny):
    cheap = Upscaler(tiny, RunOptions(precision="fp32", alpha="resize"))
    pixels = np.random.default_rng(0).random((20, 30, 2), dtype=np.float32)
    expected = resize(pixels[..., 1], scale=2).clip(0, 1)
    np.testing.assert_allclose(cheap(pixels)[..., 1], expected, atol=1e-5)


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("scale", [1, 0.5, 2, 3])
def test_alpha_that_is_data_leaves_colour_to_itself_and_is_a_band_of_its_own(tiny, scale, channels):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (20, 30, channels)).astype(np.uint8)
    pixels[..., -1] *= rng.random((20, 30)) < 0.5
    upscaler = Upscaler(tiny, RunOptions(precision="fp32", alpha="data"))
    large = upscaler(pixels, scale=scale)
    colour = upscaler(pixels[..., :-1], scale=scale)
    np.testing.assert_array_equal(large[..., :-1], colour)
    np.testing.assert_array_equal(large[..., -1], upscaler(pixels[..., -1], scale=scale))
    if scale == 1:
        np.testing.assert_array_equal(large, pixels)


def test_data_in_alpha_may_lie_beyond_black_and_white(tiny):
    pixels = np.full((9, 9, 2), 3.0, np.float32)
    large = Upscaler(tiny, RunOptions(precision="fp32", alpha="data"))(pixels)
    np.testing.assert_allclose(large, 3.0, rtol=1e-5)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("scale", [0.5, 1, 1.5, 2, 4])
def test_a_wrapped_picture_is_the_middle_of_its_own_tiling(tiny, scale, channels):
    """Here of 5 x 5; sizes that anchoring's cells of 8 px divide, as textures have."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (32, 40, channels)).astype(np.uint8)
    pixels[..., -1] |= 1  # neither end of opacity
    wrapped = Upscaler(tiny, RunOptions(precision="fp32", wrap="xy"))(pixels, scale=scale)
    tiled = Upscaler(tiny, RunOptions(precision="fp32"))(np.tile(pixels, (5, 5, 1)), scale=scale)
    height, width = wrapped.shape[:2]
    assert (height, width) == (round(32 * scale), round(40 * scale))
    middle = tiled[2 * height : 3 * height, 2 * width : 3 * width]
    assert np.abs(wrapped.astype(int) - middle).max() <= 1  # rounding


@pytest.mark.parametrize(("wrap", "axes"), [("x", (1,)), ("y", (0,)), ("xy", (0, 1))])
def test_the_step_at_the_wrap_is_no_larger_than_inside(wrap, axes):
    texture = resize(np.random.default_rng(3).random((48, 40, 3)), size=(96, 80), border="clamp")
    pixels = (np.roll(texture, (20, 30), (0, 1)).clip(0, 1) * 255).astype(np.uint8)
    pixels = np.tile(pixels, (2, 2, 1))[7:103, 11:91]  # it goes on with itself
    large = Upscaler("espcn", RunOptions(precision="fp32", wrap=wrap))(pixels, scale=2).astype(int)
    for axis in axes:
        lines = np.moveaxis(large, axis, 0)
        inside = np.abs(np.diff(lines, axis=0)).mean((1, 2))
        assert np.abs(lines[0] - lines[-1]).mean() <= inside.max()


@pytest.mark.parametrize("scale", [0.5, 1, 2])
def test_each_band_is_itself_in_all_blocks_of_rows(upscaler, scale):
    pixels = np.random.default_rng(0).integers(0, 256, (150, 9, 5)).astype(np.uint8)
    large = upscaler(pixels, scale=scale, bands=Bands("bands", 5))
    for band in range(5):
        np.testing.assert_array_equal(large[..., band], upscaler(pixels[..., band], scale=scale))


def test_a_picture_that_is_smaller_than_the_halo_wraps(tiny):
    upscaler = Upscaler(tiny, RunOptions(precision="fp32", wrap="xy"))
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
    assert upscaler(pixels, size=(5, 7)).shape == (5, 7)
    one = np.full((1, 1, 3), 77, np.uint8)
    np.testing.assert_array_equal(upscaler(one, scale=2), np.full((2, 2, 3), 77))


def test_black_under_transparent_pixels_does_not_darken_the_edge(upscaler):
    pixels = np.zeros((24, 24, 4), np.float32)
    pixels[6:18, 6:18] = (0.8, 0.7, 0.6, 1.0)
    whole = np.broadcast_to(np.array((0.8, 0.7, 0.6), np.float32), (24, 24, 3))
    edge = (slice(12, 36), slice(12, 36))
    np.testing.assert_allclose(upscaler(pixels)[edge][..., :3], upscaler(whole)[edge], atol=1e-6)


def test_rows_joined_are_the_whole_whatever_the_blocks(upscaler):
    pixels = np.random.default_rng(0).random((41, 23, 4), dtype=np.float32)
    route = plan_route((41, 23), (2,), 1.7, None)

    def run(heights: list[int]) -> np.ndarray:
        blocks = np.split(pixels, list(itertools.accumulate(heights))[:-1])
        return np.concatenate(list(upscaler.rows(blocks, (41, 23), Bands.of(4), FLOAT32, route)))

    np.testing.assert_allclose(run([41]), run([1] * 41), atol=1e-6)
    np.testing.assert_allclose(run([41]), run([30, 4, 7]), atol=1e-6)


def test_the_default_model_makes_no_subpixel_shift():
    """The downscaled output is aligned with the input: no gradient explains the difference."""
    rng = np.random.default_rng(0)
    smooth = resize(rng.random((12, 12)), scale=6).clip(0, 1)  # 72 x 72, without aliases
    small = np.repeat(smooth[..., None], 3, 2).astype(np.float32)
    again = resize(superres.upscale(small, scale=4), scale=0.25).mean(2)
    inner = (slice(8, -8), slice(8, -8))
    rest = (again - small.mean(2))[inner].ravel()
    dy, dx = (g[inner].ravel() for g in np.gradient(small.mean(2)))
    shift, *_ = np.linalg.lstsq(np.stack((dy, dx), 1), -rest, rcond=None)
    assert np.abs(shift).max() < 0.01  # input pixels


@pytest.mark.parametrize("level", [0, 64, 128, 200, 230, 255])
def test_the_default_model_does_not_tint_flat_colour(level):
    flat = np.full((80, 80, 3), level, np.uint8)
    wrong = np.abs(superres.upscale(flat, scale=4).astype(int) - level)
    halo = 4 * resolve("default-x4").card.halo
    assert wrong[halo:-halo, halo:-halo].max() <= 1
    assert wrong.max() <= 2  # near the edge, where the convolutions see padding
    assert (wrong > 1).mean() < 0.0001


def test_scales_beyond_the_largest_network_run_it_again():
    small = np.random.default_rng(0).integers(0, 256, (6, 5, 3), np.uint8)
    assert superres.upscale(small, size=(50, 40)).shape == (50, 40, 3)


def test_an_unknown_model_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'default'"):
        superres.load("defautl")


@pytest.mark.parametrize("pixels", [np.zeros((0, 4)), np.zeros(3), np.zeros((2, 2, 2, 2))])
def test_arrays_that_are_no_picture_are_refused(upscaler, pixels):
    with pytest.raises(ArgumentError, match="got shape"):
        upscaler(pixels.astype(np.uint8))


@pytest.mark.parametrize("scale", [0.5, 1, 1.5, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_frame_in_one_piece_equals_its_rows(upscaler, scale, channels):
    frame = np.random.default_rng(0).random((24, 37, channels), dtype=np.float32)
    route = plan_route((24, 37), upscaler.offered, scale, None)
    rows = upscaler.rows((frame,), (24, 37), Bands.of(channels), FLOAT32, route)
    assert np.array_equal(upscaler.frame(frame, route), np.concatenate(list(rows)))


@pytest.fixture
def opened(monkeypatch):
    """Return the number formats that backends are opened in."""
    requested = []

    def open_and_note(found, options, *, memory, watch):
        requested.append(options.precision)
        return open_runtime(found, options.exact(), watch=watch)

    monkeypatch.setattr("superres.upscaler.open_checked", open_and_note)
    return requested


@pytest.mark.parametrize(
    ("requested", "dtype", "run_in"),
    [
        ("auto", np.uint8, ["auto"]),
        ("auto", np.uint16, ["fp32"]),
        ("auto", np.float32, ["fp32"]),
        ("bf16", np.uint16, ["bf16"]),
        ("fp32", np.uint8, ["fp32"]),
    ],
)
def test_pictures_finer_than_8_bits_run_in_fp32_unless_a_format_is_asked_for(
    tiny, opened, requested, dtype, run_in
):
    upscaler = Upscaler(tiny, RunOptions(precision=requested))
    pixels = np.ones((8, 9, 3), dtype)
    upscaler(pixels, scale=2)
    upscaler(pixels, scale=3)
    assert opened == run_in


def test_floats_of_an_8_bit_picture_run_as_that_does_on_request(tiny, opened):
    small = np.full((8, 9, 3), 0.25, np.float32)
    large = Upscaler(tiny, RunOptions())(small, scale=2, exact=False)
    assert opened == ["auto"]
    assert large.dtype == np.float32


def test_a_folder_of_both_kinds_opens_a_network_for_each_and_says_so_once(tiny):
    lines = []
    upscaler = Upscaler(tiny, RunOptions(), watch=Watch(on_note=lines.append))
    for dtype in (np.uint8, np.uint16, np.uint8, np.uint16):
        upscaler(np.ones((8, 9), dtype), scale=2)
    assert len(lines) == 2
    assert "running on" in lines[0]
    assert "in fp32" in lines[1]


@pytest.mark.parametrize(
    ("shape", "values"),
    [
        ((20, 30, 6), Values("int16", -2000, 9000)),
        ((20, 30), Values("uint16", 0, 4095)),
        ((20, 30, 2), Values.of("uint32")),
        ((20, 30, 5), Values("float64", -1.0, 3.0)),
    ],
)
def test_any_bands_and_numbers_come_back_as_they_were(shape, values):
    random = np.random.default_rng(3)
    span = values.white - values.black
    small = (values.black + span * random.random(shape)).astype(values.dtype)
    large = superres.upscale(small, scale=2, model="espcn", values=values)
    assert large.shape == (40, 60, *shape[2:])
    assert large.dtype == small.dtype
    if values.whole:
        assert large.min() >= values.black
        assert large.max() <= values.white
    means = large.astype(np.float64).mean((0, 1)), small.astype(np.float64).mean((0, 1))
    np.testing.assert_allclose(*means, atol=0.05 * span)


def test_each_band_goes_through_the_network_as_grey():
    random = np.random.default_rng(4)
    small = random.integers(0, 256, (16, 20, 6)).astype(np.uint8)
    model = superres.load("espcn", scale=2)
    large = model(small)
    for band in range(6):
        np.testing.assert_array_equal(large[..., band], model(small[..., band]))


def test_what_lies_under_nodata_is_never_seen_and_the_gap_keeps_its_place():
    values = Values("int16", 0, 1000, nodata=-32768)
    small = np.full((24, 24, 5), 400, np.int16)
    small[6:10, 5:12, 1] = -32768
    small[:, -3:, 3] = -32768
    large = superres.upscale(small, scale=2, model="espcn", values=values)
    expected = np.repeat(np.repeat(small == -32768, 2, 0), 2, 1)
    np.testing.assert_array_equal(large == -32768, expected)
    clean = superres.upscale(
        np.full((24, 24), 400, np.int16), scale=2, model="espcn", values=values
    )
    for band in range(5):
        seen = large[..., band] != -32768
        np.testing.assert_allclose(large[..., band][seen], clean[seen], atol=1)


def test_nodata_at_any_size_lies_where_its_centres_lie():
    values = Values("float32", 0, 1, nodata=float("nan"))
    small = np.random.default_rng(5).random((30, 20), np.float32)
    small[10:20, 4:8] = np.nan
    large = superres.upscale(small, size=(45, 33), model="espcn", values=values)
    rows, columns = ((np.arange(n) + 0.5) * m / n for n, m in ((45, 30), (33, 20)))
    gap = ((rows >= 10) & (rows < 20))[:, None] & ((columns >= 4) & (columns < 8))[None]
    np.testing.assert_array_equal(np.isnan(large), gap)


def test_bands_that_are_not_the_array_s_are_refused():
    with pytest.raises(ArgumentError, match="has 3 channels, its bands have 6"):
        superres.upscale(np.zeros((8, 8, 3), np.uint8), model="espcn", bands=Bands("bands", 6))
