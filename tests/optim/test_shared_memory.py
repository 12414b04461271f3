"""Parameters in shared memory: they stay what they were, and move as if each were alone."""

import copy
from typing import Any, cast

import pytest
import torch
from torch import nn

from superres.optim.ema import WeightAverage
from superres.optim.half_weights import HalfWeights, called_layers
from superres.optim.matrix_optimizer import MatrixOptimizer
from superres.optim.muon import Muon
from superres.optim.selection import open_optimizer
from superres.optim.shared_memory import SharedMemory
from superres.optim.soap import Soap


def network(channels_last=True) -> nn.Sequential:
    torch.manual_seed(0)
    made = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.PReLU(8),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.Conv2d(8, 4, 1),
        nn.Conv2d(4, 8, 3, padding=1),
        nn.Conv2d(8, 3, 3, padding=1),
    )
    return cast("Any", made).to(memory_format=torch.channels_last) if channels_last else made


def gradient(parameter: torch.Tensor) -> torch.Tensor:
    assert parameter.grad is not None
    return parameter.grad


def loss_of(net: nn.Module, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(2, 3, 9, 7, generator=generator)
    return (net(x) - x).square().mean()


@pytest.mark.parametrize("channels_last", [True, False])
def test_a_network_computes_the_same_once_its_parameters_are_moved(channels_last):
    net = network(channels_last)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    expected, strides = loss_of(net, 0), [p.stride() for p in net.parameters()]
    open_optimizer("muon", net, rate=1e-3, matrix_rate=1e-3, decay=0.0)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert [p.stride() for p in net.parameters()] == strides
    assert torch.equal(loss_of(net, 0), expected)


@pytest.mark.parametrize("kind", [Muon, Soap])
def test_stacked_matrices_move_as_each_moves_alone(kind):
    torch.manual_seed(1)
    together = [nn.Parameter(torch.randn(6, 10)) for _ in range(3)]
    alone = [nn.Parameter(one.detach().clone()) for one in together]
    stacked = kind(together, [], rate=1e-2, other_rate=1e-2, decay=0.1)
    assert len(stacked.memory.matrices) == 1
    single = [kind([one], [], rate=1e-2, other_rate=1e-2, decay=0.1) for one in alone]
    for _ in range(30):  # past SOAP's first refresh
        for one, other in zip(together, alone, strict=True):
            gradient = torch.randn(6, 10)
            one.grad, other.grad = gradient.clone(), gradient
        stacked.step()
        for optimizer in single:
            optimizer.step()
    for one, other in zip(together, alone, strict=True):
        # Kernels for stacks sum in another order, and Muon's arithmetic has 8 bits.
        torch.testing.assert_close(one, other, atol=2e-3, rtol=2e-2)


def test_gradients_are_added_to_in_place_and_cleared_in_place():
    net = network()
    optimizer = open_optimizer("muon", net, rate=1e-3, matrix_rate=1e-3, decay=0.0)
    reference = copy.deepcopy(net)
    for one in reference.parameters():
        one.grad = None
    for seed in range(2):
        loss_of(net, seed).backward()
        loss_of(reference, seed).backward()
    assert optimizer.memory.gradients.abs().max() > 0
    for ours, theirs in zip(net.parameters(), reference.parameters(), strict=True):
        assert torch.equal(gradient(ours), gradient(theirs))
    norm = torch.nn.utils.clip_grad_norm_(reference.parameters(), 0.01)
    torch.testing.assert_close(optimizer.clip(0.01), norm)
    for ours, theirs in zip(net.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(gradient(ours), gradient(theirs), rtol=1e-3, atol=0)
    optimizer.zero_grad()
    assert all(float(gradient(one).abs().max()) == 0 for one in net.parameters())


def test_small_gradients_are_not_scaled_up():
    weight = nn.Parameter(torch.zeros(4))
    optimizer = Muon([], [weight], rate=0.1, other_rate=0.1)
    weight.grad = torch.full((4,), 0.25)
    assert float(optimizer.clip(1.0)) == 0.5
    assert torch.equal(weight.grad, torch.full((4,), 0.25))


def test_gradients_set_by_hand_or_to_none_are_taken_in():
    weight, other = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    memory = SharedMemory([], [weight, other])
    weight.grad, other.grad = torch.full((3,), 2.0), None
    memory.gather()
    assert memory.gradients[:3].tolist() == [2.0] * 3
    assert torch.equal(gradient(other), torch.zeros(3))


def old_state(optimizer: MatrixOptimizer) -> dict[str, torch.Tensor]:
    """Return a state as versions wrote it that moved each parameter by itself."""
    state = {}
    generator = torch.Generator().manual_seed(5)
    matrices = sum(len(block.members) for block in optimizer.memory.matrices)
    for index, parameter in enumerate(optimizer.memory.parameters):
        shape = parameter.shape
        if index < matrices:
            state[f"{index}.momentum"] = torch.randn(shape, generator=generator)
        else:
            state[f"{index}.first"] = torch.randn(shape, generator=generator)
            state[f"{index}.second"] = torch.rand(shape, generator=generator)
            state[f"{index}.count"] = torch.tensor(7.0, dtype=torch.float64)
    return state


def test_a_state_of_single_parameters_is_loaded_and_given_back():
    optimizer = open_optimizer("muon", network(), rate=1e-3, matrix_rate=1e-3, decay=0.0)
    state = old_state(optimizer)
    optimizer.load_tensors(state)
    again = optimizer.tensors()
    assert again.keys() == state.keys()
    assert all(torch.equal(again[name], state[name]) for name in state)


def test_a_parameter_without_a_state_begins_at_zero():
    optimizer = open_optimizer("muon", network(), rate=1e-3, matrix_rate=1e-3, decay=0.0)
    state = {name: value for name, value in old_state(optimizer).items() if name[:2] != "0."}
    optimizer.load_tensors(state)
    assert float(optimizer.tensors()["0.momentum"].abs().max()) == 0
    assert torch.equal(optimizer.tensors()["1.momentum"], state["1.momentum"])


def test_a_state_of_another_network_is_refused():
    optimizer = open_optimizer("muon", network(), rate=1e-3, matrix_rate=1e-3, decay=0.0)
    state = old_state(optimizer)
    state["1.momentum"] = torch.zeros(8, 8, 5, 5)
    with pytest.raises(RuntimeError, match=r"momentum of parameter 1 .*\(8, 8, 5, 5\)"):
        optimizer.load_tensors(state)


def test_an_average_in_shared_memory_equals_that_of_each_tensor():
    alone, shared = network(), network()
    optimizer = open_optimizer("muon", shared, rate=1e-3, matrix_rate=1e-3, decay=0.0)
    one, other = WeightAverage(alone, 0.9), WeightAverage(shared, 0.9)
    for step in range(5):
        loss_of(shared, step).backward()
        optimizer.step()
        alone.load_state_dict(shared.state_dict())
        one.update(alone, step)
        other.update(shared, step)
    assert one.weights.keys() == other.weights.keys()
    for name, value in one.weights.items():
        assert torch.equal(value, other.weights[name]), name
        assert not torch.equal(value, alone.state_dict()[name])


def test_a_network_that_moved_in_memory_is_not_averaged_on():
    net = network()
    average = WeightAverage(net, 0.9)
    next(net.parameters()).data = torch.zeros(8, 3, 3, 3)
    with pytest.raises(AssertionError):
        average.update(net, 0)


class Partly(nn.Module):
    """Calls one layer, and uses the weight of another in its own arithmetic."""

    def __init__(self) -> None:
        super().__init__()
        self.called = nn.Conv2d(3, 3, 3, padding=1)
        self.slopes = nn.PReLU(3)
        self.merged = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return self.slopes(self.called(x)) * self.merged.weight.sum()


def test_weights_cast_together_give_autocasts_outputs_and_gradients():
    torch.manual_seed(0)
    ours = Partly()
    cast("Any", ours).to(memory_format=torch.channels_last)
    theirs = copy.deepcopy(ours)
    memory = SharedMemory([], list(ours.parameters()))
    x = torch.rand(2, 3, 8, 8)
    with called_layers(ours) as layers, torch.autocast("cpu", torch.bfloat16):
        ours(x)
    assert layers == [ours.called]  # the other layer's weight stays in fp32
    half = HalfWeights(layers, memory, torch.bfloat16)
    for _ in range(2):  # micro-batches add up
        with half.applied(), torch.autocast("cpu", torch.bfloat16):
            assert ours.called.weight.dtype == torch.bfloat16
            got = ours(x)
        with torch.autocast("cpu", torch.bfloat16):
            expected = theirs(x)
        assert torch.equal(got, expected)
        got.float().square().mean().backward()
        half.collect()
        expected.float().square().mean().backward()
    assert ours.called.weight.dtype == torch.float32
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        expected = torch.zeros_like(one) if other.grad is None else other.grad
        assert torch.equal(gradient(one), expected)
    bias = ours.called.bias
    assert isinstance(bias, nn.Parameter)
    with torch.no_grad():
        bias.add_(1)
    half.refresh()
    with half.applied():
        shown = ours.called.bias
        assert shown is not None
        assert torch.equal(shown, half.instead_of([bias])[0])
