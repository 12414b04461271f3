"""Training loop: from a recipe and pictures to a model file, resumable."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from lightning_fabric import Fabric  # pyright: ignore[reportMissingTypeStubs]
from torch import nn

from superres.data.ahead import Batch
from superres.errors import SuperresError
from superres.evaluate.validators import AnyValidator, Watched, open_validators, validate
from superres.layers.config import NetworkConfig
from superres.modelfiles.card import Card, Training
from superres.modelfiles.checkpoint import card_for, save_network
from superres.networks.catalog import network_config
from superres.optim.ema import WeightAverage
from superres.optim.schedule import Budget, Clock
from superres.optim.selection import open_optimizer
from superres.runs.checkpoint import Part, Progress, cannot_resume, load_state, save_state
from superres.runs.journal import Journal
from superres.runs.log import MODEL_NAME, STATE_NAME
from superres.train.adversary import Adversary
from superres.train.devices import Devices, open_fabric
from superres.train.forward import Forward, compile_pays, compiled
from superres.train.objective import Logged, Objective, check_finite, mean_terms
from superres.train.patches import load_patches
from superres.train.recipe import Recipe
from superres.train.recipe_file import to_toml
from superres.train.run_folder import claim_folder, locked_folder
from superres.train.start import freeze, start_weights
from superres.train.step import Trained, take_step
from superres.version import __version__
from superres.watch import Watch


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """Where and how a recipe is run on this machine.

    Attributes:
        folder: The run's folder; created if missing.
        data: Folders, packs and pictures to train on.
        pairs: A folder of small and one of large pictures to train on instead.
        budget: When to stop; None takes the recipe's.
        validation: Benchmark folders to score during training, never trained on.
        resume: Whether to continue from the folder's checkpoint, if it has one.
        devices: The devices to compute on.
        save_every_s: Seconds between checkpoints.
        validate_every_s: Seconds between validations.
        log_every: Steps between lines of the log.
    """

    folder: Path
    data: tuple[Path, ...] = ()
    pairs: tuple[Path, Path] | None = None
    budget: Budget | None = None
    validation: tuple[Path, ...] = ()
    resume: bool = False
    devices: Devices = field(default_factory=Devices)
    save_every_s: float = 180.0
    validate_every_s: float = 300.0
    log_every: int = 50


@dataclass(frozen=True, slots=True)
class TrainReport:
    """The result of a finished run: the model file, its card, and the time spent."""

    model: Path
    card: Card
    steps: int
    minutes: float
    data_wait: float  # fraction of the time spent waiting for patches
    watched: Watched = field(default_factory=Watched)  # its scores on the validation sets


def train(recipe: Recipe, options: TrainingOptions, *, watch: Watch) -> TrainReport:
    """Train a recipe's network and write it to the run's folder as `model.safetensors`.

    The folder also receives the resolved recipe, checkpoints, a log and TensorBoard events. A
    killed run continues with `resume=True`; step for step, it then follows the loss curve of an
    uninterrupted run exactly (in fp32 and bf16; fp16's loss scale starts anew).

    Args:
        recipe: The recipe to train.
        options: The options of this run.
        watch: Notified of choices, of the fraction of the budget that is spent, and, as its
            status, of losses and scores. When it is cancelled, the run ends at its next step, and
            `resume` continues from the last checkpoint.

    Raises:
        ArgumentError: The folder already holds a run, of this or of another recipe, or options
            exclude each other.
        BusyError: Another run is using the folder.
        DataError: No usable pictures.
        BackendError: A device is missing, or a loss became NaN or Inf.
        ModelError: The weights to start from, or the checkpoint, cannot be used.
        Cancelled: The watch was cancelled.
    """
    fabric = open_fabric(options.devices, recipe, watch)
    if fabric.global_rank != 0:
        return _train(recipe, options, fabric, Watch())  # only the first process reports
    with locked_folder(options.folder, watch):
        claim_folder(options.folder, recipe, resume=options.resume)
        return _train(recipe, options, fabric, watch)


def _train(recipe: Recipe, options: TrainingOptions, fabric: Fabric, watch: Watch) -> TrainReport:
    """Train in a folder that this run owns."""
    leads = fabric.global_rank == 0
    fabric.barrier()
    run = assemble(recipe, options, fabric, watch)
    at = Progress(0, 0.0)
    state_path = options.folder / STATE_NAME
    if options.resume and state_path.exists():
        at = _resumed(run, state_path)
        watch.note(f"resuming from step {at.step}, {at.elapsed_s / 60:.1f} min")
    journal = Journal(options.folder, at.step) if leads else None
    batches = run.trained.patches.ahead(at.step)
    try:
        at, data_s = _follow(run, at, batches, journal, watch)
        minutes = at.elapsed_s / 60
        trained = run.training.model_copy(update={"steps": at.step, "minutes": round(minutes, 1)})
        card = run.card.model_copy(
            update={
                "licence": recipe.licence,
                "training": trained,
                "superres_version": __version__,
            }
        )
        model = options.folder / MODEL_NAME
        # Before the last validation, so that no failure there can cost the run its model.
        if leads:
            with _averaged(run):
                card = save_network(run.trained.network, card, model)
        watched = _validate(run, at.step, journal, watch)
        if run.validators:
            _report(watch, 1.0, f"step {at.step}  {watched}")
    finally:
        batches.close()
        if journal:
            journal.close()
    return TrainReport(model, card, at.step, minutes, data_s / max(at.elapsed_s, 1e-9), watched)


@dataclass(frozen=True, slots=True)
class Run:
    """The parts of a run, between its start or resumption and its end."""

    trained: Trained
    options: TrainingOptions
    budget: Budget
    validators: tuple[AnyValidator, ...]
    training: Training
    card: Card


def assemble(recipe: Recipe, options: TrainingOptions, fabric: Fabric, watch: Watch) -> Run:
    """Build everything that a recipe names, on the device."""
    torch.manual_seed(recipe.seed)
    config = network_config(recipe.network.architecture, recipe.network.config)
    card = card_for(recipe.name, recipe.network.architecture, recipe.network.config)
    network = config.build()
    started_from = start_weights(network, recipe.network, watch)
    freeze(network, recipe.network)
    patches = load_patches(
        recipe,
        config,
        data=options.data,
        pairs=options.pairs,
        shard=(fabric.global_rank, fabric.world_size),
        device=fabric.device,
        watch=watch,
    )
    network.to(device=fabric.device)
    cast("Any", network).to(memory_format=torch.channels_last)  # torch has no overload for it
    wanted = recipe.optimizer
    optimizer = open_optimizer(
        wanted.name,
        network,
        rate=wanted.rate,
        matrix_rate=wanted.matrix_lr,
        decay=wanted.matrix_decay,
    )
    budget = options.budget or Budget(steps=recipe.budget.steps, minutes=recipe.budget.minutes)
    adversary = None
    if recipe.adversarial.weight.largest > 0:
        edge = recipe.data.patch * config.scale
        adversary = Adversary(
            recipe.adversarial, edge=edge, channels=config.channels, fabric=fabric
        )
    trained = Trained(
        recipe=recipe,
        fabric=fabric,
        network=network,
        forward=Forward(
            network,
            optimizer,
            fabric,
            compiled=_compiled(network, recipe, config, budget, fabric=fabric, watch=watch),
        ),
        optimizer=optimizer,
        stepper=fabric.setup_optimizers(optimizer),
        average=WeightAverage(network, wanted.ema),
        patches=patches,
        objective=Objective(recipe.loss, fabric=fabric, watch=watch),
        adversary=adversary,
    )
    training = Training(
        recipe=to_toml(recipe),
        data=recipe.data.sources,
        degradation=patches.description,
        started_from=started_from,
    )
    return Run(
        trained=trained,
        options=options,
        budget=budget,
        validators=open_validators(options.validation, config, fabric.device, watch),
        training=training,
        card=card,
    )


def _compiled(
    network: nn.Module,
    recipe: Recipe,
    config: NetworkConfig,
    budget: Budget,
    *,
    fabric: Fabric,
    watch: Watch,
) -> nn.Module | None:
    """Return the network as torch compiled it, if the recipe or, by default, the device asks so."""
    wanted = recipe.compile
    if wanted == "auto":
        wanted = compile_pays(
            fabric.device.type,
            fixed_size=config.input == "image",
            steps=budget.steps,
            minutes=budget.minutes,
        )
    if not wanted:
        return None
    watch.note("compiling the network, which takes a minute or so")
    batch = recipe.data.batch // (fabric.world_size * recipe.optimizer.accumulate)
    shape = (batch, config.channels, recipe.data.patch, recipe.data.patch)
    example = torch.rand(shape, device=fabric.device)
    example = example.contiguous(memory_format=torch.channels_last)
    return compiled(network, example, fabric, watch)


def _follow(
    run: Run, at: Progress, batches: Iterator[Batch], journal: Journal | None, watch: Watch
) -> tuple[Progress, float]:
    """Take steps until the budget is spent; return the end, and the seconds of waiting for data."""
    options, trained = run.options, run.trained
    clock, step = Clock(at.elapsed_s), at.step
    logged_s = saved_s = validated_s = at.elapsed_s
    window: list[Logged] = []
    while (done := _done(run, step, clock)) < 1.0:
        watch.check()
        window.append(take_step(trained, batches, step, done, clock))
        step += 1
        if step % options.log_every == 0:
            means = mean_terms(window, trained.fabric)
            if not all(map(math.isfinite, means.values())):
                check_finite(window, step)  # not at each step, as it waits for the GPU
            now = clock.elapsed_s
            samples = len(window) * trained.recipe.data.batch / max(now - logged_s, 1e-9)
            if journal:
                journal.scalars(step, {**means, "samples_per_s": round(samples, 1)})
            _report(watch, done, f"step {step}  {_words(means)}")
            window, logged_s = [], now
            # Only here: a run resumed in the middle of a window would log other means.
            if now - saved_s >= options.save_every_s:
                _save(run, Progress(step, clock.elapsed_s))
                saved_s = clock.elapsed_s
        if run.validators and clock.elapsed_s - validated_s >= options.validate_every_s:
            _report(watch, done, f"step {step}  {_validate(run, step, journal, watch)}")
            validated_s = clock.elapsed_s
    check_finite(window, step)
    end = Progress(step, clock.elapsed_s)
    _save(run, end)
    return end, clock.data_s


def _report(watch: Watch, done: float, line: str) -> None:
    watch.status(line)
    watch.progress(done, 1.0)


def _done(run: Run, step: int, clock: Clock) -> float:
    """Return the spent fraction of the budget, by the first process's clock, so that all agree."""
    done = run.budget.done(step, clock.elapsed_s)
    fabric = run.trained.fabric
    if fabric.world_size > 1 and run.budget.minutes is not None:
        done = fabric.broadcast(done)
    return done


def _words(means: Mapping[str, float]) -> str:
    hidden = ("rate", "gradient_norm")
    return "  ".join(f"{k} {v:.4f}" for k, v in means.items() if k not in hidden)


def _save(run: Run, progress: Progress) -> None:
    trained = run.trained
    if trained.fabric.global_rank != 0:
        return
    parts: dict[str, Part] = {
        "network": trained.network.state_dict(),
        "average": trained.average.weights,
        "optimizer": trained.optimizer.tensors(),
    }
    if trained.adversary:
        parts |= trained.adversary.parts()
    save_state(run.options.folder / STATE_NAME, parts, progress)


def _resumed(run: Run, path: Path) -> Progress:
    """Restore a saved state into the parts of a run and return its progress."""
    parts, progress = load_state(path)
    trained = run.trained
    try:
        trained.network.load_state_dict(parts["network"])
        trained.average.load(parts["average"])
        trained.optimizer.load_tensors(parts.get("optimizer", {}))
        if trained.adversary:
            trained.adversary.fill(parts)
    except (KeyError, RuntimeError) as error:
        raise cannot_resume(path, error) from error
    return progress


def _validate(run: Run, step: int, journal: Journal | None, watch: Watch) -> Watched:
    """Score the averaged weights on the validation sets and log the scores.

    A failure here, such as a picture removed since the run began, is noted, and the run continues,
    as it does not depend on scores.
    """
    if journal is None or not run.validators:
        return Watched()
    try:
        with _averaged(run):
            return validate(
                run.validators,
                run.trained.network,
                step=step,
                journal=journal,
                fabric=run.trained.fabric,
            )
    except (SuperresError, OSError) as error:
        reason = error.message if isinstance(error, SuperresError) else str(error)
        watch.note(f"not scored at step {step}: {reason}")
        return Watched()


@contextmanager
def _averaged(run: Run) -> Generator[None]:
    """Use the averaged weights in the network within a block."""
    current = {name: value.clone() for name, value in run.trained.network.state_dict().items()}
    run.trained.network.load_state_dict(run.trained.average.weights)
    try:
        yield
    finally:
        run.trained.network.load_state_dict(current)
        run.trained.network.train()
