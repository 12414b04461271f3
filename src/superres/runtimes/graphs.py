"""What the inputs and outputs of exported graphs are called.

A network of one frame is one graph, from `INPUT` to `OUTPUT`. One of many frames is two that share
their weights: the first takes `REFERENCE`, `FRAME` and states, and gives each state's successor,
named with `NEXT` behind it; the second makes `OUTPUT` of `REFERENCE` and states. States begin as 0.

One of videos is two as well. The first takes whole frames, `FRAME` and `PREVIOUS`, with what was
made of the latter, `BEFORE` and `MEMORY`, and gives `ALIGNED`; places lie in it, so that it has to
be computed in fp32. The second makes `OUTPUT` of that, as `INPUT`, and the next frame's `MEMORY`,
named with `NEXT`.
"""

from __future__ import annotations

INPUT, OUTPUT = "small", "large"
REFERENCE, FRAME = "reference", "frame"
NEXT = "_next"
PREVIOUS, BEFORE, MEMORY, ALIGNED = "previous", "before", "memory", "aligned"
