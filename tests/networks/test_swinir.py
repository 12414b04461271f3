"""SwinIR: the published sizes, its windows, and the error of its halo."""

import pytest
import torch

from superres.errors import ArgumentError
from superres.networks.swinir import SWINIR_LIGHT, SWINIR_REAL, SWINIR_REAL_LARGE, SwinirConfig


# The paper: 11.9 M; light 897 K at scale 4 and 878 K at scale 2, which leaves out the 32 460 of
# conv_after_body. Later papers' tables (ESC's) count 930 K. For real pictures: the classical count
# less its two steps of 147 712, and three convolutions of 36 928 more; the large one by hand from
# the authors' layout: 54 blocks of 465 240, 10 bottlenecks of 263 160, and 258 499 around them.
@pytest.mark.parametrize(
    ("values", "count"),
    [
        ({}, 11_900_199),
        (SWINIR_LIGHT, 897_168 + 32_460),
        ({**SWINIR_LIGHT, "scale": 2}, 877_692 + 32_460),
        (SWINIR_REAL, 11_900_199 - 2 * 147_712 + 3 * 36_928),
        (SWINIR_REAL_LARGE, 54 * 465_240 + 10 * 263_160 + 258_499),
    ],
)
def test_parameter_counts_are_those_of_the_published_models(values, count):
    with torch.device("meta"):
        network = SwinirConfig(**values).build()
    assert sum(p.numel() for p in network.parameters()) == count


def test_names_are_those_of_the_authors_checkpoints():
    with torch.device("meta"):
        names = set(SwinirConfig().build().state_dict())
    block = "layers.5.residual_group.blocks.5"
    assert {f"{block}.attn.relative_position_bias_table", f"{block}.mlp.fc2.bias"} <= names
    assert {"patch_embed.norm.weight", "layers.0.conv.weight", "norm.bias"} <= names
    assert {"conv_before_upsample.0.weight", "upsample.2.weight", "conv_last.bias"} <= names


def test_names_of_the_networks_for_real_pictures_are_those_of_the_authors_checkpoints():
    with torch.device("meta"):
        names = set(SwinirConfig(**SWINIR_REAL_LARGE).build().state_dict())
    bottleneck = {f"{layer}.weight" for layer in (0, 2, 4)}
    assert {f"layers.8.conv.{name}" for name in bottleneck} <= names
    assert {f"conv_after_body.{name}" for name in bottleneck} <= names
    assert {"conv_before_upsample.0.bias", "conv_up1.weight", "conv_up2.bias"} <= names
    assert {"conv_hr.weight", "conv_last.bias"} <= names
    assert not any(name.startswith("upsample.") for name in names)


def build(**values):
    torch.manual_seed(0)
    config = SwinirConfig(**{"features": 8, "heads": 2, "window": 4, "scale": 2, **values})
    network = config.build().double()
    with torch.no_grad():  # untrained attention is nearly uniform, and would show little
        for name, parameter in network.named_parameters():
            if "attn" in name:
                parameter.normal_(std=0.5)
    return config, network


def test_a_window_that_is_not_shifted_sees_itself_alone():
    _, network = build()
    block = network.get_submodule("layers.0.residual_group.blocks.0")
    before = torch.randn(1, 8, 12, 8, dtype=torch.float64)
    after = before.clone()
    after[:, 5, 6] += torch.randn(8)
    with torch.inference_mode():
        unused = torch.zeros(6, 16, 16, dtype=torch.float64)
        changed = (block(after, unused) - block(before, unused)).abs().sum((0, 3)) > 0
    expected = torch.zeros(8, 12, dtype=torch.bool)
    expected[4:8, 4:8] = True
    assert torch.equal(changed, expected)


@pytest.mark.parametrize(
    ("row", "column", "rows", "columns"),
    [(5, 6, (2, 6), (6, 10)), (0, 0, (0, 2), (0, 2)), (7, 3, (6, 8), (2, 6))],
)
def test_a_shifted_window_stops_at_the_frames_edges(row, column, rows, columns):
    """The cyclic shift must not let one side of the frame see the other."""
    from superres.networks.swinir import _apart

    _, network = build()
    block = network.get_submodule("layers.0.residual_group.blocks.1")
    before = torch.randn(1, 8, 12, 8, dtype=torch.float64)
    apart = _apart(before.permute(0, 3, 1, 2), 4)
    after = before.clone()
    after[:, row, column] += torch.randn(8)
    with torch.inference_mode():
        change = (block(after, apart) - block(before, apart)).abs().sum((0, 3))
    expected = torch.zeros(8, 12, dtype=torch.bool)
    expected[rows[0] : rows[1], columns[0] : columns[1]] = True
    assert torch.equal(change > 1e-12, expected)


def test_the_table_of_relative_places_is_looked_up_by_row_and_column():
    """The order of the authors' table: query less key, rows before columns."""
    from superres.networks.swinir import _relative_places

    places = _relative_places(4)
    assert places[0, 0] == 3 * 7 + 3
    assert places[0, 1] == 3 * 7 + 2  # the key is one column to the right
    assert places[4, 0] == 4 * 7 + 3  # the query is one row below
    assert places[0, 15] == 0


def test_the_halo_holds_nearly_all_that_a_deep_network_sees():
    config, network = build(features=12, window=8, depths=(6, 6, 6, 6, 6, 6))
    picture = torch.rand(1, 3, 8, config.halo + 32, dtype=torch.float64)
    deep = slice(2 * config.halo, None)
    with torch.inference_mode():
        whole = network(picture)[..., 2 * 16 :]
        tile = network(picture[..., 16:])
    assert (tile - whole).abs().max() > 1e-2
    assert (tile - whole)[..., deep].abs().max() < 1e-3


@pytest.mark.parametrize("scale", [2, 4])
def test_repeated_pixels_make_flat_features_flat(scale):
    _, network = build(scale=scale, upsampler="nearest+conv")
    with torch.inference_mode():
        large = network._repeated(torch.full((1, 64, 12, 12), 0.3, dtype=torch.float64))
    assert large.shape == (1, 64, 12 * scale, 12 * scale)
    inside = large[..., 4 * scale : -4 * scale, 4 * scale : -4 * scale]
    torch.testing.assert_close(inside, inside[..., :1, :1].expand_as(inside))


def test_pixels_are_not_repeated_for_scales_that_are_no_power_of_two():
    with pytest.raises(
        ArgumentError, match=r"swinir with nearest\+conv upscales by 2, 4, got scale 3"
    ):
        SwinirConfig(scale=3, upsampler="nearest+conv").build()


def test_heads_that_do_not_share_the_features_out_are_refused():
    with pytest.raises(ArgumentError, match="cannot divide 60 features among 7 heads"):
        SwinirConfig(features=60, heads=7).build()
