"""Check of speed against stored ratios: `make bench-check`.

    python benchmarks/check.py             # a table; fails if a row is worse than it may be
    python benchmarks/check.py --only PNG  # rows whose names contain a text
    python benchmarks/check.py --store     # keeps today's values as those to compare with

Seconds depend on the machine, so all rows are ratios of CPU times within one run, or counts. Values
are kept in benchmarks/results/check.json. A row is one `Check`: add it to CHECKS, then --store.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import check_rows

RESULTS = Path(__file__).parent / "results" / "check.json"


@dataclass(frozen=True, slots=True)
class Check:
    """One measure that must not become worse.

    Attributes:
        name: What is measured; the key of its stored value.
        measure: Returns its value, or None where this machine cannot measure it.
        tolerance: How much worse it may become, as a fraction of the stored value. Counts have
            none; ratios of times vary with CPUs and other load.
        better: Which values are better.
    """

    name: str
    measure: Callable[[], float | None]
    tolerance: float
    better: Literal["lower", "higher"] = "lower"


CHECKS: tuple[Check, ...] = (
    Check("default-x4, time over torch's (AVX2)", check_rows.default_over_torch, 0.25),
    Check("fast-x2, time over torch's (AVX2)", check_rows.fast_over_torch, 0.25),
    Check("default-x4, time of bf16 over fp32", check_rows.bf16_over_fp32, 0.3),
    Check("espcn-x4, array to array over its network (AVX2)", check_rows.array_over_network, 0.35),
    Check("PNG, time over libvips alone", check_rows.png_over_libvips, 0.35),
    Check("TIFF, time over libvips alone", check_rows.tiff_over_libvips, 0.35),
    Check("pipeline at x4, CPU time over a pass of numpy", check_rows.pipeline_over_numpy, 0.35),
    Check("device, bytes across the border a pixel (8 bits)", check_rows.bytes_a_pixel, 0.02),
    Check("training, operations in a step of default-x4", check_rows.operations_a_step, 0.01),
    Check("superres upscale of 64x64, time over import openvino", check_rows.command_start, 0.35),
    Check("import superres, modules beyond numpy's", check_rows.modules_of_import, 0.0),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one check.

    Attributes:
        check: The check.
        stored: The value to compare with; None if it is new.
        value: Today's value; None if it could not be measured.
    """

    check: Check
    stored: float | None
    value: float | None

    @property
    def worse(self) -> float:
        """How much worse today's value is, as a fraction of the stored one; below 0 if better."""
        if self.stored is None or self.value is None:
            return 0.0
        change = self.value - self.stored
        signed = change if self.check.better == "lower" else -change
        return signed / abs(self.stored) if self.stored else float(signed > 0)

    @property
    def failed(self) -> bool:
        """Whether it is worse than it may be, or has no stored value."""
        if self.value is None:
            return False
        return self.stored is None or self.worse > self.check.tolerance + 1e-9

    def line(self) -> str:
        """Return the row of the printed table."""
        if self.value is None:
            verdict = "not measurable here"
        elif self.stored is None:
            verdict = "FAILED: no stored value"
        elif self.failed:
            verdict = f"FAILED: {self.worse:+.0%} worse, {self.check.tolerance:.0%} allowed"
        elif -self.worse > self.check.tolerance:
            verdict = f"better by {-self.worse:.0%}: store it"
        else:
            verdict = "ok"
        stored, value = (_shown(number) for number in (self.stored, self.value))
        return f"{self.check.name:<54} {stored:>9} {value:>9}  {verdict}"


def run(
    checks: Sequence[Check], stored: dict[str, float], *, storing: bool = False
) -> list[Verdict]:
    """Measure checks in order, and print each row as it is known; verdicts unless storing."""
    print(f"{'':<54} {'stored':>9} {'now':>9}")
    verdicts: list[Verdict] = []
    for check in checks:
        verdicts.append(Verdict(check, stored.get(check.name), check.measure()))
        line = verdicts[-1].line()
        print(line.rpartition("  ")[0] if storing else line, flush=True)
    return verdicts


def _shown(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) >= 10 else f"{value:.3f}"


def main() -> int:
    """Run the checks asked for; 1 if any failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="rows whose names contain this text")
    parser.add_argument("--store", action="store_true", help="keep the values, compare nothing")
    arguments = parser.parse_args()
    began = time.perf_counter()
    kept: dict[str, float] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    wanted = [check for check in CHECKS if (arguments.only or "") in check.name]
    verdicts = run(wanted, kept, storing=arguments.store)
    print(f"{time.perf_counter() - began:.0f} s")
    if arguments.store:
        kept |= {one.check.name: round(one.value, 4) for one in verdicts if one.value is not None}
        known = [check.name for check in CHECKS if check.name in kept]
        RESULTS.write_text(json.dumps({name: kept[name] for name in known}, indent=1) + "\n")
        return 0
    failed = [one.check.name for one in verdicts if one.failed]
    if failed:
        print(f"error: {len(failed)} of {len(verdicts)} checks failed", file=sys.stderr)
        print(
            "hint: find what became slower, or run python benchmarks/check.py --store and say why",
            file=sys.stderr,
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
