"""The public face: its names are frozen, and importing it costs next to nothing."""

import subprocess
import sys

import superres

NAMES = [
    "Protocol", "Report", "SuperresError", "Upscaler", "__version__", "enlarge", "fuse", "load",
    "psnr", "resize", "ssim", "upscale",
]  # fmt: skip

HEAVY = ("torch", "openvino", "pyvips", "onnxruntime", "pydantic", "typer", "rich")


def test_the_public_names_are_these_and_no_others():
    assert sorted(superres.__all__) == NAMES
    for name in NAMES:
        assert getattr(superres, name) is not None


def test_enlarge_stays_a_function_after_its_module_was_imported():
    import superres.enlarge_file

    assert callable(superres.enlarge)
    assert superres.enlarge is superres.enlarge_file.enlarge


def test_importing_superres_imports_no_heavy_library():
    code = f"import sys, superres; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
