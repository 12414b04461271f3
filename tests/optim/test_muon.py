"""Muon: its orthogonal steps, and its Adam steps against torch's."""

import pytest
import torch
from torch import nn

from superres.optim.muon import Muon, orthogonalise


@pytest.mark.parametrize("shape", [(16, 40), (40, 16), (8, 8)])
def test_orthogonalised_matrices_have_singular_values_near_one(shape):
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalise(torch.randn(1, *shape)))
    assert values.min() > 0.5
    assert values.max() < 1.3


def test_orthogonalising_keeps_the_singular_directions():
    torch.manual_seed(0)
    matrix = torch.randn(6, 20)
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    diagonal = u.T @ orthogonalise(matrix[None])[0] @ vh.T
    off = diagonal - torch.diag(torch.diag(diagonal))
    assert off.abs().max() < 0.1  # bf16 has eight bits
    assert torch.diag(diagonal).min() > 0.5


def test_other_parameters_move_as_torchs_adam_moves_them():
    torch.manual_seed(0)
    ours, theirs = nn.Parameter(torch.ones(5)), nn.Parameter(torch.ones(5))
    mine = Muon([], [ours], rate=1.0, other_rate=0.01)
    reference = torch.optim.Adam([theirs], lr=0.01)
    for _ in range(20):
        gradient = torch.randn(5)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        mine.step()
        reference.step()
    torch.testing.assert_close(ours, theirs)


def test_a_matrix_step_has_the_size_of_an_adam_step():
    torch.manual_seed(0)
    weight = nn.Parameter(torch.zeros(64, 64, 3, 3))
    optimizer = Muon([weight], [], rate=1e-3, other_rate=1e-3)
    weight.grad = torch.randn_like(weight)
    optimizer.step()
    rms = weight.detach().square().mean().sqrt()
    assert 0.1e-3 < rms < 0.4e-3  # 0.2 of the rate, as an Adam step has on average


def test_a_step_goes_downhill():
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(8, 8, 3, 3))
    optimizer = Muon([weight], [], rate=1e-2, other_rate=1e-2)
    losses = []
    for _ in range(30):
        loss = weight.square().sum()
        weight.grad = torch.autograd.grad(loss, weight)[0]
        losses.append(float(loss.detach()))
        optimizer.step()
    assert losses[-1] < 0.9 * losses[0]


def test_decay_holds_matrices_near_the_size_that_its_docstring_tells():
    torch.manual_seed(0)
    rate, decay = 0.02, 0.5
    weight = nn.Parameter(torch.zeros(32, 32, 3, 3))
    optimizer = Muon([weight], [], rate=rate, other_rate=rate, decay=decay)
    for _ in range(600):
        weight.grad = torch.randn_like(weight)
        optimizer.step()
    expected = 0.2 * (rate / (2 * decay)) ** 0.5
    # Momentum makes successive steps similar, which adds some.
    assert expected < weight.detach().square().mean().sqrt() < 8 * expected


def test_decay_leaves_other_parameters_alone():
    weight = nn.Parameter(torch.ones(4))
    optimizer = Muon([], [weight], rate=0.1, other_rate=0.1, decay=0.5)
    weight.grad = torch.zeros(4)
    optimizer.step()
    assert torch.equal(weight, torch.ones(4))
