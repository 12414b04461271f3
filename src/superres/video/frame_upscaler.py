"""Frames in, larger frames out: a network over a video, as iterators.

A network that sees one frame at a time, or one that knows what it made of those before. A killed
run goes on at a segment's beginning, and shall make what an unbroken one makes; so at every
segment's beginning, in any run, the latter forgets all, looks again at a few frames before the
segment, and drops what it makes of them. A frame then depends on its segment and on these alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from superres import zoo
from superres.errors import ArgumentError
from superres.frame import Unit
from superres.images.resize import resize
from superres.infer.anchor import anchored
from superres.infer.engine import EngineState
from superres.infer.route import Route
from superres.infer.video import VideoEngine
from superres.model_pool import ModelPool
from superres.runtimes.open import open_runtime
from superres.runtimes.runtime import RuntimeFacts
from superres.upscaler import RunOptions, Upscaler
from superres.video.cuts import SceneCuts
from superres.watch import Watch

# Takes frames, and how many of the first are only there to be looked at; yields all others.
FrameUpscaler = Callable[[Iterable[Unit], int], Iterator[Unit]]

LOOKED_BACK = 8  # frames before a segment

_MOST_AT_ONCE = 16  # frames, and what is made of them, lie in memory


def upscale_each(upscaler: Upscaler, route: Route, watch: Watch) -> FrameUpscaler:
    """Return what upscales each frame by itself.

    Args:
        upscaler: The networks.
        route: The passes, and the size of the larger frames.
        watch: The job, or the part of it, that the frames are.
    """
    # Opened here, once, and not in the threads.
    engines = upscaler.engines(route, watch)

    def upscale_all(frames: Iterable[Unit], looked_back: int) -> Iterator[Unit]:
        assert looked_back == 0
        flying: deque[Future[Unit]] = deque()
        with ThreadPoolExecutor(_MOST_AT_ONCE + 1, "superres-frame") as pool:
            try:
                for frame in frames:
                    watch.check()
                    flying.append(pool.submit(upscaler.frame, frame, route, watch))
                    # While the network runs some frames, the tiles of the next are cut and those
                    # of the last are joined.
                    at_once = engines[0].pictures_at_once(*frame.shape[:2]) if engines else 1
                    while len(flying) > min(at_once, _MOST_AT_ONCE):
                        yield flying.popleft().result()
                while flying:
                    yield flying.popleft().result()
            finally:
                for future in flying:
                    future.cancel()

    return upscale_all


class VideoNetworks:
    """A model of videos with its opened networks, for one video.

    It stands in for an `Upscaler`, but is not shared: what a network knows of earlier frames is of
    one video.

    Args:
        model: A family, a model or a model file.
        options: How networks are run.
        watch: The job: told of each choice and fallback.

    Raises:
        UnknownNameError: There is no such model.
        ArgumentError: An ensemble is requested.
        ModelError: Its file cannot be used.
    """

    def __init__(self, model: str, options: RunOptions, watch: Watch) -> None:
        if options.ensemble:
            raise ArgumentError(
                f"model {model} upscales videos, which does not support ensembles",
                "leave --ensemble out, or use a picture model",
            )
        self.model = model
        self.offered = zoo.scales(model)
        self._options = options
        self._watch = watch
        self._engines: dict[tuple[int, int], VideoEngine] = {}

    def _engine(self, scale: int, nth: int) -> VideoEngine:
        """Return the engine of one scale, opened at its first use.

        Args:
            scale: The scale.
            nth: Which pass of a route it is for: each has a history of its own.
        """
        if (scale, nth) not in self._engines:
            found = zoo.resolve(self.model, scale=scale, watch=self._watch)
            self._engines[scale, nth] = VideoEngine(
                found.card,
                open_runtime(found, self._options, takes="video", watch=self._watch),
                tile=self._options.tile,
                fallback=lambda watch: open_runtime(
                    found, self._options.exact(), takes="video", watch=watch
                ),
                watch=self._watch,
            )
        return self._engines[scale, nth]

    def engines(self, route: Route) -> tuple[VideoEngine, ...]:
        """Return the engines of a route's passes, in order."""
        return tuple(self._engine(scale, nth) for nth, scale in enumerate(route.passes))

    def facts(self, route: Route) -> RuntimeFacts | None:
        """Return the facts of the runtime that a route begins on; None if it has no pass."""
        return self.engines(route)[0].facts if route.passes else None

    def state(self, route: Route, watch: Watch) -> EngineState | None:
        """Return how the video was run by the network that a route begins with, if any."""
        assert watch.job is self._watch.job
        if not route.passes:
            return None
        engine = self.engines(route)[0]
        return EngineState(engine.facts, engine.tile)


def open_networks(
    model: str, options: RunOptions, models: ModelPool, watch: Watch
) -> Upscaler | VideoNetworks:
    """Return the networks of a model, by what its card says that they take.

    Args:
        model: A family, a model or a model file.
        options: How networks are run.
        models: What jobs share: networks of single frames are taken from there.
        watch: The job: told of each choice and fallback.

    Raises:
        UnknownNameError: There is no such model.
        ModelError: Its file cannot be used.
    """
    card = zoo.resolve(model, scale=max(zoo.scales(model)), watch=watch).card
    if card.input == "video":
        return VideoNetworks(model, options, watch)
    return models.upscaler(model, options)


def upscale_in_order(
    networks: VideoNetworks, route: Route, watch: Watch, *, segment_frames: int
) -> FrameUpscaler:
    """Return what upscales each frame with what it made of those before, scene by scene.

    Args:
        networks: The networks.
        route: The passes, and the size of the larger frames.
        watch: The job, or the part of it, that the frames are.
        segment_frames: Frames in a segment; see above.
    """
    engines = networks.engines(route)

    def upscale_all(frames: Iterable[Unit], looked_back: int) -> Iterator[Unit]:
        recent: deque[Unit] = deque(maxlen=LOOKED_BACK)
        cuts = SceneCuts()

        def upscale(frame: Unit) -> Unit:
            if cuts.begins_scene(frame):
                for engine in engines:
                    engine.restart()
            for engine in engines:
                answer = engine.upscale(frame).copy(order="K")  # its history keeps its own
                frame = anchored(frame, answer, clamped=True)
            if frame.shape[:2] != route.target:
                frame = resize(frame, size=route.target).astype(np.float32)
            return frame

        for number, frame in enumerate(frames, -looked_back):
            watch.check()
            if number >= 0 and number % segment_frames == 0:
                cuts = SceneCuts()
                for before in recent:
                    upscale(before)
            if number >= 0:
                yield upscale(frame)
            recent.append(frame)

    return upscale_all
