"""What bar tokens are worth: the same training with their number, without it, and without bars.

    python benchmarks/bars.py CORPUS OUT [--style folk] [--steps 700] [--ways counted plain none]

Trains a nano model a way on the corpus's training side, on one processor, and prints unconditional
bits a note of its validation side. Runs that are there are not made again.

`counted` is the vocabulary as it is, `plain` has one token for every bar, and `none` keeps only
the first, behind which or behind the pickup the tune begins: bars follow from lengths and
metre. So that nothing but the tokens differs, what a tune recalls is told as if they were
there, at the id before, and no tune has a gap. Whether the tune ends is never told by that: at
the end of its last bar a bar is recalled too.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import tunesmith.tokens.notes
from tunesmith.api.preparing import style_names, tokenised
from tunesmith.corpus import Corpus
from tunesmith.model.config import ModelConfig
from tunesmith.tokens.base import Ids
from tunesmith.tokens.notes import NotesVocabulary
from tunesmith.tokens.notes_recall import NotesRecall
from tunesmith.tokens.recall import Recalled
from tunesmith.tokens.table import (
    BAR_MORE,
    END,
    FIRST_EVENT,
    LENGTH0,
    LENGTHS,
    METER0,
    METER_STEPS,
    is_bar,
    is_meter,
)
from tunesmith.training import Recipe, TokenData, train


class Plain(NotesVocabulary):
    """Every bar has the same token."""

    def augment(self, ids: Ids, rng: np.random.Generator) -> Ids:
        return self.told(super().augment(ids, rng))

    def unconditional(self, ids: Ids) -> Ids:
        return self.told(super().unconditional(ids))

    def told(self, ids: Ids) -> Ids:
        ids = np.array(ids)
        ids[is_bar(ids)] = BAR_MORE
        return ids


class Barless(Plain):
    """No bar has a token but the first."""

    def __init__(self, styles: tuple[str, ...] = ()) -> None:
        super().__init__(styles)
        self.whole: dict[bytes, tuple[Ids, list[int]]] = {}

    def told(self, ids: Ids) -> Ids:
        """Without bars; with them it is remembered, and where in it what comes is recalled."""
        ids = super().told(ids)
        places = np.flatnonzero(is_bar(ids))
        kept = np.ones(len(ids), bool)
        kept[places[1:]] = False
        if _fills_its_bars(ids):
            ids = np.insert(ids, len(ids) - 1, BAR_MORE)
            kept = np.insert(kept, len(kept) - 1, False)
        # Each id looks from where the next one that is kept stands just behind.
        stripped = ids[kept]
        self.whole[stripped[:-1].tobytes()] = ids[:-1], (np.flatnonzero(kept)[1:] - 1).tolist()
        return stripped

    def recall(self, batch: int) -> Any:
        return _Through(self, NotesRecall(batch))


class _Through:
    """What tunes without bars recall: what they would with them."""

    def __init__(self, vocabulary: Barless, recall: NotesRecall) -> None:
        self.vocabulary, self.inner = vocabulary, recall
        self.channels, self.places = recall.channels, recall.places

    def read_all(self, ids: Any, lengths: Any) -> Recalled:
        keys = [row[:n].astype(np.uint16).tobytes() for row, n in zip(ids, lengths, strict=True)]
        tunes = [self.vocabulary.whole[key] for key in keys]
        full = np.zeros((len(tunes), max(len(t) for t, _ in tunes)), np.int64)
        for row, (tune, _) in enumerate(tunes):
            full[row, : len(tune)] = tune
        seen = self.inner.read_all(full, np.array([len(t) for t, _ in tunes]))
        parts = [np.zeros((*ids.shape, part.shape[2]), np.int64) for part in seen]
        for row, (_, places) in enumerate(tunes):
            for part, whole in zip(parts, seen, strict=True):
                part[row, : len(places)] = whole[row, places]
        return Recalled(*parts)


def _fills_its_bars(ids: Ids) -> bool:
    """Whether the last bar of a tune has its full length."""
    filled, full = 0, 0
    last = int(np.flatnonzero(is_bar(ids))[-1])
    for place, token in enumerate(ids[FIRST_EVENT:].tolist(), FIRST_EVENT):
        if is_meter(token):
            full = METER_STEPS[token - METER0]
        elif place > last and LENGTH0 <= token < LENGTH0 + len(LENGTHS):
            filled += LENGTHS[token - LENGTH0]
    return bool(ids[-1] == END and filled == full)


WAYS = {"counted": NotesVocabulary, "plain": Plain, "none": Barless}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--style")
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    args = parser.parse_args()
    tunesmith.tokens.notes.INFILL_SHARE = 0.0
    corpus = Corpus.open(args.corpus)
    for way in args.ways:
        vocabulary = WAYS[way](style_names(corpus))
        config = ModelConfig.from_size("nano", vocabulary.size, **vocabulary.recall_fields)
        sides = []
        for side in ("train", "validation"):
            tunes = tokenised(corpus, vocabulary, side, config.max_position_embeddings - 1)
            sides.append(_of_style(TokenData(tunes.ids, tunes.offsets), vocabulary, args.style))
        out = args.out / f"{args.corpus.name}-{args.style or 'all'}-{way}-{args.steps}"
        last = train(
            *sides, vocabulary, config, out, steps=args.steps, resume=True,
            recipe=Recipe(shards=1), log=lambda record: print(record, flush=True),
        )  # fmt: skip
        ids = np.mean([len(vocabulary.unconditional(sides[1][i])) for i in range(len(sides[1]))])
        print(f"| {way} | {len(sides[0])} | {ids:.0f} ids a tune | {last['bits_per_note']:.3f} |")


def _of_style(data: TokenData, vocabulary: NotesVocabulary, style: str | None) -> TokenData:
    if style is None:
        return data
    wanted = vocabulary.names.index("style:0") + vocabulary.styles.index(style)
    tunes = [data[i] for i in range(len(data)) if data[i][1] == wanted]
    return TokenData(np.concatenate(tunes), np.cumsum([0, *map(len, tunes)], dtype=np.int64))


if __name__ == "__main__":
    main()
