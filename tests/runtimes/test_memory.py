from __future__ import annotations

import sys

import pytest

from superres.runtimes import memory


def test_free_memory_is_between_a_megabyte_and_a_petabyte():
    assert 2**20 < memory.free_memory() < 2**50


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's files")
def test_a_containers_limit_counts(monkeypatch):
    files = {
        "/sys/fs/cgroup/memory.max": ["1000000"],
        "/sys/fs/cgroup/memory.current": ["400000"],
        "/sys/fs/cgroup/memory.stat": ["anon 7", "inactive_file 50000"],
        "/proc/meminfo": ["MemTotal: 9000 kB", "MemAvailable:   4000 kB"],
    }
    monkeypatch.setattr(memory, "_lines", lambda path: files.get(str(path), []))
    assert memory.free_memory() == 650_000
    files["/sys/fs/cgroup/memory.max"] = ["max"]
    assert memory.free_memory() == 4000 * 1024
