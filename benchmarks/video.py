"""How good and how fast `superres video` is: the tables of docs/video.md.

    python benchmarks/video.py --clip bikes.mp4 --model default --model fast   # quality and rates
    python benchmarks/video.py --only rates --model fast                       # rates alone

Quality: the middle frames of each clip are downscaled by bicubic, rounded to 8 bits, stored without
loss, upscaled by `superres video` itself and compared with what they were. Rates: a clip made here,
640x360 at 24 frames a second, is upscaled by 2, as users would; beside the rate of the network
alone stand the milliseconds of one core that each stage takes for a frame. With `--write` what is
measured goes to benchmarks/results/video.json, beside what was measured before (so models may take
turns), and the tables into docs/video.md.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from numpy.typing import NDArray

from flicker import flicker
from superres import zoo
from superres.atomic import atomic_write_bytes
from superres.frame import UINT8, from_unit
from superres.images.resize import resize
from superres.infer.engine import Engine
from superres.jobs.spec import VideoJob
from superres.jobs.video import upscale_video
from superres.layers.graphs import ENLARGE, INPUT, OUTPUT
from superres.metrics import Protocol, psnr
from superres.model_pool import ModelPool
from superres.runtimes.open import open_runtime
from superres.runtimes.precision import describe_cpu
from superres.runtimes.runtime import Array, RuntimeFacts
from superres.version import __version__
from superres.video.decode import FrameReader
from superres.video.encode import add_video, encode
from superres.videofiles.codec_options import CodecOptions
from superres.videofiles.colour import FromRgb, ToRgb
from superres.videofiles.encoding import choose_encoding
from superres.videofiles.probe import probe
from superres.watch import Watch

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "video.json"
PAGE = ROOT / "docs" / "video.md"
SIZE, RATE = (360, 640), 24
_PRESETS = ("faster", "veryfast")
_LOSSLESS = CodecOptions(codec="ffv1", pix_fmt="bgr0")
_RUNS = 24

Bytes = NDArray[np.uint8]


def read_frames(path: Path, first: int = 0, count: int | None = None) -> list[Bytes]:
    """Return some frames of a clip as (H, W, 3)."""
    facts = probe(path)
    to_rgb = ToRgb(facts.size, facts.colour)
    stop = None if count is None else first + count
    stills = itertools.islice(FrameReader(path, facts).frames(), first, stop)
    return [from_unit(to_rgb(one.frame), UINT8).astype(np.uint8) for one in stills]


def write_frames(path: Path, frames: Iterator[Bytes] | list[Bytes], **options: str) -> None:
    """Write a clip: H.264 with options, without them FFV1 in RGB, which loses nothing."""
    codec, pix_fmt = ("libx264", "yuv420p") if options else ("ffv1", "bgr0")
    with av.open(str(path), "w") as clip:
        video = clip.add_stream(codec, rate=RATE, options=options)
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            if number == 0:
                video.height, video.width, video.pix_fmt = frame.height, frame.width, pix_fmt
            clip.mux(video.encode(frame.reformat(format=pix_fmt)))
        clip.mux(video.encode(None))


def quality(clip: Path, models: Sequence[str], scale: int, count: int) -> dict[str, Any]:
    """Return the scores of each model on the middle frames of a clip."""
    known = probe(clip).frames or count
    truth = read_frames(clip, max(0, (known - count) // 2), count)
    height, width = (edge // (2 * scale) * 2 * scale for edge in truth[0].shape[:2])
    truth = [np.ascontiguousarray(frame[:height, :width]) for frame in truth]
    small = [_rounded(resize(frame, scale=1 / scale)) for frame in truth]
    found = {"bicubic": [_rounded(resize(frame, size=(height, width))) for frame in small]}
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "small.mkv", Path(folder) / "large.mkv"
        write_frames(source, small)
        for model in models:
            if scale in zoo.scales(model):
                job = VideoJob(
                    source=source,
                    target=target,
                    existing="replace",
                    model=model,
                    scale=scale,
                    codec=_LOSSLESS,
                )
                upscale_video(job, ModelPool(), Watch())
                found[model] = read_frames(target)
    protocol = Protocol(border=scale)
    scores: dict[str, Any] = {}
    of_truth = 0.0
    for name, frames in found.items():
        one = flicker(frames, truth, protocol=protocol)
        scores[name] = {
            "psnr_db": statistics.fmean(
                psnr(ours, true, protocol=protocol)
                for ours, true in zip(frames, truth, strict=True)
            ),
            "tof_px": one.tof_px,
            "warping_error": one.warping_error,
        }
        of_truth = one.true_warping_error
        print(clip.stem, f"x{scale}", name, scores[name], flush=True)
    return {"frames": len(truth), "true_warping_error": of_truth, "models": scores}


def _rounded(levels: NDArray[np.float64]) -> Bytes:
    return np.floor(levels.clip(0, 255) + 0.5).astype(np.uint8)


def moving_picture(frames: int) -> Iterator[Bytes]:
    """Yield a clip: a camera that pans over clouds of all sizes, discs that cross it, and grain."""
    height, width = SIZE
    rng = np.random.default_rng(0)
    ground = _clouds(rng, height + 80, width + 4 * frames)
    discs = [(_clouds(rng, 160, 160), *rng.uniform(-4, 4, 2), *rng.uniform(0, 1, 2), radius)
             for radius in (20, 30, 45, 60)]  # fmt: skip
    rows, columns = np.indices((160, 160)) - 79.5
    for number in range(frames):
        top = round(40 + 35 * np.sin(number / 30))
        picture = ground[top : top + height, 3 * number : 3 * number + width].copy()
        for texture, down, right, y, x, radius in discs:
            row = round(y * height + down * number) % (height - 160)
            column = round(x * width + right * number) % (width - 160)
            inside = rows**2 + columns**2 < radius**2
            picture[row : row + 160, column : column + 160][inside] = texture[inside]
        yield np.clip(picture + rng.normal(0, 1.5, picture.shape), 0, 255).astype(np.uint8)


def _clouds(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float64]:
    """Return a picture with the spectrum of a photograph."""
    total = np.full((height, width, 3), 120.0)
    for step in (160, 64, 24, 9, 3):
        coarse = rng.standard_normal((height // step + 2, width // step + 2, 3))
        total += 5 * step**0.5 * resize(coarse, size=(height, width))
    return total


def rates(models: Sequence[str], seconds: int) -> dict[str, Any]:
    """Return frames a second of each model, of its network alone, and what the stages take."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "small.mp4", Path(folder) / "large.mp4"
        write_frames(source, moving_picture(RATE * seconds), crf="18", preset="medium")
        result: dict[str, Any] = {"stages_core_ms": scale_steps(source), "models": {}}
        for model in models:
            if 2 not in zoo.scales(model):
                continue
            one = result["models"][model] = network_alone(model)
            for preset in _PRESETS:
                codec = CodecOptions(more=(("preset", preset),))
                job = VideoJob(
                    source=source,
                    target=target,
                    existing="replace",
                    model=model,
                    scale=2,
                    codec=codec,
                )
                made = {**_timed(job)}
                made["of_network_alone"] = made["steady_fps"] / one["network_fps"]
                one[preset] = made
                print(model, preset, made, flush=True)
    return result


def _timed(job: VideoJob) -> dict[str, float]:
    """Upscale a clip; the steady rate leaves out the start and the end of the run."""
    at: list[float] = []
    cores = time.process_time()
    watch = Watch(on_progress=lambda done, known: at.append(time.perf_counter()))
    report = upscale_video(job, ModelPool(), watch)
    first, last = len(at) // 8, len(at) - 1
    return {
        "steady_fps": (last - first) / (at[last] - at[first]),
        "whole_run_fps": report.fps,
        "core_ms": 1e3 * (time.process_time() - cores) / report.frames,
    }


def network_alone(model: str) -> dict[str, Any]:
    """Return the rate of a network that does nothing but run whole frames."""
    backend = open_runtime(zoo.resolve(model, scale=2), watch=Watch())
    frame = np.random.default_rng(0).random((1, 3, *SIZE), dtype=np.float32)
    seconds, cores = _median(lambda: backend.run(ENLARGE, {INPUT: frame}))
    facts = backend.facts
    return {
        "backend": f"{facts.name} {facts.precision}",
        "network_fps": 1 / seconds,
        "network_core_ms": 1e3 * cores,
    }


class _Instant:
    """A runtime that has its answers ready."""

    facts = RuntimeFacts("none", "CPU", "fp32", 588, 1, 2**40)

    def __init__(self) -> None:
        self._answers: dict[tuple[int, ...], NDArray[np.float32]] = {}

    def run(self, graph: str, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Return the same large tiles for all tiles of a shape."""
        assert graph == ENLARGE
        tiles_NCHW = tensors[INPUT]
        shape = tiles_NCHW.shape
        if shape not in self._answers:
            self._answers[shape] = tiles_NCHW.repeat(2, axis=2).repeat(2, axis=3)
        return {OUTPUT: self._answers[shape]}


def scale_steps(source: Path) -> dict[str, float]:
    """Return the milliseconds of one core that each stage but the network takes for a frame."""
    facts = probe(source)
    began = time.process_time()
    stills = list(FrameReader(source, facts).frames())
    found = {"decode": 1e3 * (time.process_time() - began) / len(stills)}
    to_rgb, still = ToRgb(facts.size, facts.colour), stills[0]
    found["to RGB"] = 1e3 * _median(lambda: to_rgb(still.frame))[1]
    rgb = to_rgb(still.frame)
    for name, halo, tile in (("one tile", 8, None), ("tiles of 416", 30, 416)):
        card = zoo.resolve("default", scale=2).card.model_copy(update={"halo": halo})
        engine = Engine(card, _Instant(), tile=tile, fallback=None, watch=Watch())
        found[name] = 1e3 * _median(lambda engine=engine: engine.upscale(rgb))[1]
    size = (2 * facts.size[0], 2 * facts.size[1])
    settled = choose_encoding(facts, size, "mp4", CodecOptions())
    from_rgb = FromRgb(settled.pix_fmt, settled.numbers, settled.colour, size)
    larges = [_upscaled(to_rgb(one.frame)) for one in stills[:_RUNS]]
    found["from RGB"] = 1e3 * _median(lambda: from_rgb(larges[0], still.frame))[1]
    for preset in _PRESETS:
        codec = CodecOptions(more=(("preset", preset),))
        with av.open(io.BytesIO(), "w", format="matroska") as container:
            stream = add_video(container, choose_encoding(facts, size, "mp4", codec))
            frames = [from_rgb(one, still.frame) for one in larges]
            for number, frame in enumerate(frames):
                frame.pts, frame.time_base = number * stills[1].stamp, facts.time_base
            began = time.process_time()
            for _ in encode(stream, frames):
                pass
            found[f"H.264 {preset}"] = 1e3 * (time.process_time() - began) / len(frames)
    return found


def _upscaled(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    planes = np.ascontiguousarray(resize(rgb, scale=2.0).transpose(2, 0, 1), np.float32)
    return planes.transpose(1, 2, 0)


def _median(run: Callable[[], object]) -> tuple[float, float]:
    """Return the median seconds of wall time and of all cores, after two runs to warm up."""
    for _ in range(2):
        run()
    spent: list[tuple[float, float]] = []
    for _ in range(_RUNS):
        wall, cores = time.perf_counter(), time.process_time()
        run()
        spent.append((time.perf_counter() - wall, time.process_time() - cores))
    walls, all_cores = zip(*spent, strict=True)
    return statistics.median(walls), statistics.median(all_cores)


def quality_table(found: dict[str, Any]) -> str:
    """Return the scores in Markdown."""
    rows = ["| clip | model | PSNR, dB | tOF, px | warping error, 10⁻³ (truth) |",
            "|---|---|---|---|---|"]  # fmt: skip
    for clip, one in found.items():
        true = 1e3 * one["true_warping_error"]
        rows += [
            f"| {clip} | {model} | {s['psnr_db']:.2f} | {s['tof_px']:.3f} "
            f"| {1e3 * s['warping_error']:.3f} ({true:.3f}) |"
            for model, s in one["models"].items()
        ]
    return "\n".join(rows)


def rates_table(found: dict[str, Any]) -> str:
    """Return the rates and the stages in Markdown."""
    rows = ["| model | network alone, frames/s | preset | end to end, frames/s | of it | "
            "ms of a core |", "|---|---|---|---|---|---|"]  # fmt: skip
    for model, one in found["models"].items():
        rows += [
            f"| {model} | {one['network_fps']:.1f} | {preset} | {one[preset]['steady_fps']:.1f} "
            f"| {100 * one[preset]['of_network_alone']:.0f} % | {one[preset]['core_ms']:.0f} |"
            for preset in _PRESETS
        ]
    spent = {
        **{f"network {name}": one["network_core_ms"] for name, one in found["models"].items()},
        **found["stages_core_ms"],
    }
    rows += ["", "| stage | " + " | ".join(spent) + " |", "|---|" + "---|" * len(spent)]
    rows.append("| ms of a core | " + " | ".join(f"{ms:.1f}" for ms in spent.values()) + " |")
    return "\n".join(rows)


def write_page(part: str, text: str) -> None:
    """Put a table into the page, between its marks."""
    begin, end = f"<!-- {part} -->", f"<!-- end of {part} -->"
    before, _, rest = PAGE.read_text().partition(begin)
    _, _, after = rest.partition(end)
    atomic_write_bytes(PAGE, f"{before}{begin}\n\n{text}\n\n{end}{after}".encode())


# Any: JSON.
def _joined(old: Any, new: Any) -> Any:  # noqa: ANN401
    """Return what was measured before, with the new in its place."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    before, after = cast("dict[str, Any]", old), cast("dict[str, Any]", new)
    return before | {key: _joined(before.get(key), value) for key, value in after.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and keep what was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--clip", type=Path, action="append", default=[], help="to reduce")
    parser.add_argument("--model", action="append", default=[], help="name or file")
    parser.add_argument("--scale", type=int, action="append", default=[], help="default: 2 and 4")
    parser.add_argument("--frames", type=int, default=16, help="the middle ones of each clip")
    parser.add_argument("--seconds", type=int, default=10, help="of the clip for rates")
    parser.add_argument("--only", choices=("quality", "rates"))
    parser.add_argument("--write", action="store_true", help="keep the results, and write the page")
    asked = parser.parse_args(arguments)
    models = asked.model or [zoo.DEFAULT]
    result: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    result |= {"version": __version__, "machine": describe_cpu()}
    tables: dict[str, str] = {}
    if asked.only != "quality":
        result["rates"] = _joined(result.get("rates", {}), rates(models, asked.seconds))
        tables["rates"] = rates_table(result["rates"])
    if asked.only != "rates" and asked.clip:
        for scale in asked.scale or (2, 4):
            for clip in asked.clip:
                one = {f"{clip.stem} ×{scale}": quality(clip, models, scale, asked.frames)}
                result["quality"] = _joined(result.get("quality", {}), one)
        tables["scores"] = quality_table(result["quality"])
    for table in tables.values():
        print(table, end="\n\n")
    if asked.write:
        RESULTS.parent.mkdir(exist_ok=True)
        atomic_write_bytes(RESULTS, json.dumps(result, indent=1).encode())
        for part, table in tables.items():
            write_page(part, table)


if __name__ == "__main__":
    main()
