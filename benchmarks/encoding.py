"""What writing costs: our PNG and TIFF beside libvips' levels and filters, and overlapping files.

    python benchmarks/encoding.py                      # tables, of a picture made from examples/
    python benchmarks/encoding.py large.png            # … of an upscaled picture of your own
    python benchmarks/encoding.py --only files         # png, tiff, other, or files
    python benchmarks/encoding.py --json

All candidates take turns and write the same pixels from memory; medians of wall and processor
seconds. `files` upscales a folder of 20 pictures, whole commands in turn, with overlap and without.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyvips

import superres
from superres.encoding.row_groups import worker_count
from superres.frame import Bands, Values
from superres.media import open_picture, read_pixels, write_picture
from superres.metadata.header import Metadata
from superres.metadata.picture import COMPRESSIONS, WriteOptions
from superres.runtimes.precision import describe_cpu

EXAMPLES = Path(__file__).parents[1] / "examples"
FILTERS = {"sub": 0x10, "up": 0x20, "paeth": 0x80, "all": 0xF8}
BLOCK_ROWS = 256
FILES = 20
_RUN = """
import sys
from superres.jobs import overlap, run
run.MOST_IN_FLIGHT = overlap.MOST_IN_FLIGHT = int(sys.argv[1])
from superres.cli.main import main
sys.exit(main(sys.argv[2:]))
"""

Row = dict[str, float | str]


def sample() -> np.ndarray:
    """Return photographs of the examples, upscaled, side by side, as they are and mirrored."""
    parts = []
    for name in ("astronaut.png", "cat.png", "coffee.png"):
        small = read_pixels(open_picture(EXAMPLES / name))[:128, :128, :3]
        parts.append(superres.upscale(small, scale=4))
    height = min(len(part) for part in parts)
    wide = np.concatenate([part[:height] for part in parts], 1)
    return np.concatenate([wide, wide[::-1], wide[:, ::-1], wide[::-1, ::-1]])


def usage(who: int) -> float:
    """Return the processor seconds so far, of this process or of its children."""
    spent = resource.getrusage(who)
    return spent.ru_utime + spent.ru_stime


def in_turn(
    candidates: dict[str, Callable[[], int]], runs: int, who: int = resource.RUSAGE_SELF
) -> list[Row]:
    """Return median wall and processor seconds of each candidate, and what it returns as MB."""
    walls: dict[str, list[float]] = {name: [] for name in candidates}
    spent: dict[str, list[float]] = {name: [] for name in candidates}
    sizes: dict[str, int] = {}
    for _ in range(runs):
        for name, write in candidates.items():
            before, began = usage(who), time.perf_counter()
            sizes[name] = write()
            walls[name].append(time.perf_counter() - began)
            spent[name].append(usage(who) - before)
    return [
        {
            "what": name,
            "wall_s": round(statistics.median(walls[name]), 3),
            "cpu_s": round(statistics.median(spent[name]), 3),
            "mb": round(sizes[name] / 1e6, 2),
        }
        for name in candidates
    ]


def ours(pixels: np.ndarray, kind: str, folder: Path, **options: object) -> Callable[[], int]:
    """Return what writes a file through our own writers, and returns its size."""
    height, width, channels = pixels.shape
    path = folder / f"ours.{kind}"

    def write() -> int:
        write_picture(
            path,
            (pixels[start : start + BLOCK_ROWS] for start in range(0, height, BLOCK_ROWS)),
            height=height,
            width=width,
            bands=Bands.of(channels),
            values=Values.of(pixels.dtype),
            metadata=Metadata(),
            options=WriteOptions(**options),  # type: ignore[arg-type]
        )
        return path.stat().st_size

    return write


def vips(pixels: np.ndarray, folder: Path, saver: str, **options: object) -> Callable[[], int]:
    """Return what writes a file by libvips alone, and returns its size."""
    kind = "rgb16" if pixels.dtype == np.uint16 else "srgb"
    image = pyvips.Image.new_from_array(pixels).copy(interpretation=kind)
    path = folder / "libvips.out"

    def write() -> int:
        getattr(image, saver)(str(path), **options)
        # As ours: in the disk before it counts as written.
        with path.open("r+b") as file:
            os.fsync(file.fileno())
        return path.stat().st_size

    return write


def png(pixels: np.ndarray, folder: Path, runs: int) -> list[Row]:
    """Measure libvips' filters and levels, and our efforts."""
    candidates = {
        f"libvips, filter {name}, level {level}": vips(
            pixels, folder, "pngsave", compression=level, filter=mask
        )
        for name, mask in FILTERS.items()
        for level in (1, 2, 3, 6)
    }
    candidates |= {
        f"superres, {one}": ours(pixels, "png", folder, compression=one) for one in COMPRESSIONS
    }
    return in_turn(candidates, runs)


def tiff(pixels: np.ndarray, folder: Path, runs: int) -> list[Row]:
    """Measure libvips' strips and tiles, and our efforts."""
    plain = {"predictor": "horizontal", "compression": "deflate"}
    tiles = {"tile": True, "tile_width": 256, "tile_height": 256}
    candidates = {
        f"libvips, {name}, level {level}": vips(
            pixels, folder, "tiffsave", level=level, **plain, **more
        )
        for name, more in {"strips": {}, "tiles of 256": tiles}.items()
        for level in (1, 2, 6)
    }
    candidates |= {
        f"superres, {one}": ours(pixels, "tiff", folder, compression=one) for one in COMPRESSIONS
    }
    return in_turn(candidates, runs)


def other(pixels: np.ndarray, folder: Path, runs: int) -> list[Row]:
    """Measure our efforts in formats that libvips writes."""
    part = pixels[:1024, :1024]
    if part.dtype != np.uint8:
        return []
    candidates = {
        f"{kind}{', lossless' if lossless else ''}, {one}": ours(
            part, kind, folder, compression=one, lossless=lossless
        )
        for kind, lossless in (("webp", True), ("webp", False), ("avif", False), ("gif", False))
        for one in COMPRESSIONS[1:]
    }
    return in_turn(candidates, min(runs, 3))


def files(pixels: np.ndarray, folder: Path, runs: int) -> list[Row]:
    """Measure a folder of pictures, one after the other and overlapping."""
    source = folder / "small"
    source.mkdir()
    for number in range(FILES):
        start = 37 * number % (pixels.shape[0] - 300)
        kind = ("png", "jpg")[number % 2]
        part = np.ascontiguousarray(pixels[start : start + 300, :400])
        pyvips.Image.new_from_array(part).write_to_file(f"{source}/{number:02}.{kind}")

    def command(flights: int) -> Callable[[], int]:
        words = ["upscale", str(source), "-n", "espcn", "-o", f"{folder}/large/", "--overwrite"]

        def run() -> int:
            arguments = [sys.executable, "-c", _RUN, str(flights), *words, "-f", "png"]
            subprocess.run(arguments, check=True, capture_output=True)
            return sum(path.stat().st_size for path in (folder / "large").iterdir())

        return run

    candidates = {"one after the other": command(1), "overlapping": command(3)}
    return in_turn(candidates, runs, resource.RUSAGE_CHILDREN)


PARTS = {"png": png, "tiff": tiff, "other": other, "files": files}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path, nargs="?")
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    pyvips.cache_set_max(0)
    pixels = read_pixels(open_picture(options.picture)) if options.picture else sample()
    height, width, _ = pixels.shape
    results: dict[str, list[Row]] = {}
    for name in [options.only] if options.only else list(PARTS):
        with tempfile.TemporaryDirectory() as folder:
            results[name] = PARTS[name](pixels, Path(folder), options.runs)
    machine = f"{describe_cpu()}; {worker_count()} threads pack"
    size = f"{width}x{height}, {pixels.nbytes / 1e6:.0f} MB of {pixels.dtype}"
    if options.json:
        print(json.dumps({"machine": machine, "picture": size, **results}, indent=1))
        return
    print(f"{machine}\n{size}")
    for name, rows in results.items():
        print(f"\n| {name} | wall s | CPU s | MB |\n|---|---|---|---|")
        for row in rows:
            print(f"| {row['what']} | {row['wall_s']} | {row['cpu_s']} | {row['mb']} |")


if __name__ == "__main__":
    main()
