"""RRDBNet: the published sizes, its scales, and the error of its limited halo."""

import pytest
import torch

from superres.errors import ArgumentError
from superres.networks.rrdb import RrdbConfig


# Counts of RealESRGAN_x4plus.pth, RealESRGAN_x2plus.pth and RealESRGAN_x4plus_anime_6B.pth; the
# ESRGAN paper's 16.70 M is the first.
@pytest.mark.parametrize(
    ("config", "count"),
    [
        (RrdbConfig(), 16_697_987),
        (RrdbConfig(scale=2), 16_703_171),
        (RrdbConfig(blocks=6), 4_467_779),
    ],
)
def test_parameter_counts_are_those_of_the_published_models(config, count):
    with torch.device("meta"):
        assert sum(p.numel() for p in config.build().parameters()) == count


@pytest.mark.parametrize(
    ("scale", "doublings", "multiple"), [(4, 2, 1), (2, 2, 2), (1, 2, 4), (2, 1, 1), (8, 3, 1)]
)
def test_the_input_is_folded_by_what_the_doublings_do_beyond_the_scale(scale, doublings, multiple):
    config = RrdbConfig(scale=scale, doublings=doublings, features=4, growth=2, blocks=1)
    assert config.multiple_of == multiple
    with torch.inference_mode():
        large = config.build()(torch.rand(1, 3, 4 * multiple, 8 * multiple))
    assert large.shape == (1, 3, 4 * multiple * scale, 8 * multiple * scale)


def test_a_scale_beyond_the_doublings_is_refused():
    with pytest.raises(ArgumentError, match="upscales by 1, 2, 3, 4, got scale 8"):
        RrdbConfig(scale=8).build()


def test_a_halo_that_is_cut_says_so():
    assert RrdbConfig(blocks=1).exact_halo
    assert not RrdbConfig(blocks=6).exact_halo
    assert RrdbConfig().reach == 349
    assert RrdbConfig().halo == 32


def test_beyond_the_cut_halo_a_fresh_network_of_full_depth_sees_nothing():
    torch.manual_seed(0)
    config = RrdbConfig(features=8, growth=4)
    network = config.build()
    picture = torch.rand(1, 3, 12, config.halo + 40)
    with torch.inference_mode():
        whole = network(picture)[..., 4 * 20 :]
        tile = network(picture[..., 20:])
    difference = (tile - whole).abs()
    assert difference.max() > 1e-2
    assert difference[..., 4 * config.halo :].max() < 1e-5  # fp32's rounding
