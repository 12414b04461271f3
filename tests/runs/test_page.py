"""The page of runs: complete, self-contained and escaped."""

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest

from superres.runs.listing import Run
from superres.runs.page import render_page

EVIL = '<script src="http://x.example/x.js">alert(1)</script>'


def make(folder="runs/a", rate: float | str = 1e-3, name="mine", more=()):
    recipe = {"name": name, "network.architecture": "lean", "optimizer.rate": rate}
    log = [{"step": s, "l1": 1 / s, "rate": 1e-3 / s} for s in range(1, 100)]
    log += [{"step": 99, "psnr_Set5": 31.5, "psnr_Set14": 28.25}, *more]
    return Run(Path(folder), recipe, tuple(log), "finished", 99, 12.5)


class _Tags(HTMLParser):
    """Collects tags with their attributes, and checks their nesting."""

    void = ("meta",)

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def parse(page: str) -> _Tags:
    tags = _Tags()
    tags.feed(page)
    assert tags.open == []
    return tags


def test_a_page_has_a_chart_for_each_measure_with_a_curve_for_each_run():
    page = render_page([make(), make("runs/b", 2e-3)])
    figures = re.findall(r"<figcaption>(.*?)</figcaption>(<svg.*?</svg>)", page, re.DOTALL)
    assert [title for title, _ in figures] == ["PSNR Set5", "PSNR Set14", "l1", "rate"]
    for _, svg in figures:
        titles = [one.text for one in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}title")]
        assert titles == [str(Path("runs/a")), str(Path("runs/b"))]


def test_a_page_loads_nothing_and_runs_nothing():
    tags = parse(render_page([make()]))
    assert {tag for tag, _ in tags.seen}.isdisjoint({"script", "link", "img", "iframe", "object"})
    names = {name for _, attributes in tags.seen for name in attributes}
    assert names.isdisjoint({"src", "href", "onload", "style"})
    assert "default-src 'none'" in str(tags.seen)


def test_what_the_folders_say_is_escaped():
    evil = make(f"runs/{EVIL}", name=EVIL, more=[{"step": 99, f"psnr_{EVIL}": 1.0, EVIL: 2.0}])
    tags = parse(render_page([evil, make("runs/b", rate=EVIL)]))
    assert "script" not in {tag for tag, _ in tags.seen}
    assert tags.text.count("alert(1)") >= 6


def test_the_best_score_stands_out_and_unlike_values_are_listed():
    low = make("runs/low", 2e-3, more=[{"step": 100, "psnr_Set5": 30.0}])
    page = render_page([make(), low])
    assert re.findall(r'class="number best">([^<]+)', page) == ["31.500", "28.250", "28.250"]
    assert "30.000 (31.500)" in page
    assert re.search(r"<td>optimizer\.rate</td><td[^>]*>0\.001</td><td[^>]*>0\.002</td>", page)
    assert "Recipes" not in render_page([make(), make("runs/b")])


def test_scores_of_another_scale_are_not_compared():
    larger = make("runs/x2", more=[{"step": 100, "psnr_Set5": 36.0}])
    larger.recipe["network.config.scale"] = 2
    page = render_page([make(), larger])
    assert "36.000" in re.findall(r'class="number best">([^<]+)', page)
    assert "31.500" in re.findall(r'class="number best">([^<]+)', page)


def test_noise_is_drawn_for_few_runs_and_left_out_for_many():
    def count(runs: int) -> int:
        return render_page([make(f"runs/{i}") for i in range(runs)]).count('class="raw"')

    assert count(2) == 2
    assert count(6) == 0


@pytest.mark.parametrize("line", [(), ({"step": 5, "l1": float("nan")},)])
def test_a_run_without_a_finite_value_has_its_place_in_the_page(line):
    run = Run(Path("runs/new"), {}, tuple(line), "running", 0, None)
    assert "unknown" in parse(render_page([run])).text


def test_more_runs_than_colours_are_told_apart_by_dashes():
    page = render_page([make(f"runs/{i}") for i in range(10)])
    assert 'class="s0 dash1"' in page


def test_the_same_runs_give_the_same_page():
    assert render_page([make()]) == render_page([make()])
