"""Networks for luma: only colour is left to bicubic."""

import torch

from superres.layers.bicubic_upsample import BicubicUpsample
from superres.layers.luma import LumaOnly
from superres.networks.catalog import network_config

LUMA = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)


def build():
    torch.manual_seed(0)
    return network_config("espcn", {"scale": 3, "features": 8, "refined": 4}).build().eval()


def test_the_luma_of_the_answer_is_the_grey_network_s_and_its_colour_bicubic_s():
    network = build()
    x_BCHW = torch.rand(2, 3, 7, 9)
    with torch.no_grad():
        large_BCHW = network(x_BCHW)
        assert isinstance(network, LumaOnly)
        asked_B1HW = network.network((x_BCHW * LUMA).sum(1, keepdim=True))
    bicubic_BCHW = BicubicUpsample(3, 3)(x_BCHW)

    def colour(rgb_BCHW):
        return rgb_BCHW - (rgb_BCHW * LUMA).sum(1, keepdim=True)

    torch.testing.assert_close((large_BCHW * LUMA).sum(1, keepdim=True), asked_B1HW)
    torch.testing.assert_close(colour(large_BCHW), colour(bicubic_BCHW))


def test_a_grey_picture_comes_out_grey():
    network = build()
    grey_BCHW = torch.rand(1, 1, 8, 8).expand(1, 3, 8, 8)
    with torch.no_grad():
        large_BCHW = network(grey_BCHW)
    torch.testing.assert_close(large_BCHW, large_BCHW[:, :1].expand_as(large_BCHW))


def test_a_network_of_one_channel_stays_as_it_is():
    network = network_config("espcn", {"channels": 1}).build()
    assert not isinstance(network, LumaOnly)
