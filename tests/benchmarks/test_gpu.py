import json

import pytest

import gpu


@pytest.fixture(scope="module")
def rehearsed():
    scene = gpu.rehearsal()
    return gpu.measure(scene, [name for name in gpu.PARTS if name != "training"], 240.0)


def test_a_rehearsal_runs_every_part_without_a_failure(rehearsed):
    for name in ("peak", "network", "array", "start", "command"):
        assert "failed" not in rehearsed[name], rehearsed[name]
        assert rehearsed[name]["took_s"] > 0
    json.dumps(rehearsed)


def test_a_share_of_the_peak_is_work_over_time_over_peak(rehearsed):
    row, peak = rehearsed["network"]["default-x4"], rehearsed["peak"]["teraflops"] * 1e12
    rate = row["gigaflops_per_megapixel"] * 1e9 / (row["ms_per_megapixel"] / 1e3)
    assert row["share_of_peak"] == pytest.approx(rate / peak)
    # 61.1 G multiply-adds for 1280x720, as published in docs/networks.md.
    assert row["gigaflops_per_megapixel"] == pytest.approx(2 * 61.1 / 0.9216, rel=0.01)


def test_whole_runs_are_compared_with_the_network_measured_before(rehearsed):
    alone = rehearsed["network"]["default-x4"]["ms_per_megapixel"] / 1e3
    row = rehearsed["array"]["default-x4"]
    assert row["network_alone"] == pytest.approx(alone * rehearsed["array"]["megapixels"])
    assert row["over_network"] == pytest.approx(row["seconds"] / row["network_alone"])
    for suffix in (".tif", ".png"):
        one = rehearsed["command"][suffix]
        slowest = max(one["network_alone"], one["libvips_alone"])
        assert one["over_slowest_part"] == pytest.approx(one["seconds"] / slowest)


def test_a_part_beyond_the_budget_is_skipped_and_said_to_be(monkeypatch):
    monkeypatch.setitem(gpu.PARTS, "peak", lambda scene: pytest.fail("it ran"))
    result = gpu.measure(gpu.rehearsal(), ["peak"], -1.0)
    assert "was used up before" in result["peak"]["skipped"]


def test_a_failing_part_is_named_and_the_next_one_runs(monkeypatch):
    def broken(scene):
        raise ValueError("no such thing")

    monkeypatch.setitem(gpu.PARTS, "peak", broken)
    monkeypatch.setitem(gpu.PARTS, "network", lambda scene: {"ran": True})
    result = gpu.measure(gpu.rehearsal(), ["peak", "network"], 240.0)
    assert result["peak"]["failed"] == "ValueError: no such thing"
    assert result["network"]["ran"]


def test_training_is_skipped_without_its_program(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu, "_TRAIN", tmp_path / "train.py")
    assert "no benchmarks/train.py" in gpu.training(gpu.rehearsal())["skipped"]


def test_training_gives_what_its_program_prints(monkeypatch, tmp_path):
    program = tmp_path / "train.py"
    monkeypatch.setattr(gpu, "_TRAIN", program)
    program.write_text("import json, sys; print(json.dumps({'given': sys.argv[1:]}))")
    given = gpu.training(gpu.rehearsal())["default-x4"]["given"]
    assert given[:3] == ["--json", "--recipe", "default-x4"]
    program.write_text("raise SystemExit('no pictures')")
    assert "no pictures" in gpu.training(gpu.rehearsal())["failed"]
