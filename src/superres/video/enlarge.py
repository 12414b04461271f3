"""Frames in, larger frames out: a network over a video, as iterators.

A network that sees one frame at a time is here. One that looks at neighbours takes its place by
the same two iterators: as many frames come out as go in, in order, and it holds back as many as
its window needs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from superres.upscaler import Route, Upscaler

Unit = NDArray[np.float32]  # (H, W, 3), in [0, 1] as input, unclamped as output
FrameEnlarger = Callable[[Iterable[Unit]], Iterator[Unit]]

# While the network runs one frame, the tiles of the next are cut and those of the last are joined.
_UNDER_WAY = 2


def enlarge_each(upscaler: Upscaler, route: Route) -> FrameEnlarger:
    """Return what enlarges each frame by itself.

    Args:
        upscaler: The networks.
        route: The passes, and the size of the larger frames.
    """
    for scale in route.passes:
        upscaler.engine(scale)  # opened here, once, and not in the threads

    def enlarge_all(frames: Iterable[Unit]) -> Iterator[Unit]:
        flying: deque[Future[Unit]] = deque()
        with ThreadPoolExecutor(_UNDER_WAY, "superres-frame") as pool:
            try:
                for frame in frames:
                    flying.append(pool.submit(upscaler.frame, frame, route))
                    if len(flying) == _UNDER_WAY:
                        yield flying.popleft().result()
                while flying:
                    yield flying.popleft().result()
            finally:
                for future in flying:
                    future.cancel()

    return enlarge_all
