"""Lower precision by measurement: used where a network's output stays that of fp32.

Networks differ widely in sensitivity to rounding: bf16 changes some by a tenth of an 8-bit step,
and others, whose layers sum large numbers of both signs, by fifty steps. So nothing is assumed. A
network's outputs for a few small patches (flat, edge, texture, noise) are compared in both formats,
once: for the package's models when they are embedded, for all others at their first use, with the
result stored in the cache folder.

int8 is coarser still, so it is judged by what counts: what a model's int8 form loses on benchmark
sets, by the scores on its card. `auto` takes it where that is not visible, on CPUs on which it was
measured to be faster.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from superres.atomic import atomic_write_bytes
from superres.errors import BackendError, OutputError
from superres.frame import Unit
from superres.layers.graphs import ENLARGE, INPUT, OUTPUT
from superres.modelfiles.card import Card
from superres.modelfiles.files import ModelFile, int8_losses
from superres.runtimes.open import backend_for, open_runtime
from superres.runtimes.precision import int8_is_faster, native_bf16
from superres.runtimes.runtime import Runtime, RuntimeFacts, RuntimeOptions
from superres.watch import Watch

PUBLISHED_NAME = "half_precision.json"  # next to the embedded weights
REMEMBERED_NAME = "half_precision.json"  # in the cache folder
MOST_MEAN, MOST_WORST = 0.25, 2.0  # of 255
MOST_INT8_LOSS_DB = 0.05  # on each set
_WORST_PART = 0.001  # of the values
_EDGE = 48  # px of a patch
_WEIGHTS = 32  # characters of the weights' hash in a key
_MOST_REMEMBERED = 1000
_MOST_BYTES = 2**20


class HalfPrecisionError(BaseModel):
    """Error of a network's output in half precision, against fp32.

    Attributes:
        mean: The mean absolute difference, of 255.
        worst: The difference that only a thousandth of the values exceed, of 255.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=True)

    mean: float
    worst: float

    @property
    def acceptable(self) -> bool:
        """Whether the network may run in half precision."""
        return self.mean < MOST_MEAN and self.worst < MOST_WORST

    def __str__(self) -> str:
        return f"{self.mean:.2f} of 255 on average, {self.worst:.1f} at worst"


_PUBLISHED = TypeAdapter(dict[str, dict[str, HalfPrecisionError]])
_REMEMBERED = TypeAdapter(dict[str, HalfPrecisionError])


@dataclass(frozen=True, slots=True)
class Memory:
    """Stored measurements of models that are not the package's.

    Attributes:
        folder: Their folder; it need not exist.
    """

    folder: Path

    def find(self, key: str) -> HalfPrecisionError | None:
        """Return the stored measurement, if any."""
        return self._all().get(key)

    def of_weights(self, weights: str) -> dict[str, HalfPrecisionError]:
        """Return the measurements of some weights, by runtime, device and number format."""
        start = f"{weights[:_WEIGHTS]} "
        return {
            key.removeprefix(start): error
            for key, error in self._all().items()
            if key.startswith(start)
        }

    def add(self, key: str, error: HalfPrecisionError) -> None:
        """Store a measurement; where nothing can be written, it will be repeated."""
        known = self._all()
        known.pop(key, None)
        kept = dict([*known.items(), (key, error)][-_MOST_REMEMBERED:])
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            atomic_write_bytes(self._path, _REMEMBERED.dump_json(kept, indent=1))
        except (OSError, OutputError):
            return

    @property
    def _path(self) -> Path:
        return self.folder / REMEMBERED_NAME

    def _all(self) -> dict[str, HalfPrecisionError]:
        try:
            with self._path.open("rb") as file:
                return _REMEMBERED.validate_json(file.read(_MOST_BYTES))
        except (OSError, ValidationError):
            return {}  # damaged or missing: all is measured again


def open_checked(
    model: ModelFile, options: RuntimeOptions, *, memory: Memory, watch: Watch
) -> Runtime:
    """Open a single-frame model; in int8 or half precision only if measured to be acceptable.

    A number format that was requested by name is not questioned.

    Args:
        model: The model's files and card.
        options: What it runs on.
        memory: Stored measurements.
        watch: Receives notes of each choice and its reason.

    Raises:
        UnknownNameError, BackendError, ModelError: See `open_runtime`.
    """
    if options.precision != "auto":
        return open_runtime(model, options, watch=watch)
    in_int8 = _in_int8(model, options, watch)
    if in_int8 is not None:
        return in_int8
    notes = Watch()
    opened = open_runtime(model, options, watch=notes)
    facts = opened.facts
    if facts.precision == "fp32":
        notes.tell(watch)
        return opened
    error, exact = known_error(model, facts, memory), None
    if error is None:
        exact = _in_fp32(model, options, facts)
        if exact is not None:
            error = measure(model.card, opened, exact)
            memory.add(_key(model, facts), error)
    if error is None or error.acceptable:
        notes.tell(watch)
        return opened
    watch.note(f"{facts.precision} would change the output of {model.card.name} by {error}")
    return open_runtime(model, options.exact(), watch=watch)


def known_error(model: ModelFile, facts: RuntimeFacts, memory: Memory) -> HalfPrecisionError | None:
    """Return a model's known error in a runtime's number format, without running it.

    Args:
        model: The model.
        facts: The facts of the opened runtime.
        memory: Stored measurements.
    """
    published = published_errors().get(model.card.weights_sha256, {})
    return published.get(facts.precision) or memory.find(_key(model, facts))


def known_errors(model: ModelFile, memory: Memory) -> dict[str, HalfPrecisionError]:
    """Return a model's known errors in half precision, by runtime, device and format.

    Args:
        model: The model.
        memory: Stored measurements.
    """
    weights = _weights(model)
    return {**published_errors().get(weights, {}), **memory.of_weights(weights)}


@cache
def published_errors() -> dict[str, dict[str, HalfPrecisionError]]:
    """Return the measurements of the package's models, by weights' SHA-256, then number format."""
    path = resources.files("superres") / "weights" / PUBLISHED_NAME
    try:
        return _PUBLISHED.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return {}  # then they are measured like all others


def measure(card: Card, half: Runtime, exact: Runtime) -> HalfPrecisionError:
    """Compare a network's outputs for the patches in two number formats.

    Args:
        card: Its card.
        half: Its runtime in half precision.
        exact: Its runtime in fp32.

    Raises:
        BackendError: A runtime failed.
    """
    small = patches(card)
    answers = (runtime.run(ENLARGE, {INPUT: small})[OUTPUT] for runtime in (half, exact))
    first, second = (answer.clip(0.0, 1.0) for answer in answers)
    difference = 255.0 * np.abs(first - second)
    if not np.isfinite(difference).all():
        return HalfPrecisionError(mean=math.inf, worst=math.inf)
    return HalfPrecisionError(
        mean=round(float(difference.mean()), 4),
        worst=round(float(np.quantile(difference, 1 - _WORST_PART)), 4),
    )


def patches(card: Card) -> Unit:
    """Return the patches (4, C, h, w) in [0, 1] that networks are compared on."""
    edge = math.lcm(card.multiple_of, _EDGE) if card.multiple_of <= _EDGE else card.multiple_of
    edge = card.multiple_of * math.ceil(max(edge, card.minimum) / card.multiple_of)
    y, x = np.mgrid[0:edge, 0:edge] / _EDGE
    flat = np.where((y < 0.5)[..., None], (0.2, 0.5, 0.8), (0.9, 0.9, 0.85))
    stripes = ((3 * x + 2 * y) % 1 < 0.5)[..., None]
    hard = np.where(stripes, (0.05, 0.1, 0.15), (0.95, 0.9, 0.8))
    waves = np.sin(30 * x + 9 * np.sin(7 * y))[..., None] * (0.2, 0.16, 0.12)
    texture = 0.5 + waves + 0.1 * np.sin(70 * y)[..., None]
    noise = np.random.default_rng(0).normal(0.5, 0.1, (edge, edge, 3)).clip(0, 1)
    rgb = np.stack([flat, hard, texture, noise]).transpose(0, 3, 1, 2)
    channels = [rgb[:, n % 3] for n in range(card.channels)]
    return np.ascontiguousarray(np.stack(channels, axis=1), np.float32)


def int8_acceptable(model: ModelFile) -> bool:
    """Say whether `auto` may run a model in int8: it has a form, whose loss on no set is visible.

    Raises:
        ModelError: The int8 form is damaged.
    """
    losses = int8_losses(model)
    return bool(losses) and max(losses.values()) <= MOST_INT8_LOSS_DB


def _in_int8(model: ModelFile, options: RuntimeOptions, watch: Watch) -> Runtime | None:
    """Return a model opened in int8, and note what that costs; None where `auto` does not want it.

    It was measured for OpenVINO on CPUs alone.
    """
    wanted = int8_is_faster() and int8_acceptable(model)
    if not wanted or backend_for(model, options) != "openvino":
        return None
    notes = Watch()
    opened = open_runtime(model, replace(options, precision="int8"), watch=notes)
    if opened.facts.device != "CPU":
        return None
    other = "bf16" if native_bf16() else "fp32"
    losses = ", ".join(f"{one:.3f} dB on {name}" for name, one in int8_losses(model).items())
    watch.note(
        f"int8 is faster than {other} on this CPU and costs {model.card.name} {losses}; "
        f"--precision {other} avoids that"
    )
    notes.tell(watch)
    return opened


def _in_fp32(model: ModelFile, options: RuntimeOptions, facts: RuntimeFacts) -> Runtime | None:
    """Return the same runtime in fp32; None if its device has no fp32."""
    try:
        exact = open_runtime(model, options.exact(), watch=Watch())
    except BackendError:
        return None
    return exact if (exact.facts.name, exact.facts.precision) == (facts.name, "fp32") else None


def _key(model: ModelFile, facts: RuntimeFacts) -> str:
    """Return a measurement's key: the weights and their runtime."""
    return f"{_weights(model)[:_WEIGHTS]} {facts.name} {facts.device} {facts.precision}"


def _weights(model: ModelFile) -> str:
    """Return the hash of the weights, or if the card has none, of the file's identity."""
    if model.card.weights_sha256 or (path := model.weights) is None:
        return model.card.weights_sha256
    stat = path.stat()
    text = f"{path.resolve()}\n{stat.st_size}\n{stat.st_mtime_ns}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
