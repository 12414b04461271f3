"""Gated: plain SPAN, and the effect of looks, refinements and folding."""

import pytest
import torch

from superres.errors import ModelError
from superres.networks.catalog import network_config
from superres.networks.gated import GatedConfig
from superres.networks.span import SpanConfig


def span_and(**values):
    """Return a fused SPAN and a Gated network initialised with its weights."""
    torch.manual_seed(0)
    span = SpanConfig(features=8, fused=True).build().double()
    with torch.no_grad():
        span.get_submodule("upsampler.0").get_parameter("weight").normal_(std=0.01)
    gated = GatedConfig(features=8, **values).build().double()
    missing, unexpected = gated.load_state_dict(span.state_dict(), strict=False)
    assert unexpected == []
    assert all(name.startswith(("looks.", "refinements.")) for name in missing)
    return span, gated


def test_without_looks_it_is_span():
    span, gated = span_and(looks=0)
    small = torch.rand(1, 3, 9, 14, dtype=torch.float64)
    with torch.inference_mode():
        assert torch.equal(gated(small), span(small))


def test_what_is_added_to_weights_of_span_hardly_changes_its_answer_at_first():
    span, gated = span_and(looks=2, refinements=2)
    small = torch.rand(1, 3, 16, 24, dtype=torch.float64)
    with torch.inference_mode():
        answer = span(small)
        added = (gated(small) - answer).abs().max() / answer.std()
    assert 0 < added < 0.2


def test_a_look_sees_its_own_window_and_as_far_around_it_as_its_convolutions():
    _, network = span_and(looks=1, pooled=4)
    look = network.get_submodule("looks.0")
    before = torch.rand(1, 8, 36, 44, dtype=torch.float64)
    after = before.clone()
    after[..., 17, 22] += 10.0
    with torch.inference_mode():
        changed = (look(after) - look(before)).abs().amax((0, 1)) > 0
    expected = torch.zeros(36, 44, dtype=torch.bool)
    expected[16 - 8 : 20 + 8, 20 - 8 : 24 + 8] = True
    assert torch.equal(changed, expected)


def test_a_folded_network_puts_each_pixel_of_its_answer_where_its_input_lay():
    network = GatedConfig(features=8, fold=2, looks=0, scale=2).build()
    small = torch.full((1, 3, 8, 8), 0.5)
    changed = small.clone()
    changed[..., 5, 2] = 1.0
    with torch.no_grad():
        # Only the shallow features reach the output, each through one kernel's centre.
        for name, parameter in network.named_parameters():
            parameter.zero_()
            if name == "conv_1.weight":
                for channel in range(8):
                    parameter[channel, channel, 1, 1] = 1.0
            if name == "conv_cat.weight":
                parameter[range(8), range(8)] = 1.0
            if name == "upsampler.0.weight":
                for channel in range(8):  # of red and green, each of 2x2 pixels to 4x4
                    for row in (0, 1):
                        for column in (0, 1):
                            y, x = divmod(channel % 4, 2)
                            place = 16 * (channel // 4) + 4 * (2 * y + row) + 2 * x + column
                            parameter[place, channel, 1, 1] = 1.0
        answer = (network(changed) - network(small))[0, 0]
    expected = torch.zeros(16, 16)
    expected[10:12, 4:6] = 0.5 * 255
    torch.testing.assert_close(answer, expected)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(("fold", "residual"), [(1, False), (1, True), (2, False)])
def test_its_halo_holds_at_every_place_of_its_grid(scale, fold, residual):
    torch.manual_seed(0)
    shape = {"features": 4, "blocks": 2, "looks": 1, "pooled": 2, "refinements": 1}
    config = GatedConfig(**shape, fold=fold, residual=residual, scale=scale)
    network = config.build().double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    step, halo = config.multiple_of, config.halo
    inside = -(-halo // step) * step
    whole = torch.rand(1, 3, 2 * inside + 4 * step, 2 * inside + 4 * step, dtype=torch.float64)
    cut = whole[..., step:, step:]
    with torch.inference_mode():
        difference = (network(whole)[..., scale * step :, scale * step :] - network(cut)).abs()
    assert difference[..., scale * halo :, scale * halo :].max() < 1e-9
    assert difference[..., : scale * halo, :].max() > 1e-6


def test_the_residual_form_begins_as_pixel_repetition_within_its_small_answer():
    torch.manual_seed(0)
    network = GatedConfig(features=8, residual=True, refinements=1, scale=3).build().double()
    small = torch.rand(1, 3, 8, 12, dtype=torch.float64)
    repeated = small.repeat_interleave(3, 2).repeat_interleave(3, 3)
    with torch.inference_mode():
        assert 0 < (network(small) - repeated).abs().max() < 0.1
        for name, parameter in network.named_parameters():
            if name.startswith("upsampler"):
                parameter.zero_()
        assert torch.equal(network(small), repeated)


def test_a_block_of_the_residual_form_that_finds_nothing_hands_its_features_on():
    network = GatedConfig(features=8, residual=True).build()
    block = network.get_submodule("block_1")
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.zero_()
    features = torch.randn(1, 8, 5, 7)
    with torch.inference_mode():
        assert torch.equal(block(features)[0], features)


def test_more_looks_than_gaps_between_blocks_are_refused():
    with pytest.raises(ModelError, match="2 blocks have gaps for 1 looks"):
        network_config("gated", {"blocks": 2, "looks": 2})
