"""The video engine: history, restarts, invisible tiles, and faults."""

import numpy as np
import pytest
import torch

from superres.errors import ArgumentError, ModelError, NumericalError, OutOfMemoryError
from superres.infer.video import VideoEngine
from superres.modelfiles.checkpoint import card_for, save_network
from superres.modelfiles.files import open_model_file
from superres.networks.catalog import network_config
from superres.networks.video_recurrent import VideoRecurrent
from superres.runtimes.export import export_onnx
from superres.runtimes.open import BACKENDS, open_runtime
from superres.runtimes.runtime import Precision, RuntimeFacts, RuntimeOptions
from superres.watch import Watch

SMALL = {"features": 8, "blocks": 1, "history_blocks": 1, "memory": 4, "scale": 2}
CARD = card_for("small video", "video_recurrent", SMALL)


def build():
    torch.manual_seed(0)
    network = network_config("video_recurrent", SMALL).build().eval()
    assert isinstance(network, VideoRecurrent)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.03 * torch.randn_like(parameter))
    return network


class TorchHalves:
    """A bare runtime; it fails for tiles above a number of pixels."""

    def __init__(self, most_px=10**9, answer=None, precision: Precision = "fp32"):
        self.network, self.most_px, self.answer = build(), most_px, answer
        self.facts = RuntimeFacts("torch", "cpu", precision, 64, 1, 10**9)
        self.tiles = []

    @torch.inference_mode()
    def run(self, graph, tensors):
        given = [torch.from_numpy(tensors[port.name]) for port in CARD.graph(graph).inputs]
        if graph == "align":
            return {"aligned": self.network.align(*given).numpy()}
        (tiles,) = given
        if tiles.shape[2] * tiles.shape[3] > self.most_px:
            raise OutOfMemoryError("no room", "use less")
        self.tiles.append(tuple(tiles.shape))
        large, memory = self.network.restore(tiles)
        if self.answer is not None:
            large = torch.full_like(large, self.answer)
        return {"large": large.numpy(), "memory_next": memory.numpy()}


def engine(backend=None, **more):
    said = []
    options = {"fallback": None, "watch": Watch(on_note=said.append), **more}
    return VideoEngine(CARD, backend or TorchHalves(), **options), said


def frames(count=4, height=48, width=64):
    rng = np.random.default_rng(0)
    coarse = rng.random((height // 4 + 4, width // 4 + 4, 3)).repeat(4, 0).repeat(4, 1)
    return [coarse[t : t + height, :width].astype(np.float32) for t in range(count)]


def expected(clip):
    x = torch.from_numpy(np.stack(clip)).permute(0, 3, 1, 2)[None]
    with torch.inference_mode():
        return build()(x)[0].permute(0, 2, 3, 1).numpy()


def test_frames_in_order_are_what_the_network_makes_of_the_clip():
    running, _ = engine()
    made = [running.upscale(frame) for frame in frames()]
    assert np.abs(np.stack(made) - expected(frames())).max() < 1e-5


def test_tiles_are_invisible_with_history_too():
    backend = TorchHalves()
    running, _ = engine(backend, tile=34)
    made = [running.upscale(frame) for frame in frames()]
    assert len(backend.tiles) > 4 * 2
    assert np.abs(np.stack(made) - expected(frames())).max() < 1e-5


def test_a_restart_makes_the_next_frame_the_first():
    running, _ = engine()
    first, second = frames(2)
    running.upscale(first)
    running.restart()
    assert np.array_equal(running.upscale(second), engine()[0].upscale(second))


@pytest.mark.parametrize("size", [(1, 1), (15, 40), (16, 17)])
def test_frames_of_any_size_and_changes_of_size_are_taken(size):
    running, _ = engine()
    running.upscale(frames(1)[0])
    for _ in range(2):
        large = running.upscale(np.random.default_rng(1).random((*size, 3), np.float32))
        assert large.shape == (2 * size[0], 2 * size[1], 3)


def test_too_little_memory_halves_the_tile_and_says_so():
    running, said = engine(TorchHalves(most_px=40 * 40), tile=64)
    made = [running.upscale(frame) for frame in frames()]
    assert np.abs(np.stack(made) - expected(frames())).max() < 1e-5
    assert any("out of memory" in line for line in said)


def test_nan_is_asked_for_again_in_fp32_or_refused():
    broken = TorchHalves(answer=float("nan"), precision="bf16")
    running, said = engine(broken, fallback=lambda _: TorchHalves())
    assert np.isfinite(running.upscale(frames(1)[0])).all()
    assert any("runs in fp32" in line for line in said)
    with pytest.raises(NumericalError, match="answered NaN"):
        engine(broken)[0].upscale(frames(1)[0])


def test_cards_of_other_kinds_and_frames_of_other_channels_are_refused():
    card = card_for("lean", "lean", {"features": 8, "blocks": 1})
    with pytest.raises(ModelError, match="takes single pictures, videos were requested"):
        VideoEngine(card, TorchHalves(), fallback=None, watch=Watch())
    with pytest.raises(ArgumentError, match="takes frames"):
        engine()[0].upscale(np.zeros((4, 4, 1), np.float32))


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Return the small network as .safetensors, and a function that writes it as .onnx."""
    path = tmp_path_factory.mktemp("video") / "small.safetensors"
    save_network(build(), CARD, path)
    return path


def test_torch_runs_a_file_and_single_frames_are_refused(files):
    model = open_model_file(files)
    options = RuntimeOptions(backend="torch", precision="fp32")
    backend = open_runtime(model, options, takes="video", watch=Watch())
    running, _ = engine(backend)
    made = [running.upscale(frame) for frame in frames()]
    assert np.abs(np.stack(made) - expected(frames())).max() < 1e-5
    with pytest.raises(ModelError, match="superres video runs it"):
        open_runtime(model, watch=Watch())


@pytest.mark.slow  # writing the graph takes half a minute
def test_all_runtimes_compute_both_halves_as_torch_does(files):
    export_onnx(build(), CARD, files.with_suffix(".onnx"), half=False)
    model = open_model_file(files)
    theirs, *others = (
        open_runtime(
            model,
            RuntimeOptions(backend=name, precision="fp32"),
            takes="video",
            watch=Watch(),
        )
        for name in sorted(BACKENDS, key=lambda name: name != "torch")
    )
    channels = CARD.graph("restore").inputs[0].channels
    for size in ((48, 64), (64, 96)):
        first, second = (
            np.ascontiguousarray(frame.transpose(2, 0, 1))[None] for frame in frames(2, *size)
        )
        alone = np.zeros((1, channels, *size), np.float32)
        alone[:, :3] = first
        made = theirs.run("restore", {"small": alone})
        past = {"previous": first, "before": made["large"], "memory": made["memory_next"]}
        known = theirs.run("align", {"frame": second, **past})
        for ours in others:
            agree(made, ours.run("restore", {"small": alone}))
            agree(known, ours.run("align", {"frame": second, **past}))
            restored = {"small": known["aligned"]}
            agree(theirs.run("restore", restored), ours.run("restore", restored))


def agree(one, other):
    assert one.keys() == other.keys()
    assert max(np.abs(one[name] - other[name]).max() for name in one) < 1e-4
