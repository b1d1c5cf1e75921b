"""`train()`: the whole of training, from top to bottom."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

from tunesmith.errors import InputError, TunesmithError, UsageError
from tunesmith.model.checkpoint import Checkpoint
from tunesmith.model.config import ModelConfig
from tunesmith.model.network import TrainingNetwork
from tunesmith.tokens import Vocabulary
from tunesmith.training.data import TokenData, check_enough, describe
from tunesmith.training.optimiser import Optimiser
from tunesmith.training.run import Progress, RunFolder
from tunesmith.training.work import Recipe, Work, find_device, machine, settle

Log = Callable[[dict[str, Any]], None]
DEFAULT_MINUTES = 3.0


def train(
    train_data: TokenData,
    validation_data: TokenData,
    vocabulary: Vocabulary,
    config: ModelConfig,
    out: str | Path,
    *,
    steps: int | None = None,
    minutes: float | None = None,
    seed: int = 1,
    resume: bool = False,
    force: bool = False,
    device: str = "auto",
    start_from: Checkpoint | None = None,
    recipe: Recipe | None = None,
    provenance: dict[str, Any] | None = None,
    log: Log | None = None,
) -> dict[str, Any]:
    """Train a model; a run can be killed at any moment and resumed.

    A resumed run ends with the very weights of one that was not interrupted, on
    the same machine, versions, threads and (on a processor) to the bit. Minutes
    become a number of steps by timing a few before the run begins; what follows
    depends on that number alone. Ctrl-C stops after the step at hand, with a
    checkpoint.

    Args:
        train_data: tunes of ids; at least two.
        validation_data: tunes that are not in it; at least one.
        vocabulary: of these ids.
        config: the shape of the network.
        out: the run's folder; see `tunesmith.training.run`.
        steps: how many; or
        minutes: how long at most, evaluations counted in; 3 if neither is given. It ends earlier
            where the tunes were gone through `Vocabulary.passes` times. A resumed run
            needs neither.
        seed: of weights, batches and augmentation; 0 to 2^64 - 1.
        resume: go on with the run in `out`; begin it if it never began.
        force: delete the run in `out`.
        device: 'auto', 'cpu', 'cuda' or 'mps'.
        start_from: begin with these weights instead of random ones.
        recipe: batch size, learning rates and so on; by default that of the size.
        provenance: what the data is; kept with the model.
        log: told each record, and {"note": text} now and then.

    Returns:
        The last record: step, train_loss and val_loss (nats a token), perplexity,
        bits_per_note, tokens_per_s, seconds_left, learning_rate. It has
        "stopped": True after Ctrl-C, and only the step if nothing was evaluated.

    Raises:
        UsageError: settings that make no sense, or differ from those of the run.
        InputError: too few tunes; a damaged run.
        OutputError: `out` exists, or cannot be written; what was saved is intact.
        TunesmithError: the loss is no longer finite.
    """
    began = time.monotonic()
    log = log or (lambda _: None)
    recipe = recipe or Recipe.of_size(config)
    _check(steps, minutes, seed, recipe, vocabulary, config, start_from)
    check_enough(train_data, validation_data)
    place, precision = find_device(device)
    settings = {
        "model": config.to_dict(), "recipe": asdict(recipe), "seed": seed,
        "data": describe(train_data, validation_data), "vocabulary": vocabulary.to_dict(),
        "device": place.type, "precision": precision,
        "start_from": start_from.sha256 if start_from else None,
    }  # fmt: skip
    work = Work(
        train_data, validation_data, vocabulary, config, recipe, seed, place, precision, start_from
    )
    work.validation  # noqa: B018 - for its refusals, before a former run is deleted
    folder = RunFolder(Path(out), resume=resume, force=force)

    plan = folder.plan(settings, steps, minutes)
    if plan is None:
        if steps is None and minutes is None:
            minutes = DEFAULT_MINUTES
        plan = settle(work, settings, steps, minutes, began)
        folder.write_plan(plan)
        passes = plan.steps * recipe.batch_tokens / len(train_data.ids)
        if minutes is not None and passes >= vocabulary.passes:
            said = f"{plan.steps} steps go through the tunes {passes:.0f} times, which is enough"
            log({"note": f"{said}: more would learn them by heart (--steps asks for more)"})
    elif plan.machine != machine():
        log({"note": "other versions or threads than before: the last bits may differ"})
    network, optimiser = work.beginning(plan.dropout)
    progress = folder.restore(network, optimiser)
    record = folder.keep_records_until(progress.step) or {"step": progress.step}
    origin = {**(provenance or {}), "training": {
        **settings, "steps": plan.steps, "machine": plan.machine, "dropout": plan.dropout,
    }}  # fmt: skip

    def save(name: str, state: tuple[Optimiser, Progress] | None = None) -> None:
        scores = {k: record[k] for k in ("step", "val_loss", "bits_per_note") if k in record}
        folder.save(name, network, vocabulary.to_dict(), {**origin, "scores": scores}, state)

    first, training_seconds, tokens, since = progress.step, 0.0, 0, time.monotonic()
    with folder.events(progress.step), _ctrl_c() as stop:
        batches = work.batches(start=first)
        while progress.step < plan.steps:
            before = time.monotonic()
            nats, charged = work.gradients(network, next(batches), progress.step)
            _check_finite(nats, progress.step + 1, out)
            share = optimiser.step(progress.step, plan.steps)
            progress.step += 1
            progress.loss_sum += nats
            progress.loss_count += charged
            tokens += charged
            training_seconds += time.monotonic() - before

            if progress.step % plan.evaluate_every == 0 or progress.step == plan.steps:
                pace = (time.monotonic() - since) / (progress.step - first)
                record = _record(work, network, progress, share * recipe.matrix_rate) | {
                    "tokens_per_s": tokens / max(1e-9, training_seconds),
                    "seconds_left": pace * (plan.steps - progress.step),
                }
                val_loss = record["val_loss"]
                _check_finite(val_loss, progress.step, out)
                is_best = val_loss < progress.best
                progress = Progress(step=progress.step, best=min(val_loss, progress.best))
                training_seconds, tokens = 0.0, 0
                folder.record(record)
                if is_best:
                    save("best")
                save("last", (optimiser, progress))
                log(record)
            if stop.is_set() and progress.step < plan.steps:
                save("last", (optimiser, progress))
                return {**record, "step": progress.step, "stopped": True}
    return record


def _check_finite(loss: float, step: int, out: str | Path) -> None:
    if not math.isfinite(loss):
        raise TunesmithError(
            f"the loss is {loss} at step {step}",
            where=str(out),
            remedy="try another --seed; the checkpoint in `last` is from before",
        )


def _record(
    work: Work, network: TrainingNetwork, progress: Progress, rate: float
) -> dict[str, Any]:
    """How good the network is now, on the validation side and on what it trained on lately."""
    held_out = work.evaluate(network)
    val_loss = held_out / work.validation.charged
    return {
        "step": progress.step,
        "train_loss": progress.loss_sum / max(1, progress.loss_count),
        "val_loss": val_loss,
        "perplexity": math.exp(min(val_loss, 700)),
        "bits_per_note": held_out / math.log(2) / work.validation.notes,
        "learning_rate": rate,
    }


def _check(
    steps: int | None,
    minutes: float | None,
    seed: int,
    recipe: Recipe,
    vocabulary: Vocabulary,
    config: ModelConfig,
    start_from: Checkpoint | None,
) -> None:
    if steps is not None and minutes is not None:
        raise UsageError("both steps and minutes", remedy="give one of the two")
    if steps is not None and steps < 1:
        raise UsageError(f"{steps} steps", remedy="give 1 or more")
    if minutes is not None and not 0 < minutes < math.inf:
        raise UsageError(f"{minutes} minutes", remedy="give more than 0")
    if not 0 <= seed < 2**64:
        raise UsageError(f"the seed {seed}", remedy="give 0 to 18446744073709551615")
    if recipe.batch_tokens < 1 or recipe.shards < 1 or not 0 <= (recipe.dropout or 0) <= 0.9:
        raise UsageError("a batch needs tokens and parts, and dropout is from 0 to 0.9")
    if not 0 <= recipe.turned <= 1:
        raise UsageError(f"{recipe.turned} of the tunes turned", remedy="give 0 to 1")
    if recipe.turned and type(vocabulary).turned is Vocabulary.turned:
        raise UsageError(
            f"{vocabulary.kind} cannot be turned about", remedy="leave it out, or use notes"
        )
    if not all(0 < r < math.inf for r in (recipe.matrix_rate, recipe.other_rate)):
        raise UsageError(
            "a learning rate that is not above 0", remedy="use 1, or 0.15 to fine-tune"
        )
    if vocabulary.size != config.vocab_size:
        raise InputError(
            f"the vocabulary has {vocabulary.size} tokens and the network {config.vocab_size}"
        )
    if start_from and start_from.config.shapes() != config.shapes():
        raise InputError("the model to start from is of another shape", remedy="use its config")


@contextlib.contextmanager
def _ctrl_c() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets inside; a second Ctrl-C interrupts at once.

    It is never set outside the main thread, where no signal arrives, nor where Ctrl-C is ignored,
    as in what a shell runs in the background.
    """
    pressed = threading.Event()
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGINT) in (signal.SIG_IGN, None):
        yield pressed
        return

    def handle(number: int, frame: FrameType | None) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, former)

    former = signal.signal(signal.SIGINT, handle)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, former)
