"""What a run does with its network: begin, one step forward, evaluate; and how long that takes."""

from __future__ import annotations

import ctypes
import math
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from queue import SimpleQueue
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tunesmith import __version__
from tunesmith.errors import UsageError
from tunesmith.model.checkpoint import Checkpoint
from tunesmith.model.config import ModelConfig
from tunesmith.model.network import TrainingNetwork
from tunesmith.tokens import Vocabulary
from tunesmith.training.data import Batch, TokenData, Validation, training_batches
from tunesmith.training.optimiser import Optimiser
from tunesmith.training.run import Plan, load_weights

EVALUATIONS = 10
"""In a run, where the validation set is not large beside it."""
_EVALUATION_SHARE = 0.15  # of the time, at most
_MOST_DROPOUT = 0.2
_LONGEST_GAP = 500  # steps from one checkpoint to the next, at most
_TIMED = (3, 20, 3.0)  # steps timed: at least, at most, and enough after so many seconds
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""What mallopt(3) calls these, in bytes."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train.

    Attributes:
        batch_tokens: about how many ids a batch has, padding counted in.
        shards: parts of a batch, whose gradients are worked out beside each other; two
            processors with a part each are twice as fast as two that share every product.
        matrix_rate: full learning rate of the matrices (Muon).
        other_rate: full learning rate of embeddings and norms (AdamW).
        weight_decay: of the matrices, times the learning rate at each step.
        dropout: share of what each block writes that is dropped, 0 to 0.9; None for the
            more, the oftener the run goes through its tunes: 0.2 where that is as often as is of
            use (`Vocabulary.passes`).
        turned: share of tunes that are learned turned about, 0 to 1; see `Vocabulary.turned`.
    """

    batch_tokens: int = 2048
    shards: int = 2
    matrix_rate: float = 0.02
    other_rate: float = 0.01
    weight_decay: float = 0.1
    dropout: float | None = None
    turned: float = 0.0

    @classmethod
    def of_size(cls, config: ModelConfig) -> Recipe:
        """What goes with a shape: wider networks take larger batches."""
        return cls(batch_tokens=2048 if config.hidden_size < 160 else 4096)


@dataclass(frozen=True)
class Work:
    """A run's data, network and place to compute.

    Attributes:
        precision: 'bf16' or 'fp32', of the forward pass in training.
        start_from: weights to begin with, or None for random ones.
    """

    train_data: TokenData
    validation_data: TokenData
    vocabulary: Vocabulary
    config: ModelConfig
    recipe: Recipe
    seed: int
    device: torch.device
    precision: str
    start_from: Checkpoint | None

    @cached_property
    def validation(self) -> Validation:
        """The validation set in batches."""
        return Validation.of(
            self.validation_data,
            self.vocabulary,
            context=self.config.max_position_embeddings,
            tokens=self.recipe.batch_tokens,
        )

    @cached_property
    def _workers(self) -> ThreadPoolExecutor:
        """Threads for the parts of a batch, which divide the processors among them."""
        count = self.recipe.shards if self.device.type == "cpu" else 1
        each = max(1, torch.get_num_threads() // count)
        shares = SimpleQueue[set[int]]()
        for share in divided(count):
            shares.put(share)
        return ThreadPoolExecutor(count, initializer=_begin, initargs=(each, shares))

    def batches(self, start: int) -> Iterator[list[Batch]]:
        """The training batches from number `start` on, in parts."""
        return training_batches(
            self.train_data,
            self.vocabulary,
            context=self.config.max_position_embeddings,
            tokens=self.recipe.batch_tokens,
            shards=self.recipe.shards,
            seed=self.seed,
            start=start,
            turned=self.recipe.turned,
        )

    def beginning(self, dropout: float) -> tuple[TrainingNetwork, Optimiser]:
        """The network and the optimiser as a run has them before its first step."""
        if self.device.type == "cpu":
            _keep_memory()
        torch.manual_seed(self.seed)
        network = TrainingNetwork(self.config, dropout)
        if self.start_from:
            load_weights(network, self.start_from.weights)
        network.to(self.device)
        return network, Optimiser(
            network,
            matrix_rate=self.recipe.matrix_rate,
            other_rate=self.recipe.other_rate,
            decay=self.recipe.weight_decay,
            dtype=torch.bfloat16 if self.precision == "bf16" else torch.float32,
            each=self._workers.map,
        )

    def gradients(
        self, network: TrainingNetwork, parts: Sequence[Batch], number: int
    ) -> tuple[float, int]:
        """Give each weight its gradient of the mean loss of a batch, added up part by part.

        Returns:
            The summed loss in nats, and how many ids were charged.
        """
        weights = list(network.parameters())
        charged = sum(int((part.targets >= 0).sum()) for part in parts)

        def of(place: int) -> tuple[float, Sequence[Tensor]]:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
                chance = self._chance(number, place) if network.dropout else None
                loss = network.loss_sum(*self._there(parts[place]), chance)
            return loss.item(), torch.autograd.grad(loss / max(1, charged), weights)

        nats, gradients = zip(*self._workers.map(of, range(len(parts))), strict=True)
        for weight, *shares in zip(weights, *gradients, strict=True):
            weight.grad = shares[0]
            for share in shares[1:]:
                weight.grad += share
        return math.fsum(nats), charged

    def _chance(self, number: int, place: int) -> torch.Generator:
        """The chance of dropout in a part of a batch, its own, so that a run resumes anywhere."""
        seed = np.random.SeedSequence([self.seed, number, place]).generate_state(1, np.uint64)[0]
        return torch.Generator(self.device).manual_seed(int(seed) >> 1)

    def evaluate(self, network: TrainingNetwork) -> float:
        """Nats for the whole validation set, in full precision."""

        def of(batch: Batch) -> float:
            with torch.inference_mode():
                return float(network.loss_sum(*self._there(batch)))

        return math.fsum(self._workers.map(of, self.validation.batches))

    def _there(self, batch: Batch) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor, Tensor]]:
        """Inputs, targets and what is recalled, on the device."""
        arrays = (batch.inputs, batch.targets, *batch.seen)
        inputs, targets, *seen = (torch.from_numpy(a).to(self.device) for a in arrays)
        candidates, trust, places = seen
        return inputs, targets, (candidates, trust, places)


def _keep_memory() -> None:
    """Keep memory that is freed for the next step, where the C library (glibc) can be told so.

    It gives large arrays back at once, and to get them again, page by page and zeroed, took a
    tenth of a step.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    # An older library takes no more than 32 MB for the first, and with the others alone it would
    # give back more than before.
    if mallopt and (mallopt(_MMAP_THRESHOLD, 1 << 30) or mallopt(_MMAP_THRESHOLD, 1 << 25)):
        mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)
        mallopt(_TOP_PAD, 1 << 28)


def _begin(threads: int, shares: SimpleQueue[set[int]]) -> None:
    """Begin a worker: with so many threads, on its share of the processors."""
    torch.set_num_threads(threads)
    if share := shares.get():
        os.sched_setaffinity(0, share)  # of this thread, and of those that it starts


def divided(count: int) -> list[set[int]]:
    """The processors in so many shares; empty where they are too few or nothing can be bound.

    Workers wait for each other after every step, and the system then likes to wake them on one
    processor: beside any other job, however small, both had half of it.
    """
    if not hasattr(os, "sched_setaffinity"):
        return [set() for _ in range(count)]
    there = sorted(os.sched_getaffinity(0))
    each = len(there) // count
    return [set(there[i * each : (i + 1) * each]) for i in range(count)]


def settle(
    work: Work, settings: dict[str, Any], steps: int | None, minutes: float | None, began: float
) -> Plan:
    """The plan of a new run: its steps, as given or as they fit into the minutes.

    Args:
        work: the run's; some steps of it are timed and thrown away.
        settings: for the plan.
        steps: as asked for, or None.
        minutes: as asked for if not steps: from `began` to the end, or as long as it is of use to
            go through the tunes again (`Vocabulary.passes`).
        began: `time.monotonic()` at the start.
    """
    evaluations = EVALUATIONS
    pass_steps = len(work.train_data.ids) / work.recipe.batch_tokens
    if steps is None:
        assert minutes is not None
        step_s, evaluation_s = _timed(work)
        left = 60 * minutes - (time.monotonic() - began)
        evaluations = int(min(EVALUATIONS, _EVALUATION_SHARE * 60 * minutes / evaluation_s))
        evaluations = max(1, evaluations)
        enough = math.ceil(work.vocabulary.passes * pass_steps)
        steps = max(1, min(enough, int((left - evaluations * evaluation_s) / step_s)))
    every = min(_LONGEST_GAP, math.ceil(steps / evaluations))
    dropout = work.recipe.dropout
    if dropout is None:
        share = steps / pass_steps / work.vocabulary.passes
        dropout = round(_MOST_DROPOUT * min(1.0, share), 2)
    return Plan(
        settings=settings, steps=steps, evaluate_every=every, minutes=minutes, machine=machine(),
        dropout=dropout,
    )  # fmt: skip


def _timed(work: Work) -> tuple[float, float]:
    """Seconds for a step of training and for an evaluation, after a step to warm up."""
    dropout = work.recipe.dropout
    network, optimiser = work.beginning(_MOST_DROPOUT if dropout is None else dropout)
    least, most, enough = _TIMED
    start, number = time.monotonic(), 0
    for number, batch in enumerate(work.batches(start=0)):
        now = time.monotonic()
        if number == 1:
            start = now
        if number > most or (number > least and now - start > enough):
            break
        work.gradients(network, batch, number)
        optimiser.step(0, 1)
    step_s = (now - start) / (number - 1)
    start = time.monotonic()
    work.evaluate(network)
    return step_s, time.monotonic() - start


def find_device(name: str) -> tuple[torch.device, str]:
    """The device of that name, or the best there is for 'auto', and the precision for it.

    Raises:
        UsageError: if there is no such device.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.mps.is_available()}
    if name == "auto":
        name = next(n for n in ("cuda", "mps", "cpu") if there[n])
    if not there.get(name):
        found = ", ".join(n for n, is_there in there.items() if is_there)
        raise UsageError(f"no device '{name}' here", remedy=f"use auto, or one of {found}")
    fast = {
        "cuda": name == "cuda" and torch.cuda.is_bf16_supported(),
        "cpu": torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported(),
    }
    return torch.device(name), "bf16" if fast.get(name) else "fp32"


def machine() -> dict[str, Any]:
    """What the last bits of the weights depend on besides the settings."""
    return {
        "tunesmith": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processor": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }
