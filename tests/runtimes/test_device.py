from __future__ import annotations

import pytest

from superres.errors import UnknownNameError
from superres.runtimes.device import Device, parse_device


@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("auto", Device("auto")),
        ("cpu", Device("cpu")),
        ("CPU", Device("cpu")),
        ("gpu", Device("gpu")),
        ("gpu:1", Device("gpu", 1)),
        ("GPU.1", Device("gpu", 1)),
        ("0", Device("gpu", 0)),
        ("cuda", Device("cuda")),
        ("cuda:0", Device("cuda", 0)),
        ("mps", Device("mps")),
        ("npu", Device("npu")),
    ],
)
def test_device_names_are_read_in_the_words_of_every_runtime(name, device):
    assert parse_device(name) == device


def test_device_zero_is_not_taken_for_no_device():
    assert parse_device("gpu:0").index == 0
    assert str(parse_device("gpu:0")) == "gpu:0"
    assert parse_device("gpu").index is None


@pytest.mark.parametrize("name", ["", "cud", "gpu:", "gpu:x", "gpu:-1", "tpu", "cuda:0:1", ":1"])
def test_other_names_are_errors(name):
    with pytest.raises(UnknownNameError, match="there is no device named"):
        parse_device(name)


def test_a_near_miss_is_told_the_nearest_name():
    with pytest.raises(UnknownNameError, match="did you mean 'cuda'"):
        parse_device("cudaa")
