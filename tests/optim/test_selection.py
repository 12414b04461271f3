"""Who is moved by what."""

import pytest
from torch import nn

from superres.optim.muon import Muon
from superres.optim.selection import all_matrices, inner_convolutions, open_optimizer
from superres.optim.soap import Soap


def network():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3), nn.PReLU(5), nn.Conv2d(5, 6, 3), nn.Conv2d(6, 3, 3)
    )


def test_inner_convolutions_are_matrices_and_all_else_is_not():
    net = network()
    matrices, others = inner_convolutions(net)
    assert [tuple(p.shape[:2]) for p in matrices] == [(5, 4), (6, 5)]
    assert len(matrices) + len(others) == len(list(net.parameters()))


def test_all_weights_of_many_axes_are_matrices():
    matrices, others = all_matrices(network())
    assert [tuple(p.shape[:2]) for p in matrices] == [(4, 3), (5, 4), (6, 5), (3, 6)]
    assert all(p.ndim == 1 for p in others)


@pytest.mark.parametrize(
    ("name", "kind", "matrices"), [("muon", Muon, 2), ("soap", Soap, 4), ("adam", Muon, 0)]
)
def test_each_name_has_its_optimiser_and_its_share(name, kind, matrices):
    net = network()
    net[0].bias.requires_grad_(False)
    optimizer = open_optimizer(name, net, rate=1e-3, matrix_rate=2e-3, decay=0.0)
    assert isinstance(optimizer, kind)
    blocks = optimizer.memory.matrices
    assert sum(len(block.members) for block in blocks) == matrices
    rates = {group["matrices"]: group["lr"] for group in optimizer.param_groups}
    assert rates == {True: 2e-3, False: 1e-3} if matrices else {False: 1e-3}
    assert len(optimizer.memory.parameters) == len(list(net.parameters())) - 1
