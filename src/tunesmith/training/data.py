"""Tunes as ids, and the batches made of them: each a pure function of seed and number.

Shapes: B sequences, T positions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tunesmith.errors import InputError
from tunesmith.tokens import Vocabulary

Ids = NDArray[np.uint16]
Recalled = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
AHEAD = 32
"""Batches of training made in one go, since reading what they recall is a loop."""


@dataclass(frozen=True)
class TokenData:
    """Tunes as ids, end to end.

    Attributes:
        ids: flat; may be memory-mapped. Each tune begins with `bos`.
        offsets: (n + 1,) where each tune begins, and the end.
    """

    ids: Ids
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> Ids:
        tune: Ids = np.asarray(self.ids[self.offsets[i] : self.offsets[i + 1]])
        return tune

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n,) ids in each tune."""
        return np.diff(self.offsets)

    def sha256(self) -> str:
        """A hash of all of it, in hexadecimal."""
        digest = hashlib.sha256(np.ascontiguousarray(self.offsets, np.int64).tobytes())
        digest.update(np.ascontiguousarray(self.ids, np.uint16).data)
        return digest.hexdigest()


class Batch(NamedTuple):
    """Padded sequences.

    Attributes:
        inputs: (B, T) ids.
        targets: (B, T) the id that follows each, or -1 where nothing is charged.
        tunes: (B,) which tune each row is.
        seen: what the inputs recall, as the vocabulary has it.
    """

    inputs: NDArray[np.int64]
    targets: NDArray[np.int64]
    tunes: NDArray[np.int64]
    seen: Recalled


def training_batches(
    data: TokenData,
    vocabulary: Vocabulary,
    *,
    context: int,
    tokens: int,
    shards: int,
    seed: int,
    start: int,
    turned: float = 0.0,
) -> Iterator[list[Batch]]:
    """The batches of a run from number `start` on, without end, each in up to `shards` parts.

    An epoch takes every tune once, augmented afresh: the chance in it comes from
    (seed, epoch, tune) and from nothing before, so that a run resumes anywhere.
    """
    each = max(1, tokens // shards)
    planned = (
        (epoch, parts)
        for epoch in count()
        for parts in _epoch(
            data.lengths, each, context, shards, np.random.default_rng([seed, epoch])
        )
    )

    def seen(ids: Ids, rng: np.random.Generator) -> Ids:
        if turned and rng.random() < turned:
            ids = vocabulary.turned(ids, rng)
        return vocabulary.augment(ids, rng)

    def tunes(epoch: int, rows: NDArray[np.int64]) -> list[Ids]:
        chances = (np.random.default_rng([seed, epoch, int(i)]) for i in rows)
        return [seen(data[i], rng) for i, rng in zip(rows, chances, strict=True)]

    def made(some: list[tuple[int, list[NDArray[np.int64]]]]) -> list[list[Batch]]:
        rows = [part for _, parts in some for part in parts]
        of = [tunes(epoch, part) for epoch, parts in some for part in parts]
        ready = iter(padded(of, rows, vocabulary, context))
        return [list(islice(ready, len(parts))) for _, parts in some]

    due = islice(planned, start, None)
    with ThreadPoolExecutor(1) as beside:  # the next ones are made while these are learnt
        coming = beside.submit(made, list(islice(due, AHEAD)))
        while True:
            batches = coming.result()
            coming = beside.submit(made, list(islice(due, AHEAD)))
            yield from batches


def _epoch(
    lengths: NDArray[np.int64], tokens: int, context: int, shards: int, rng: np.random.Generator
) -> list[list[NDArray[np.int64]]]:
    """The tunes of each part of each batch of an epoch, in order: in a part, of like length.

    Lengths are blurred by some percent for the sorting, so that other tunes meet
    in each epoch; the parts come in random order.
    """
    order = np.argsort(lengths * rng.uniform(0.95, 1.05, len(lengths)), kind="stable")
    parts = grouped(order, np.minimum(lengths - 1, context), tokens)
    mixed = [parts[i] for i in rng.permutation(len(parts))]
    return [mixed[i : i + shards] for i in range(0, len(mixed), shards)]


def grouped(
    order: NDArray[np.int64], lengths: NDArray[np.int64], tokens: int
) -> list[NDArray[np.int64]]:
    """Tunes in this order, cut into batches whose rows times columns is at most `tokens`."""
    batches, first, longest = [], 0, 0
    for place, i in enumerate(order):
        longest = max(longest, columns(int(lengths[i])))
        if place > first and (place + 1 - first) * longest > tokens:
            batches.append(order[first:place])
            first, longest = place, columns(int(lengths[i]))
    batches.append(order[first:])
    return batches


def columns(length: int) -> int:
    """Of a batch whose longest row has that length: up to an eighth more.

    Eight widths an octave, because the first products of a new shape take a processor many
    times as long as those that follow.
    """
    step = 1 << max(0, length.bit_length() - 4)
    return -(-length // step) * step


def padded(
    batches: Sequence[Sequence[Ids]],
    numbers: Sequence[NDArray[np.int64]],
    vocabulary: Vocabulary,
    context: int,
) -> list[Batch]:
    """Batches of these tunes, each cut to what the context predicts.

    Args:
        batches: the tunes of each; what all of them recall is read in one go.
        numbers: the number of each tune, for `Batch.tunes`.
        vocabulary: of the ids.
        context: the longest row.
    """
    tunes = [t[: context + 1] for b in batches for t in b]
    shape = (len(tunes), min(context, columns(max(len(t) for t in tunes) - 1)))
    inputs = np.full(shape, vocabulary.pad, np.int64)
    targets = np.full(shape, -1, np.int64)
    for row, ids in enumerate(tunes):
        n = len(ids) - 1
        inputs[row, :n] = ids[:-1]
        charged = vocabulary.charged(ids)[1:]
        targets[row, :n][charged] = ids[1:][charged]
    lengths = np.array([len(t) - 1 for t in tunes])
    seen = vocabulary.recall(len(tunes)).read_all(inputs, lengths)
    made, first = [], 0
    for batch, of in zip(batches, numbers, strict=True):
        last = first + len(batch)
        length = min(context, columns(max(len(t) for t in tunes[first:last]) - 1))
        part = np.s_[first:last, :length]
        recalled = (seen.candidates[part], seen.trust[part], seen.places[part])
        made.append(Batch(inputs[part], targets[part], of, recalled))
        first = last
    return made


@dataclass(frozen=True)
class Validation:
    """The validation set as it is scored: unconditional, not augmented, in fixed batches.

    Attributes:
        batches: all tunes, long ones with long ones.
        notes: sounding notes in them.
        charged: ids that are charged.
    """

    batches: list[Batch]
    notes: int
    charged: int

    @classmethod
    def of(
        cls, data: TokenData, vocabulary: Vocabulary, *, context: int, tokens: int
    ) -> Validation:
        """Prepare it.

        Raises:
            InputError: if there is not a note in it.
        """
        order = np.argsort(data.lengths, kind="stable")
        batches: list[Batch] = []
        groups = grouped(order, np.minimum(data.lengths - 1, context), tokens)
        for first in range(0, len(groups), AHEAD):
            rows = groups[first : first + AHEAD]
            tunes = [[vocabulary.unconditional(data[i]) for i in part] for part in rows]
            batches += padded(tunes, rows, vocabulary, context)
        notes = sum(vocabulary.note_count(data[i][: context + 1]) for i in range(len(data)))
        if not notes:
            raise InputError("there is no note in the tunes for validation")
        return cls(batches, notes, sum(int((b.targets >= 0).sum()) for b in batches))


def check_enough(train: TokenData, validation: TokenData) -> None:
    """Raise an `InputError` if there are too few tunes to train."""
    if len(train) < 2 or len(validation) < 1:
        raise InputError(
            f"too small to train: {len(train)} tunes for training and "
            f"{len(validation)} for validation, and it takes 2 and 1",
            remedy="prepare the corpus from more tunes; some 30 or more split well",
        )


def describe(train: TokenData, validation: TokenData) -> dict[str, Any]:
    """What the data is, for `run.json`."""
    return {
        "train": {"tunes": len(train), "ids": len(train.ids), "sha256": train.sha256()},
        "validation": {
            "tunes": len(validation), "ids": len(validation.ids), "sha256": validation.sha256(),
        },
    }  # fmt: skip
