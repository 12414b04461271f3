"""Upscaler of a video's frames: a network over an iterator of frames.

The network is a single-frame one, or a recurrent one. A killed run resumes at the start of a
segment, and must give the same frames as an uninterrupted run. So at the start of every segment, in
any run, a recurrent network is reset, warmed up on a few frames before the segment, and its output
for them is dropped. A frame then depends only on its segment and on these frames.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from superres import zoo
from superres.errors import ArgumentError
from superres.frame import Unit
from superres.images.anchor import anchor_frame
from superres.images.resize import resize
from superres.infer.engine import EngineState
from superres.infer.route import Route
from superres.infer.video import VideoEngine
from superres.model_pool import ModelPool
from superres.runtimes.open import open_runtime
from superres.runtimes.runtime import RuntimeFacts
from superres.upscaler import RunOptions, Upscaler
from superres.video.cuts import SceneCuts
from superres.watch import Watch

# Takes frames, and how many of the first are only for warm-up; yields all others.
FrameUpscaler = Callable[[Iterable[Unit], int], Iterator[Unit]]

LOOKED_BACK = 8  # frames before a segment

_MOST_AT_ONCE = 16  # frames, held in memory with their results


def upscale_each(upscaler: Upscaler, route: Route, watch: Watch) -> FrameUpscaler:
    """Return a frame upscaler that treats each frame by itself.

    Args:
        upscaler: The networks.
        route: The passes, and the size of the larger frames.
        watch: The job, or part of a job, of these frames.
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
                    # While the network runs some frames, the next ones are cut into tiles, and
                    # the tiles of the last ones are joined.
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
    """A video model with its opened networks, for one video.

    It takes the place of an `Upscaler`, but is not shared: a network's state belongs to one video.

    Args:
        model: A family, a model or a model file.
        options: How networks are run.
        watch: The job, which is notified of each choice and fallback.

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
        """Return the engine of a scale, opened at its first use.

        Args:
            scale: The scale.
            nth: Index of the pass in a route: each has its own history.
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
        """Return the facts of the runtime of a route's first pass; None if it has no pass."""
        return self.engines(route)[0].facts if route.passes else None

    def state(self, route: Route, watch: Watch) -> EngineState | None:
        """Return how the network of a route's first pass ran, if there is one."""
        assert watch.job is self._watch.job
        if not route.passes:
            return None
        engine = self.engines(route)[0]
        return EngineState(engine.facts, engine.tile)


def open_networks(
    model: str, options: RunOptions, models: ModelPool, watch: Watch
) -> Upscaler | VideoNetworks:
    """Return the networks of a model, by the input that its card states.

    Args:
        model: A family, a model or a model file.
        options: How networks are run.
        models: Shared by jobs: the source of single-frame networks.
        watch: The job, which is notified of each choice and fallback.

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
    """Return a frame upscaler for recurrent networks, which are reset at each scene.

    Args:
        networks: The networks.
        route: The passes, and the size of the larger frames.
        watch: The job, or part of a job, of these frames.
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
                answer = engine.upscale(frame).copy(order="K")  # the history keeps the original
                frame = anchor_frame(frame, answer, clamped=True)
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
