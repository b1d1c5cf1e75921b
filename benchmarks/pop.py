"""Tables B2 and B3: pop melodies, split by song into ten folds.

    python benchmarks/pop.py b2|b3 [--data FOLDER] [--work FOLDER] [--seed 0] [--fold 0 1 …]
        [--model --size nano --dropout 0 (--minutes 5 | --steps N)]
    python benchmarks/pop.py b2 --model --tokens letters steps --steps 2000 2500 …

B2 are the seed's letters (`seed/melodies_letters.txt` in the data folder): nats a symbol,
rests counted, the end of the line predicted and counted. B3 is `bimmuda`: bits a sounding
note, pitch and timing. Near-duplicates stay in one fold.

Without `--model`: the baselines on all folds. With it: a model is trained on the
training songs of that one fold alone, with `tunesmith.training.train`, and scored on the
fold's test songs beside the baselines; `--fold` may be said several times. With `--minutes` a
tenth of these songs, by near-duplicate cluster, is its validation side, on which settings are
chosen inside the first fold. With `--steps` they are fixed: it learns all training songs, and
its validation loss, on that tenth, says nothing. Figures are kept in the work folder (in
the user's cache by default) and runs that were stopped go on. Prints rows for `results.md`.

Of B2 there may be a model of letters, of `steps.py`, or one of each, whose means are then
printed too. With `--shards 1` a model takes one processor, and two can learn side by side.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import platform
import random
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from steps import UPSIDE_DOWN, WHOLE, StepsVocabulary, in_letters, steps

from tunesmith.api.preparing import prepare, style_names
from tunesmith.corpus import Corpus
from tunesmith.corpus.store import Tune
from tunesmith.evaluation.likelihood import bits_per_note, score_tunes
from tunesmith.evaluation.melody_models import MelodyPPM
from tunesmith.evaluation.ppm import SequencePPM
from tunesmith.files import write_atomically
from tunesmith.keyfinding import with_estimates
from tunesmith.model.checkpoint import load_checkpoint
from tunesmith.model.config import SIZES, ModelConfig
from tunesmith.model.inference import Network
from tunesmith.tokens import LettersVocabulary, Vocabulary, make_vocabulary
from tunesmith.tokens.base import Ids
from tunesmith.tokens.letters import END

FOLDS = 10
REACH = 16  # symbols of a context of PPM*: songs repeat whole choruses
SOURCES = {"b2": "seed/melodies_letters.txt", "b3": "bimmuda"}
TOKENS = {"b2": "letters", "b3": "notes"}
PPMS = {
    "uniform": None,
    "PPM, LTM of order 3": ("ltm", 3),
    "PPM*, LTM": ("ltm", None),
    "PPM*, STM": ("stm", None),
    "PPM*, LTM+ with STM": ("both", None),
}

Figures = dict[str, list[float]]
"""By tune: bits of pitch, of timing, and how many notes. Of B2: the bits of each symbol."""
PPM_SHARE = 0.02
"""Of PPM* in the mean with it; inside fold 0 all is as good from 0.02 to 0.05."""


class Job:
    """The tunes of one table, their folds, and what is on file about them."""

    def __init__(self, table: str, data: Path, work: Path, seed: int) -> None:
        self.table, self.work = table, work
        work.mkdir(parents=True, exist_ok=True)
        folder = work / f"{table}-corpus"
        prepare([data / SOURCES[table]], folder)
        self.corpus = Corpus.open(folder)
        self.vocabulary = make_vocabulary(TOKENS[table], style_names(self.corpus))
        self.tunes = {t.id: t for t in self.corpus.tunes()}
        self.folds = split(list(self.tunes.values()), seed)
        names = [sorted(self.tunes[i].key for i in fold) for fold in self.folds]
        self.digest = hashlib.sha256(json.dumps(names).encode()).hexdigest()[:8]
        self.fitted: tuple[Any, ...] = (None, None, None)  # fold, order, model

    def kept(self, row: str, fold: int, measure: Callable[[], Figures]) -> Figures:
        """The figures of a row on a fold, from a file or measured now and put there."""
        name = re.sub(r"[^\w+]+", "-", f"{self.table} {self.digest} {row} {fold}")
        file = self.work / f"{name}.json"
        if not file.exists():
            record = {"commit": commit(), "tunes": measure()}
            write_atomically(file, json.dumps(record).encode())
        found: Figures = json.loads(file.read_text("utf-8"))["tunes"]
        return found

    def ids(self, tune: Tune, vocabulary: Vocabulary | None = None) -> Ids:
        """A whole tune as ids, of the table's tokens or others."""
        told = vocabulary or self.vocabulary
        return told.encode(with_estimates(tune.melody), tune.style).ids

    def sides(self, fold: int) -> tuple[list[Tune], list[Tune]]:
        """Training and test songs."""
        test = set(self.folds[fold])
        training = [t for i, t in self.tunes.items() if i not in test]
        return training, [self.tunes[i] for i in self.folds[fold]]


def split(tunes: list[Tune], seed: int) -> list[list[str]]:
    """The ids of the tunes in each fold: clusters shuffled by the seed, dealt out in turn."""
    clusters: dict[str, list[str]] = {}
    for tune in sorted(tunes, key=lambda t: (t.key, t.id)):
        clusters.setdefault(tune.cluster, []).append(tune.id)
    groups = [clusters[c] for c in sorted(clusters)]
    random.Random(seed).shuffle(groups)
    return [[i for group in groups[f::FOLDS] for i in group] for f in range(FOLDS)]


def baseline(job: Job, row: str, fold: int) -> Figures:
    """A PPM, or the uniform guess, on the test songs of a fold."""
    training, test = job.sides(fold)
    kind, order = PPMS[row] or ("ltm", None)
    if job.table == "b2":
        lines = {t.id: job.ids(t)[1:].tolist() for t in [*training, *test]}
        if job.fitted[:2] != (fold, order) or not PPMS[row]:
            letters = SequencePPM("ltm", len(job.vocabulary.names), order=order, reach=REACH)
            letters.fit([lines[t.id] for t in training] if PPMS[row] else [])
            job.fitted = (fold, order, letters)
        model = job.fitted[2].sharing(kind)
        found = {t.id: model.bits(lines[t.id]) for t in test}
    else:
        if job.fitted[:2] != (fold, order) or not PPMS[row]:
            melodies = MelodyPPM("ltm", order, from_tonic=True)
            melodies.fit(with_estimates(t.melody) for t in (training if PPMS[row] else []))
            job.fitted = (fold, order, melodies)
        model = job.fitted[2].sharing(kind)
        found = {t.id: [*model.bits(with_estimates(t.melody)), len(t.melody.notes)] for t in test}
    if kind == "both" or not PPMS[row]:  # it has learnt from the test songs, or knows nothing
        job.fitted = (None, None, None)
    return found


def trained(job: Job, fold: int, wanted: Wanted) -> Figures:
    """A model of some size, trained on the fold's training songs, on its test songs."""
    from tunesmith.training import Recipe, TokenData, train

    training, test = job.sides(fold)
    clusters = sorted({t.cluster for t in training})
    random.Random(f"{wanted.seed} {fold}").shuffle(clusters)
    watched = set(clusters[: len(clusters) // 10])
    learned = training if wanted.steps else [t for t in training if t.cluster not in watched]
    vocabulary = StepsVocabulary() if wanted.tokens == "steps" else job.vocabulary
    config = ModelConfig.from_size(wanted.size, vocabulary.size, **vocabulary.recall_fields)
    context = config.max_position_embeddings

    def data(tunes: list[Tune]) -> Any:
        whole = [job.ids(t, vocabulary) for t in tunes]
        cut = [vocabulary.cut(ids, context) for ids in whole]
        shorter = sum(len(a) < len(b) for a, b in zip(cut, whole, strict=True))
        print(f"fold {fold}: {len(cut)} songs, {shorter} cut to the context of {context}")
        return TokenData(np.concatenate(cut), np.cumsum([0, *map(len, cut)], dtype=np.int64))

    out = job.work / f"{job.table}-{job.digest}-{wanted}-fold{fold}"
    began, used = time.monotonic(), time.process_time()
    train(
        data(learned),
        data([t for t in training if t.cluster in watched]),
        vocabulary, config, out,
        steps=wanted.steps, minutes=None if wanted.steps else wanted.minutes, seed=wanted.seed,
        resume=True,
        recipe=replace(Recipe.of_size(config), dropout=wanted.dropout, shards=wanted.shards),
        provenance={"made_by": "benchmarks/pop.py", "fold": fold, "split_sha256": job.digest},
        log=lambda record: print(json.dumps(record), flush=True),
    )  # fmt: skip
    minutes = (time.monotonic() - began) / 60, (time.process_time() - used) / 60
    print(f"fold {fold}: {minutes[0]:.1f} minutes, {minutes[1]:.1f} of processor", flush=True)
    checkpoint = load_checkpoint(out)
    network = Network(checkpoint.weights, checkpoint.config, vocabulary.recall)
    if job.table == "b3":
        ids = [job.ids(t) for t in test]
        scores = score_tunes(network, vocabulary, ids)
        return {
            tune.id: [*one.total, vocabulary.note_count(whole)]
            for tune, whole, one in zip(test, ids, scores, strict=True)
        }
    assert isinstance(job.vocabulary, LettersVocabulary)
    views = [(np.arange(END + 1), END)]
    if isinstance(vocabulary, StepsVocabulary):
        views.append((UPSIDE_DOWN, END + WHOLE.index("upside down")))
    else:
        views = [(table, END) for table in job.vocabulary.transpositions]
    return in_bits(network, [job.ids(t) for t in test], [t.id for t in test], views)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A training that is asked for."""

    tokens: str
    size: str
    steps: int | None
    minutes: float
    dropout: float
    shards: int
    seed: int

    def __str__(self) -> str:
        long = f"{self.steps} steps" if self.steps else f"{self.minutes:g} minutes"
        dropout = f", dropout {self.dropout:g}" if self.dropout else ""
        shards = ", one processor" if self.shards == 1 else ""
        return f"{self.tokens}, {self.size}, {long}{dropout}{shards}, seed {self.seed}"


def in_bits(
    network: Network, songs: Sequence[Ids], names: Sequence[str], views: Sequence[tuple[Ids, int]]
) -> Figures:
    """The bits of each symbol of songs of letters, by the mean of what a network expects.

    A song may be told in several ways that say the same: in all twelve keys, or as it is and
    upside down. The network has learnt all of them and expects something a little different
    in each. The mean is a code as good as any: it depends on the symbols so far alone.

    Args:
        network: of letters, or of steps.
        songs: in letters.
        names: of the songs.
        views: what to tell in place of each letter, and the first id then.
    """
    of_steps = network.config.vocab_size > END + 1
    chances = [np.zeros((len(song) - 1, END + 1)) for song in songs]
    for table, first in views:
        told = [table[song] for song in songs]
        given = [steps(t) if of_steps else t for t in told]
        for ids in given:
            ids[0] = first
        found: list[dict[int, Any]] = [{} for _ in songs]
        for i, place, expected in network.distributions(given):
            found[i][place] = expected
        for i, pieces in enumerate(found):
            expected = np.concatenate([pieces[place] for place in sorted(pieces)])
            expected = in_letters(expected, told[i]) if of_steps else expected
            chances[i] += np.exp(expected[:, table]) / len(views)
    return {
        name: (-np.log2(p[np.arange(len(p)), song[1:].astype(np.int64)])).tolist()
        for name, song, p in zip(names, songs, chances, strict=True)
    }


def mean(rows: Sequence[Figures], weights: Sequence[float]) -> Figures:
    """The bits of each symbol of B2, where what is expected is the mean of several models."""
    return {
        name: (-np.log2(sum(
            w * np.exp2(-np.array(row[name])) for row, w in zip(rows, weights, strict=True)
        ))).tolist()
        for name in rows[0]
    }  # fmt: skip


def print_rows(job: Job, rows: dict[str, Figures], folds: list[int]) -> None:
    """The table in Markdown, with 95 % percentile intervals over songs."""

    def units(figures: list[float]) -> float:
        return len(figures) if job.table == "b2" else figures[2]

    first = next(iter(rows.values()))
    unit = "symbols" if job.table == "b2" else "notes"
    print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, Python {platform.python_version()},"
          f" commit {commit()}, split {job.digest}; folds {', '.join(map(str, folds))}:"
          f" {len(first)} songs, {sum(map(units, first.values())):,.0f} {unit}\n")  # fmt: skip
    if job.table == "b2":
        print("| | nats a symbol |\n|---|---|")
    else:
        print("| | bits a note | pitch | timing |\n|---|---|---|---|")
    for row, figures in rows.items():
        counts = [units(figures[i]) for i in first]
        if job.table == "b2":
            cells = [bits_per_note([math.log(2) * sum(figures[i]) for i in first], counts)]
        else:
            a = np.array([figures[i] for i in first])
            parts = (a[:, 0] + a[:, 1], a[:, 0], a[:, 1])
            cells = [bits_per_note(list(part), counts) for part in parts]
        print(f"| {row} | {' | '.join(map(_cell, cells))} |")


def _cell(figure: Any) -> str:
    return f"{figure.value:.4f} [{figure.low:.4f}, {figure.high:.4f}]"


def commit() -> str:
    """The short hash of the checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("table", choices=SOURCES)
    parser.add_argument("--data", type=Path, default=os.environ.get("TUNESMITH_DATA"))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser.add_argument("--work", type=Path, default=cache / "tunesmith" / "pop")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", action="store_true")
    parser.add_argument("--fold", type=int, nargs="+", choices=range(FOLDS), default=None)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--steps", type=int, nargs="+", help="for each of --tokens")
    parser.add_argument("--tokens", choices=("letters", "steps"), nargs="+")
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--size", choices=SIZES, default="nano")
    args = parser.parse_args()
    if args.data is None:
        parser.error("where is the data? give --data or set TUNESMITH_DATA")
    kinds = (args.tokens or [TOKENS[args.table]]) if args.model else []
    if args.table == "b3" and args.tokens:
        parser.error("--tokens are for b2")
    if args.steps and len(args.steps) != len(kinds):
        parser.error("give --steps for each of --tokens, with --model")
    folds = args.fold or ([0] if args.model else list(range(FOLDS)))
    job = Job(args.table, args.data, args.work, args.seed)
    rows: dict[str, Figures] = {row: {} for row in PPMS}
    for fold in folds:
        for row in PPMS:
            rows[row] |= job.kept(row, fold, lambda r=row, f=fold: baseline(job, r, f))
    many = args.steps or [None] * len(kinds)
    models = []
    for tokens, steps_ in zip(kinds, many, strict=True):
        wanted = Wanted(
            tokens=tokens, size=args.size, steps=steps_, minutes=args.minutes,
            dropout=args.dropout, shards=args.shards, seed=args.seed,
        )  # fmt: skip
        row: Figures = {}
        for fold in folds:
            row |= job.kept(str(wanted), fold, lambda f=fold, w=wanted: trained(job, f, w))
        models.append(row)
        rows[f"**{wanted}**"] = row
    if args.table == "b2" and models:
        if len(models) > 1:
            rows["**their mean**"] = mean(models, [1 / len(models)] * len(models))
        each = (1 - PPM_SHARE) / len(models)
        both = [*models, rows["PPM*, LTM+ with STM"]]
        rows[f"**the same with {100 * PPM_SHARE:g} % of PPM\\***"] = mean(
            both, [*[each] * len(models), PPM_SHARE]
        )
    print_rows(job, rows, folds)


if __name__ == "__main__":
    main()
