"""Tables B2 and B3: pop melodies, split by song into ten folds.

    python benchmarks/pop.py b2|b3 [--data FOLDER] [--work FOLDER] [--seed 0]
        [--model --fold 0 --size nano --dropout 0 (--minutes 5 | --steps N)]

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
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import platform
import random
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.api.preparing import prepare, style_names, style_of
from tunesmith.corpus import Corpus
from tunesmith.corpus.store import Tune
from tunesmith.evaluation.likelihood import Bits, bits_per_note, score_tunes
from tunesmith.evaluation.melody_models import MelodyPPM
from tunesmith.evaluation.ppm import SequencePPM
from tunesmith.keyfinding import with_estimates
from tunesmith.model.config import SIZES, ModelConfig
from tunesmith.tokens import Vocabulary, make_vocabulary
from tunesmith.tokens.base import Ids
from tunesmith.tokens.letters import LettersVocabulary

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
"""By tune: bits of pitch, of timing, and units. Of letters all bits are the first."""


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
        self.file = work / "pop.jsonl"
        self.fitted: tuple[Any, ...] = (None, None, None)  # fold, order, model

    def kept(self, row: str, fold: int, measure: Callable[[], Figures]) -> Figures:
        """The figures of a row on a fold, from the file or measured now and put there."""
        head = {"table": self.table, "split": self.digest, "row": row, "fold": fold}
        lines = self.file.read_text("utf-8").splitlines() if self.file.exists() else []
        for record in map(json.loads, lines):
            if all(record[k] == v for k, v in head.items()):
                found: Figures = record["tunes"]
                return found
        found = measure()
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(head | {"commit": commit(), "tunes": found}) + "\n")
        return found

    def ids(self, tune: Tune) -> Ids:
        """A whole tune as ids."""
        return self.vocabulary.encode(with_estimates(tune.melody), style_of(tune.source)).ids

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
        found = {t.id: [sum(model.bits(lines[t.id])), 0.0, len(lines[t.id])] for t in test}
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


def trained(job: Job, fold: int, args: argparse.Namespace) -> Figures:
    """A model of some size, trained on the fold's training songs, on its test songs."""
    from tunesmith.api.composing import load_model
    from tunesmith.training import Recipe, TokenData, train

    training, test = job.sides(fold)
    clusters = sorted({t.cluster for t in training})
    random.Random(f"{args.seed} {fold}").shuffle(clusters)
    watched = set(clusters[: len(clusters) // 10])
    learned = training if args.steps else [t for t in training if t.cluster not in watched]
    config = ModelConfig.from_size(args.size, job.vocabulary.size, **job.vocabulary.recall_fields)
    context = config.max_position_embeddings

    def data(tunes: list[Tune]) -> Any:
        whole = [job.ids(t) for t in tunes]
        cut = [job.vocabulary.cut(ids, context) for ids in whole]
        shorter = sum(len(a) < len(b) for a, b in zip(cut, whole, strict=True))
        print(f"fold {fold}: {len(cut)} songs, {shorter} cut to the context of {context}")
        return TokenData(np.concatenate(cut), np.cumsum([0, *map(len, cut)], dtype=np.int64))

    out = job.work / f"{job.table}-{job.digest}-{named(args)}-fold{fold}"
    began, used = time.monotonic(), time.process_time()
    train(
        data(learned),
        data([t for t in training if t.cluster in watched]),
        job.vocabulary, config, out,
        steps=args.steps, minutes=None if args.steps else args.minutes, seed=args.seed, resume=True,
        recipe=replace(Recipe.of_size(config), dropout=args.dropout),
        provenance={"made_by": "benchmarks/pop.py", "fold": fold, "split_sha256": job.digest},
        log=lambda record: print(json.dumps(record), flush=True),
    )  # fmt: skip
    minutes = (time.monotonic() - began) / 60, (time.process_time() - used) / 60
    print(f"fold {fold}: {minutes[0]:.1f} minutes, {minutes[1]:.1f} of processor", flush=True)
    model = load_model(out)
    return score(model.network, model.vocabulary, job, test)


def named(args: argparse.Namespace) -> str:
    """The training that was asked for, as a name."""
    long = f"{args.steps} steps" if args.steps else f"{args.minutes:g} minutes"
    dropout = f", dropout {args.dropout:g}" if args.dropout else ""
    return f"{args.size}, {long}{dropout}, seed {args.seed}"


class InAllKeys:
    """A network of letters that expects of each symbol the mean over the twelve keys.

    Which key a song of letters stands in means nothing, and the network, which hears every song
    in all of them, expects something a little different in each. The mean is a code as good as
    any: it depends on the symbols so far alone.
    """

    def __init__(self, network: Any, vocabulary: LettersVocabulary) -> None:
        self.network, self.keys = network, vocabulary.transpositions

    def distributions(self, sequences: Sequence[Ids]) -> Iterator[tuple[int, int, Any]]:
        """As those of the network."""
        for i, ids in enumerate(sequences):
            pieces: dict[int, list[Any]] = {}
            for key, place, expected in self.network.distributions([k[ids] for k in self.keys]):
                pieces.setdefault(place, []).append(expected[:, self.keys[key]])
            for place, found in pieces.items():
                yield i, place, np.log(np.exp(found).mean(axis=0))


def score(network: Any, vocabulary: Vocabulary, job: Job, test: list[Tune]) -> Figures:
    """The unconditional code length of each song."""
    if isinstance(vocabulary, LettersVocabulary):
        network = InAllKeys(network, vocabulary)
    ids = [job.ids(t) for t in test]
    figures = {}
    for tune, whole, found in zip(test, ids, score_tunes(network, vocabulary, ids), strict=True):
        bits: Bits = found.total
        units = len(whole) - 1 if job.table == "b2" else vocabulary.note_count(whole)
        figures[tune.id] = [bits.total, 0.0, units] if job.table == "b2" else [*bits, units]
    return figures


def print_rows(job: Job, rows: dict[str, Figures], folds: list[int]) -> None:
    """The table in Markdown, with 95 % percentile intervals over songs."""
    first = next(iter(rows.values()))
    unit = "symbols" if job.table == "b2" else "notes"
    print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, Python {platform.python_version()},"
          f" commit {commit()}, split {job.digest}; folds {', '.join(map(str, folds))}:"
          f" {len(first)} songs, {sum(f[2] for f in first.values()):,.0f} {unit}\n")  # fmt: skip
    if job.table == "b2":
        print("| | nats a symbol |\n|---|---|")
    else:
        print("| | bits a note | pitch | timing |\n|---|---|---|---|")
    for row, figures in rows.items():
        a = np.array([figures[i] for i in first])
        if job.table == "b2":
            cells = [bits_per_note(list(a[:, 0] * math.log(2)), list(a[:, 2]))]
        else:
            parts = (a[:, 0] + a[:, 1], a[:, 0], a[:, 1])
            cells = [bits_per_note(list(part), list(a[:, 2])) for part in parts]
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
    parser.add_argument("--steps", type=int)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--size", choices=SIZES, default="nano")
    args = parser.parse_args()
    if args.data is None:
        parser.error("where is the data? give --data or set TUNESMITH_DATA")
    folds = args.fold or ([0] if args.model else list(range(FOLDS)))
    job = Job(args.table, args.data, args.work, args.seed)
    rows: dict[str, Figures] = {row: {} for row in PPMS}
    for fold in folds:
        for row in PPMS:
            rows[row] |= job.kept(row, fold, lambda r=row, f=fold: baseline(job, r, f))
    if args.model:
        title = f"**{named(args)}{', all keys' if args.table == 'b2' else ''}**"
        rows[title] = {}
        for fold in folds:
            rows[title] |= job.kept(title, fold, lambda f=fold: trained(job, f, args))
    print_rows(job, rows, folds)


if __name__ == "__main__":
    main()
