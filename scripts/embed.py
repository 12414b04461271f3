"""Put the model of a finished training run into the package: an .onnx of fp16, scores, hashes.

    python scripts/embed.py runs/default-x4/model.safetensors --set DIR/Set5 --set DIR/Set14

Scores are taken of the very files that are embedded, as users run them: in fp32 on OpenVINO. Models
of many frames have none: sets of single pictures say nothing of them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from pathlib import Path

from torch import nn

from superres.atomic import atomic_write_bytes
from superres.evaluate.benchmark import evaluate
from superres.metrics import Protocol
from superres.modelfiles.card import Card, Score
from superres.modelfiles.checkpoint import load_network, save_network
from superres.modelfiles.files import INT8_SUFFIX, read_card
from superres.runtimes.export import export_onnx
from superres.runtimes.half_precision import PUBLISHED_NAME, measure, published_errors
from superres.runtimes.open import open_runtime
from superres.runtimes.runtime import PrecisionRequest, RuntimeOptions
from superres.upscaler import load
from superres.watch import Watch
from superres.zoo import MANIFEST_NAME, embedded_models, weights_folder

MAX_BYTES = {"image": 3 * 2**20, "burst": 6 * 2**20, "video": 3 * 2**20}  # of an embedded file


def in_half(model: Path, folder: Path) -> tuple[nn.Module, Card, Path]:
    """Write a run's model in fp16; return the network rounded so, its card and the file."""
    network, card = load_network(model)
    half = folder / f"{card.name}.safetensors"
    save_network(network, card, half, half=True)
    return *load_network(half), half


def scored(
    card: Card, file: Path, sets: list[Path], *, precision: PrecisionRequest = "fp32"
) -> Card:
    """Return the card with the scores of a model file on some benchmark sets."""
    upscale = load(str(file), precision=precision)
    protocol = Protocol(channels="luma", border=card.scale)
    results = [evaluate(upscale, one, scale=card.scale, protocol=protocol) for one in sets]
    scores = tuple(
        Score(
            set=result.name,
            psnr_db=round(result.psnr_db, 3),
            ssim=round(result.ssim, 4),
            protocol=protocol.describe(),
        )
        for result in results
    )
    return card.model_copy(update={"scores": scores})


def tell(card: Card) -> None:
    """Print the scores on a card."""
    for score in card.scores:
        print(f"{card.name}  {score.set}  {score.psnr_db:.3f} dB  {score.ssim:.4f}")


def renew_half_precision() -> None:
    """Measure how far the embedded models' answers in bf16 are from those in fp32, on OpenVINO.

    The CPU must have bf16. A model whose weights were measured before is not measured again.
    """
    known, errors = published_errors(), {}
    for model in embedded_models():
        card = model.card
        if card.input != "image":
            continue
        if card.weights_sha256 in known:
            errors[card.weights_sha256] = known[card.weights_sha256]
            continue
        half, exact = (
            open_runtime(model, RuntimeOptions("openvino", precision), watch=Watch())
            for precision in ("bf16", "fp32")
        )
        if half.facts.precision != "bf16":
            raise SystemExit("this CPU has no bf16: embed on one that has it")
        errors[card.weights_sha256] = {"bf16": measure(card, half, exact)}
        print(f"{card.name}  bf16: {errors[card.weights_sha256]['bf16']}")
    text = json.dumps(
        {
            sha: {name: one.model_dump() for name, one in found.items()}
            for sha, found in errors.items()
        },
        indent=1,
    )
    atomic_write_bytes(weights_folder() / PUBLISHED_NAME, (text + "\n").encode())


def write_manifest() -> None:
    """Check the sizes of the embedded files and renew their hashes."""
    folder = weights_folder()
    files = sorted(path for path in folder.iterdir() if path.suffix == ".onnx")
    for path in files:
        allowed = MAX_BYTES[read_card(path).input]
        if path.stat().st_size > allowed:
            raise SystemExit(f"{path.name} has {path.stat().st_size} bytes, over {allowed}")
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    atomic_write_bytes(folder / MANIFEST_NAME, (json.dumps(hashes, indent=1) + "\n").encode())


def main() -> None:
    """Embed one model and renew the manifest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--set", type=Path, action="append", default=[], dest="sets")
    arguments = parser.parse_args()

    folder = weights_folder()
    with tempfile.TemporaryDirectory() as scratch:
        network, card, half = in_half(arguments.model, Path(scratch))
        export_onnx(network, card, half.with_suffix(".onnx"))
        if arguments.sets:
            card = scored(card, half.with_suffix(".onnx"), arguments.sets)
        export_onnx(network, card, folder / f"{card.name}.onnx")

    int8 = folder / f"{card.name}{INT8_SUFFIX}"
    if int8.exists() and read_card(int8).weights_sha256 != card.weights_sha256:
        int8.unlink()
        print(f"{int8.name} was of other weights: make it again with scripts/quantise.py")
    write_manifest()
    renew_half_precision()
    tell(card)


if __name__ == "__main__":
    main()
