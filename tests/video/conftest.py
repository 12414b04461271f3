"""Every test here runs with a network that repeats pixels."""

import pytest

from superres.video.enlarge_video import enlarge_video
from superres.video.plan import VideoOptions
from superres.watch import Watch


@pytest.fixture(autouse=True)
def every_model_repeats(repeating_network):
    """Every test here runs with it."""


@pytest.fixture
def enlarge():
    """Return a function that enlarges a clip by 2 and returns the report."""

    def run(source, target, *, kind="file", progress=None, **options):
        chosen = VideoOptions(**{"scale": 2, "segment_frames": 4, **options})
        return enlarge_video(source, target, chosen, kind=kind, watch=Watch(on_progress=progress))

    return run
