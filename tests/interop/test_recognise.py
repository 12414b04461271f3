"""Weights made elsewhere: recognised by names and shapes, and run as their release runs them."""

import sys

import numpy as np
import published
import pytest
import torch
from safetensors.torch import save_file

import superres
from superres.cli.main import main
from superres.errors import ModelError
from superres.images.anchor import anchor_frame
from superres.interop.elsewhere import network_elsewhere
from superres.interop.recognise import read_foreign
from superres.modelfiles.checkpoint import load_network
from superres.modelfiles.files import open_model_file
from superres.networks.catalog import network_config
from superres.train.recipe import NetworkSection
from superres.train.start import start_weights
from superres.watch import Watch


def without_means(weights):
    return {name: value for name, value in weights.items() if "_mean." not in name}


PLAIN = published.rrdb_weights()
SPAN = published.span_weights()
EDSR = published.edsr_weights()
RCAN = published.rcan_weights()
TRIPLE = published.msrresnet_weights(factors=(3,))

CRITIC = {"conv0.weight": torch.ones(4, 3, 3, 3), "conv9.bias": torch.ones(4)}
COUNT = torch.tensor(7)

# Weights under published names, what the release makes of them, and what we must say of them.
CASES = {
    "rrdb": (
        PLAIN,
        lambda x: published.rrdb(PLAIN, x),
        ("rrdb", 4, {"features": 8, "growth": 4, "blocks": 2}),
    ),
    "rrdb in ESRGAN's names": (
        published.rrdb_in_esrgan_names(PLAIN),
        lambda x: published.rrdb(PLAIN, x),
        ("rrdb", 4, {"blocks": 2}),
    ),
    "rrdb in BSRGAN's names": (
        published.rrdb_in_bsrgan_names(PLAIN),
        lambda x: published.rrdb(PLAIN, x),
        ("rrdb", 4, {"blocks": 2}),
    ),
    "rrdb that upscales a folded input": (
        folded := published.rrdb_weights(features=12, growth=6, blocks=1, fold=2),
        lambda x: published.rrdb(folded, x, blocks=1, fold=2),
        ("rrdb", 2, {"features": 12, "growth": 6, "blocks": 1}),
    ),
    "rrdb with one doubling in ESRGAN's names": (
        published.rrdb_in_esrgan_names(single := published.rrdb_weights(ups=1), ups=1),
        lambda x: published.rrdb(single, x, ups=1),
        ("rrdb", 2, {"doublings": 1}),
    ),
    "rrdb of ESRGAN+": (
        published.rrdb_in_esrgan_names(plus := published.rrdb_weights(plus=True)),
        lambda x: published.rrdb(plus, x),
        ("rrdb", 4, {"plus": True}),
    ),
    "rrdb of scale 16": (
        far := published.rrdb_weights(ups=4, blocks=1),
        lambda x: published.rrdb(far, x, ups=4, blocks=1),
        ("rrdb", 16, {"doublings": 4}),
    ),
    "rrdb of grey pictures": (
        grey := published.rrdb_weights(channels=1),
        lambda x: published.rrdb(grey, x),
        ("rrdb", 4, {"channels": 1}),
    ),
    "rrdb of RGB and alpha": (
        published.rrdb_in_bsrgan_names(rgba := published.rrdb_weights(channels=4)),
        lambda x: published.rrdb(rgba, x),
        ("rrdb", 4, {"channels": 4}),
    ),
    "compact": (
        small := published.compact_weights(),
        lambda x: published.compact(small, x),
        ("compact", 4, {"features": 8, "convolutions": 3}),
    ),
    "compact at another size": (
        other := published.compact_weights(features=6, convolutions=5, scale=2),
        lambda x: published.compact(other, x, convolutions=5, scale=2),
        ("compact", 2, {"features": 6, "convolutions": 5}),
    ),
    "span": (
        SPAN,
        lambda x: published.span(SPAN, x),
        ("span", 2, {"features": 8, "centred": True, "fused": False}),
    ),
    "span, fused": (
        fused := published.span_weights(features=10, scale=4, widened=False),
        lambda x: published.span(fused, x, scale=4),
        ("span", 4, {"features": 10, "fused": True}),
    ),
    "span without a mean": (
        {**SPAN, "no_norm": torch.zeros(1)},
        lambda x: published.span(SPAN, x, centred=False),
        ("span", 2, {"centred": False}),
    ),
    "edsr": (
        EDSR,
        lambda x: published.edsr(EDSR, x),
        ("edsr", 4, {"features": 8, "blocks": 2, "residual_scale": 1.0}),
    ),
    "edsr in its authors' names": (
        published.edsr_in_its_authors_names(EDSR),
        lambda x: published.edsr(EDSR, x),
        ("edsr", 4, {"features": 8, "blocks": 2}),
    ),
    "edsr of the large kind": (
        large := published.edsr_weights(features=256, blocks=1, factors=(3,)),
        lambda x: published.edsr(large, x, blocks=1, factors=(3,), residual_scale=0.1),
        ("edsr", 3, {"features": 256, "residual_scale": 0.1}),
    ),
    "rcan": (
        RCAN,
        lambda x: published.rcan(RCAN, x),
        ("rcan", 2, {"groups": 2, "blocks": 2, "reduction": 4}),
    ),
    "rcan in its authors' names": (
        published.rcan_in_its_authors_names(RCAN),
        lambda x: published.rcan(RCAN, x),
        ("rcan", 2, {"groups": 2, "blocks": 2}),
    ),
    "edsr of pixels up to 1": (
        {**published.edsr_in_its_authors_names(EDSR), **published.mean_layers(white=1.0)},
        lambda x: published.edsr(EDSR, x, white=1.0),
        ("edsr", 4, {"centred": True}),
    ),
    "rcan of pixels up to 1": (
        {**published.rcan_in_its_authors_names(RCAN), **published.mean_layers(white=1.0)},
        lambda x: published.rcan(RCAN, x, white=1.0),
        ("rcan", 2, {"centred": True}),
    ),
    "rcan without a mean": (
        without_means(published.rcan_in_its_authors_names(RCAN)),
        lambda x: published.rcan(RCAN, x, white=1.0, mean=0.0),
        ("rcan", 2, {"centred": False}),
    ),
    "rcan that upscales a folded input": (
        without_means(
            published.rcan_in_its_authors_names(
                folded_rcan := published.rcan_weights(factors=(2, 2), fold=2), head=1
            )
        ),
        lambda x: published.rcan(folded_rcan, x, factors=(2, 2), fold=2, white=1.0, mean=0.0),
        ("rcan", 2, {"fold": 2}),
    ),
    "rcan of grey pictures": (
        without_means(
            published.rcan_in_its_authors_names(grey_rcan := published.rcan_weights(channels=1))
        ),
        lambda x: published.rcan(grey_rcan, x, white=1.0, mean=0.0),
        ("rcan", 2, {"channels": 1}),
    ),
    "smfanet": (
        smfa := published.smfanet_weights(),
        lambda x: published.smfanet(smfa, x),
        ("smfanet", 4, {"features": 8, "blocks": 2}),
    ),
    "msrresnet": (
        msr := published.msrresnet_weights(),
        lambda x: published.msrresnet(msr, x),
        ("msrresnet", 4, {"features": 8, "blocks": 2}),
    ),
    "msrresnet in MMSR's names": (
        {
            name.replace("body", "recon_trunk").replace("conv_hr", "HRconv"): value
            for name, value in TRIPLE.items()
        },
        lambda x: published.msrresnet(TRIPLE, x, factors=(3,)),
        ("msrresnet", 3, {"blocks": 2}),
    ),
    "srresnet": (
        srr := published.srresnet_weights(),
        lambda x: published.srresnet(srr, x),
        ("srresnet", 4, {"features": 8, "blocks": 2}),
    ),
    "srresnet of the first generation": (
        {name.replace("conv_block", "conv"): value for name, value in srr.items()},
        lambda x: published.srresnet(srr, x),
        ("srresnet", 4, {"blocks": 2}),
    ),
}


@pytest.fixture
def saved(tmp_path):
    """Return a function that writes a state dict as a pickle."""

    def save(weights, name="Net.pth"):
        torch.save(weights, tmp_path / name)
        return tmp_path / name

    return save


@pytest.mark.parametrize("case", CASES)
def test_a_published_layout_is_recognised_and_runs_as_its_release_does(case, saved):
    weights, release, (architecture, scale, told) = CASES[case]
    path = saved(weights)
    card, _ = read_foreign(path)
    assert (card.architecture, card.scale, card.name) == (architecture, scale, "Net")
    assert card.config.items() >= told.items()
    assert card.licence == ""
    assert card.training.degradation == "unknown"
    network = load_network(path)[0].double()
    x_BCHW = torch.rand(2, card.channels, 10, 18, dtype=torch.float64)
    with torch.inference_mode():
        ours, theirs = network(x_BCHW), release(x_BCHW)
    assert theirs.std() > 0.02  # a network that answers nothing would prove nothing
    # 1e-5: where the factor 255 moved into the weights, these were rounded to fp32.
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("upsampler", "residual", "scale"),
    [
        ("pixelshuffle", "1conv", 2),
        ("pixelshuffledirect", "1conv", 3),
        ("nearest+conv", "1conv", 2),
        ("nearest+conv", "3conv", 4),
    ],
)
def test_swinir_is_recognised_with_the_tables_that_its_authors_store(
    upsampler, residual, scale, saved
):
    told = {
        **{"scale": scale, "features": 12, "depths": [2, 1], "heads": 3, "window": 4},
        **{"widening": 3, "upsampler": upsampler, "residual": residual},
    }
    network = network_config("swinir", told).build()
    weights = dict(network.state_dict())
    for group, depth in enumerate(told["depths"]):
        for block in range(depth):
            name = f"layers.{group}.residual_group.blocks.{block}"
            weights[f"{name}.attn.relative_position_index"] = torch.zeros(16, 16, dtype=torch.int64)
            weights[f"{name}.attn_mask"] = torch.zeros(4, 16, 16)
    card, found = read_foreign(saved({"params": weights}))
    assert card.architecture == "swinir"
    depths = card.config["depths"]
    assert isinstance(depths, tuple)
    assert {**card.config, "depths": list(depths)}.items() >= told.items()
    assert all(torch.equal(value, found[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    "wrap",
    [
        lambda w: {"params_ema": w, "params": {k: v * 0 for k, v in w.items()}},
        lambda w: {"params": w},
        lambda w: {"state_dict": {f"module.{k}": v for k, v in w.items()}, "epoch": 3},
        lambda w: {"state_dict": {f"generator.{k}": v for k, v in w.items()}},
        lambda w: {f"module._orig_mod.{k}": v for k, v in w.items()} | {"n_averaged": COUNT},
        lambda w: {f"any.prefix.{k}": v for k, v in w.items()},
        lambda w: {k.replace("body.", "body._orig_mod."): v for k, v in w.items()},
        lambda w: {f"module.{k}": v for k, v in w.items()} | {"module.step": COUNT},
        lambda w: {**w, "epoch": 3, "name": "net", "conv_hr.total_ops": COUNT.double()},
        lambda w: {"netG": w, "netD": CRITIC, "optimizer": {"state": {0: {"exp": COUNT}}}},
        lambda w: {"state": {"model": {"params-ema": w, "params": CRITIC}}, "epoch": 3},
        lambda w: {"whatever": w, "iteration": 3},
        lambda w: {"ema": {"shadow": w, "decay": 0.999}, "model": CRITIC},
        lambda w: (
            {f"net_g.{k}": v for k, v in w.items()} | {f"net_d.{k}": v for k, v in CRITIC.items()}
        ),
        lambda w: {k: v.half() for k, v in w.items()},
    ],
)
def test_wrapped_prefixed_and_half_weights_are_the_same_network(wrap, saved):
    _, found = read_foreign(saved(wrap(PLAIN)))
    assert found.keys() == PLAIN.keys()
    for name, value in PLAIN.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-6)


def test_two_networks_beside_each_other_are_not_chosen_between(saved):
    with pytest.raises(ModelError, match="holds a dict under 'first'"):
        read_foreign(saved({"first": PLAIN, "second": CRITIC}))
    beside = {f"first.{k}": v for k, v in PLAIN.items()} | {"second.weight": torch.ones(2, 2)}
    with pytest.raises(ModelError, match="not of a known network"):
        read_foreign(saved(beside))


def test_counters_of_batches_may_be_missing(saved):
    weights = published.srresnet_weights()
    some = {name: value for name, value in weights.items() if "num_batches_tracked" not in name}
    assert len(some) < len(weights)
    x_BCHW = torch.rand(1, 3, 8, 8)
    found = load_network(saved(some))[0](x_BCHW)
    assert torch.equal(found, load_network(saved(weights))[0](x_BCHW))


@pytest.mark.parametrize(
    ("network", "names"),
    [
        (
            "HAT",
            [
                "conv_first.weight",
                "layers.0.residual_group.blocks.0.norm1.weight",
                "layers.0.residual_group.overlap_attn.qkv.weight",
            ],
        ),
        ("DAT", ["layers.0.blocks.0.attn.qkv.weight", "layers.0.blocks.0.ffn.sg.norm.weight"]),
        ("RealPLKSR", ["feats.0.weight", "feats.1.lk.conv.weight", "feats.1.norm.weight"]),
        ("PLKSR", ["feats.0.weight", "feats.1.lk.conv.weight"]),
        ("SAFMN", ["to_feat.weight", "feats.0.safm.mfr.0.weight"]),
        ("Real-ESRGAN's discriminator", ["conv0.weight", "conv1.weight_orig", "conv9.weight"]),
    ],
)
def test_a_published_network_that_is_not_run_is_named(network, names, saved):
    path = saved({"params": {f"module.{name}": torch.zeros(2, 2) for name in names}})
    with pytest.raises(ModelError, match=f"weights are of {network}, which") as caught:
        read_foreign(path)
    assert "RCAN" in caught.value.hint


@pytest.mark.parametrize("case", CASES)
def test_no_network_that_is_run_is_taken_for_one_that_is_not(case):
    assert network_elsewhere(CASES[case][0]) is None


def test_a_network_of_rgb_and_alpha_sees_them_together(saved):
    path = saved(published.rrdb_weights(channels=4, ups=1, blocks=1))
    network = load_network(path)[0]
    model = superres.load(str(path), device="cpu", precision="fp32", backend="torch")
    picture = np.random.default_rng(0).random((9, 11, 4), np.float32) * 0.5 + 0.5

    def release(pixels):
        with torch.inference_mode():
            large = network(torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None])
        large = np.ascontiguousarray(large[0].numpy()).transpose(1, 2, 0)
        return anchor_frame(pixels, large, clamped=False)

    expected = release(picture)
    expected[..., 3] = expected[..., 3].clip(0, 1)
    np.testing.assert_allclose(model(picture), expected, atol=1e-5)
    opaque = np.dstack((picture[..., :3], np.ones((9, 11, 1), np.float32)))
    np.testing.assert_allclose(model(picture[..., :3]), release(opaque)[..., :3], atol=1e-5)
    grey = np.dstack((np.repeat(picture[..., :1], 3, axis=2), opaque[..., 3:]))
    shown = release(grey)[..., 0]
    np.testing.assert_allclose(model(picture[..., 0]), shown, atol=1e-5)


def test_a_safetensors_file_without_a_card_is_recognised(tmp_path):
    path = tmp_path / "plain.safetensors"
    save_file(PLAIN, path)
    model = open_model_file(path)
    assert (model.card.architecture, model.foreign, model.safetensors) == ("rrdb", path, None)


def test_weights_of_no_known_network_are_described(saved):
    path = saved({"first.weight": torch.zeros(2, 5), "second.bias": torch.zeros(3)})
    with pytest.raises(ModelError, match=r"2 tensors, the first are first\.weight \(2, 5\), sec"):
        read_foreign(path)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda w: w.pop("conv_hr.bias"), r"conv_hr\.bias is missing"),
        (lambda w: w.pop("conv_last.weight"), r"conv_last\.weight is missing"),
        (lambda w: w.update(extra=torch.zeros(1)), r"extra is \(1,\), expected nothing"),
        (lambda w: w.update({"conv_first.weight": torch.zeros(8)}), r"has the shape \(8,\)"),
        (lambda w: w.update({"conv_first.weight": torch.zeros(8, 7, 3, 3)}), "not a square number"),
        (lambda w: w.update({"conv_hr.weight": torch.zeros(4, 8, 3, 3)}), r"\(4, 8, 3, 3\)"),
        (lambda w: w.update({"body.0.rdb1.conv1x1.weight": torch.zeros(1)}), "conv1x1"),
    ],
)
def test_what_does_not_fit_a_recognised_network_is_named(change, named, saved):
    weights = dict(PLAIN)
    change(weights)
    with pytest.raises(ModelError, match=named):
        read_foreign(saved(weights))


def test_a_small_file_cannot_ask_for_a_huge_network(saved):
    # 2^20 features would make convolutions of 10^13 weights.
    weights = {**PLAIN, "conv_first.weight": torch.zeros(2**20, 3, 1, 1)}
    with pytest.raises(ModelError, match="looks like rrdb"):
        read_foreign(saved(weights))


@pytest.mark.parametrize(
    "change",
    [
        {"sub_mean.bias": torch.tensor((-0.485, -0.456, -0.406))},  # ImageNet's
        {"sub_mean.bias": torch.tensor((0.4488, 0.4371, 0.4040))},
        {"sub_mean.weight": torch.eye(3).view(3, 3, 1, 1) / 0.229},
        {"add_mean.bias": torch.zeros(3)},
    ],
)
def test_another_mean_colour_is_refused(change, saved):
    weights = {**published.edsr_in_its_authors_names(EDSR), **change}
    with pytest.raises(ModelError, match=r"subtracts \(.*\) from its pixels, expected a multiple"):
        read_foreign(saved(weights))


def test_a_checkpoint_upscales_and_says_what_it_is(saved, capsys):
    path = saved(published.rrdb_weights(features=8, growth=4, blocks=1, fold=2), "Net_x2.pth")
    large = superres.load(str(path), device="cpu")(np.zeros((5, 7, 3), np.uint8))
    assert large.shape == (10, 14, 3)
    assert main(["models", "info", str(path)]) == 0
    out = capsys.readouterr().out
    assert "name          Net_x2" in out
    assert "network       rrdb (scale 2, channels 3, features 8, growth 4, blocks 1" in out
    assert "licence       not stated" in out
    assert f"file          {path}" in out


def test_an_exported_checkpoint_has_a_twin_until_its_weights_change(saved, capsys):
    weights = published.compact_weights(convolutions=1)
    path = saved(weights)
    assert open_model_file(path).onnx is None
    assert main(["export", str(path)]) == 0
    model = open_model_file(path)
    assert (model.onnx, model.weights) == (path.with_suffix(".onnx"), path)
    saved({name: value + 1 for name, value in weights.items()})
    assert open_model_file(path).onnx is None


def test_training_starts_from_a_checkpoint(saved):
    path = saved(PLAIN)
    card, weights = read_foreign(path)
    network = network_config("rrdb", {**card.config, "scale": 1}).build()  # which folds its input
    section = NetworkSection(
        architecture="rrdb", pretrained=str(path), reinitialise=("conv_first",)
    )
    lines: list[str] = []
    assert start_weights(network, section, Watch(lines.append)) == f"Net {card.weights_sha256[:12]}"
    assert torch.equal(network.get_parameter("conv_hr.weight"), weights["conv_hr.weight"])
    assert any("taken from Net" in line for line in lines)


def test_without_torch_the_hint_says_how_to_go_on(saved, monkeypatch):
    path = saved(PLAIN)
    monkeypatch.delitem(sys.modules, "superres.interop.recognise")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModelError, match=r"superres\[torch\].*superres export"):
        open_model_file(path)
