"""Tables B2 and B3: pop melodies, split by song into ten folds.

    python benchmarks/pop.py b2|b3 [--data FOLDER] [--work FOLDER] [--seed 0] [--fold 0 1 …]
        [--model --size nano --dropout 0 (--minutes 5 | --steps N)]
    python benchmarks/pop.py b2 --model --tokens letters steps --steps 1900 1850 … [--inner]

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

Of B2 there may be a model of letters, of `steps.py`, or one of each; with both, their mean is
printed too, and all that is known as one: that mean, what the network of steps expects
of a song whose twelve letters are exchanged at random, PPM* of letters and of steps, and how
often each letter came, as powers that follow each song (`mixing.py`). `--inner` settles the powers
to begin with: that tenth is kept out of all training and stands in for the test songs. With
`--shards 1` a model takes one processor, and two can learn side by side.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import math
import os
import platform
import random
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from mixing import arithmetic, following, settle
from numpy.typing import NDArray
from steps import UPSIDE_DOWN, WHOLE, StepsVocabulary, in_letters, steps

from tunesmith.api.preparing import prepare, style_names
from tunesmith.corpus import Corpus
from tunesmith.corpus.store import Tune
from tunesmith.evaluation.likelihood import bits_per_note, score_tunes
from tunesmith.evaluation.melody_models import MelodyPPM
from tunesmith.evaluation.ppm import Predictor
from tunesmith.files import write_atomically
from tunesmith.keyfinding import with_estimates
from tunesmith.model.checkpoint import load_checkpoint
from tunesmith.model.config import SIZES, ModelConfig
from tunesmith.model.inference import Network
from tunesmith.tokens import LettersVocabulary, Vocabulary, make_vocabulary
from tunesmith.tokens.base import Ids
from tunesmith.tokens.letters import END, REST

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
EXCHANGED = 8
"""How many times a song's letters are exchanged."""
PARTS = {
    "mean": 0.91,
    "exchanged": -0.13,
    "letters, PPM*, LTM+": 0.03,
    "letters, PPM*, STM": 0.14,
    "steps, PPM*, LTM+": 0.07,
    "steps, PPM*, STM": 0.03,
    "frequencies": -0.05,
}
"""What is known of B2 as one, and the power of each to begin a song with, settled inside fold 0."""
INERTIA = 500.0
"""How strongly powers stay; inside fold 0 all is as good from 300 to 1,000."""

Figures = dict[str, NDArray[np.float64]]
"""By tune. Of B3: bits of pitch, bits of timing, how many notes. Of B2: (symbols, 14) natural
log-probabilities of every letter at each symbol, rests and the end of the line among them."""
Parts = dict[str, NDArray[np.float64]]


class Job:
    """The tunes of one table, their folds, and what is on file about them.

    Args:
        table: b2 or b3.
        data: the folder with the sources.
        work: the folder for what is kept.
        seed: of the folds.
        inner: whether the test songs stay away, and a tenth of the training songs is the test.
    """

    def __init__(self, table: str, data: Path, work: Path, seed: int, *, inner: bool) -> None:
        self.table, self.work, self.seed, self.inner = table, work, seed, inner
        work.mkdir(parents=True, exist_ok=True)
        folder = work / f"{table}-corpus"
        prepare([data / SOURCES[table]], folder)
        self.corpus = Corpus.open(folder)
        self.vocabulary = make_vocabulary(TOKENS[table], style_names(self.corpus))
        self.tunes = {t.id: t for t in self.corpus.tunes()}
        self.folds = split(list(self.tunes.values()), seed)
        names = [sorted(self.tunes[i].key for i in fold) for fold in self.folds]
        self.digest = hashlib.sha256(json.dumps(names).encode()).hexdigest()[:8]

    def file(self, about: str, fold: int) -> Path:
        """Where something about a fold is kept."""
        name = f"{self.table} {self.digest} {about} {'inner ' if self.inner else ''}fold{fold}"
        return self.work / re.sub(r"[^\w+]+", "-", name)

    def kept(
        self, about: str, fold: int, measure: Callable[[], dict[str, Figures]]
    ) -> dict[str, Figures]:
        """Figures on a fold by the name of the row, from a file or measured now and put there."""
        file = self.file(about, fold).with_suffix(".npz")
        if not file.exists():
            stream, rows = io.BytesIO(), measure()
            np.savez(stream, **{
                f"{row} of {tune}": figures.astype(np.float32)
                for row, figures_of in rows.items() for tune, figures in figures_of.items()
            })  # fmt: skip
            write_atomically(file, stream.getvalue())
        found: dict[str, Figures] = {}
        with np.load(file) as arrays:
            for name in arrays:
                row, tune = name.rsplit(" of ", 1)
                found.setdefault(row, {})[tune] = arrays[name].astype(np.float64)
        return found

    def ids(self, tune: Tune, vocabulary: Vocabulary | None = None) -> Ids:
        """A whole tune as ids, of the table's tokens or others."""
        told = vocabulary or self.vocabulary
        return told.encode(with_estimates(tune.melody), tune.style).ids

    def came(self, tune: str) -> NDArray[np.int64]:
        """(symbols,) the letters of a song of B2, and its end."""
        return self.ids(self.tunes[tune])[1:].astype(np.int64)

    def sides(self, fold: int) -> tuple[list[Tune], list[Tune]]:
        """Training and test songs."""
        test = set(self.folds[fold])
        training = [t for i, t in self.tunes.items() if i not in test]
        if self.inner:
            return self.apart(training, fold)
        return training, [self.tunes[i] for i in self.folds[fold]]

    def apart(self, training: list[Tune], fold: int) -> tuple[list[Tune], list[Tune]]:
        """Training songs and a tenth of their near-duplicate clusters, kept apart."""
        clusters = sorted({t.cluster for t in training})
        random.Random(f"{self.seed} {fold}").shuffle(clusters)
        watched = set(clusters[: len(clusters) // 10])
        rest = [t for t in training if t.cluster not in watched]
        return rest, [t for t in training if t.cluster in watched]


def split(tunes: list[Tune], seed: int) -> list[list[str]]:
    """The ids of the tunes in each fold: clusters shuffled by the seed, dealt out in turn."""
    clusters: dict[str, list[str]] = {}
    for tune in sorted(tunes, key=lambda t: (t.key, t.id)):
        clusters.setdefault(tune.cluster, []).append(tune.id)
    groups = [clusters[c] for c in sorted(clusters)]
    random.Random(seed).shuffle(groups)
    return [[i for group in groups[f::FOLDS] for i in group] for f in range(FOLDS)]


def by_ppm(job: Job, fold: int) -> dict[str, Figures]:
    """The baselines of B3 on the test songs of a fold."""
    training, test = job.sides(fold)
    rows: dict[str, Figures] = {}
    fitted: dict[int | None, MelodyPPM] = {}
    for row, ppm in PPMS.items():
        kind, order = ppm or ("ltm", None)
        if ppm and order not in fitted:
            fitted[order] = MelodyPPM("ltm", order, from_tonic=True)
            fitted[order].fit(with_estimates(t.melody) for t in training)
        knows = fitted[order] if ppm else MelodyPPM("ltm", None, from_tonic=True)
        model = knows.sharing(kind)  # 'both' comes last: it learns from the test songs
        rows[row] = {
            t.id: np.array([*model.bits(with_estimates(t.melody)), len(t.melody.notes)])
            for t in test
        }
    return rows


def letters_by_ppm(job: Job, fold: int, told: str) -> dict[str, Figures]:
    """What PPMs of letters, or of steps, expect of the test songs of a fold of B2."""
    training, test = job.sides(fold)
    songs = {t.id: job.ids(t) for t in [*training, *test]}
    lines = {i: (steps(ids) if told == "steps" else ids)[1:].tolist() for i, ids in songs.items()}
    rows: dict[str, Figures] = {}
    for row, ppm in (
        PPMS.items() if told == "letters" else [("PPM*, LTM+ with STM", ("both", None))]
    ):
        kind, order = ppm or ("ltm", None)
        model = Predictor("ltm", END + 1, order=order, reach=REACH)
        for tune in training if ppm and kind != "stm" else []:
            for i, symbol in enumerate(lines[tune.id]):
                model.study(lines[tune.id], i, symbol)
        model = model.sharing(kind)
        for tune in test:
            line = lines[tune.id]
            said: dict[str, list[list[float]]] = {}
            model.begin()
            for i, symbol in enumerate(line):
                whole = model.predict(line, i)
                each = {row: whole}
                if kind == "both":
                    each |= zip(("PPM*, LTM+", "PPM*, STM"), model.parts, strict=True)
                for name, chances in each.items():
                    said.setdefault(name, []).append(
                        [math.log(chances.probability(letter)) for letter in range(END + 1)]
                    )
                model.learn(line, i, symbol)
            for name, logs in said.items():
                expected = np.array(logs)
                if told == "steps":
                    expected = in_letters(expected, songs[tune.id])
                rows.setdefault(f"{told}, {name}", {})[tune.id] = expected
    return rows


def trained(job: Job, fold: int, wanted: Wanted) -> dict[str, Figures]:
    """A model of some size, trained on the fold's training songs, on its test songs."""
    from tunesmith.training import Recipe, TokenData, train

    training, test = job.sides(fold)
    fewer, watched = (training, test) if job.inner else job.apart(training, fold)
    learned = training if wanted.steps else fewer
    vocabulary = StepsVocabulary() if wanted.tokens == "steps" else job.vocabulary
    config = ModelConfig.from_size(wanted.size, vocabulary.size, **vocabulary.recall_fields)
    context = config.max_position_embeddings

    def data(tunes: list[Tune]) -> Any:
        whole = [job.ids(t, vocabulary) for t in tunes]
        cut = [vocabulary.cut(ids, context) for ids in whole]
        shorter = sum(len(a) < len(b) for a, b in zip(cut, whole, strict=True))
        print(f"fold {fold}: {len(cut)} songs, {shorter} cut to the context of {context}")
        return TokenData(np.concatenate(cut), np.cumsum([0, *map(len, cut)], dtype=np.int64))

    out = job.file(str(wanted), fold)
    began, used = time.monotonic(), time.process_time()
    train(
        data(learned), data(watched), vocabulary, config, out,
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
        found = {
            tune.id: np.array([*one.total, vocabulary.note_count(whole)])
            for tune, whole, one in zip(test, ids, scores, strict=True)
        }
        return {str(wanted): found}
    assert isinstance(job.vocabulary, LettersVocabulary)
    songs = {t.id: job.ids(t) for t in test}
    if not isinstance(vocabulary, StepsVocabulary):
        views = [(table, END) for table in job.vocabulary.transpositions]
        return {str(wanted): expected_by(network, songs, views)}
    views = [
        (np.arange(END + 1, dtype=np.uint16), END),
        (UPSIDE_DOWN, END + WHOLE.index("upside down")),
    ]
    rng = np.random.default_rng(wanted.seed)
    exchanged = [
        (
            np.append(rng.permutation(REST), [REST, END]).astype(np.uint16),
            END + WHOLE.index("exchanged"),
        )
        for _ in range(EXCHANGED)
    ]
    return {
        str(wanted): expected_by(network, songs, views),
        "exchanged": expected_by(network, songs, exchanged),
    }


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


def expected_by(
    network: Network, songs: Mapping[str, Ids], views: Sequence[tuple[Ids, int]]
) -> Figures:
    """What a network expects of songs of letters, on average over several ways to tell them.

    A song may be told in several ways that say the same: in all twelve keys, or as it is and
    upside down. The network has learnt all of them and expects something a little different
    in each. The mean is a code as good as any: it depends on the symbols so far alone.

    Args:
        network: of letters, or of steps.
        songs: in letters, by name.
        views: what to tell in place of each letter, and the first id then.
    """
    of_steps = network.config.vocab_size > END + 1
    expected: dict[str, list[NDArray[np.float64]]] = {name: [] for name in songs}
    for table, first in views:
        told = [table[song] for song in songs.values()]
        given = [steps(t) if of_steps else t.copy() for t in told]
        for ids in given:
            ids[0] = first
        found: list[dict[int, Any]] = [{} for _ in songs]
        for i, place, logs in network.distributions(given):
            found[i][place] = logs
        for name, pieces, letters in zip(songs, found, told, strict=True):
            logs = np.concatenate([pieces[place] for place in sorted(pieces)])
            logs = in_letters(logs, letters) if of_steps else logs
            expected[name].append(logs[:, table.astype(np.int64)])
    return {name: arithmetic(np.array(each)) for name, each in expected.items()}


def parts_of(job: Job, networks: Sequence[Figures], rows: Mapping[str, Figures]) -> Parts:
    """What is known of each song of B2, (parts, symbols, 14), in the order of `PARTS`."""
    known = dict(rows)
    known["mean"] = {i: arithmetic(np.array([row[i] for row in networks])) for i in networks[0]}
    known["frequencies"] = {i: frequencies(job.came(i)) for i in networks[0]}
    return {i: np.array([known[part][i] for part in PARTS]) for i in networks[0]}


def frequencies(symbols: NDArray[np.int64]) -> NDArray[np.float64]:
    """(symbols, 14) logarithms of how often each letter came so far, and half a time more."""
    came = np.eye(END + 1)[symbols]
    so_far = np.cumsum(came, axis=0) - came + 0.5
    logs: NDArray[np.float64] = np.log(so_far / so_far.sum(axis=1, keepdims=True))
    return logs


def print_rows(job: Job, rows: Mapping[str, Figures], folds: list[int]) -> None:
    """The table in Markdown, with 95 % percentile intervals over songs."""
    first = next(iter(rows.values()))
    if job.table == "b2":
        counts = [len(logs) for logs in first.values()]
        head, unit = "| | nats a symbol |\n|---|---|", "symbols"
    else:
        counts = [int(figures[2]) for figures in first.values()]
        head, unit = "| | bits a note | pitch | timing |\n|---|---|---|---|", "notes"
    which = "a tenth inside fold" if job.inner else "folds"
    print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, Python {platform.python_version()},"
          f" commit {commit()}, split {job.digest}; {which} {', '.join(map(str, folds))}:"
          f" {len(first)} songs, {sum(counts):,} {unit}\n\n{head}")  # fmt: skip
    for row, figures in rows.items():
        if job.table == "b2":
            nats = {
                i: -logs[np.arange(len(logs)), job.came(i)].sum() for i, logs in figures.items()
            }
            cells = [bits_per_note([nats[i] for i in first], counts)]
        else:
            a = np.array([figures[i] for i in first])
            streams = (a[:, 0] + a[:, 1], a[:, 0], a[:, 1])
            cells = [bits_per_note(list(stream), counts) for stream in streams]
        print(f"| {row} | {' | '.join(map(_cell, cells))} |")


def settle_powers(job: Job, parts: Parts, folds: int = 5) -> None:
    """Print the powers that suit the parts best, and the code length of songs they never saw."""
    names = list(parts)
    came = {i: job.came(i) for i in names}

    def settled(songs: Sequence[str]) -> NDArray[np.float64]:
        logs = np.concatenate([parts[i] for i in songs], axis=1)
        return settle(logs, np.concatenate([came[i] for i in songs]))

    nats = 0.0
    for fold in range(folds):
        powers = settled([i for n, i in enumerate(names) if n % folds != fold])
        for i in names[fold::folds]:
            logs = following(parts[i], came[i], powers, INERTIA)
            nats -= logs[np.arange(len(logs)), came[i]].sum()
    count = sum(map(len, came.values()))
    print(f"\nby cross-validation over songs {nats / count:.4f}; powers of all together:")
    for part, power in zip(PARTS, settled(names), strict=True):
        print(f"    {part}: {power:.3f}")


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
    parser.add_argument("--inner", action="store_true")
    args = parser.parse_args()
    if args.data is None:
        parser.error("where is the data? give --data or set TUNESMITH_DATA")
    kinds = (args.tokens or [TOKENS[args.table]]) if args.model else []
    if args.table == "b3" and args.tokens:
        parser.error("--tokens are for b2")
    if args.steps and len(args.steps) != len(kinds):
        parser.error("give --steps for each of --tokens, with --model")
    folds = args.fold or ([0] if args.model or args.inner else list(range(FOLDS)))
    job = Job(args.table, args.data, args.work, args.seed, inner=args.inner)
    rows: dict[str, Figures] = {}

    def add(about: str, measure: Callable[[int], dict[str, Figures]]) -> None:
        for fold in folds:
            for row, figures in job.kept(about, fold, lambda f=fold: measure(f)).items():
                rows.setdefault(row, {}).update(figures)

    if args.table == "b3":
        add("PPM", lambda fold: by_ppm(job, fold))
    for told in ("letters", "steps") if args.table == "b2" else ():
        add(f"{told} by PPM", lambda fold, t=told: letters_by_ppm(job, fold, t))
    networks = []
    for tokens, steps_ in zip(kinds, args.steps or [None] * len(kinds), strict=True):
        wanted = Wanted(
            tokens=tokens, size=args.size, steps=steps_, minutes=args.minutes,
            dropout=args.dropout, shards=args.shards, seed=args.seed,
        )  # fmt: skip
        add(str(wanted), lambda fold, w=wanted: trained(job, fold, w))
        networks.append(rows[str(wanted)])
    if len(networks) > 1:
        parts = parts_of(job, networks, rows)
        powers = np.array([*PARTS.values()])
        rows["their mean"] = {i: logs[0] for i, logs in parts.items()}
        rows["all as one"] = {
            i: following(logs, job.came(i), powers, INERTIA) for i, logs in parts.items()
        }
    print_rows(job, rows, folds)
    if args.inner and len(networks) > 1:
        settle_powers(job, parts)


if __name__ == "__main__":
    main()
