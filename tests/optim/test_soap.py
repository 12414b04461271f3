"""SOAP: its advantage over Adam, its state, and parameters it does not change."""

import pytest
import torch
from torch import nn

from superres.optim import soap
from superres.optim.adam import adam_step
from superres.optim.soap import Soap

RATE = 3e-2


def descend(weight, inputs, wanted, steps):
    """Fit weight @ inputs to the targets; return the optimiser and the losses."""
    optimizer = Soap([weight], [], rate=RATE, other_rate=RATE)
    return optimizer, follow(optimizer, weight, inputs, wanted, steps)


def follow(optimizer, weight, inputs, wanted, steps):
    losses = []
    for _ in range(steps):
        loss = (weight @ inputs - wanted).square().mean()
        weight.grad = torch.autograd.grad(loss, weight)[0]
        losses.append(float(loss.detach()))
        optimizer.step()
    return losses


def alike_pixels(count=400, length=12):
    """Return nearly equal rows, like neighbours in an upscaled picture."""
    torch.manual_seed(0)
    return torch.randn(1, count) + 0.03 * torch.randn(length, count)


def test_what_tells_alike_inputs_apart_is_learnt_where_adam_is_slow():
    inputs = alike_pixels()
    wanted = torch.randn(5, 12) @ inputs
    ours, theirs = nn.Parameter(torch.zeros(5, 12)), nn.Parameter(torch.zeros(5, 12))
    _, losses = descend(ours, inputs, wanted, 300)
    state = {}
    for _ in range(300):
        loss = (theirs @ inputs - wanted).square().mean()
        with torch.no_grad():
            adam_step(theirs, torch.autograd.grad(loss, theirs)[0], state, RATE)
    assert losses[-1] < 0.05 * float(loss.detach())


@pytest.mark.parametrize("side", ["rows", "columns"])
def test_turned_gradients_turn_the_path_and_change_nothing_else(side):
    torch.manual_seed(0)
    turn = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64))[0]
    scales = torch.logspace(-2, 0, 6, dtype=torch.float64)[:, None]
    gradients = [scales * torch.randn(6, 6, dtype=torch.float64) for _ in range(60)]
    plain, turned = (nn.Parameter(torch.zeros(6, 6, dtype=torch.float64)) for _ in range(2))
    for weight, seen in (
        (plain, gradients),
        (turned, [turn @ g if side == "rows" else g @ turn for g in gradients]),
    ):
        optimizer = Soap([weight], [], rate=RATE, other_rate=RATE)
        for gradient in seen:
            weight.grad = gradient
            optimizer.step()
    back = turn.t() @ turned if side == "rows" else turned @ turn.t()
    assert plain.detach().abs().max() > RATE
    torch.testing.assert_close(back, plain, atol=1e-6, rtol=0)


def test_directions_stay_orthonormal_and_their_order_follows_their_share():
    inputs = alike_pixels()
    weight = nn.Parameter(torch.zeros(5, 12))
    optimizer, _ = descend(weight, inputs, torch.randn(5, 12) @ inputs, 102)  # refreshed 4 times
    state = optimizer.tensors()
    for side, edge in (("rows", 5), ("columns", 12)):
        turn = state[f"0.turn_{side}"]
        torch.testing.assert_close(turn.t() @ turn, torch.eye(edge), atol=1e-5, rtol=0)
        share = (turn * (state[f"0.covariance_{side}"] @ turn)).sum(0)
        assert share[0] > share[-1]


def test_a_first_step_only_looks():
    weight = nn.Parameter(torch.ones(3, 4))
    optimizer = Soap([weight], [], rate=RATE, other_rate=RATE)
    weight.grad = torch.randn(3, 4)
    optimizer.step()
    assert torch.equal(weight, torch.ones(3, 4))


def test_what_is_no_number_is_left_to_the_loop_to_name():
    weight = nn.Parameter(torch.ones(3, 4))
    optimizer = Soap([weight], [], rate=RATE, other_rate=RATE)
    for value in (torch.nan, torch.inf, 1.0):
        weight.grad = torch.full((3, 4), value)
        optimizer.step()
    assert not weight.detach().isfinite().all()


def test_a_kept_state_goes_on_with_the_same_steps():
    inputs = alike_pixels()
    wanted = torch.randn(5, 12) @ inputs
    unbroken = nn.Parameter(torch.zeros(5, 12))
    descend(unbroken, inputs, wanted, 60)
    weight = nn.Parameter(torch.zeros(5, 12))
    before, _ = descend(weight, inputs, wanted, 30)
    resumed = nn.Parameter(weight.detach().clone())
    after = Soap([resumed], [], rate=RATE, other_rate=RATE)
    after.load_tensors({name: value.clone() for name, value in before.tensors().items()})
    follow(after, resumed, inputs, wanted, 30)
    assert torch.equal(resumed, unbroken)


def test_a_very_wide_side_keeps_its_axes():
    weight = nn.Parameter(torch.zeros(2, 5000))
    optimizer = Soap([weight], [], rate=RATE, other_rate=RATE)
    for _ in range(3):
        weight.grad = torch.randn(2, 5000)
        optimizer.step()
    assert {name for name in optimizer.tensors() if "turn" in name} == {"0.turn_rows"}
    assert weight.detach().abs().max() < 10 * RATE


def test_biases_move_by_adam_and_keep_their_size():
    ours, theirs = nn.Parameter(torch.ones(4)), torch.ones(4)
    optimizer = Soap([], [ours], rate=1.0, other_rate=RATE, decay=0.5)
    state = {}
    for _ in range(3):
        ours.grad = torch.tensor([1.0, -2.0, 0.5, 0.0])
        optimizer.step()
        adam_step(theirs, ours.grad, state, RATE)
    assert torch.equal(ours.detach(), theirs)


def test_units_that_add_nothing_yet_do_not_make_the_weights_no_numbers():
    # For one in twenty such gradients LAPACK's fp32 solver returned NaN, or failed.
    generator = torch.Generator().manual_seed(0)

    def drawn(*size):
        return torch.randn(size, generator=generator)

    for _ in range(150):
        gradient = torch.zeros(64, 576)
        gradient[:19] = 1e-5 * drawn(19, 1) * drawn(1, 576) + 2e-5 * drawn(19, 576)
        gradient = gradient[torch.randperm(64, generator=generator)]
        directions = soap._eigenvectors((gradient @ gradient.t())[None])[0]
        torch.testing.assert_close(directions @ directions.t(), torch.eye(64))
