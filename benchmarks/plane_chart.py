"""Figure of the plane of quality and time, as an SVG file for light and dark pages."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from superres.runs.chart import round_ticks

_Place = Callable[[float], float]  # a value to px

_WIDTH, _HEIGHT = 300, 300  # of a panel, in px
_LEFT, _TOP, _BOTTOM = 52, 30, 44  # margins of the figure
_GAP = 14
_DOT = 4.5
_CLEAR, _AMBIGUOUS = 3.0, 60.0  # px nearer than to another dot, and what less counts, in px²
_CHARACTER, _LINE = 6.9, 12.0  # a label's size
_STYLE = """text { font: 12px system-ui, sans-serif; fill: #555 }
.title { font-weight: 600; fill: #333 } .tick { font-size: 11px }
.grid { stroke: #888; stroke-opacity: 0.2; fill: none } .axis { stroke: #888; fill: none }
.beaten { fill: #888; fill-opacity: 0.13 } .front { stroke: #888; stroke-opacity: 0.6; fill: none; stroke-dasharray: 3 3 }
.ours { fill: #1f6fc4 } .published { fill: #c8553d }
text.ours, text.published { font-size: 11.5px }
@media (prefers-color-scheme: dark) {
text { fill: #aaa } .title { fill: #ddd } .ours { fill: #6cb0f5 } .published { fill: #f08a70 }
}"""


@dataclass(frozen=True, slots=True)
class Dot:
    """One network in a panel.

    Attributes:
        label: Its name.
        ms: Milliseconds for a megapixel of output.
        db: PSNR.
        ours: Whether it is one of ours.
    """

    label: str
    ms: float
    db: float
    ours: bool


@dataclass(frozen=True, slots=True)
class Panel:
    """The networks on one instruction set."""

    title: str
    dots: Sequence[Dot]


@dataclass(frozen=True, slots=True)
class _Box:
    """A rectangle that labels and dots take."""

    left: float
    top: float
    right: float
    bottom: float

    def distance(self, point: tuple[float, float]) -> float:
        """Return how far a point is from the box; 0 inside."""
        x, y = point
        across = max(self.left - x, 0.0, x - self.right)
        return math.hypot(across, max(self.top - y, 0.0, y - self.bottom))

    def overlap(self, other: _Box) -> float:
        """Return the area that two boxes share."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, across) * max(0.0, down)


def draw_plane(title: str, panels: Sequence[Panel], *, across: str, up: str) -> str:
    """Return panels side by side on the same axes, times on a logarithmic one.

    What is both slower and worse than a published network is shaded: ours should lie outside.

    Args:
        title: What is shown, for screen readers.
        panels: At least one, each with at least one dot.
        across: Name of the horizontal axis.
        up: Name of the vertical axis.
    """
    dots = [dot for panel in panels for dot in panel.dots]
    slowest, fastest = max(d.ms for d in dots), min(d.ms for d in dots)
    best, worst = max(d.db for d in dots), min(d.db for d in dots)
    room = 0.09 * (best - worst) or 0.1
    times = math.log(fastest / 1.25), math.log(slowest * 1.6)
    levels = worst - room, best + room
    width = _LEFT + len(panels) * (_WIDTH + _GAP) + _GAP  # half of the last tick's text
    height = _TOP + _HEIGHT + _BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" role="img" aria-label="{escape(title)}"><style>\n{_STYLE}\n</style>',
        f'<text class="title" x="{_LEFT}" y="14">{escape(title)}</text>',
        f'<circle class="ours" cx="{width - 350}" cy="10" r="{_DOT}"/>'
        f'<text x="{width - 340}" y="14">superres</text>',
        f'<rect class="published" x="{width - 278}" y="6" width="8.5" height="8.5"/>'
        f'<text x="{width - 264}" y="14">published</text>',
        f'<rect class="beaten" x="{width - 194}" y="3" width="16" height="14"/>'
        f'<text x="{width - 173}" y="14">slower and worse than one</text>',
    ]
    for index, panel in enumerate(panels):
        left = _LEFT + index * (_WIDTH + _GAP)
        parts += _draw_panel(panel, left, times, levels, first=index == 0)
    middle = _TOP + _HEIGHT / 2
    parts.append(
        f'<text x="{_LEFT + len(panels) * (_WIDTH + _GAP) / 2:.0f}" y="{height - 6}" '
        f'text-anchor="middle">{escape(across)}</text>'
        f'<text transform="translate(11 {middle:.0f}) rotate(-90)" text-anchor="middle">'
        f"{escape(up)}</text></svg>"
    )
    return "\n".join(parts) + "\n"


def _draw_panel(
    panel: Panel,
    left: float,
    times: tuple[float, float],
    levels: tuple[float, float],
    *,
    first: bool,
) -> list[str]:
    right, bottom = left + _WIDTH, _TOP + _HEIGHT

    def x(ms: float) -> float:
        return left + _WIDTH * (math.log(ms) - times[0]) / (times[1] - times[0])

    def y(db: float) -> float:
        return bottom - _HEIGHT * (db - levels[0]) / (levels[1] - levels[0])

    parts: list[str] = []
    for db in round_ticks(*levels, 6):
        parts.append(f'<path class="grid" d="M{left} {y(db):.1f}H{right}"/>')
        if first:
            parts.append(_text("tick", left - 6, y(db) + 4, f"{db:.1f}", "end"))
    for ms in _log_ticks(math.exp(times[0]), math.exp(times[1])):
        parts.append(f'<path class="grid" d="M{x(ms):.1f} {_TOP}V{bottom}"/>')
        parts.append(_text("tick", x(ms), bottom + 16, f"{ms:g}", "middle"))
    published = sorted((d.ms, -d.db) for d in panel.dots if not d.ours)
    if published:
        parts += _shade(published, x, y, right, bottom)
    parts.append(f'<path class="axis" d="M{left} {_TOP}V{bottom}H{right}"/>')
    parts.append(_text("title", left + 8, _TOP + 16, panel.title, "start"))
    places = {dot: (x(dot.ms), y(dot.db)) for dot in panel.dots}
    taken = [_Box(a - _DOT, b - _DOT, a + _DOT, b + _DOT) for a, b in places.values()]
    taken.append(_Box(left, _TOP, left + 8 + 7.5 * len(panel.title), _TOP + 20))
    for dot, (a, b) in sorted(places.items(), key=lambda item: item[1][0]):
        style = "ours" if dot.ours else "published"
        others = [place for other, place in places.items() if other is not dot]
        box = _label_box(dot.label, (a, b), others, taken, _Box(left, _TOP, right, bottom))
        taken.append(box)
        tip = f"<title>{escape(dot.label)}: {dot.ms:.0f} ms, {dot.db:.2f} dB</title>"
        if dot.ours:
            mark = f'<circle class="ours" cx="{a:.1f}" cy="{b:.1f}" r="{_DOT}">{tip}</circle>'
        else:
            corner = f'x="{a - _DOT + 0.3:.1f}" y="{b - _DOT + 0.3:.1f}"'
            mark = f'<rect class="published" {corner} width="8.5" height="8.5">{tip}</rect>'
        parts += [mark, _text(style, box.left + 1, box.bottom - 3, dot.label, "start")]
    return parts


def _shade(
    published: Sequence[tuple[float, float]], x: _Place, y: _Place, right: float, bottom: float
) -> list[str]:
    """Shade what is slower and worse than one of the published, given as (ms, -dB) by time."""
    steps: list[tuple[float, float]] = []
    for ms, minus in published:
        if not steps or -minus > steps[-1][1]:
            steps.append((ms, -minus))
    line = f"M{x(steps[0][0]):.1f} {bottom}"
    line += "".join(f"H{x(ms):.1f}V{y(db):.1f}" for ms, db in steps) + f"H{right}"
    return [
        f'<path class="beaten" d="{line}V{bottom}Z"/>',
        f'<path class="front" d="{line}"/>',
    ]


def _label_box(
    label: str,
    dot: tuple[float, float],
    others: Sequence[tuple[float, float]],
    taken: Sequence[_Box],
    inside: _Box,
) -> _Box:
    """Return the place near a dot where its label covers least and is not taken for another's."""
    a, b = dot
    wide = _CHARACTER * len(label) + 2
    near = _DOT + 3
    beside = (a + near, a - near - wide)
    choices = [
        _Box(left, b - _LINE / 2 + shift, left + wide, b + _LINE / 2 + shift)
        for shift in (-6, 0, 6, -13, 13, -20, 20, -27, 27, -34, 34, -41, 41)
        for left in (*beside, a - wide / 2, a - 0.85 * wide, a - 0.15 * wide)
        if abs(shift) >= _LINE or left in beside
    ]

    def covered(box: _Box) -> float:
        out = wide * _LINE - box.overlap(inside)
        own = box.distance(dot)
        ambiguous = sum(box.distance(other) < own + _CLEAR for other in others)
        far = 3 * max(0.0, own - _DOT - 3)
        return 10 * out + sum(map(box.overlap, taken)) + _AMBIGUOUS * ambiguous + far

    return min(choices, key=covered)


def _log_ticks(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times powers of ten between two values."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = (digit * 10.0**power for power in powers for digit in (1, 2, 5))
    return [tick for tick in ticks if low <= tick <= high]


def _text(style: str, x: float, y: float, text: str, anchor: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{style}" {place}>{escape(text)}</text>'
