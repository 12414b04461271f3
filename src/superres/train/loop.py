"""Training loop: from a recipe and pictures to a model file, resumable."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from lightning_fabric import Fabric  # pyright: ignore[reportMissingTypeStubs]
from torch import Tensor, nn
from torch.optim import Optimizer

from superres.errors import SuperresError
from superres.evaluate.validators import AnyValidator, Watched, open_validators, validate
from superres.layers.supervised import Supervised
from superres.modelfiles.card import Card, Training
from superres.modelfiles.checkpoint import card_for, save_network
from superres.networks.catalog import network_config
from superres.optim.ema import WeightAverage
from superres.optim.schedule import Budget, Clock, rate_factor
from superres.runs.journal import Journal
from superres.runs.log import MODEL_NAME, STATE_NAME
from superres.train.adversary import Adversary
from superres.train.checkpoint import (
    Part,
    Progress,
    cannot_resume,
    fill_optimizer,
    load_state,
    optimizer_part,
    save_state,
)
from superres.train.devices import Devices, open_fabric
from superres.train.objective import Objective, check_finite, mean_terms
from superres.train.optimizer import optimizer_for
from superres.train.patches import Patches, load_patches
from superres.train.recipe import Recipe
from superres.train.recipe_file import to_toml
from superres.train.run_folder import claim_folder, locked_folder
from superres.train.start import freeze, start_weights
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
    data_wait: float  # fraction of the time spent on drawing and degrading patches
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
    run, card = _assemble(recipe, options, fabric, watch)
    at = Progress(0, 0.0)
    state_path = options.folder / STATE_NAME
    if options.resume and state_path.exists():
        at = _resumed(run, state_path)
        watch.note(f"resuming from step {at.step}, {at.elapsed_s / 60:.1f} min")
    journal = Journal(options.folder, at.step) if leads else None
    try:
        at, data_s = _follow(run, at, journal, watch)
        minutes = at.elapsed_s / 60
        trained = run.training.model_copy(update={"steps": at.step, "minutes": round(minutes, 1)})
        card = card.model_copy(
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
                card = save_network(run.network, card, model)
        watched = _validate(run, at.step, journal, watch)
        if run.validators:
            _report(watch, 1.0, f"step {at.step}  {watched}")
    finally:
        if journal:
            journal.close()
    return TrainReport(model, card, at.step, minutes, data_s / max(at.elapsed_s, 1e-9), watched)


@dataclass(frozen=True, slots=True)
class _Run:
    """The parts of a run, between its start or resumption and its end."""

    recipe: Recipe
    options: TrainingOptions
    budget: Budget
    fabric: Fabric
    network: nn.Module
    restore: Callable[[Tensor], tuple[Tensor, ...]]
    forward: Any  # fabric's wrapped network
    optimizer: Optimizer
    stepper: Any  # fabric's wrapped optimiser
    average: WeightAverage
    patches: Patches
    objective: Objective
    adversary: Adversary | None
    validators: tuple[AnyValidator, ...]
    training: Training


def _assemble(
    recipe: Recipe, options: TrainingOptions, fabric: Fabric, watch: Watch
) -> tuple[_Run, Card]:
    """Build everything that the recipe names, on the device."""
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
    optimizer = optimizer_for(network, recipe.optimizer)
    average = WeightAverage(network, recipe.optimizer.ema)
    module = cast("nn.Module", torch.compile(network)) if recipe.compile else network
    forward, stepper = fabric.setup(module, optimizer)
    adversary = None
    if recipe.adversarial.weight.largest > 0:
        edge = recipe.data.patch * config.scale
        adversary = Adversary(
            recipe.adversarial, edge=edge, channels=config.channels, fabric=fabric
        )
    training = Training(
        recipe=to_toml(recipe),
        data=recipe.data.sources,
        degradation=patches.description,
        started_from=started_from,
    )
    run = _Run(
        recipe=recipe,
        options=options,
        budget=options.budget or Budget(steps=recipe.budget.steps, minutes=recipe.budget.minutes),
        fabric=fabric,
        network=network,
        restore=_restore(network, forward),
        forward=forward,
        optimizer=optimizer,
        stepper=stepper,
        average=average,
        patches=patches,
        objective=Objective(recipe.loss, device=fabric.device, watch=watch),
        adversary=adversary,
        validators=open_validators(options.validation, config, fabric.device, watch),
        training=training,
    )
    return run, card


def _restore(network: nn.Module, forward: nn.Module) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """Return the function from small patches to all supervised outputs, the final one last."""
    if isinstance(network, Supervised):
        wrapped = cast("Any", forward)  # fabric's class is not public
        wrapped.mark_forward_method("outputs")
        return lambda small: tuple(y_BCHW.float() for y_BCHW in wrapped.outputs(small))
    return lambda small: (forward(small).float(),)


def _follow(
    run: _Run, at: Progress, journal: Journal | None, watch: Watch
) -> tuple[Progress, float]:
    """Take steps until the budget is spent.

    Returns:
        The final progress, and the seconds spent on data.
    """
    options, fabric = run.options, run.fabric
    clock, step = Clock(at.elapsed_s), at.step
    logged_s = saved_s = validated_s = at.elapsed_s
    window: list[dict[str, Tensor]] = []
    while (done := _done(run, step, clock)) < 1.0:
        watch.check()
        window.append(_take_step(run, step, done, clock))
        step += 1
        if step % options.log_every == 0:
            means = mean_terms(window, fabric)
            if not all(map(math.isfinite, means.values())):
                check_finite(window, step)  # not at each step, as it waits for the GPU
            now = clock.elapsed_s
            samples = len(window) * run.recipe.data.batch / max(now - logged_s, 1e-9)
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


def _done(run: _Run, step: int, clock: Clock) -> float:
    """Return the spent fraction of the budget, by the first process's clock, so that all agree."""
    done = run.budget.done(step, clock.elapsed_s)
    if run.fabric.world_size > 1 and run.budget.minutes is not None:
        done = run.fabric.broadcast(done)
    return done


def _take_step(run: _Run, step: int, done: float, clock: Clock) -> dict[str, Tensor]:
    """Update the network, and the discriminator if there is one; return the values to log."""
    wanted, count = run.recipe.optimizer, run.recipe.optimizer.accumulate
    factor = rate_factor(done, step, wanted.warm_up_steps)
    for group in run.optimizer.param_groups:
        group["lr"] = factor * (wanted.matrix_lr if group["matrices"] else wanted.rate)
    logged: dict[str, Tensor] = {}
    shown: list[tuple[Tensor, Tensor]] = []
    for micro_batch in range(count):
        before = time.monotonic()
        small, large = run.patches.draw(step, micro_batch)
        clock.data_s += time.monotonic() - before
        # Processes exchange gradients once a step, with the last micro-batch.
        with run.fabric.no_backward_sync(run.forward, enabled=micro_batch + 1 < count):
            outputs = run.restore(small)
            terms = run.objective.terms(small, outputs, large, done)
            weight = run.recipe.adversarial.weight.at(done)
            if run.adversary and weight > 0:
                terms["adversarial"] = weight * run.adversary.loss(outputs[-1], large)
                shown.append((outputs[-1].detach(), large))
            run.fabric.backward(torch.stack(list(terms.values())).sum() / count)
        for name, value in terms.items():
            mean = value.detach() / count
            logged[name] = logged[name] + mean if name in logged else mean
    norm = run.fabric.clip_gradients(
        run.forward, run.stepper, max_norm=wanted.clip, error_if_nonfinite=False
    )
    logged["gradient_norm"] = cast("Tensor", norm).detach()  # None only when clipping by value
    run.stepper.step()
    run.stepper.zero_grad()
    run.average.update(run.network, step)
    if run.adversary and shown:
        logged |= run.adversary.learn(shown, factor)
    logged["rate"] = torch.tensor(factor * wanted.rate)
    return logged


def _words(means: Mapping[str, float]) -> str:
    hidden = ("rate", "gradient_norm")
    return "  ".join(f"{k} {v:.4f}" for k, v in means.items() if k not in hidden)


def _save(run: _Run, progress: Progress) -> None:
    if run.fabric.global_rank != 0:
        return
    parts: dict[str, Part] = {
        "network": run.network.state_dict(),
        "average": run.average.weights,
        "optimizer": optimizer_part(run.optimizer),
    }
    if run.adversary:
        parts |= run.adversary.parts()
    save_state(run.options.folder / STATE_NAME, parts, progress)


def _resumed(run: _Run, path: Path) -> Progress:
    """Restore a saved state into the parts of a run and return its progress."""
    parts, progress = load_state(path)
    try:
        run.network.load_state_dict(parts["network"])
        run.average.weights = {
            name: parts["average"][name].to(value.device)
            for name, value in run.average.weights.items()
        }
        fill_optimizer(run.optimizer, parts.get("optimizer", {}))
        if run.adversary:
            run.adversary.fill(parts)
    except (KeyError, RuntimeError) as error:
        raise cannot_resume(path, error) from error
    return progress


def _validate(run: _Run, step: int, journal: Journal | None, watch: Watch) -> Watched:
    """Score the averaged weights on the validation sets and log the scores.

    A failure here, such as a picture removed since the run began, is noted, and the run continues,
    as it does not depend on scores.
    """
    if journal is None or not run.validators:
        return Watched()
    try:
        with _averaged(run):
            return validate(
                run.validators, run.network, step=step, journal=journal, fabric=run.fabric
            )
    except (SuperresError, OSError) as error:
        reason = error.message if isinstance(error, SuperresError) else str(error)
        watch.note(f"not scored at step {step}: {reason}")
        return Watched()


@contextmanager
def _averaged(run: _Run) -> Generator[None]:
    """Use the averaged weights in the network within a block."""
    current = {name: value.clone() for name, value in run.network.state_dict().items()}
    run.network.load_state_dict(run.average.weights)
    try:
        yield
    finally:
        run.network.load_state_dict(current)
        run.network.train()
