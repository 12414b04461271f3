import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import contestants
import instruction_sets
import plane
import plane_chart
from plane_chart import Dot, Panel, draw_plane
from runners import Timing, in_turn


def row(name, ms, *db, origin="published", isa="AVX2", way="ncnn fp32", auto=False):
    sets = dict(zip(("Set5", "Set14"), db, strict=True))
    return {
        "name": name, "label": name, "scale": 4, "isa": isa, "way": way, "origin": origin,
        "auto": auto, "repairs": False, "ms_per_megapixel": ms, "psnr_db": sets,
    }  # fmt: skip


def ours(name, ms, *db):
    return row(name, ms, *db, origin="ours", way="superres fp32", auto=True)


def test_a_network_is_beaten_by_one_that_is_faster_and_as_good_on_every_set():
    mine = ours("mine", 100, 32.0, 28.0)
    faster = row("faster", 90, 32.0, 28.1)
    mixed = row("mixed", 90, 32.5, 27.9)
    slower = row("slower", 110, 33.0, 29.0)
    assert plane.better(mine, [mine, faster, mixed, slower]) == [faster]


def test_a_published_network_is_unmatched_unless_one_of_ours_is_as_fast_and_as_good():
    mine = ours("mine", 100, 32.0, 28.0)
    behind, better, faster = (
        row("behind", 100, 32.0, 27.9),
        row("better", 200, 32.1, 28.0),
        row("faster", 50, 30.0, 27.0),
    )
    assert plane.unmatched([mine, behind, better, faster]) == [better, faster]


def test_fp32_has_one_score_and_bf16_one_for_each_library():
    assert plane.score_key("a", "ncnn fp32") == plane.score_key("a", "OpenVINO fp32")
    assert plane.score_key("a", "ncnn bf16") != plane.score_key("a", "OpenVINO bf16")


def test_the_page_lists_ways_scores_and_who_is_ahead():
    rows = [ours("mine-x4", 100.0, 32.0, 28.0), row("rival", 50.0, 32.2, 28.5)]
    result = {
        "date": "2026-01-02", "cpu": "some CPU", "threads": 1, "clock": "cpu", "missing": ["gone"],
        "lacking": ["AMX"], "rows": rows,
        "scores": {"mine-x4 fp32": rows[0], "rival fp32": rows[1]},
    }  # fmt: skip
    text = plane.page_part(result)
    assert "2026-01-02, some CPU, 1 thread, CPU time" in text
    assert "as this CPU lacks them: AMX" in text
    assert "Absent weights: gone" in text
    assert "| **mine-x4** | superres fp32, `auto` | 100 | 32.00 / 28.00 | rival |" in text
    assert "Matched by none of ours in both time and quality: rival (50 ms)" in text


def test_sets_of_instructions_are_available_by_the_cpus_flags():
    able, lacking = instruction_sets.available(frozenset({"avx2", "avx512_bf16", "avx512_vnni"}))
    assert [one.name for one in able] == ["AVX512-BF16", "AVX512 with VNNI", "AVX2"]
    assert [one.name for one in lacking] == ["AMX", "AVX2 with VNNI"]


def test_a_limited_process_sees_the_switch():
    isa = instruction_sets.SETS[-1]
    code = "import json, os; print('noise'); print(json.dumps(os.environ['ONEDNN_MAX_CPU_ISA']))"
    assert instruction_sets.run_limited(["-c", code], isa) == "AVX2"


def test_candidates_take_turns():
    order = []
    times = in_turn({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2)
    assert order == ["a", "b"] * 3  # a warm-up, then two
    assert isinstance(times["a"], Timing)


@pytest.mark.parametrize("channels", [1, 3])
def test_whole_frames_of_any_size_reach_a_network_that_takes_multiples(channels):
    class Card:
        scale, multiple_of, minimum = 2, 4, 8

    shapes = []

    def run(x):
        shapes.append(x.shape)
        return x.repeat(2, axis=2).repeat(2, axis=3)

    small = np.random.default_rng(0).integers(0, 256, (5, 9, channels), dtype=np.uint8)
    large = contestants.whole_frames(run, Card())(small)
    assert shapes == [(1, 3, 8, 12)]
    assert (large == small.repeat(2, axis=0).repeat(2, axis=1)).all()


def number(element: ElementTree.Element, name: str) -> float:
    return float(element.attrib[name])


def test_the_figure_is_xml_with_each_dot_named_and_placed_by_its_values():
    dots = [Dot("mine & co", 100, 32.0, ours=True), Dot("rival", 10, 30.0, ours=False)]
    text = draw_plane("Plane", [Panel("AVX2", dots)], across="ms", up="dB")
    root = ElementTree.fromstring(text)
    circle = next(one for one in root.iter() if one.tag.endswith("circle") and len(one))
    square = next(one for one in root.iter() if one.tag.endswith("rect") and len(one))
    assert circle[0].text == "mine & co: 100 ms, 32.00 dB"
    assert square[0].text == "rival: 10 ms, 30.00 dB"
    assert number(circle, "cx") > number(square, "x")  # slower is to the right
    assert number(circle, "cy") < number(square, "y")  # better is above
    assert "prefers-color-scheme: dark" in text


def test_labels_of_near_dots_do_not_cover_each_other():
    dots = [Dot(f"network {n}", 100 * 1.01**n, 30 + 0.01 * n, n % 2 == 0) for n in range(4)]
    dots += [Dot("fast", 10, 28, ours=True), Dot("slow", 1000, 32, ours=True)]
    root = ElementTree.fromstring(draw_plane("P", [Panel("A", dots)], across="ms", up="dB"))
    labels = [
        one for one in root.iter() if one.tag.endswith("text") and "network" in (one.text or "")
    ]
    boxes = [
        plane_chart._Box(x, y - 9, x + 6.3 * len(one.text or ""), y + 3)
        for one in labels
        for x, y in [(number(one, "x"), number(one, "y"))]
    ]
    assert len(boxes) == 4
    for n, box in enumerate(boxes):
        assert not any(box.overlap(other) for other in boxes[n + 1 :])
