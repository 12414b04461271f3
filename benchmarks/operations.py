"""Operations that a piece of work dispatches, counted by torch's profiler on the CPU.

Each of them costs some microseconds of one core, whatever it computes. An operation that calls
others counts as well as those, so that the number is the profiler's own: all events whose names
begin with `aten::`. It depends on the network and the recipe, not on the batch or the machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from torch.profiler import ProfilerActivity, profile

_KIND = "aten::"


def dispatched(work: Callable[[], object]) -> Counter[str]:
    """Return the number of operations by name; `total()` is the figure that is published.

    Args:
        work: One steady step: run it a few times before, as first steps allocate and decide.
    """
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        work()
    names = (event.name for event in profiled.events() or ())
    return Counter(name.removeprefix(_KIND) for name in names if name.startswith(_KIND))
