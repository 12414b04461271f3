"""Number formats: those native to the CPU, and the choice for a run."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from superres.errors import BackendError
from superres.runtimes.runtime import Precision, PrecisionRequest
from superres.watch import Watch

# Without one of these, bf16 is emulated and some 80 times slower than fp32.
_BF16_FLAGS = frozenset({"amx_bf16", "avx512_bf16", "bf16", "feat_bf16"})
# Dot products of int8. Without one of these, partial sums may saturate, and int8 is not fast.
_INT8_FLAGS = frozenset({"amx_int8", "avx512_vnni", "avx_vnni", "i8mm"})
# With the first, int8 was measured to be faster than bf16 and fp32 (docs/speed.md, number formats).
# Beside AMX, whose units run bf16 too, and elsewhere, that is not known: `auto` leaves int8 alone.
_INT8_IS_FASTER_WITH = "avx512_vnni"
_UNKNOWN_WITH = frozenset({"amx_bf16", "amx_int8"})
# oneDNN's own switch, which OpenVINO and torch read, and its values that leave bf16 out: they would
# emulate it, or fail to.
_SWITCH = "ONEDNN_MAX_CPU_ISA"
_VALUES_WITHOUT_BF16 = frozenset(
    {"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI"}
)
_VALUES_WITHOUT_INT8 = _VALUES_WITHOUT_BF16 - {"AVX512_CORE_VNNI"}
# Worth reporting, from the fastest to the commonest.
_SHOWN_FLAGS = (
    "amx_bf16",
    "amx_int8",
    "avx512_bf16",
    "avx512_vnni",
    "avx512f",
    "avx_vnni",
    "avx2",
    "bf16",
    "feat_bf16",
    "i8mm",
    "asimd",
)


@functools.cache
def cpu_flags() -> frozenset[str]:
    """Return the CPU's instruction sets in lower case; empty where the system reports none."""
    if sys.platform == "linux":
        return parse_cpuinfo(_read_text(Path("/proc/cpuinfo")))
    if sys.platform == "darwin":
        names = (
            _sysctl("machdep.cpu.features").split() + _sysctl("machdep.cpu.leaf7_features").split()
        )
        if _sysctl("hw.optional.arm.FEAT_BF16") == "1":
            names.append("feat_bf16")
        return frozenset(name.lower() for name in names)
    return frozenset()


def parse_cpuinfo(text: str) -> frozenset[str]:
    """Return the flags that all cores have in common, from the text of Linux's /proc/cpuinfo."""
    cores = [
        frozenset(line.partition(":")[2].lower().split())
        for line in text.splitlines()
        if line.startswith(("flags", "Features"))
    ]
    return functools.reduce(frozenset[str].intersection, cores) if cores else frozenset()


def native_bf16() -> bool:
    """Say whether the CPU computes in bf16 natively, and may; False if unknown."""
    limited = os.environ.get(_SWITCH, "").upper() in _VALUES_WITHOUT_BF16
    return not limited and not _BF16_FLAGS.isdisjoint(cpu_flags())


def native_int8() -> bool:
    """Say whether the CPU has instructions for int8, and may use them; False if unknown."""
    limited = os.environ.get(_SWITCH, "").upper() in _VALUES_WITHOUT_INT8
    return not limited and not _INT8_FLAGS.isdisjoint(cpu_flags())


def int8_is_faster() -> bool:
    """Say whether int8 was measured to be faster than bf16 and fp32 on CPUs like this one."""
    flags = cpu_flags() if native_int8() else frozenset[str]()
    return _INT8_IS_FASTER_WITH in flags and flags.isdisjoint(_UNKNOWN_WITH)


def describe_cpu() -> str:
    """Return the CPU's name, cores and main flags in one line."""
    shown = [flag for flag in _SHOWN_FLAGS if flag in cpu_flags()]
    cores = _usable_cores()
    return (
        f"{_cpu_name()}, {cores} core{'s' if cores != 1 else ''} "
        f"({' '.join(shown) or 'instruction sets unknown'})"
    )


def choose_precision(
    request: PrecisionRequest, native: Sequence[Precision], device: str, watch: Watch
) -> Precision:
    """Return a run's number format: the fastest native one, or fp32 if the request is not native.

    Args:
        request: The user's request.
        native: The device's native formats, the preferred one first; fp32 always works. int8, of
            which models have another file, is never preferred here.
        device: The device's name, for the note.
        watch: Receives a note if the request cannot be met.

    Raises:
        BackendError: int8 is requested and not native.
    """
    if request == "auto":
        return native[0] if native and native[0] != "int8" else "fp32"
    if request == "fp32" or request in native:
        return request
    if request == "int8":
        raise BackendError(
            f"int8 was requested, {device} computes in {', '.join(('fp32', *native))}",
            "use --precision auto, which takes the fastest format of the device",
        )
    watch.note(f"{request} is not native on {device}: running in fp32")
    return "fp32"


def _usable_cores() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_name() -> str:
    if sys.platform == "linux":
        for line in _read_text(Path("/proc/cpuinfo")).splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    if sys.platform == "darwin" and (name := _sysctl("machdep.cpu.brand_string")):
        return name
    return platform.processor() or platform.machine() or "unknown CPU"


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""  # the flags are then unknown, which means fp32


def _sysctl(name: str) -> str:
    """Return one of macOS's system values; "" if there is none of that name."""
    try:
        done = subprocess.run(
            ["/usr/sbin/sysctl", "-n", name], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
