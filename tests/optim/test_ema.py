"""Average of weights: floats are averaged, counters are the network's."""

import torch
from torch import nn

from superres.optim.ema import WeightAverage


def test_a_counter_is_the_network_s_own_and_weights_are_averaged():
    network = nn.BatchNorm2d(1)
    average = WeightAverage(network, 0.999)
    for step in range(3):
        network(torch.rand(2, 1, 4, 4))
        network.weight.data.fill_(2.0)
        average.update(network, step)
    assert int(average.weights["num_batches_tracked"]) == 3
    assert 1.0 < float(average.weights["weight"]) < 2.0
    network(torch.rand(2, 1, 4, 4))
    assert int(average.weights["num_batches_tracked"]) == 3  # a copy
