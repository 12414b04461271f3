"""Charts of the pages in docs/: SVG files that stand alone, with a style and the curves' names."""

from __future__ import annotations

from collections.abc import Sequence

from superres.runs.chart import Curve, draw_chart, style_class

_COLOURS = (
    *("#8a8a8a", "#c8553d", "#3d7dc8", "#2e8b57"),
    *("#8a4fbf", "#b08a1e", "#3a9aa8", "#c04a86"),
)
_STYLE = """text { font: 11px system-ui, sans-serif; fill: #666 }
.grid { stroke: #ddd; fill: none } .axis { stroke: #999; fill: none }
.line { fill: none; stroke-width: 2 } circle { stroke: none }
.dash1 .line { stroke-dasharray: 5 3 } .dash2 .line { stroke-dasharray: 2 2 }
""" + "\n".join(
    f".s{slot} .line {{ stroke: {colour} }} .s{slot}.end, circle.s{slot} {{ fill: {colour} }}"
    for slot, colour in enumerate(_COLOURS)
)
_LINE_PX, _COLUMN_PX, _SAMPLE_PX = 14, 115, 14


def standalone(
    title: str, curves: Sequence[Curve], *, across: str, names_at: tuple[int, int], lines: int = 8
) -> str:
    """Return curves of PSNR as an SVG file.

    Args:
        title: What is shown.
        curves: The curves.
        across: What their first numbers are.
        names_at: (x, y) where their names begin, the highest curve's first: where no curve is.
        lines: Names in a column.
    """
    chart = draw_chart(title, curves, lambda db: f"{db:.2f}", across=across)
    names = "".join(
        _name(curve, names_at[0] + _COLUMN_PX * column, names_at[1] + _LINE_PX * line)
        for place, curve in enumerate(sorted(curves, key=lambda curve: -curve.points[-1][1]))
        for column, line in [divmod(place, lines)]
    )
    head, _, rest = chart.partition(">")
    return f"{head}><style>\n{_STYLE}\n</style>{rest}".replace("</svg>", f"{names}</svg>")


def _name(curve: Curve, x: int, y: int) -> str:
    """Return a curve's name with a piece of its line before it."""
    style = style_class(curve.slot)
    return (
        f'<g class="{style}"><path class="line" d="M{x} {y - 4}h{_SAMPLE_PX}"/></g>'
        f'<text class="end {style}" x="{x + _SAMPLE_PX + 4}" y="{y}">{curve.label}</text>'
    )
