"""Graphs of models: their ports match, and survive a card's round trip."""

import pytest
from pydantic import ValidationError

from superres.layers import graphs
from superres.layers.graphs import Graph, Port, burst_graphs, image_graphs, video_graphs


@pytest.mark.parametrize(("channels", "scale"), [(1, 2), (3, 4), (3, 1)])
def test_single_pictures_are_one_graph_from_small_to_large(channels, scale):
    (graph,) = image_graphs(channels, scale)
    assert graph.name == graphs.ENLARGE
    assert graph.inputs == (Port(name="small", channels=channels),)
    assert graph.outputs == (Port(name="large", channels=channels, scale=scale),)
    assert not graph.exact
    assert not graph.whole


def test_a_bursts_states_come_out_under_their_next_names_and_go_back_in():
    step, finish = burst_graphs(3, 2, {"sums": 7, "merged": 5})
    assert (step.name, finish.name) == (graphs.STEP, graphs.FINISH)
    reference, frame, *kept = step.inputs
    # Colours, the sample's offset along each axis, and its validity.
    assert (reference.channels, frame.channels) == (6, 6)
    assert [(port.name, port.channels) for port in kept] == [("sums", 7), ("merged", 5)]
    assert [port.name for port in step.outputs] == ["sums_next", "merged_next"]
    assert [port.channels for port in step.outputs] == [7, 5]
    assert all(port.held for port in (*kept, *step.outputs))
    assert finish.inputs == (reference, *kept)
    assert [(port.name, port.scale, port.held) for port in finish.outputs] == [("large", 2, False)]


def test_what_a_video_makes_is_what_the_next_frame_takes():
    align, restore = video_graphs(3, 4, memory=8, aligned=60)
    ports = {port.name: port for port in align.inputs}
    assert list(ports) == ["frame", "previous", "before", "memory"]
    (aligned,), (small,) = align.outputs, restore.inputs
    assert aligned.channels == small.channels == 60
    large, memory = restore.outputs
    assert (large.channels, large.scale) == (ports["before"].channels, ports["before"].scale)
    assert memory.name == "memory" + graphs.NEXT
    assert memory.channels == ports["memory"].channels == 8
    assert align.exact
    assert align.whole
    assert not restore.exact
    assert not restore.whole


@pytest.mark.parametrize(
    "made",
    [*image_graphs(3, 4), *burst_graphs(1, 2, {"a": 3}), *video_graphs(3, 2, memory=4, aligned=9)],
)
def test_graphs_come_back_from_json(made):
    assert Graph.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize(
    "wrong", [{"channels": 0}, {"channels": 3, "scale": 0}, {"channels": 3, "depth": 8}, {}]
)
def test_a_port_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValidationError):
        Port.model_validate({"name": "small", **wrong})


def test_a_graph_takes_something_and_gives_something():
    (good,) = image_graphs(3, 2)
    for side in ("inputs", "outputs"):
        with pytest.raises(ValidationError, match=side):
            Graph.model_validate({**good.model_dump(), side: ()})
