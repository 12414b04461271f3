"""SRVGGNetCompact: the published sizes, and a signal that survives the depth."""

import pytest
import torch

from superres.networks.compact import CompactConfig


# Counts of realesr-general-x4v3.pth and realesr-animevideov3.pth.
@pytest.mark.parametrize(
    ("config", "count"),
    [(CompactConfig(), 1_213_296), (CompactConfig(convolutions=16), 621_424)],
)
def test_parameter_counts_are_those_of_the_published_models(config, count):
    with torch.device("meta"):
        assert sum(p.numel() for p in config.build().parameters()) == count


def test_a_signal_passes_32_fresh_convolutions():
    torch.manual_seed(0)
    network = CompactConfig().build()
    small = torch.rand(1, 3, 12, 12)
    with torch.inference_mode():
        features = network.body[:-1](small)
        large = network(small)
    assert 0.1 < features.std() < 10
    repeated = small.repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert 0 < (large - repeated).abs().max() < 0.1
