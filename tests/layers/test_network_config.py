from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from torch import Tensor, nn

from superres.errors import ArgumentError
from superres.layers.config import NetworkConfig, check_network_scale
from superres.layers.sequences import BurstNetwork, Recurrent


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("scale", 0),
        ("scale", 17),
        ("scale", "4"),
        ("scale", 4.0),
        ("scale", True),
        ("channels", 0),
        ("channels", 5),
        ("channels", None),
        ("chanels", 3),
    ],
)
def test_a_field_out_of_range_of_another_type_or_unknown_is_refused_by_name(
    field: str, value: object
):
    with pytest.raises(ValidationError) as caught:
        NetworkConfig.model_validate({field: value})
    assert [error["loc"] for error in caught.value.errors()] == [(field,)]


@pytest.mark.parametrize(("scale", "channels"), [(1, 1), (16, 4)])
def test_the_limits_of_scale_and_channels_are_themselves_allowed(scale: int, channels: int):
    config = NetworkConfig(scale=scale, channels=channels)
    assert (config.scale, config.channels) == (scale, channels)


def test_a_config_cannot_be_changed_and_equals_only_those_of_the_same_shape():
    config: Any = NetworkConfig(scale=2)
    with pytest.raises(ValidationError, match="frozen"):
        config.scale = 3
    assert config == NetworkConfig(scale=2)
    assert config != NetworkConfig(scale=2, channels=1)


def test_a_config_survives_its_own_json():
    config = NetworkConfig(scale=3, channels=1)
    assert NetworkConfig.model_validate_json(config.model_dump_json()) == config


def test_a_subclass_that_forgets_its_halo_or_its_network_is_told_its_own_name():
    class Forgetful(NetworkConfig):
        pass

    with pytest.raises(AssertionError, match="Forgetful must state its halo"):
        _ = Forgetful().halo
    with pytest.raises(AssertionError, match="Forgetful must build its network"):
        Forgetful().build()


def test_a_scale_that_an_architecture_lacks_is_refused_with_those_it_has():
    with pytest.raises(ArgumentError) as caught:
        check_network_scale("Swift", 5, (2, 3, 4))
    assert caught.value.message == "Swift upscales by 2, 3, 4, got scale 5"
    assert caught.value.hint == "choose one of 2, 3, 4"
    check_network_scale("Swift", 3, (2, 3, 4))


class OfBursts(nn.Module):
    @property
    def states(self) -> dict[str, int]:
        return {"sum": 1}

    def fuse(self, frames: Any) -> Tensor:
        raise NotImplementedError

    def step(self, reference: Tensor, frame: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        raise NotImplementedError

    def finish(self, reference: Tensor, *states: Tensor) -> Tensor:
        raise NotImplementedError


class OfVideos(nn.Module):
    def __init__(self, *, complete: bool) -> None:
        super().__init__()
        self.aligned = 3
        if complete:
            self.memory = 2

    def align(self, frame: Tensor, previous: Tensor, large: Tensor, memory: Tensor) -> Tensor:
        raise NotImplementedError

    def restore(self, aligned: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError


def test_networks_of_bursts_and_of_videos_are_told_apart_by_what_they_have():
    burst, video = OfBursts(), OfVideos(complete=True)
    assert (isinstance(burst, BurstNetwork), isinstance(burst, Recurrent)) == (True, False)
    assert (isinstance(video, BurstNetwork), isinstance(video, Recurrent)) == (False, True)


def test_a_network_without_its_count_of_memory_channels_is_not_recurrent():
    assert not isinstance(OfVideos(complete=False), Recurrent)
    assert not isinstance(nn.Conv2d(3, 3, 1), Recurrent)
