"""The public names, frozen, and the cost of importing them."""

import pkgutil
import subprocess
import sys

import superres

NAMES = [
    "Protocol", "Report", "SuperresError", "Upscaler", "__version__", "enlarge", "fuse", "load",
    "psnr", "resize", "ssim", "upscale", "upscale_file",
]  # fmt: skip

HEAVY = ("torch", "openvino", "pyvips", "onnxruntime", "pydantic", "typer", "rich")


def test_the_public_names_are_these_and_no_others():
    assert sorted(superres.__all__) == NAMES
    for name in NAMES:
        assert getattr(superres, name) is not None


def test_no_public_function_shares_its_name_with_a_module():
    modules = {module.name for module in pkgutil.iter_modules(superres.__path__)}
    assert modules.isdisjoint(superres.__all__)


def test_importing_superres_imports_no_heavy_library():
    code = f"import sys, superres; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
