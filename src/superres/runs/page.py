"""Self-contained HTML page of runs: a table, and their curves as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import product

from superres.runs.chart import SLOTS, Curve, draw_chart, running_mean, style_class
from superres.runs.listing import (
    Kind,
    Run,
    as_text,
    differences,
    kind_of,
    minutes_text,
    names_of,
    score_text,
    title_of,
)
from superres.version import __version__

_MOST_PALE = 4  # runs whose noise can still be distinguished
_SECTIONS: tuple[tuple[Kind, str, str], ...] = (
    ("score", "Validation", "Scores of the averaged weights. Higher is better, except for LPIPS."),
    ("loss", "Losses", "Running means, with the logged values pale behind them if there is room."),
    ("course", "Course", "Learning rate, norm of the gradient, patches a second."),
)
# One colour per run on light and dark backgrounds, distinct for most colour-blind readers too.
_LIGHT = ("#1f6fd6", "#d1520a", "#14855a", "#8b3fd1", "#c4266b", "#8a6a00", "#0a86a8", "#5d6470")
_DARK = ("#6aa9ff", "#ff9c5b", "#4fd19a", "#c79bff", "#ff86b8", "#e0bf4a", "#4fd0ee", "#b3bac6")
_STYLE = """
:root { color-scheme: light dark; --page: #fbfbfa; --card: #fff; --text: #1d2125;
  --pale: #686e76; --grid: #e7e8ea; --axis: #a9aeb5; }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem 1.25rem 3rem; background: var(--page);
  color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.6rem; letter-spacing: -0.01em; }
h2 { margin: 2.2rem 0 0; font-size: 1.15rem; }
p { margin: 0.1rem 0 0.8rem; color: var(--pale); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.35rem 1.1rem 0.35rem 0; text-align: left; white-space: nowrap; }
th { color: var(--pale); font-weight: 500; border-bottom: 1px solid var(--axis); }
td { border-bottom: 1px solid var(--grid); }
td.wrap { white-space: normal; overflow-wrap: anywhere; min-width: 8rem; max-width: 24rem; }
.number { text-align: right; }
.best { font-weight: 650; }
.legend { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: 0.2rem 1.2rem;
  margin: 1.6rem 0 0; padding: 0.5rem 0; background: var(--page); list-style: none;
  border-bottom: 1px solid var(--grid); }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(24rem, 100%), 1fr));
  gap: 1rem; }
figure { margin: 0; padding: 0.7rem 0.7rem 0.3rem; background: var(--card); border-radius: 10px;
  border: 1px solid var(--grid); }
figcaption { padding: 0 0.3rem 0.3rem; font-weight: 600; }
svg { display: block; width: 100%; height: auto; }
.swatch { display: inline-block; width: 1.5rem; height: 0.7rem; margin-right: 0.45rem; }
.grid { stroke: var(--grid); }
.axis { stroke: var(--axis); }
.tick { fill: var(--pale); font-size: 11px; }
.line, .raw { fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linejoin: round;
  stroke-linecap: round; }
.raw { stroke-width: 1; opacity: 0.28; }
.end { fill: currentColor; font-size: 11px; font-weight: 600; }
circle { fill: currentColor; }
.dash1 .line { stroke-dasharray: 6 4; }
.dash2 .line { stroke-dasharray: 1.5 4; }
"""
_DARK_STYLE = """:root { --page: #14171a; --card: #1b1f23; --text: #e6e8ea; --pale: #9aa1a9;
  --grid: #2c3137; --axis: #5c636b; }"""


def render_page(runs: Sequence[Run]) -> str:
    """Return a whole HTML page of runs: facts, curves of all logged values, recipe differences.

    It loads nothing, runs no script, and is light or dark as the reader's system.

    Args:
        runs: At least one.
    """
    legend = "".join(f"<li>{_named(run, slot)}</li>" for slot, run in enumerate(runs))
    title = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    sections = "\n".join(
        f'<h2>{heading}</h2>\n<p>{words}</p>\n<div class="charts">\n{charts}\n</div>'
        for kind, heading, words in _SECTIONS
        if (charts := "\n".join(_figure(runs, name) for name in names_of(runs, kind)))
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title} of superres</title>
<style>{_STYLE}{_colours(_LIGHT)}
@media (prefers-color-scheme: dark) {{ {_DARK_STYLE}{_colours(_DARK)} }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>superres {__version__}. Scores are the last ones, and in brackets the best ones.</p>
<div class="wide">
{_facts(runs)}
</div>
<ul class="legend">{legend}</ul>
{sections}
{_unlike(runs)}
</body>
</html>
"""


def _colours(colours: Sequence[str]) -> str:
    return "".join(f"\n.s{slot} {{ color: {colours[slot]}; }}" for slot in range(SLOTS))


def _named(run: Run, slot: int) -> str:
    """Return a run's folder after a sample of its line."""
    line = f'<g class="{style_class(slot)}"><path class="line" d="M1 5H23"/></g>'
    swatch = f'<svg class="swatch" viewBox="0 0 24 10" aria-hidden="true">{line}</svg>'
    return swatch + escape(str(run.folder))


def _figure(runs: Sequence[Run], name: str) -> str:
    curves = [
        Curve(str(run.folder), slot, points)
        if _is_exact(name)
        else Curve(
            str(run.folder), slot, running_mean(points), points if len(runs) <= _MOST_PALE else ()
        )
        for slot, run in enumerate(runs)
        if (points := run.curve(name))
    ]
    title = title_of(name)
    chart = "<p>no finite value</p>"
    if curves:
        chart = draw_chart(title, curves, lambda value: as_text(name, value))
    return f"<figure><figcaption>{escape(title)}</figcaption>{chart}</figure>"


def _is_exact(name: str) -> bool:
    """Say whether a value has no noise, so that a running mean would only blur it."""
    return kind_of(name) == "score" or name == "rate"


def _facts(runs: Sequence[Run]) -> str:
    """Return the table of runs; the best last score of each set and scale is highlighted."""
    scores = [name for name in names_of(runs, "score") if name.startswith("psnr_")]
    best: dict[tuple[str, object], float] = {}
    for name, run in product(scores, runs):
        key = name, run.scale
        best[key] = max(best.get(key, 0.0), run.last(name) or 0.0)
    header = _cells("th", ["run", "name", "network", "state"]) + _cells(
        "th", ["steps", "minutes", *map(title_of, scores)], style="number"
    )
    rows = [f"<tr>{header}</tr>"]
    for slot, run in enumerate(runs):
        cells = f"<td>{_named(run, slot)}</td>"
        cells += _cells("td", [run.name, run.architecture, run.state])
        cells += _cells("td", [f"{run.steps:,}", minutes_text(run)], style="number")
        for name in scores:
            style = "number best" if run.last(name) == best[name, run.scale] else "number"
            cells += _cells("td", [score_text(run, name)], style=style)
        rows.append(f"<tr>{cells}</tr>")
    return f"<table>{''.join(rows)}</table>"


def _unlike(runs: Sequence[Run]) -> str:
    """Return a table of the values in which the runs' recipes differ; "" if in none."""
    unlike = differences(runs)
    if not unlike:
        return ""
    names = "".join(f"<th>{_named(run, slot)}</th>" for slot, run in enumerate(runs))
    rows = [f"<tr><th>key</th>{names}</tr>"]
    for key, values in unlike.items():
        texts = ["–" if value is None else str(value) for value in values]
        rows.append(f"<tr>{_cells('td', [key])}{_cells('td', texts, style='wrap')}</tr>")
    table = f"<table>{''.join(rows)}</table>"
    return f'<h2>Recipes</h2>\n<p>Values that differ.</p>\n<div class="wide">{table}</div>'


def _cells(tag: str, texts: Sequence[str], *, style: str = "") -> str:
    attribute = f' class="{style}"' if style else ""
    return "".join(f"<{tag}{attribute}>{escape(text)}</{tag}>" for text in texts)
