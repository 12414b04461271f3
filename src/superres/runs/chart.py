"""SVG chart of curves over steps, with axes at round numbers, styled by its page."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

Point = tuple[float, float]  # step, value

SLOTS = 8  # colours; further curves reuse them, dashed
WIDTH, HEIGHT = 480, 264
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 64, 10, 30  # margins, the right one for the end values
_LABEL_PX = 12  # height of an end value
_MOST_LABELS = 14  # more do not fit next to the curves; then only the extremes are labelled
_MOST_POINTS = 400  # of a path; a screen shows no more
_BEGINNING = 0.1  # fraction of a run whose steep values may leave the chart,
_FEW = 10  # unless there are no more points than this


@dataclass(frozen=True, slots=True)
class Curve:
    """One curve of a chart.

    Attributes:
        label: Its run.
        slot: Its number among all curves of the page, which selects its colour and dashes.
        points: (step, value), finite, by step.
        pale: More points, drawn pale underneath, such as those averaged in `points`.
    """

    label: str
    slot: int
    points: Sequence[Point]
    pale: Sequence[Point] = ()


def draw_chart(
    title: str, curves: Sequence[Curve], tell: Callable[[float], str], *, across: str = "steps"
) -> str:
    """Return the curves of one measure as an SVG element.

    Classes are left to the page's style: `grid`, `tick`, `axis`, `raw`, `line`, `end`, and
    `s0 dash0` and so on for the curve's colour and dashes.

    Args:
        title: The measure, for screen readers; unique in the page.
        curves: At least one, each with at least one point.
        tell: Formats a value, for the ends of the curves.
        across: The unit of the horizontal axis.
    """
    last_step = max(curve.points[-1][0] for curve in curves)
    sideways = _Axis(0.0, max(last_step, 1.0), _LEFT, WIDTH - _RIGHT)
    low, high = _visible_range(curves)
    up = _Axis(low, high, HEIGHT - _BOTTOM, _TOP)
    clip = "clip-" + "".join(one if one.isalnum() else "-" for one in title)
    ends = sorted(((up.place(c.points[-1][1]), c) for c in curves), key=lambda end: end[0])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">',
        f'<clipPath id="{escape(clip)}"><rect x="{_LEFT}" y="{_TOP - 4}" '
        f'width="{WIDTH - _LEFT - _RIGHT + 4}" height="{HEIGHT - _TOP - _BOTTOM + 6}"/></clipPath>',
        *_draw_axes(sideways, up, across),
        f'<g clip-path="url(#{escape(clip)})">',
        *(_draw_curve(curve, sideways, up) for curve in curves),
        "</g>",
        *_draw_ends(ends, sideways, tell),
        "</svg>",
    ]
    return "\n".join(parts)


def running_mean(points: Sequence[Point]) -> list[Point]:
    """Return each point's mean with its neighbours: a twentieth of all, if there are many."""
    half = len(points) // 40
    sums = list(itertools.accumulate((value for _, value in points), initial=0.0))
    means: list[Point] = []
    for index, (step, _) in enumerate(points):
        start, stop = max(0, index - half), min(len(points), index + half + 1)
        means.append((step, (sums[stop] - sums[start]) / (stop - start)))
    return means


def round_ticks(low: float, high: float, count: int) -> list[float]:
    """Return about `count` round numbers (1, 2 or 5 times a power of ten apart) in [low, high]."""
    step = _round_step((high - low) / count)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def style_class(slot: int) -> str:
    """Return the classes of a curve's colour and dashes."""
    return f"s{slot % SLOTS} dash{slot // SLOTS % 3}"


@dataclass(frozen=True, slots=True)
class _Axis:
    """A linear map of values to the chart's pixels."""

    low: float
    high: float
    start: float
    stop: float

    def place(self, value: float) -> float:
        part = (value - self.low) / (self.high - self.low)
        return self.start + part * (self.stop - self.start)


def _visible_range(curves: Sequence[Curve]) -> tuple[float, float]:
    """Return the range of values after the beginning, where untrained networks are far off."""
    values = [
        value
        for curve in curves
        for step, value in (*curve.points, *curve.pale)
        if step >= _BEGINNING * curve.points[-1][0] or len(curve.points) < _FEW
    ]
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return (0.0 if 0 <= low <= 0.3 * high else low - room), high + room


def _draw_axes(across: _Axis, up: _Axis, unit: str) -> list[str]:
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    parts: list[str] = []
    ticks = round_ticks(up.low, up.high, 5)
    for value, text in zip(ticks, _tick_texts(ticks), strict=True):
        y = up.place(value)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{right}"/>')
        parts.append(_text("tick", _LEFT - 7, y + 3.5, "end", text))
    ticks = round_ticks(across.low, across.high, 5)
    for value, text in zip(ticks, _tick_texts(ticks), strict=True):
        x = across.place(value)
        parts.append(f'<path class="axis" d="M{x:.1f} {bottom}v4"/>')
        parts.append(_text("tick", x, bottom + 16, "middle", text))
    parts.append(f'<path class="axis" d="M{_LEFT} {bottom}H{right}"/>')
    parts.append(_text("tick", WIDTH - 4, bottom + 16, "end", unit))
    return parts


def _text(style: str, x: float, y: float, anchor: str, text: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{style}" {place}>{escape(text)}</text>'


def _draw_curve(curve: Curve, across: _Axis, up: _Axis) -> str:
    paths = "".join(
        f'<path class="{style}" d="{_path(_thinned(points), across, up)}"/>'
        for style, points in (("raw", curve.pale), ("line", curve.points))
        if points
    )
    return f'<g class="{style_class(curve.slot)}"><title>{escape(curve.label)}</title>{paths}</g>'


def _draw_ends(
    ends: Sequence[tuple[float, Curve]], across: _Axis, tell: Callable[[float], str]
) -> list[str]:
    """Draw each curve's last point, and its value next to the chart without overlaps."""
    parts = [
        f'<circle class="{style_class(curve.slot)}" cx="{across.place(curve.points[-1][0]):.1f}" '
        f'cy="{y:.1f}" r="2.6"/>'
        for y, curve in ends
        if _TOP - 4 <= y <= HEIGHT - _BOTTOM + 2
    ]
    told = ends if len(ends) <= _MOST_LABELS else (ends[0], ends[-1])
    for y, (_, curve) in zip(_spread([y for y, _ in told]), told, strict=True):
        style = f"end {style_class(curve.slot)}"
        parts.append(_text(style, WIDTH - _RIGHT + 8, y + 3.5, "start", tell(curve.points[-1][1])))
    return parts


def _spread(places: Sequence[float]) -> list[float]:
    """Spread ascending positions until labels do not overlap, and none is below the chart."""
    spread: list[float] = []
    for y in places:
        spread.append(max(y, spread[-1] + _LABEL_PX) if spread else max(y, _TOP))
    floor = float(HEIGHT - _BOTTOM)
    for index in reversed(range(len(spread))):
        spread[index] = min(spread[index], floor)
        floor = spread[index] - _LABEL_PX
    return spread


def _thinned(points: Sequence[Point]) -> list[Point]:
    """Return the minimum and maximum of each group of points if there are too many to see."""
    size = -(-2 * len(points) // _MOST_POINTS)
    if size <= 2:
        return list(points)
    kept = [points[0]]
    for start in range(1, len(points) - 1, size):
        group = points[start : min(start + size, len(points) - 1)]
        extremes = {min(group, key=lambda p: p[1]), max(group, key=lambda p: p[1])}
        kept.extend(sorted(extremes))
    return [*kept, points[-1]]


def _path(points: Sequence[Point], across: _Axis, up: _Axis) -> str:
    places = [f"{across.place(step):.1f} {up.place(value):.1f}" for step, value in points]
    if len(places) == 1:
        return f"M{places[0]}h0.1"
    return "M" + "L".join(places)


def _round_step(wanted: float) -> float:
    """Return about `wanted`, as 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= 0.75 * wanted)


def _tick_texts(ticks: Sequence[float]) -> list[str]:
    """Return ticks as text with the digits that their spacing needs; thousands as k, and M."""
    largest = max(abs(ticks[0]), abs(ticks[-1]))
    step = ticks[1] - ticks[0] if len(ticks) > 1 else largest or 1.0
    units = (("M", 1e6), ("k", 1e3))
    fitting = [one for one in units if largest >= one[1] and step >= one[1] / 2]
    unit, size = fitting[0] if fitting else ("", 1.0)
    digits = max(0, -math.floor(math.log10(step / size) + 1e-9))
    return [f"{value / size:.{digits}f}{unit if value else ''}" for value in ticks]
