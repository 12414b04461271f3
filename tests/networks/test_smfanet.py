"""SMFANet: the published sizes, and its pooling at sizes that are not multiples of the window."""

import pytest
import torch
from torch.nn import functional

from superres.networks.smfanet import SMFANET_PLUS, SmfanetConfig, pooled, repeated_to


# "197 K" and "496 K" at scale 4 in the authors' tables.
@pytest.mark.parametrize(("values", "count"), [({}, 197_328), (SMFANET_PLUS, 495_888)])
def test_parameter_counts_are_those_of_the_published_models(values, count):
    with torch.device("meta"):
        network = SmfanetConfig(**values).build()
    assert sum(p.numel() for p in network.parameters()) == count


@pytest.mark.parametrize("size", [(8, 15), (16, 17), (23, 57), (64, 86), (70, 129)])
def test_pooling_and_its_upsampling_are_the_adaptive_ones_of_torch(size):
    features = torch.randn(2, 3, *size)
    few = (size[0] // 8, size[1] // 8)
    expected = functional.adaptive_max_pool2d(features, few)
    assert torch.equal(pooled(features), expected)
    large = functional.interpolate(expected, size=size, mode="nearest")
    assert torch.equal(repeated_to(expected, features), large)


def test_what_lies_far_outside_the_halo_has_influence():
    torch.manual_seed(0)
    config = SmfanetConfig(features=8, blocks=2, scale=2)
    network = config.build()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("belt"):  # the variance of the whole frame, which is initially unused
                parameter.fill_(1.0)
    calm = torch.rand(1, 3, 8, 3 * config.halo)
    changed = calm.clone()
    changed[..., -1] += 1.0
    with torch.inference_mode():
        difference = (network(changed) - network(calm))[..., : 2 * config.halo].abs().max()
    assert not config.exact_halo
    assert difference > 1e-7
