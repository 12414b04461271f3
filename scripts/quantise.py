"""Make the int8 form of a model: NAME.int8.onnx beside it, with what it costs on its card.

    python scripts/quantise.py default-x4 --data DIR --set DIR/Set5 --set DIR/Set14

Ranges are those of crops of training pictures, downscaled and as they are, and of patterns that
reach further than any photograph (dithers, stripes, dots): where an activation leaves its range, a
picture is damaged visibly, and a dithered drawing is a picture too. Convolutions that suffer most
from rounding stay floats, as few as keep the mean loss on the crops below `--most`. Scores are
taken as users run the form: by OpenVINO, on a CPU with int8 and bf16.

The form of an embedded model is embedded if it loses at most what `auto` allows; a model file's is
written next to the file in any case.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import onnx

from embed import scored, write_manifest
from int8_graph import (
    Floats,
    convolutions,
    measure_ranges,
    quantised,
    read_in_fp32,
    run,
    with_halves,
)
from superres.atomic import atomic_write_bytes
from superres.data.listing import list_folder
from superres.errors import SuperresError
from superres.images.resize import resize
from superres.media import open_picture, read_pixels
from superres.modelfiles.card import CARD_KEY, Card
from superres.modelfiles.files import INT8_SUFFIX, int8_losses, open_model_file
from superres.runtimes.half_precision import MOST_INT8_LOSS_DB
from superres.runtimes.precision import native_bf16, native_int8
from superres.zoo import resolve, weights_folder

_EDGE, _CROPS = 48, 150  # px, and how many of each kind
_LOSS, _HARM = 4, 12  # every so many crops are compared for a form's loss, a convolution's harm
_PEAK_DB_FLOOR = 1e-5  # squared error of a crop that both forms restore alike


class Crops(NamedTuple):
    """Calibration pictures: small ones and their truths, and others.

    Attributes:
        small: (N, C, h, w) in [0, 1], 8-bit levels.
        truth: (N, C, s*h, s*w).
        crisp: (N, C, h, w), cut from pictures as they are.
    """

    small: Floats
    truth: Floats
    crisp: Floats


def cut_crops(folder: Path, card: Card, count: int, seed: int = 0) -> Crops:
    """Cut crops of the pictures in a folder, one of each kind from each of `count` pictures."""
    random = np.random.default_rng(seed)
    paths = sorted(list_folder(folder, recursive=True).files)
    edge = _EDGE * card.scale
    small: list[Floats] = []
    truth: list[Floats] = []
    crisp: list[Floats] = []
    for index in random.permutation(len(paths)):
        try:
            pixels = read_pixels(open_picture(paths[index]))[..., :3]
        except SuperresError as error:
            raise SystemExit(f"{paths[index]}: {error}") from error
        height, width = pixels.shape[:2]
        if pixels.dtype != np.uint8 or pixels.shape[2] != 3 or min(height, width) < edge:
            continue
        top, left = random.integers(0, height - edge + 1), random.integers(0, width - edge + 1)
        large = pixels[top : top + edge, left : left + edge] / 255.0
        down = resize(large, scale=1 / card.scale)
        small.append(_planes(np.rint(255 * down.clip(0, 1)) / 255))
        truth.append(_planes(large))
        top, left = random.integers(0, height - _EDGE + 1), random.integers(0, width - _EDGE + 1)
        crisp.append(_planes(pixels[top : top + _EDGE, left : left + _EDGE] / 255.0))
        if len(small) == count:
            break
    if not small:
        raise SystemExit(f"{folder} holds no 8-bit RGB pictures of at least {edge} px")
    return Crops(np.stack(small), np.stack(truth), np.stack(crisp))


def _planes(pixels: np.ndarray) -> Floats:
    return np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32)


def patterns() -> Floats:
    """Return the patterns (N, 3, h, w) that reach furthest: dithers, stripes, dots, noise."""
    y, x = np.mgrid[0:_EDGE, 0:_EDGE]
    random = np.random.default_rng(7)
    grey = [
        (x + y) % 2,
        x % 2,
        y % 2,
        x // 2 % 2,
        y // 2 % 2,
        (x // 2 + y // 2) % 2,
        (x % 2 == 0) & (y % 2 == 0),
        (x % 4 == 0) & (y % 4 == 0),
        (x % 4 != 0) | (y % 4 != 0),
        (x + 2 * y) % 5 == 0,
        random.random((_EDGE, _EDGE)) < 0.5,
        random.random((_EDGE, _EDGE)) < 0.1,
        random.random((_EDGE // 4, _EDGE // 4)).repeat(4, 0).repeat(4, 1) < 0.5,
    ]
    ends = [(np.zeros(3), np.ones(3)), (np.array([1, 0, 0]), np.array([0, 1, 1]))]
    made = [
        low[:, None, None] * (1 - one) + high[:, None, None] * one
        for one in (np.asarray(each, np.float64) for each in grey)
        for low, high in ends
    ]
    return np.stack([*made, random.random((3, _EDGE, _EDGE))]).astype(np.float32)


def mean_loss_db(truth: Floats, exact: Floats, rounded: Floats) -> float:
    """Return the mean loss of PSNR of one form's answers against the other's, over crops."""

    def error(answers: Floats) -> Floats:
        return np.square(answers.clip(0, 1) - truth).mean((1, 2, 3)) + _PEAK_DB_FLOOR

    return float(10 * np.log10(error(rounded) / error(exact)).mean())


def choose(model: onnx.ModelProto, crops: Crops, most_db: float) -> onnx.ModelProto:
    """Return the int8 form with the fewest convolutions in floats that loses at most so much."""
    extremes = patterns()
    ranges = measure_ranges(model, np.concatenate([crops.small, crops.crisp, extremes]))
    names = convolutions(model)
    few = crops.small[::_HARM]
    exact = run(model, few)
    harm = {
        name: float(np.square(run(quantised(model, ranges, {name}), few) - exact).mean())
        for name in names
    }
    small, truth = crops.small[::_LOSS], crops.truth[::_LOSS]
    exact, exact_extremes = run(model, small), run(model, extremes).clip(0, 1)
    by_harm = sorted(names, key=lambda name: harm[name])
    for floats in range(len(names)):
        form = quantised(model, ranges, set(by_harm[: len(names) - floats]))
        loss = mean_loss_db(truth, exact, run(form, small))
        off = 255 * np.abs(run(form, extremes).clip(0, 1) - exact_extremes).mean((1, 2, 3))
        print(
            f"  {floats} of {len(names)} convolutions in floats: {loss:.3f} dB on crops; patterns "
            f"are off by {off.mean():.2f} of 255, the worst by {off.max():.2f}",
            flush=True,
        )
        if loss <= most_db:
            print(f"  floats: {', '.join(by_harm[len(names) - floats :]) or 'none'}")
            return form
    raise SystemExit(f"no int8 form loses at most {most_db} dB")


def write(form: onnx.ModelProto, card: Card, path: Path) -> None:
    """Write a form with its card, atomically."""
    del form.metadata_props[:]
    entry = form.metadata_props.add()
    entry.key, entry.value = CARD_KEY, card.model_dump_json()
    onnx.checker.check_model(form)
    atomic_write_bytes(path, form.SerializeToString(deterministic=True))


def main() -> None:
    """Make one int8 form, and embed it if it is an embedded model's and loses little."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", help="an embedded model, or a float .onnx file")
    parser.add_argument("--data", type=Path, help="a folder of training pictures")
    parser.add_argument("--set", type=Path, action="append", required=True, dest="sets")
    parser.add_argument("--most", type=float, default=0.05, help="dB that crops may lose")
    parser.add_argument("--rescore", action="store_true", help="renew the scores of a form alone")
    parser.add_argument("--crops", type=int, default=_CROPS)
    arguments = parser.parse_args()
    if arguments.data is None and not arguments.rescore:
        parser.error("--data is required, unless --rescore is given")
    if not (native_bf16() and native_int8()):
        raise SystemExit("this CPU lacks bf16 or int8: scores would not be those of users")

    found = resolve(arguments.model)
    if found.onnx is None:
        raise SystemExit(f"{arguments.model} has no .onnx file; superres export makes one")
    print(found.card.name)
    target = found.onnx.with_suffix(INT8_SUFFIX)
    if arguments.rescore:
        form = cast("Any", onnx).load(target)  # its types are incomplete
    else:
        crops = cut_crops(arguments.data, found.card, arguments.crops)
        form = with_halves(choose(read_in_fp32(found.onnx), crops, arguments.most))
    card = found.card.model_copy(update={"precision": "int8", "scores": (), "losses_db": {}})
    with tempfile.TemporaryDirectory() as folder:
        floats = Path(folder) / found.onnx.name
        floats.write_bytes(found.onnx.read_bytes())
        rounded = floats.with_suffix(INT8_SUFFIX)
        write(form, card, rounded)
        write(form, with_losses(card, floats, arguments.sets), rounded)
        losses = int8_losses(open_model_file(floats))
        print("  " + ", ".join(f"{name}: {loss:+.3f} dB lost" for name, loss in losses.items()))
        embedded = target.parent == weights_folder()
        if embedded and max(losses.values()) > MOST_INT8_LOSS_DB:
            raise SystemExit(f"  not embedded: it loses over {MOST_INT8_LOSS_DB} dB")
        atomic_write_bytes(target, rounded.read_bytes())
    if embedded:
        write_manifest()
    print(f"  {target.name}: {target.stat().st_size} bytes")


def with_losses(card: Card, floats: Path, sets: list[Path]) -> Card:
    """Return the card with the scores of an int8 form, and what the float form scores more."""
    card = scored(card, floats, sets, precision="int8")
    exact = scored(card, floats, sets)
    losses = {
        one.set: round(other.psnr_db - one.psnr_db, 3)
        for one, other in zip(card.scores, exact.scores, strict=True)
    }
    return card.model_copy(update={"losses_db": losses})


if __name__ == "__main__":
    main()
