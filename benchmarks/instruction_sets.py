"""Instruction sets: those that a CPU has, and how a child process is limited to one of them.

oneDNN reads ONEDNN_MAX_CPU_ISA when it is loaded. torch and OpenVINO (whose copy of oneDNN is its
own) follow it: a process so limited runs `brgconv_avx2_f32` where it ran `brgconv_avx512_f32`.
ONNX Runtime and ncnn choose their kernels by themselves and have no such switch. They run with all
that the CPU has in every table, so that a smaller set never flatters us.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SWITCH = "ONEDNN_MAX_CPU_ISA"


@dataclass(frozen=True, slots=True)
class InstructionSet:
    """One instruction set of x86 CPUs.

    Attributes:
        name: Its name in tables.
        limit: The switch's value.
        needs: Flags of a CPU that has it.
        bf16: Whether it multiplies in bf16.
    """

    name: str
    limit: str
    needs: frozenset[str]
    bf16: bool = False

    def environment(self) -> dict[str, str]:
        """Return this process's environment with the switch set."""
        return {**os.environ, SWITCH: self.limit}


# From the fastest. VNNI multiplies 8-bit numbers: it changes nothing for other formats.
SETS = (
    InstructionSet("AMX", "AVX512_CORE_AMX", frozenset({"amx_bf16", "amx_tile"}), bf16=True),
    InstructionSet("AVX512-BF16", "AVX512_CORE_BF16", frozenset({"avx512_bf16"}), bf16=True),
    InstructionSet("AVX512 with VNNI", "AVX512_CORE_VNNI", frozenset({"avx512_vnni"})),
    InstructionSet("AVX2 with VNNI", "AVX2_VNNI", frozenset({"avx_vnni", "avx2"})),
    InstructionSet("AVX2", "AVX2", frozenset({"avx2"})),
)


def available(flags: frozenset[str]) -> tuple[list[InstructionSet], list[InstructionSet]]:
    """Return the sets that a CPU of these flags has, and those that it lacks."""
    return [s for s in SETS if s.needs <= flags], [s for s in SETS if not s.needs <= flags]


def run_limited(
    command: Sequence[str], isa: InstructionSet, extra: Mapping[str, str] | None = None
) -> Any:  # noqa: ANN401 - JSON
    """Run a program that is limited to a set, and return the JSON that it prints last."""
    done = subprocess.run(
        [sys.executable, *command],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=isa.environment() | dict(extra or {}),
    )
    return json.loads(done.stdout.splitlines()[-1])
