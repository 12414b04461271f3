"""Every network of the catalogue: sizes, halo, minimum, and invalid configs."""

import pytest
import torch

from superres.errors import ArgumentError, ModelError, UnknownNameError
from superres.layers.bicubic_upsample import BicubicUpsample
from superres.layers.config import NetworkConfig
from superres.layers.graphs import ENLARGE
from superres.layers.supervised import Supervised
from superres.networks.catalog import ARCHITECTURES, network_config
from superres.networks.lean import Lean

SMALL = {  # the same networks with fewer features, so that a test takes milliseconds
    "lean": {"features": 8, "blocks": 2},
    "srcnn": {"features": [8, 4]},
    "fsrcnn": {"features": 8, "shrunk": 4, "mappings": 2},
    "espcn": {"features": 8, "refined": 4},
    "edsr": {"features": 8, "blocks": 2},
    "autoencoder": {"features": 8, "code": 8, "poolings": 2},
    "convlstm": {"features": 8, "steps": 2},
    "unet": {"features": 8, "depth": 2},
    "vdsr": {"features": 8, "layers": 4},
    "drcn": {"features": 8, "recursions": 3},
    "drrn": {"features": 8, "units": 2},
    "srdensenet": {"growth": 4, "blocks": 2, "layers": 2, "bottleneck": 8},
    "lapsrn": {"features": 8, "depth": 2},
    "srresnet": {"features": 8, "blocks": 2},
    "msrresnet": {"features": 8, "blocks": 2},
    "rrdb": {"features": 8, "growth": 4, "blocks": 1},
    "compact": {"features": 8, "convolutions": 2},
    "span": {"features": 8},
    "gated": {"features": 8, "blocks": 3, "looks": 2, "pooled": 2, "refinements": 1},
    "smfanet": {"features": 8, "blocks": 2},
    "rcan": {"features": 8, "groups": 2, "blocks": 2, "reduction": 4},
    "swinir": {"features": 12, "depths": [2, 2], "heads": 2, "window": 4},
}
SCALES = {"lapsrn": (2, 4)}  # of those that do not have 2, 3 and 4
CASES = [(name, scale) for name in SMALL for scale in SCALES.get(name, (2, 3, 4))]


def small_config(name: str, scale: int, channels: int = 3) -> NetworkConfig:
    return network_config(name, {**SMALL[name], "scale": scale, "channels": channels})


def build(name: str, scale: int, channels: int = 3):
    torch.manual_seed(0)
    config = small_config(name, scale, channels)
    return config, config.build().double().eval()


def raised(length: int, config: NetworkConfig) -> int:
    """Return the next valid length for the network."""
    return -(-max(length, config.minimum) // config.multiple_of) * config.multiple_of


def test_every_architecture_of_one_frame_in_the_catalogue_is_tested_here():
    one = {name for name, known in ARCHITECTURES.items() if known.config().input == "image"}
    assert set(SMALL) == one


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name != "highres_net"])
def test_a_network_makes_no_tensor_on_another_device_than_its_input(name):
    # `meta` refuses tensors of the CPU as a GPU does; it has no values, which highres_net asks for.
    config = network_config(name, {**SMALL.get(name, {"features": 8}), "scale": 2})
    network = config.build().to("meta").eval()
    for graph in config.graphs:
        edge = raised(16, config)
        given = [
            torch.empty(1, port.channels, port.scale * edge, port.scale * edge, device="meta")
            for port in graph.inputs
        ]
        answer = network(*given) if graph.name == ENLARGE else getattr(network, graph.name)(*given)
        made = answer if isinstance(answer, tuple) else (answer,)
        assert {one.device.type for one in made} == {"meta"}


@pytest.mark.parametrize(("name", "scale"), CASES)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 13)])
def test_odd_sizes_come_out_scale_times_larger(name, scale, size):
    config, network = build(name, scale)
    height, width = (raised(length, config) for length in size)
    with torch.inference_mode():
        large = network(torch.rand(2, 3, height, width, dtype=torch.float64))
    assert large.shape == (2, 3, height * scale, width * scale)


@pytest.mark.parametrize(
    ("name", "scale"), [case for case in CASES if small_config(*case).exact_halo]
)
def test_a_changed_pixel_changes_the_output_as_far_as_the_halo_and_no_further(name, scale):
    config, network = build(name, scale)
    with torch.no_grad():
        for parameter in network.parameters():  # some are initially 0 or the identity, and see less
            parameter.add_(0.05 * torch.randn_like(parameter))
    first = raised(config.halo + 2, config)
    phases = range(first, first + config.multiple_of)
    edge = raised(phases[-1] + config.halo + 3, config)
    before = torch.rand(1, 3, edge, edge, dtype=torch.float64)
    farthest = 0
    with torch.inference_mode():
        calm = network(before)
        for centre in phases:
            after = before.clone()
            after[..., centre, centre] += 10.0
            changed = (network(after) - calm).abs().amax((0, 1)) > 0
            reached = [int(line) // scale - centre for line in changed.any(1).nonzero()]
            # Rectifiers may block single paths, never all that reach the edge of the halo.
            farthest = max(farthest, -min(reached), max(reached))
    assert farthest == config.halo, (name, scale)


@pytest.mark.parametrize("name", SMALL)
def test_grey_networks_take_one_channel(name):
    config, network = build(name, 2, channels=1)
    height, width = raised(5, config), raised(6, config)
    with torch.inference_mode():
        large = network(torch.rand(1, 1, height, width, dtype=torch.float64))
    assert large.shape == (1, 1, 2 * height, 2 * width)


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_has_a_gradient_from_the_first_step_on(name):
    config, network = build(name, 2)
    edge = raised(8, config)
    small = torch.rand(2, 3, edge, edge, dtype=torch.float64)
    network.train()(small).square().mean().backward()
    still = [key for key, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


@pytest.mark.parametrize(
    "name", ["vdsr", "drcn", "drrn", "lapsrn", "msrresnet", "autoencoder", "unet", "convlstm"]
)
def test_a_fresh_network_over_an_upscaled_picture_begins_near_it(name):
    torch.manual_seed(0)
    network = network_config(name, {"scale": 2}).build().eval()
    rows = torch.linspace(0, 1, 16)
    small = (rows[:, None] * rows).expand(1, 3, 16, 16)  # smooth: all upsampling steps agree
    with torch.inference_mode():
        difference = network(small) - BicubicUpsample(3, 2)(small)
    # LapSRN's transposed convolution darkens the two outermost pixels.
    assert 0 < difference[..., 4:-4, 4:-4].abs().max() < 0.05


@pytest.mark.parametrize("name", ["srdensenet", "srresnet"])
def test_a_fresh_network_over_nothing_answers_in_the_range_of_pictures(name):
    torch.manual_seed(0)
    network = network_config(name, {"scale": 2}).build()
    with torch.no_grad():
        answer = network(torch.rand(2, 3, 16, 16))
    assert 0.01 < answer.std() < 1


@pytest.mark.parametrize(("name", "sizes"), [("drcn", [4, 4, 4, 4]), ("lapsrn", [2, 4])])
def test_supervised_outputs_grow_to_the_last_which_is_the_answer(name, sizes):
    _, network = build(name, 4)
    small = torch.rand(1, 3, 6, 5, dtype=torch.float64)
    assert isinstance(network, Supervised)
    with torch.inference_mode():
        outputs = network.outputs(small)
        assert torch.equal(outputs[-1], network(small))
    assert [tuple(y.shape) for y in outputs] == [(1, 3, 6 * size, 5 * size) for size in sizes]


def test_a_network_of_one_output_is_not_supervised_at_several():
    assert not isinstance(build("lean", 2)[1], Supervised)


def test_a_lean_network_begins_as_pixel_repetition_within_its_small_residual():
    _, network = build("lean", 3)
    assert isinstance(network, Lean)
    with torch.no_grad():
        network.tail.weight.zero_()
        assert network.tail.bias is not None
        network.tail.bias.zero_()
    small = torch.rand(1, 3, 4, 5, dtype=torch.float64)
    with torch.inference_mode():
        large = network(small)
    assert torch.equal(large, small.repeat_interleave(3, 2).repeat_interleave(3, 3))


def test_srcnn_upscales_by_the_bicubic_that_images_resize_makes():
    import numpy as np

    from superres.images.resize import resize

    small = np.random.default_rng(0).random((7, 9, 3))
    x_BCHW = torch.from_numpy(small).permute(2, 0, 1)[None]
    large = BicubicUpsample(3, 4).double()(x_BCHW)[0].permute(1, 2, 0).numpy()
    # 1e-6: the fixed kernel is fp32.
    np.testing.assert_allclose(large, resize(small, scale=4, border="clamp"), atol=1e-6)


def test_parameter_counts_are_those_of_the_papers():
    def count(name, **values):
        network = network_config(name, {"scale": 4, **values}).build()
        return sum(p.numel() for p in network.parameters())

    assert count("srcnn", channels=1) == 57281  # the 9-5-5 form
    assert count("fsrcnn", channels=1) == 12464 + 173 + 172  # the paper counts no bias, no slope
    assert count("edsr") == 1517571  # the baseline of the authors' release
    assert count("edsr", features=256, blocks=32, residual_scale=0.1) == 43089923
    assert count("vdsr", channels=1) == 665921  # "665 K", Kim et al. and the field's tables
    assert count("drcn", channels=1) == 1775121  # "1774 K" in the field's tables
    # "297 K" counts convolutions alone; the normalisations have 4866 more and biases 385.
    assert count("drrn", channels=1) == 297216 + 385 + 4866
    # "813 K" counts no biases.
    assert count("lapsrn", channels=1) == 812768 + 1474
    assert 1.52e6 < count("srresnet") < 1.55e6  # between the field's published counts
    assert count("msrresnet") == 1517571  # as EDSR's baseline: one convolution more after, one less
    # 2.015 M in the tables of CARN (Ahn et al., ECCV 2018); see the network's docstring.
    assert count("srdensenet", channels=1) == 2097569


def test_an_unknown_architecture_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'srcnn'"):
        network_config("srccn", {})


def test_an_unknown_setting_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'features'"):
        network_config("lean", {"feature": 3})


def test_a_setting_of_the_wrong_type_is_refused():
    with pytest.raises(ModelError, match="blocks"):
        network_config("lean", {"blocks": "many"})


@pytest.mark.parametrize(
    ("name", "scale"), [("edsr", 5), ("lapsrn", 3), ("msrresnet", 8), ("srdensenet", 5)]
)
def test_a_scale_that_a_network_has_no_stages_for_is_refused(name, scale):
    with pytest.raises(ArgumentError, match=f"{name} .* got scale {scale}"):
        network_config(name, {"scale": scale}).build()
