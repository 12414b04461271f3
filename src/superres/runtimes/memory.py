"""Free main memory of this process."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

_UNKNOWN = 2 * 2**30  # a cautious guess where the system reports nothing


def free_memory() -> int:
    """Return the bytes of main memory that this process can still take, within its limits."""
    if sys.platform == "linux":
        return min(_meminfo(), _cgroup())
    if sys.platform == "win32":
        return _windows()
    return _macos()


def _meminfo() -> int:
    for line in _lines(Path("/proc/meminfo")):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return _UNKNOWN


def _cgroup() -> int:
    """Return the rest of a container's limit (cgroup 2, or 1); a huge number without one."""
    free = sys.maxsize
    for folder, limit, used in (
        ("/sys/fs/cgroup", "memory.max", "memory.current"),
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        numbers = [_number(Path(folder, name)) for name in (limit, used)]
        if numbers[0] is not None and numbers[1] is not None:
            # Cached files count as used but are given up when memory is requested.
            reclaimable = _cached(Path(folder, "memory.stat"))
            free = min(free, max(0, numbers[0] - numbers[1] + reclaimable))
    return free


def _cached(path: Path) -> int:
    for line in _lines(path):
        if line.startswith(("inactive_file ", "total_inactive_file ")):
            return int(line.split()[1])
    return 0


def _number(path: Path) -> int | None:
    """Return the number in a file; None if the file is missing or holds the word max."""
    text = "".join(_lines(path)).strip()
    return int(text) if text.isdigit() else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []


def _macos() -> int:
    """Return the bytes of free, inactive and speculative pages, as vm_stat reports them."""
    try:
        done = subprocess.run(
            ["/usr/bin/vm_stat"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return _UNKNOWN
    pages = 0
    for line in done.stdout.splitlines():
        if line.startswith(("Pages free", "Pages inactive", "Pages speculative")):
            pages += int(line.split()[-1].rstrip("."))
    return pages * os.sysconf("SC_PAGE_SIZE") if pages else _UNKNOWN


class _MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX of the Windows API."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        ("total_physical", ctypes.c_uint64),
        ("free_physical", ctypes.c_uint64),
        ("total_page_file", ctypes.c_uint64),
        ("free_page_file", ctypes.c_uint64),
        ("total_virtual", ctypes.c_uint64),
        ("free_virtual", ctypes.c_uint64),
        ("free_extended_virtual", ctypes.c_uint64),
    )


def _windows() -> int:
    status = _MemoryStatus()
    status.length = ctypes.sizeof(_MemoryStatus)
    # Exists only on Windows, so type checks elsewhere do not know it.
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009
    if not kernel.GlobalMemoryStatusEx(ctypes.byref(status)):
        return _UNKNOWN
    return int(status.free_physical)
