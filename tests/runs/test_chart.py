"""Charts: round ticks, positions of curves, separate labels, valid XML."""

import itertools
import re
import xml.etree.ElementTree as ET

import pytest

from superres.runs.chart import HEIGHT, WIDTH, Curve, draw_chart, round_ticks, running_mean

SVG = "{http://www.w3.org/2000/svg}"


def draw(*curves):
    return ET.fromstring(draw_chart("PSNR <Set5>", curves, "{:.2f}".format))


def texts(root, style):
    return [
        one.text or "" for one in root.iter(f"{SVG}text") if style in one.get("class", "").split()
    ]


def numbers(root, tag, name):
    return [float(one.get(name)) for one in root.iter(f"{SVG}{tag}")]


def path(root, style):
    """Return the (x, y) points of the path of a class."""
    (found,) = [one for one in root.iter(f"{SVG}path") if one.get("class") == style]
    return [tuple(map(float, pair.split())) for pair in re.split("[ML]", found.get("d"))[1:]]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (30.6, 31.64, [30.6, 30.8, 31.0, 31.2, 31.4, 31.6]),
        (-0.7, 0.4, [-0.6, -0.4, -0.2, 0, 0.2, 0.4]),
        (0, 12_400, [0, 2000, 4000, 6000, 8000, 10_000, 12_000]),
    ],
)
def test_ticks_are_round_and_within_the_range(low, high, ticks):
    assert round_ticks(low, high, 5) == pytest.approx(ticks)


def test_more_is_higher_and_later_is_further_right():
    places = path(draw(Curve("a", 0, [(0, 1.0), (50, 3.0), (100, 2.0)])), "line")
    (x0, y0), (x1, y1), (x2, y2) = places
    assert x0 < x1 < x2
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.1)
    assert y1 < y2 < y0


def test_axes_tell_round_numbers_in_few_characters():
    root = draw(Curve("a", 0, [(0, 31.0), (400_000, 32.0)]))
    assert texts(root, "tick") == [
        *("31.0", "31.2", "31.4", "31.6", "31.8", "32.0"),
        *("0", "100k", "200k", "300k", "400k", "steps"),
    ]


def test_each_end_is_told_and_the_labels_do_not_touch():
    curves = [Curve(f"run {i}", i, [(0, 0.0), (10, 5.0 + i / 1000)]) for i in range(9)]
    root = draw(*curves)
    assert sorted(texts(root, "end")) == sorted(f"{5 + i / 1000:.2f}" for i in range(9))
    heights = [
        float(t.get("y", "")) for t in root.iter(f"{SVG}text") if "end" in t.get("class", "")
    ]
    assert min(b - a for a, b in itertools.pairwise(heights)) >= 11.9
    assert 0 < min(heights) < max(heights) < HEIGHT


def test_of_many_curves_only_the_highest_and_the_lowest_end_are_told():
    root = draw(*(Curve(str(i), i, [(0, 0.0), (10, float(i))]) for i in range(30)))
    assert texts(root, "end") == ["29.00", "0.00"]


def test_a_steep_beginning_does_not_flatten_the_rest():
    late = [(step, 31.0 + step / 1000) for step in range(100, 1001, 100)]
    ys = [y for _, y in path(draw(Curve("a", 0, [(0, 5.0), *late])), "line")]
    assert ys[1] - ys[-1] > HEIGHT / 2


@pytest.mark.parametrize(
    "points", [[(7, 3.5)], [(0, 0.0), (9, 0.0)], [(0, -4.0), (5, -4.0)], [(0, 1e-9)]]
)
def test_flat_and_single_values_are_drawn_inside_the_chart(points):
    root = draw(Curve("a", 0, points))
    assert all(0 < x < WIDTH for x in numbers(root, "circle", "cx"))
    assert all(0 < y < HEIGHT for y in numbers(root, "circle", "cy"))


def test_names_are_escaped():
    root = draw(Curve('<script>&"', 0, [(0, 1.0), (1, 2.0)]))
    assert root.get("aria-label") == "PSNR <Set5>"
    assert next(root.iter(f"{SVG}title")).text == '<script>&"'


def test_long_curves_are_thinned_and_keep_their_extremes():
    points = [(float(step), 1.0) for step in range(20_000)]
    points[12_345] = (12_345.0, 9.0)
    places = path(draw(Curve("a", 0, points)), "line")
    assert len(places) <= 410
    assert min(y for _, y in places) < HEIGHT / 4
    assert [x for x, _ in places] == sorted(x for x, _ in places)


def test_the_running_mean_keeps_lines_and_calms_noise():
    line = [(float(step), 2.0 * step) for step in range(200)]
    assert running_mean(line)[100] == pytest.approx((100, 200))
    noise = [(float(step), float(step % 2)) for step in range(200)]
    assert all(0.3 < value < 0.7 for _, value in running_mean(noise))
    assert running_mean(line[:20]) == line[:20]
