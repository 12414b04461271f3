"""Survey of a whole video file: its facts, with all that only its packets' stamps tell."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from superres.videofiles.edits import IGNORED, edit_lists, read_stretches
from superres.videofiles.probe import VideoFacts, open_video
from superres.videofiles.stamps import Stretch
from superres.videofiles.timeline import read_timeline

_RATE_ERROR = Fraction(1, 100)  # of a rate: so near to what was measured, what the file says holds
_USUAL_ERROR = Fraction(1, 1000)  # likewise, of a rate that is usual
_USUAL_RATES = sorted(
    Fraction(rate * 1000, thousand) for rate in (24, 30, 60, 120) for thousand in (1000, 1001)
) + [Fraction(rate) for rate in (25, 50, 100)]


def survey(source: Path, facts: VideoFacts) -> VideoFacts:
    """Read the stamps of all packets of a video file, without decoding, and settle its times.

    Args:
        source: The file.
        facts: What its head says.

    Returns:
        The same facts with the file's timeline, and with its start, its rate and how many frames
        there are as its packets say.

    Raises:
        PictureError: The file cannot be read.
    """
    lists = edit_lists(source)
    stretches: dict[int, list[Stretch]] = {}
    if lists:
        with open_video(source) as edited, open_video(source, IGNORED) as stored:
            stretches = read_stretches(lists, edited, stored)
    with open_video(source) as container:
        timeline = read_timeline(container, facts.index, facts.rate, stretches)
    return replace(
        facts,
        timeline=timeline,
        start=timeline.start if timeline.start is not None else facts.start,
        rate=settled_rate(facts.rate, timeline.rate, interlaced=facts.interlaced),
        frames=timeline.frames,
        counted=timeline.counted,
    )


def settled_rate(said: Fraction, measured: Fraction | None, *, interlaced: bool) -> Fraction:
    """Return how many frames a second a video has, by what its file says and by its stamps.

    Args:
        said: What the file says.
        measured: The mean by its packets' stamps; None if there are too few.
        interlaced: Whether its frames hold two fields, so that a packet may be one of the two.
    """
    if measured is None:
        return said if said <= 1000 else Fraction(25)
    for packets in (1, 2) if interlaced else (1,):
        if abs(said * packets / measured - 1) <= _RATE_ERROR:
            return said
    usual = min(_USUAL_RATES, key=lambda rate: abs(rate - measured))
    return usual if abs(usual / measured - 1) <= _USUAL_ERROR else measured.limit_denominator(1001)
