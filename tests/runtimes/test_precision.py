from __future__ import annotations

import pytest

from superres.errors import BackendError
from superres.runtimes import precision
from superres.watch import Watch


@pytest.fixture
def flags(monkeypatch):
    def install(*names):
        monkeypatch.setattr(precision, "cpu_flags", lambda: frozenset(names))

    return install


@pytest.mark.parametrize("flag", ["amx_bf16", "avx512_bf16", "bf16", "feat_bf16"])
def test_bf16_is_native_where_a_flag_says_so(flags, flag):
    flags("fpu", flag)
    assert precision.native_bf16()


def test_bf16_is_not_native_on_other_cpus_and_unknown_ones(flags):
    flags("avx2", "avx512f", "avx512_vnni", "f16c")
    assert not precision.native_bf16()
    flags()
    assert not precision.native_bf16()


@pytest.mark.parametrize("flag", ["amx_int8", "avx512_vnni", "avx_vnni", "i8mm"])
def test_int8_is_native_where_a_flag_says_so(flags, flag):
    flags("fpu", flag)
    assert precision.native_int8()


def test_int8_is_not_native_on_other_cpus_and_unknown_ones(flags):
    flags("avx2", "avx512f", "avx512_bf16", "asimd", "feat_bf16")
    assert not precision.native_int8()
    flags()
    assert not precision.native_int8()


@pytest.mark.parametrize(
    ("names", "faster"),
    [
        (("avx512f", "avx512_vnni"), True),
        (("avx512f", "avx512_vnni", "avx512_bf16"), True),
        (("avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8"), False),
        (("avx2", "avx_vnni"), False),
        (("asimd", "i8mm", "bf16"), False),
        ((), False),
    ],
)
def test_int8_is_faster_only_where_that_was_measured(flags, names, faster):
    flags(*names)
    assert precision.int8_is_faster() == faster


def test_auto_never_chooses_int8_by_itself():
    watch = Watch(pytest.fail)
    assert precision.choose_precision("auto", ("int8",), "x", watch) == "fp32"
    assert precision.choose_precision("auto", ("bf16", "int8"), "x", watch) == "bf16"
    assert precision.choose_precision("int8", ("bf16", "int8"), "x", watch) == "int8"


def test_int8_that_is_not_native_is_an_error_and_not_replaced():
    with pytest.raises(BackendError, match=r"int8 was requested, GPU\.0 computes in fp32, fp16"):
        precision.choose_precision("int8", ("fp16",), "GPU.0", Watch(pytest.fail))


@pytest.mark.parametrize("limit", ["AVX2", "avx2_vnni", "AVX512_CORE", "SSE41"])
def test_bf16_is_not_native_where_onednn_is_limited_to_less(flags, monkeypatch, limit):
    flags("avx2", "avx512_bf16")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert not precision.native_bf16()


@pytest.mark.parametrize("limit", ["", "ALL", "AVX512_CORE_BF16", "AVX512_CORE_AMX"])
def test_bf16_stays_native_where_onednn_may_use_it(flags, monkeypatch, limit):
    flags("avx2", "avx512_bf16")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert precision.native_bf16()


def test_only_flags_that_all_cores_share_count():
    text = "flags\t\t: fpu avx512_bf16 avx2\nmodel name: x\nflags\t: fpu avx2\n"
    assert precision.parse_cpuinfo(text) == {"fpu", "avx2"}
    assert precision.parse_cpuinfo("Features\t: asimd bf16\n") == {"asimd", "bf16"}
    assert precision.parse_cpuinfo("vendor_id : x\n") == frozenset()


def test_the_cpu_is_described_in_one_line(flags):
    flags("avx2", "amx_bf16", "fpu")
    text = precision.describe_cpu()
    assert "(amx_bf16 avx2)" in text
    assert "\n" not in text
    flags()
    assert "instruction sets unknown" in precision.describe_cpu()


def test_auto_takes_the_devices_first_native_format_and_else_fp32():
    assert precision.choose_precision("auto", ("bf16", "fp16"), "x", Watch(pytest.fail)) == "bf16"
    assert precision.choose_precision("auto", (), "x", Watch(pytest.fail)) == "fp32"
    assert precision.choose_precision("fp32", ("bf16",), "x", Watch(pytest.fail)) == "fp32"
    assert precision.choose_precision("fp16", ("bf16", "fp16"), "x", Watch(pytest.fail)) == "fp16"


def test_a_format_that_is_not_native_becomes_fp32_and_is_announced():
    lines: list[str] = []
    assert precision.choose_precision("bf16", ("fp16",), "GPU.0", Watch(lines.append)) == "fp32"
    assert lines == ["bf16 is not native on GPU.0: running in fp32"]


@pytest.mark.parametrize(("value", "native"), [("AVX2", False), ("AVX512_CORE", False),
                                               ("AVX512_CORE_VNNI", True)])  # fmt: skip
def test_int8_is_not_native_where_onednn_is_limited_to_less(flags, monkeypatch, value, native):
    flags("avx512_vnni")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", value)
    assert precision.native_int8() == precision.int8_is_faster() == native
