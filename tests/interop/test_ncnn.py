"""ncnn's pairs of files: written here as the converters write them, read back as the network."""

import struct
from pathlib import Path

import numpy as np
import published
import pytest
import torch

from superres.errors import ModelError
from superres.interop.ncnn_files import read_ncnn
from superres.interop.recognise import read_foreign
from superres.modelfiles.checkpoint import load_network

FP16, INT8 = 0x01306B47, 0x000D4B38
COMPACT = published.compact_weights()
RRDB = published.rrdb_weights(blocks=2)
SPAN = published.span_weights(widened=False)


class Pair:
    """Lines of a .param and bytes of a .bin as they come about, layer by layer."""

    def __init__(self, weights: published.Weights, *, flag: int = 0) -> None:
        self.weights, self.flag = weights, flag
        self.lines: list[str] = []
        self.data = b""

    def layer(self, kind: str, settings: str = "", blobs: str = "1 1 in out") -> None:
        self.lines.append(f"{kind:<24} layer{len(self.lines)} {blobs} {settings}")

    def constant(self, values: torch.Tensor) -> None:
        self.layer("MemoryData", "0=1 1=1 2=3", "0 1 out")
        self.data += values.numpy().tobytes()

    def slopes(self, name: str) -> None:
        self.layer("PReLU", f"0={len(self.weights[f'{name}.weight'])}")
        self.data += self.weights[f"{name}.weight"].numpy().tobytes()

    def conv(self, name: str, more: str = "") -> None:
        weight = self.weights[f"{name}.weight"].numpy()
        out, _, edge, _ = weight.shape
        self.layer("Convolution", f"0={out} 1={edge} 4={edge // 2} 5=1 6={weight.size} {more}")
        stored = weight.astype(np.float16 if self.flag == FP16 else np.float32).tobytes()
        self.data += struct.pack("<I", self.flag) + stored + bytes(-len(stored) % 4)
        self.data += self.weights[f"{name}.bias"].numpy().tobytes()

    def write(self, path: Path) -> Path:
        text = ["7767517", f"{len(self.lines)} {2 * len(self.lines)}", *self.lines, ""]
        path.write_text("\n".join(text))
        path.with_suffix(".bin").write_bytes(self.data)
        return path


def compact_pair(*, flag: int = 0, scale: int = 4) -> Pair:
    pair = Pair(COMPACT, flag=flag)
    pair.layer("Input", "", "0 1 in")
    pair.layer("Split", "", "1 2 in a b")
    for n in range(4):
        pair.conv(f"body.{2 * n}")
        pair.slopes(f"body.{2 * n + 1}")
    pair.conv("body.8")
    pair.layer("PixelShuffle", f"0={scale}")
    pair.layer("Interp", f"0=1 1={scale}.000000e+00 2={scale}.000000e+00")
    pair.layer("BinaryOp", "", "2 1 a b out")
    return pair


def rrdb_pair(*, joined: bool, flag: int = 0) -> Pair:
    """Write RRDBNet with activations and scaled sums joined into other layers, or apart."""
    pair = Pair(RRDB, flag=flag)

    def act(name: str) -> None:
        pair.conv(name, "9=2 -23310=1,2.000000e-01" if joined else "")
        if not joined:
            pair.layer("ReLU", "0=2.000000e-01")

    def add() -> None:
        if joined:
            pair.layer("Eltwise", "0=1 -23301=2,2.000000e-01,1.000000e+00", "2 1 a b out")
        else:
            pair.layer("BinaryOp", "0=2 1=1 2=2.000000e-01")
            pair.layer("BinaryOp", "", "2 1 a b out")

    pair.conv("conv_first")
    for block in range(2):
        for dense in (1, 2, 3):
            for n in range(1, 5):
                act(f"body.{block}.rdb{dense}.conv{n}")
                pair.layer("Concat", "", f"{n + 1} 1 {'x ' * (n + 1)} out")
            pair.conv(f"body.{block}.rdb{dense}.conv5")
            add()
        add()
    pair.conv("conv_body")
    pair.layer("BinaryOp", "", "2 1 a b out")
    for n in (1, 2):
        pair.layer("Interp", "0=1 1=2.000000e+00 2=2.000000e+00")
        act(f"conv_up{n}")
    act("conv_hr")
    pair.conv("conv_last")
    return pair


def span_pair(
    *,
    mean: torch.Tensor | None = published.MEAN,
    pixel_range: float | None = 255.0,
    flag: int = 0,
) -> Pair:
    named = {name.replace(".eval_conv", ""): value for name, value in SPAN.items()}
    pair = Pair(named, flag=flag)
    if mean is not None:
        pair.constant(mean)
        pair.layer("BinaryOp", "0=1", "2 1 a b out")
    if pixel_range is not None:
        pair.layer("BinaryOp", f"0=2 1=1 2={pixel_range}")
    pair.conv("conv_1")
    for block in range(1, 7):
        for c in (1, 2):
            pair.conv(f"block_{block}.c{c}_r")
            pair.layer("Swish")
        pair.conv(f"block_{block}.c3_r")
        pair.layer("Sigmoid")
        pair.layer("BinaryOp", "0=1 1=1 2=5.000000e-01")
        pair.layer("BinaryOp", "", "2 1 a b out")
        pair.layer("BinaryOp", "0=2", "2 1 a b out")
    pair.conv("conv_2")
    pair.layer("Concat", "", "4 1 a b c d out")
    pair.conv("conv_cat")
    pair.conv("upsampler.0")
    pair.layer("PixelShuffle", "0=2")
    return pair


def halved(w: published.Weights) -> published.Weights:
    """Round convolutions, and not what ncnn keeps in fp32, to fp16."""
    return {k: v.half().float() if v.ndim == 4 else v for k, v in w.items()}


CASES = {
    "compact in fp32": (compact_pair(), lambda x: published.compact(COMPACT, x)),
    "compact in fp16": (compact_pair(flag=FP16), lambda x: published.compact(halved(COMPACT), x)),
    "rrdb, joined, fp16": (
        rrdb_pair(joined=True, flag=FP16),
        lambda x: published.rrdb(halved(RRDB), x),
    ),
    "rrdb, apart, fp32": (rrdb_pair(joined=False), lambda x: published.rrdb(RRDB, x)),
    "span in fp32": (span_pair(), lambda x: published.span(SPAN, x)),
    "span in fp16": (span_pair(flag=FP16), lambda x: published.span(halved(SPAN), x)),
    "span without a mean": (
        span_pair(mean=None, pixel_range=None),
        lambda x: published.span(SPAN, x, centred=False),
    ),
    "span of pixels up to 1": (
        span_pair(pixel_range=None),
        lambda x: published.span(SPAN, x - published.MEAN, centred=False),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_an_ncnn_pair_runs_as_the_network_it_was_made_of(case, tmp_path):
    pair, release = CASES[case]
    path = pair.write(tmp_path / "net.param")
    network = load_network(path)[0].double()
    x_BCHW = torch.rand(1, 3, 6, 9, dtype=torch.float64)
    with torch.inference_mode():
        ours, theirs = network(x_BCHW), release(x_BCHW)
    assert theirs.std() > 0.02
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_the_bin_file_may_be_named_in_place_of_the_param_file(tmp_path):
    path = compact_pair().write(tmp_path / "net.param")
    assert read_foreign(path.with_suffix(".bin"))[0] == read_foreign(path)[0]


def test_eight_bit_weights_are_refused(tmp_path):
    path = compact_pair(flag=INT8).write(tmp_path / "net.param")
    with pytest.raises(ModelError, match="layer2 is stored in 8 bits"):
        read_ncnn(path)


def test_an_unknown_storage_is_named(tmp_path):
    path = compact_pair(flag=0x11223344).write(tmp_path / "net.param")
    with pytest.raises(ModelError, match="0x11223344"):
        read_ncnn(path)


@pytest.mark.parametrize("cut", [0, 2, 700, -1])
def test_a_bin_file_that_ends_early_is_refused(tmp_path, cut):
    path = compact_pair().write(tmp_path / "net.param")
    weights = path.with_suffix(".bin")
    weights.write_bytes(weights.read_bytes()[:cut])
    with pytest.raises(ModelError, match="bytes too early"):
        read_ncnn(path)


def test_a_bin_file_of_another_graph_is_refused(tmp_path):
    path = compact_pair().write(tmp_path / "net.param")
    weights = path.with_suffix(".bin")
    weights.write_bytes(weights.read_bytes() + bytes(8))
    with pytest.raises(ModelError, match="8 bytes are left"):
        read_ncnn(path)


def test_a_missing_bin_file_is_named(tmp_path):
    path = compact_pair().write(tmp_path / "net.param")
    path.with_suffix(".bin").unlink()
    with pytest.raises(ModelError, match=r"net\.bin cannot be read.*\n.*two files"):
        read_ncnn(path)


def test_the_binary_form_of_a_graph_is_refused(tmp_path):
    path = tmp_path / "net.param"
    path.write_bytes(struct.pack("<III", 7767517, 3, 3))
    with pytest.raises(ModelError, match="not an ncnn graph"):
        read_ncnn(path)


@pytest.mark.parametrize(
    "line",
    [
        "Convolution",
        "Convolution c 1 1 a",
        "Convolution c -9 1 a b 0=8",
        "Convolution c 1 1 a b 0=x",
        "Convolution c 1 1 a b 0=8 1=3 6=nan",
        "Convolution c 1 1 a b 0=8 1=3 6=217",
        "Convolution c 1 1 a b 0=0 1=3 6=216",
        "Convolution c 1 1 a b 0=-8 1=3 6=216",
        "Convolution c 1 1 a b 0=8 1=3 6=999999999999",
        "Convolution c 1 1 a b 0=8 1=3 6=2000000000",
        "Convolution c 1 1 a b -23300=3,1,2",
        "Convolution c 1 1 a b -23300=2,8,8",
        "PReLU p 1 1 a b 0=2000000000",
        "MemoryData m 0 1 b 0=60000 1=60000 2=60000",
        "InnerProduct i 1 1 a b 0=3 2=9",
    ],
)
def test_a_crafted_line_is_refused(tmp_path, line):
    path = tmp_path / "net.param"
    path.write_text(f"7767517\n1 1\n{line}\n")
    path.with_suffix(".bin").write_bytes(bytes(4096))
    with pytest.raises(ModelError):
        read_ncnn(path)


def test_an_upsampling_that_is_made_smaller_afterwards_is_explained(tmp_path):
    pair = compact_pair()
    pair.layer("Interp", "0=3 1=5.000000e-01 2=5.000000e-01")
    with pytest.raises(ModelError, match=r"output by 0\.5 afterwards\n.*-s 2"):
        read_foreign(pair.write(tmp_path / "net.param"))


def test_another_mean_colour_is_refused(tmp_path):
    path = span_pair(mean=torch.tensor((0.485, 0.456, 0.406))).write(tmp_path / "net.param")
    with pytest.raises(ModelError, match=r"\(0\.485, 0\.456, 0\.406\)"):
        read_foreign(path)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("4=1", "4=0", "not a plain convolution"),
        ("4=1", "3=2 4=1", "not a plain convolution"),
        ("0=1 1=4.0", "0=2 1=4.0", "nearest"),
        ("PixelShuffle", "Sigmoid", "not of a known network"),
        ("0=4\n", "0=4 1=1\n", "orders pixels"),
        ("5=1", "5=1 9=1", "not a plain convolution"),
        ("5=1", "5=1 9=2 -23310=1,0.1", "slopes"),
    ],
)
def test_a_graph_that_departs_from_its_network_is_refused(tmp_path, old, new, named):
    path = compact_pair().write(tmp_path / "net.param")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ModelError, match=named):
        read_foreign(path)


def test_a_long_crafted_graph_does_not_keep_the_patterns_busy(tmp_path):
    pair = Pair({})
    for _ in range(20_000):
        pair.layer("BinaryOp")
    with pytest.raises(ModelError, match="not of a known network: 0 convolutions"):
        read_foreign(pair.write(tmp_path / "net.param"))


def test_a_path_that_no_file_can_have_is_an_error_of_ours(tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        read_ncnn(tmp_path / "a\0b.param")
