"""What the inputs and outputs of exported graphs are called.

A network of one frame is one graph, from `INPUT` to `OUTPUT`. One of many frames is two that share
their weights: the first takes `REFERENCE`, `FRAME` and states, and gives each state's successor,
named with `NEXT` behind it; the second makes `OUTPUT` of `REFERENCE` and states. States begin as 0.
"""

from __future__ import annotations

INPUT, OUTPUT = "small", "large"
REFERENCE, FRAME = "reference", "frame"
NEXT = "_next"
