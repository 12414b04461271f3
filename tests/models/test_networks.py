"""Every network of the catalogue: sizes, halo, minimum, and what its config refuses."""

import pytest
import torch

from superres.errors import ArgumentError, ModelError, UnknownNameError
from superres.models.catalog import ARCHITECTURES, network_config

SMALL = {  # the same networks with fewer features, so that a test takes milliseconds
    "lean": {"features": 8, "blocks": 2},
    "srcnn": {"features": [8, 4]},
    "fsrcnn": {"features": 8, "shrunk": 4, "mappings": 2},
    "espcn": {"features": 8, "refined": 4},
    "edsr": {"features": 8, "blocks": 2},
}
CASES = [(name, scale) for name in SMALL for scale in (2, 3, 4)]


def build(name: str, scale: int, channels: int = 3):
    torch.manual_seed(0)
    config = network_config(name, {**SMALL[name], "scale": scale, "channels": channels})
    return config, config.build().double().eval()


def test_every_architecture_of_the_catalogue_is_tested_here():
    assert set(SMALL) == set(ARCHITECTURES)


@pytest.mark.parametrize(("name", "scale"), CASES)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 13)])
def test_odd_sizes_come_out_scale_times_larger(name, scale, size):
    _, network = build(name, scale)
    with torch.inference_mode():
        large = network(torch.rand(2, 3, *size, dtype=torch.float64))
    assert large.shape == (2, 3, size[0] * scale, size[1] * scale)


@pytest.mark.parametrize(("name", "scale"), CASES)
def test_a_changed_pixel_changes_the_output_as_far_as_the_halo_and_no_further(name, scale):
    config, network = build(name, scale)
    halo = config.halo
    edge = 2 * halo + 5
    before = torch.rand(1, 3, edge, edge, dtype=torch.float64)
    after = before.clone()
    centre = halo + 2
    after[..., centre, centre] += 10.0
    with torch.inference_mode():
        changed = (network(after) - network(before)).abs().amax((0, 1)) > 0
    reached = [int(line) // scale - centre for line in changed.any(1).nonzero()]
    # Rectifiers may close single paths, never all that reach the edge of the halo on both sides.
    assert max(-min(reached), max(reached)) == halo, (name, scale)


@pytest.mark.parametrize("name", SMALL)
def test_grey_networks_take_one_channel(name):
    _, network = build(name, 2, channels=1)
    with torch.inference_mode():
        assert network(torch.rand(1, 1, 5, 6, dtype=torch.float64)).shape == (1, 1, 10, 12)


def test_a_lean_network_begins_as_pixel_repetition_within_its_small_residual():
    _, network = build("lean", 3)
    with torch.no_grad():
        network.tail.weight.zero_()
        network.tail.bias.zero_()
    small = torch.rand(1, 3, 4, 5, dtype=torch.float64)
    with torch.inference_mode():
        large = network(small)
    assert torch.equal(large, small.repeat_interleave(3, 2).repeat_interleave(3, 3))


def test_srcnn_enlarges_by_the_bicubic_that_images_resize_makes():
    import numpy as np

    from superres.images.resize import resize
    from superres.models.bicubic_upsample import BicubicUpsample

    small = np.random.default_rng(0).random((7, 9, 3))
    x_BCHW = torch.from_numpy(small).permute(2, 0, 1)[None]
    large = BicubicUpsample(3, 4).double()(x_BCHW)[0].permute(1, 2, 0).numpy()
    # 1e-6: the fixed kernel is kept in fp32.
    np.testing.assert_allclose(large, resize(small, scale=4, border="clamp"), atol=1e-6)


def test_parameter_counts_are_those_of_the_papers():
    def count(name, **values):
        network = network_config(name, {"scale": 4, **values}).build()
        return sum(p.numel() for p in network.parameters())

    assert count("srcnn", channels=1) == 57281  # the 9-5-5 form
    assert count("fsrcnn", channels=1) == 12464 + 173 + 172  # the paper counts no bias, no slope
    assert count("edsr") == 1517571  # the baseline of the authors' release
    assert count("edsr", features=256, blocks=32, residual_scale=0.1) == 43089923


def test_an_unknown_architecture_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'srcnn'"):
        network_config("srccn", {})


def test_an_unknown_setting_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'features'"):
        network_config("lean", {"feature": 3})


def test_a_setting_of_the_wrong_type_is_refused():
    with pytest.raises(ModelError, match="blocks"):
        network_config("lean", {"blocks": "many"})


def test_edsr_refuses_a_scale_that_it_has_no_stages_for():
    with pytest.raises(ArgumentError, match="got scale 5"):
        network_config("edsr", {"scale": 5}).build()
