"""A toy runtime: all that adding a runtime takes beside a row of the table."""

from __future__ import annotations

from superres.runtimes.runtime import RuntimeFacts


class ToyRuntime:
    """Answers every graph with the first input's first channels, their pixels repeated."""

    facts = RuntimeFacts("toy", "nowhere", "fp32", best_tile=64, bytes_per_px=1, free_bytes=2**30)

    def __init__(self, path, card, setup):
        self.card = card

    def run(self, graph, tensors):
        asked = self.card.graph(graph)
        small = tensors[asked.inputs[0].name]
        return {
            port.name: small[:, : port.channels].repeat(port.scale, axis=2).repeat(port.scale, 3)
            for port in asked.outputs
        }
