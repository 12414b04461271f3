"""What the network of many frames is shown, what is made of its answer, and how good that is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

import superres
from superres import model_pool, zoo
from superres.burst import fuse
from superres.burst.fuse import FuseOptions, fuse_burst
from superres.burst.network import fuse_aligned, nearest_samples, open_network
from superres.errors import ModelError
from superres.imaging.aligned import Aligned
from superres.imaging.motion import Motion, centre_of, grid, identity_motion, mapped, similarity
from superres.imaging.reconstruction import project
from superres.infer.burst_input import frame_input
from superres.metrics import Protocol, psnr
from superres.model_pool import ModelPool
from superres.modelfiles.checkpoint import card_for, save_network
from superres.networks.catalog import network_config
from superres.upscaler import RunOptions
from superres.watch import Watch
from synthesise import Shaking, make_burst

SIZE = (21, 30)
SHAPE = {"features": 8, "blocks": 1, "frame_blocks": 1, "scale": 4}
needs_model = pytest.mark.skipif(
    not zoo.embedded_scales(zoo.BURST), reason="no model of many frames is embedded"
)


def write(folder: Path, noise: float) -> str:
    torch.manual_seed(1)
    network = network_config("burst_recurrent", SHAPE).build()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(noise * torch.randn_like(parameter))
    path = folder / "tiny.safetensors"
    save_network(network, card_for("tiny-x4", "burst_recurrent", SHAPE), path)
    return str(path)


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> str:
    """Return the file of a tiny network whose answer depends on all that it is given."""
    return write(tmp_path_factory.mktemp("models"), 0.05)


@pytest.fixture(scope="session")
def fresh(tmp_path_factory) -> str:
    """Return the file of one that repeats the reference's pixels, nearly."""
    return write(tmp_path_factory.mktemp("models"), 0.0)


@pytest.fixture(scope="session")
def engine(model):
    return open_network(model, 4, RunOptions(precision="fp32"), Watch())


def score(pixels: np.ndarray, truth: np.ndarray) -> float:
    return psnr(pixels, truth, protocol=Protocol(channels="rgb", border=4))


def swelling(height: float) -> np.ndarray:
    """Return a flow (2, h, w) that is this large in the middle."""
    rows, columns = grid(SIZE)
    hill = height * np.exp(-(rows**2 + columns**2) / 40)
    return np.stack((hill, -0.5 * hill)).astype(np.float32)


TILTED = np.array([[1.02, 0.01, 0.4], [-0.02, 0.99, -0.6], [2e-4, -3e-4, 1.0]])
MOTIONS = {
    "still": identity_motion(),
    "shift": Motion(similarity(1.3, -2.4, 0.0)),
    "turn": Motion(similarity(0.4, 0.7, 9.0)),
    "homography": Motion(TILTED),
    "flow": Motion(similarity(0.4, 0.7, 1.0), swelling(1.5)),
}


# --- what it is shown


@pytest.mark.parametrize("name", MOTIONS)
def test_places_and_their_inverse_lead_back(name):
    motion = MOTIONS[name]
    there = motion.inverse(SIZE)
    if motion.flow is None:
        again = mapped(motion.matrix, *there)
    else:
        rows, columns = (places.round().astype(int) for places in there + centre_of(SIZE))
        near = (rows >= 0) & (rows < SIZE[0]) & (columns >= 0) & (columns < SIZE[1])
        rows, columns = rows.clip(0, SIZE[0] - 1), columns.clip(0, SIZE[1] - 1)
        # The flow of the nearest pixel, which differs a little from the flow in between.
        again = mapped(motion.matrix, *there) + motion.flow[:, rows, columns] * near
    whole = np.stack(np.broadcast_arrays(*grid(SIZE)))
    off = np.abs(again - whole)[:, 3:-3, 3:-3].max()
    assert off < (1e-4 if motion.flow is None else 0.2)


@pytest.mark.parametrize("name", MOTIONS)
def test_each_sample_is_the_nearest_and_comes_with_its_distance(name):
    motion = MOTIONS[name]
    # Its colours say where a frame's pixel lies on the reference.
    frame = (motion.places(SIZE) + centre_of(SIZE)).astype(np.float32)
    made = frame_input(frame, None, nearest_samples(motion, SIZE))
    valid = made[-1] > 0
    distance = (made[:2] - np.indices(SIZE))[:, valid]
    np.testing.assert_allclose(made[2:4][:, valid], distance.clip(-0.499, 0.499), atol=1e-3)
    assert np.abs(distance).max() <= 0.75
    assert np.mean(np.abs(distance) <= 0.5) > 0.9
    assert valid[4:-4, 5:-5].all()


def visible(motion: Motion) -> np.ndarray:
    """Say which pixels of the reference a frame shows, (h, w)."""
    black = np.zeros((1, *SIZE), np.float32)
    return frame_input(black, None, nearest_samples(motion, SIZE))[-1] > 0


def test_what_a_flow_hides_has_no_sample():
    flow = np.zeros((2, *SIZE), np.float32)
    flow[1, :, 15:] = 6.0  # the right half has moved away from the left
    seen = visible(Motion(np.eye(3), flow))
    assert not seen[:, 16:20].any()
    assert seen[:, :14].all()


def test_pixels_beyond_the_frame_have_no_sample():
    seen = visible(Motion(similarity(0.0, 4.0, 0.0)))
    assert not seen[:, :4].any()
    assert seen[:, 4:].all()


def aligned(colours: np.ndarray) -> list[Aligned]:
    moves = (
        identity_motion(),
        Motion(similarity(0.3, -0.4, 0.5)),
        Motion(similarity(-0.4, 0.2, -0.5)),
    )
    return [
        Aligned(index, planes, np.ones(SIZE, np.float32), move)
        for index, (planes, move) in enumerate(zip(colours, moves, strict=True))
    ]


@pytest.fixture(scope="module")
def colours() -> np.ndarray:
    return np.random.default_rng(0).random((3, 3, *SIZE), dtype=np.float32)


def test_pixels_that_are_not_believed_leave_no_trace(engine, colours):
    weights = [np.ones(SIZE, np.float32) for _ in range(3)]
    weights[1][5:12, 8:20] = 0.2
    other = colours.copy()
    other[1][:, 5:12, 8:20] = 1.0 - other[1][:, 5:12, 8:20]
    one, same = (fuse_aligned(engine, aligned(c), weights, c[0]) for c in (colours, other))
    np.testing.assert_array_equal(one, same)
    weights[1][:] = 1.0
    seen = fuse_aligned(engine, aligned(other), weights, other[0])
    assert np.abs(seen - one)[:, 28:40, 40:70].max() > 1e-3


def test_a_gap_of_the_reference_is_filled_from_frames_and_never_black(engine, colours):
    weights = [np.ones(SIZE, np.float32) for _ in range(3)]
    frames = aligned(colours)
    gap = np.s_[6:14, 8:18]
    frames[0].usable[gap] = 0.0
    base = colours[0].copy()
    made = [fuse_aligned(engine, frames, weights, base)]
    base[:, 6:14, 8:18] = 0.0  # where other frames see, their colours count
    made.append(fuse_aligned(engine, frames, weights, base))
    np.testing.assert_array_equal(made[0], made[1])
    for weight in weights[1:]:
        weight[:] = 0.0  # where none sees, what was made up does
    made.append(fuse_aligned(engine, frames, weights, base))
    assert np.abs(made[2] - made[1]).max() > 1e-2


def test_grey_goes_as_three_equal_channels_and_bands_one_by_one(engine, colours):
    weights = [np.ones(SIZE, np.float32) for _ in range(3)]
    equal = np.repeat(colours[:, :1], 3, axis=1)
    expected = fuse_aligned(engine, aligned(equal), weights, equal[0]).mean(axis=0)
    grey = fuse_aligned(engine, aligned(colours[:, :1]), weights, colours[0, :1])
    np.testing.assert_allclose(grey[0], expected, atol=1e-6)
    bands = np.concatenate((colours, colours[:, :2]), axis=1)
    made = fuse_aligned(engine, aligned(bands), weights, bands[0])
    assert made.shape == (5, 4 * SIZE[0], 4 * SIZE[1])
    np.testing.assert_allclose(made[[0, 3]], grey[[0, 0]], atol=1e-6)


# --- from frames to a picture


def test_the_report_says_what_fused(burst, fresh):
    made = fuse_burst(burst.frames[:3], FuseOptions(model=fresh, reference=0))
    assert (made.method, made.model) == ("network", fresh)
    assert made.pixels.shape == burst.truth.shape
    assert min(report.weight for report in made.frames) > 0.7


def test_one_frame_is_upscaled_as_upscale_does(burst, model):
    frame = burst.frames[0]
    expected = superres.upscale(frame, scale=4)
    np.testing.assert_array_equal(superres.fuse([frame], model=model), expected)
    again = fuse_burst([frame, frame.copy()], FuseOptions(model=model))
    np.testing.assert_array_equal(again.pixels, expected)
    assert again.model == "default"


@pytest.fixture
def starts(monkeypatch) -> list[np.ndarray]:
    """Return a list that gets what back-projection begins with, whenever it does."""
    begun: list[np.ndarray] = []

    def noted(aligned, start, *rest, **more):
        begun.append(start.transpose(1, 2, 0))
        return project(aligned, start, *rest, **more)

    monkeypatch.setattr(fuse, "project", noted)
    return begun


@pytest.mark.parametrize("scale", [1, 2.5, 5.5])
def test_any_scale_is_made_of_the_network_and_a_resize_or_a_second_network(
    burst, model, starts, scale
):
    frames = [frame.astype(np.float32) / 255 for frame in burst.frames[:2]]
    height, width = frames[0].shape[:2]
    size = (round(height * scale), round(width * scale))
    answers = []
    for asked in (4, scale):
        made = superres.fuse(frames, scale=asked, model=model, reference=0)
        answers.append(starts[-1])
    assert made.shape == (*size, 3)
    whole, answer = answers
    grown = superres.upscale(whole, size=size) if scale > 4 else superres.resize(whole, size=size)
    # Only nearly: which pixels are believed depends on the scale a little.
    assert np.median(np.abs(grown - answer)) < 1e-4


def test_the_networks_answer_is_corrected_by_the_frames(burst, fresh, starts):
    made = fuse_burst(burst.frames, FuseOptions(model=fresh, reference=0))
    answer = np.clip(255.0 * starts[-1], 0, 255).astype(np.uint8)
    assert score(made.pixels, burst.truth) > score(answer, burst.truth) + 0.5


@pytest.mark.parametrize("shape", [(), (1,), (2,), (4,), (5,)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_every_layout_and_depth_comes_back(scene, model, shape, dtype):
    white = {"uint8": 255, "uint16": 65535, "float32": 1.0}[dtype]
    grey = scene[:133, :189].mean(axis=2) / 255.0
    frames = [grey[y::4, x::4][:33, :47] for y, x in ((0, 0), (1, 2), (3, 1))]
    stacked = [(np.repeat(f[..., None], shape[0], axis=2) if shape else f) * white for f in frames]
    if shape in ((2,), (4,)):
        for one in stacked:
            one[..., -1] = white
    made = superres.fuse([f.astype(dtype) for f in stacked], model=model, reference=0)
    assert made.dtype == dtype
    assert made.shape == (132, 188, *shape)
    if shape in ((2,), (4,)):
        assert (made[..., -1] >= 0.99 * white).all()


def test_a_model_of_many_frames_is_refused_where_one_frame_is_upscaled(model):
    with pytest.raises(
        ModelError,
        match=r"takes bursts of frames, single pictures were requested\nhint: superres burst",
    ):
        superres.upscale(np.zeros((9, 9, 3), np.uint8), model=model)


# --- how good the embedded one is


@pytest.fixture(scope="module")
def photo(pictures):
    return make_burst(pictures[2][:256, :272], count=8, scale=4, seed=2, shaking=Shaking())


def quality(burst, count: int, method: str = "network", model: str | None = None) -> float:
    options = FuseOptions(method=method, model=model, reference=0)
    return score(fuse_burst(burst.frames[:count], options).pixels, burst.truth)


@needs_model
def test_eight_frames_gain_much_over_one_and_over_what_there_was_before(photo):
    eight = quality(photo, 8)
    assert eight > quality(photo, 1) + 1.5
    assert eight > quality(photo, 8, "drizzle", "bicubic") + 0.5
    assert eight > quality(photo, 8, "backproject", "bicubic") + 0.4  # benchmarks: 0.57 on average
    assert eight > quality(photo, 8, "backproject")


@needs_model
@pytest.mark.parametrize("count", [2, 3, 5])
def test_no_count_is_worse_than_one_frame(photo, count):
    assert quality(photo, count) > quality(photo, 1)


@needs_model
def test_the_order_of_frames_does_not_matter(photo):
    order = np.random.default_rng(3).permutation(8)
    options = FuseOptions(method="network", reference=int(np.flatnonzero(order == 0)[0]))
    shuffled = fuse_burst([photo.frames[i] for i in order], options).pixels
    assert score(shuffled, photo.truth) == pytest.approx(quality(photo, 8), abs=0.05)


@needs_model
def test_a_thing_that_moves_leaves_no_ghost(photo):
    frames = [frame.copy() for frame in photo.frames]
    for index, frame in enumerate(frames[1:], start=1):
        frame[8:18, 4 * index : 4 * index + 8] = (250, 20, 20)
    options = FuseOptions(method="network", reference=0)
    one, other = (fuse_burst(f, options).pixels.astype(int) for f in (frames, photo.frames))
    area = np.s_[32:72, 16:]
    assert abs(one - other)[area].mean() < 3
    assert np.percentile(abs(one - other)[area], 99.5) < 40


@needs_model
def test_both_files_of_the_embedded_model_answer_alike(photo):
    made = {}
    for backend in ("torch", "openvino"):
        run = RunOptions(backend=backend, precision="fp32", device="cpu")
        options = FuseOptions(method="network", reference=0, run=run)
        frames = [frame.astype(np.float32) / 255 for frame in photo.frames[:3]]
        made[backend] = fuse_burst(frames, options).pixels
    assert np.abs(made["torch"] - made["openvino"]).max() < 1e-4


def test_jobs_that_share_a_pool_open_a_network_once_and_each_hears_of_it(model, monkeypatch):
    opened: list[str] = []
    open_it = model_pool.open_runtime

    def counting(found, run, *, takes, watch):
        opened.append(takes)
        watch.note("opened")
        return open_it(found, run, takes=takes, watch=watch)

    monkeypatch.setattr(model_pool, "open_runtime", counting)
    pool, run, watches = ModelPool(), RunOptions(precision="fp32"), [Watch(), Watch()]
    first, second = (open_network(model, 4, run, watch, pool) for watch in watches)
    assert opened == ["burst"]
    assert watches[0].notes[0] == "opened"
    assert watches[1].notes == watches[0].notes
    assert first.card == second.card
    open_network(model, 4, RunOptions(precision="fp32", threads=1), Watch(), pool)
    open_network(model, 4, run, Watch())
    assert opened == ["burst"] * 3


def test_two_bursts_on_one_pool_at_once_are_each_right_to_the_pixel(model):
    pool, run = ModelPool(), RunOptions(precision="fp32")
    shots = [np.random.default_rng(seed).random((4, 20, 24, 3), np.float32) for seed in range(4)]

    def fused(frames, models):
        options = FuseOptions(model=model, run=run)
        return fuse_burst(list(frames), options, models=models).pixels

    expected = [fused(frames, None) for frames in shots]
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda frames: fused(frames, pool), shots))
    for one, other in zip(made, expected, strict=True):
        np.testing.assert_array_equal(one, other)
