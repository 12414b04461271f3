"""The training loop: from a recipe and pictures to a model file, through several lives."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from lightning_fabric import Fabric  # pyright: ignore[reportMissingTypeStubs]
from torch import Tensor, nn
from torch.optim import Optimizer

from superres.data.crops import draw_patches
from superres.data.folders import find_pictures
from superres.data.resident import ResidentPairs, load_resident
from superres.errors import ArgumentError, BackendError, unknown_name
from superres.infer.precision import native_bf16
from superres.models.card import Card, Training
from superres.models.catalog import network_config
from superres.models.checkpoint import card_for, save_network
from superres.train.checkpoint import Progress, load_state, save_state
from superres.train.ema import WeightAverage
from superres.train.journal import LOG_NAME, Journal
from superres.train.muon import Muon, split_parameters
from superres.train.objective import loss_terms, refuse_nan
from superres.train.recipe import Recipe, to_toml
from superres.train.schedule import Budget, rate_factor
from superres.train.start import start_weights
from superres.train.validate import validate
from superres.version import __version__
from superres.whole import write_whole

STATE_NAME = "state.safetensors"
MODEL_NAME = "model.safetensors"
RECIPE_NAME = "recipe.toml"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Where and how a recipe is run on this machine.

    Attributes:
        data: Folders, packs and pictures to train on.
        folder: The run's folder; made if need be.
        budget: When to stop; None takes the recipe's.
        validation: Benchmark folders whose PSNR is watched, never trained on.
        resume: Whether to go on from the folder's checkpoint, if it has one.
        device: `auto`, `cpu`, `cuda` or `mps`.
        save_every_s: Seconds between checkpoints.
        validate_every_s: Seconds between validations.
        log_every: Steps between lines of the log.
    """

    data: tuple[Path, ...]
    folder: Path
    budget: Budget | None = None
    validation: tuple[Path, ...] = ()
    resume: bool = False
    device: str = "auto"
    save_every_s: float = 180.0
    validate_every_s: float = 300.0
    log_every: int = 50


@dataclass(frozen=True, slots=True)
class TrainReport:
    """What a finished run gives: the model file, its card, and where the time went."""

    model: Path
    card: Card
    steps: int
    minutes: float
    data_wait: float  # part of the time that was spent on drawing patches


class _Clock:
    """Wall time of training, and the part of it that drawing patches took."""

    def __init__(self, before_s: float) -> None:
        self._start = time.monotonic() - before_s
        self.data_s = 0.0

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._start


def train(
    recipe: Recipe,
    options: RunOptions,
    *,
    notice: Callable[[str], None],
    progress: Callable[[float, str], None] = lambda done, words: None,
) -> TrainReport:
    """Train a recipe's network and write it to the run's folder as `model.safetensors`.

    The folder also receives the resolved recipe, checkpoints, a log and TensorBoard events. A run
    that was killed goes on with `resume=True`; counted in steps, it then follows the loss curve of
    an unbroken run exactly.

    Args:
        recipe: What to train and how.
        options: Where, and for how long.
        notice: Called with one line for each thing that the user should know.
        progress: Called with the part of the budget that is spent and a few words.

    Raises:
        ArgumentError: The folder holds a run already, of this or of another recipe.
        DataError: No usable pictures.
        BackendError: A loss became NaN or Inf.
        ModelError: The weights to start from, or the checkpoint, cannot be used.
    """
    budget = options.budget or Budget(steps=recipe.budget.steps, minutes=recipe.budget.minutes)
    state_path = _claim_folder(recipe, options)
    fabric = _fabric(recipe, options.device, notice)
    torch.manual_seed(recipe.seed)
    config = network_config(recipe.network.architecture, recipe.network.config)
    card = card_for(recipe.name, recipe.network.architecture, recipe.network.config)
    network = config.build()
    started_from = start_weights(network, recipe.network, notice)
    pairs = load_resident(
        find_pictures(options.data),
        scale=config.scale,
        channels=config.channels,
        smallest=max(recipe.data.patch, config.minimum),
        device=fabric.device,
        notice=notice,
    )

    network.to(device=fabric.device)
    cast("Any", network).to(memory_format=torch.channels_last)  # no overload in torch says it
    optimizer = _optimizer(network, recipe)
    average = WeightAverage(network, recipe.optimizer.ema)
    at = Progress(0, 0.0)
    if options.resume and state_path.exists():
        at = load_state(state_path, network, average, optimizer)
        notice(f"going on from step {at.step}, {at.elapsed_s / 60:.1f} min")
    run = _Run(recipe, budget, options, fabric, network, optimizer, average, pairs)
    with Journal(options.folder, at.step) as journal:
        at, data_s = _follow(run, at, journal, progress)

    network.load_state_dict(average.weights)
    minutes = at.elapsed_s / 60
    training = Training(
        recipe=to_toml(recipe),
        data=recipe.data.sources,
        degradation="bicubic as MATLAB's imresize makes it (antialiased), rounded to 8 bits",
        steps=at.step,
        minutes=round(minutes, 1),
        started_from=started_from,
    )
    card = card.model_copy(
        update={"licence": recipe.licence, "training": training, "superres_version": __version__}
    )
    path = options.folder / MODEL_NAME
    if fabric.global_rank == 0:
        card = save_network(network, card, path)
    return TrainReport(path, card, at.step, minutes, data_s / max(at.elapsed_s, 1e-9))


@dataclass(frozen=True, slots=True)
class _Run:
    """The parts of one life of a run, put together once."""

    recipe: Recipe
    budget: Budget
    options: RunOptions
    fabric: Fabric
    network: nn.Module
    optimizer: Optimizer
    average: WeightAverage
    pairs: ResidentPairs


def _follow(
    run: _Run, at: Progress, journal: Journal, progress: Callable[[float, str], None]
) -> tuple[Progress, float]:
    """Take steps until the budget is spent; return the final progress and the seconds of data."""
    recipe, state_path = run.recipe, run.options.folder / STATE_NAME
    forward, optimizer = run.fabric.setup(run.network, run.optimizer)
    # Not the groups' own `lr`, which may be that of a resumed step.
    wanted = recipe.optimizer
    rates = [
        wanted.matrix_rate if group["orthogonal"] else wanted.rate
        for group in run.optimizer.param_groups
    ]
    clock, step = _Clock(at.elapsed_s), at.step
    saved_s = validated_s = at.elapsed_s
    sums: dict[str, Tensor] = {}
    words = ""
    while (done := run.budget.done(step, clock.elapsed_s)) < 1.0:
        before = time.monotonic()
        small, large = draw_patches(
            run.pairs,
            patch=recipe.data.patch,
            batch=recipe.data.batch,
            # Each process draws its own patches.
            seed=recipe.seed + run.fabric.global_rank,
            step=step,
        )
        clock.data_s += time.monotonic() - before
        factor = rate_factor(done, step, recipe.optimizer.warm_up_steps)
        for group, rate in zip(run.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * factor
        terms = loss_terms(forward(small).float(), large, recipe.loss)
        run.fabric.backward(torch.stack(list(terms.values())).sum())
        norm = nn.utils.clip_grad_norm_(run.network.parameters(), recipe.optimizer.clip)
        optimizer.step()
        optimizer.zero_grad()
        run.average.update(run.network, step)
        step += 1
        for name, value in terms.items():
            # Summed on the device, so that a GPU is not waited for.
            sums[name] = sums[name] + value.detach() if name in sums else value.detach()
        if step % run.options.log_every == 0:
            means = {name: float(value) / run.options.log_every for name, value in sums.items()}
            refuse_nan(means, step)
            sums = {}
            journal.scalars(
                step, {**means, "rate": rates[0] * factor, "gradient_norm": float(norm)}
            )
            words = f"step {step}  " + "  ".join(f"{k} {v:.4f}" for k, v in means.items())
            progress(done, words)
        now = clock.elapsed_s
        if run.options.validation and now - validated_s >= run.options.validate_every_s:
            words = _validate(run, step, journal)
            progress(done, words)
            validated_s = clock.elapsed_s
        if now - saved_s >= run.options.save_every_s:
            _save(run, Progress(step, clock.elapsed_s), state_path)
            saved_s = clock.elapsed_s
    end = Progress(step, clock.elapsed_s)
    _save(run, end, state_path)
    if run.options.validation:
        progress(1.0, _validate(run, step, journal))
    return end, clock.data_s


def _save(run: _Run, progress: Progress, path: Path) -> None:
    if run.fabric.global_rank == 0:
        save_state(path, run.network, run.average, run.optimizer, progress)


def _validate(run: _Run, step: int, journal: Journal) -> str:
    """Score the averaged weights on the validation sets and write that down."""
    current = {name: value.clone() for name, value in run.network.state_dict().items()}
    run.network.load_state_dict(run.average.weights)
    scores: dict[str, float] = {}
    for folder in run.options.validation:
        with run.fabric.autocast():
            score, picture = validate(
                run.network, folder, scale=run.pairs.scale, device=run.fabric.device
            )
        scores[f"psnr_{folder.name}"] = score
        journal.picture(step, folder.name, picture)
    run.network.load_state_dict(current)
    journal.scalars(step, scores)
    return f"step {step}  " + "  ".join(f"{name} {value:.3f} dB" for name, value in scores.items())


def _optimizer(network: nn.Module, recipe: Recipe) -> Muon:
    matrices, others = split_parameters(network)
    if recipe.optimizer.name == "adam":
        matrices, others = [], [*matrices, *others]
    return Muon(
        matrices, others, rate=recipe.optimizer.matrix_rate, other_rate=recipe.optimizer.rate
    )


def _fabric(recipe: Recipe, device: str, notice: Callable[[str], None]) -> Fabric:
    """Open the device in the recipe's precision; bf16 only where the hardware has it."""
    there = {  # in the order in which `auto` takes them
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if device not in ("auto", *there):
        raise unknown_name("device to train on", device, ("auto", *there))
    accelerator = next(name for name in there if there[name]) if device == "auto" else device
    if not there[accelerator]:
        raise BackendError(
            f"torch {torch.__version__} finds no device {accelerator} here",
            "train with --device auto, or install a torch built for your GPU",
        )
    native = {"cpu": native_bf16, "cuda": torch.cuda.is_bf16_supported}.get(accelerator)
    half = recipe.precision == "bf16" or (
        recipe.precision == "auto" and native is not None and native()
    )
    notice(f"training on {accelerator} in {'bf16' if half else 'fp32'}")
    return Fabric(accelerator=accelerator, devices=1, precision="bf16-mixed" if half else "32-true")


def _claim_folder(recipe: Recipe, options: RunOptions) -> Path:
    """Make the run's folder, or check that it is this recipe's; return the checkpoint's path."""
    state_path = options.folder / STATE_NAME
    options.folder.mkdir(parents=True, exist_ok=True)
    recipe_path = options.folder / RECIPE_NAME
    text = to_toml(recipe)
    # A recipe alone is left by a run that ended before its first step.
    traces = (STATE_NAME, MODEL_NAME, LOG_NAME)
    if any((options.folder / name).exists() for name in traces):
        if not options.resume:
            raise ArgumentError(
                f"{options.folder} holds a run already", "go on with --resume, or name a new folder"
            )
        if not recipe_path.exists() or recipe_path.read_text(encoding="utf-8") != text:
            raise ArgumentError(
                f"{options.folder} holds a run of another recipe than {recipe.name} as it is now",
                f"go on with {recipe_path}, or name a new folder",
            )
    write_whole(recipe_path, text.encode())
    return state_path
