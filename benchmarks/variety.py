"""Which distance between melodies tells variants of one tune from other tunes?

    python benchmarks/variety.py CORPUS [--seed 1]

Two sets of pairs, tunes whole and cut to their first 4, 8 and 16 bars:

- judged: the 200 hard pairs of `duplicate_pairs.tsv` (see `duplicates.py`); near are `same`,
  `variant` and `strain`. Needs the music21 package, which holds the tunes.
- drawn: two tunes of each of at most 300 clusters of CORPUS, against 600 pairs of tunes of
  different clusters. Clusters come of a rule on runs of 8 intervals and alignments
  (`corpus.duplicates`), so this set favours what is like it; the judged one does not.

Printed for each distance: the AUC on each set (the chance that a near pair is nearer than a
far one), the 90th percentile of the near pairs of each, and the 0.2th, 1st and 5th percentile
of the far drawn pairs. The distances:

- trigrams: `evaluation.variety.Distances`; n intervals also for n of 2, 4 and 5.
- cosine: one less the cosine of the counts of runs of n intervals.
- edit: the least insertions, deletions and substitutions that make one sequence of intervals
  the other, over the longer length (Levenshtein 1966); or of intervals with the ratios of
  successive distances from onset to onset.
- opti3 without harmony: 0.505 trigrams + 0.417 edit distance of five classes of lengths from
  onset to onset over the commonest one (Müllensiefen and Frieler 2007).
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from duplicates import NEAR, PAIRS
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from tunesmith import formats
from tunesmith.corpus import Corpus
from tunesmith.evaluation.variety import APART, distance
from tunesmith.melody import Melody, Note

Pair = tuple[Melody, Melody]
Floats = NDArray[np.float64]


def judged_pairs() -> tuple[list[Pair], NDArray[np.bool_]]:
    """The pairs judged by reading, and which are near."""
    spec = importlib.util.find_spec("music21")
    if spec is None or spec.origin is None:
        raise SystemExit("the music21 package, which holds the tunes, is not installed")
    root = Path(spec.origin).parent / "corpus"
    with PAIRS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    tunes = {}
    for name in sorted({r[side] for r in rows for side in ("file_a", "file_b")}):
        for number, reading in enumerate(formats.scan(str(root / name)), 1):
            tunes[name, number] = reading.melody
    pairs = [
        (tunes[r["file_a"], int(r["tune_a"])], tunes[r["file_b"], int(r["tune_b"])]) for r in rows
    ]
    return pairs, np.array([r["label"] in NEAR for r in rows])  # type: ignore[return-value]


def drawn_pairs(corpus: Corpus, seed: int) -> tuple[list[Pair], NDArray[np.bool_]]:
    """Pairs of near-duplicates and pairs of different clusters, and which are near."""
    clusters: dict[str, list[Melody]] = defaultdict(list)
    for tune in corpus.tunes():
        clusters[tune.cluster].append(tune.melody)
    chance = random.Random(seed)
    many = [tunes for tunes in clusters.values() if len(tunes) > 1]
    near = [chance.sample(c, 2) for c in chance.sample(many, min(300, len(many)))]
    names = list(clusters)
    far = [[chance.choice(clusters[n]) for n in chance.sample(names, 2)] for _ in range(600)]
    pairs = [(a, b) for a, b in near + far]
    return pairs, np.arange(len(pairs)) < len(near)


def cut(melody: Melody, bars: int) -> Melody:
    """The first bars after the pickup, without a note that is held over their end."""
    full = [b for b in melody.bars if not b.is_pickup]
    if len(full) <= bars:
        return melody
    notes = [n for n in melody.notes if n.onset + n.duration <= full[bars].start]
    return Melody(notes=tuple(notes)) if len(notes) > 1 else melody


# -- distances ------------------------------------------------------------------


def gaps(notes: Sequence[Note]) -> list[int]:
    """From onset to onset, and the last note's length."""
    onsets = [n.onset for n in notes]
    return [*np.diff(onsets).tolist(), notes[-1].duration]


def edit(a: Sequence[Hashable], b: Sequence[Hashable]) -> float:
    names: dict[Hashable, int] = {}
    first, second = (
        np.array([names.setdefault(x, len(names)) for x in s], np.int64) for s in (a, b)
    )
    place = np.arange(len(second) + 1)
    row = place
    for i, symbol in enumerate(first, 1):
        new = np.append(i, np.minimum(row[:-1] + (second != symbol), row[1:] + 1))
        row = np.minimum.accumulate(new - place) + place
    return float(row[-1]) / max(len(first), len(second), 1)


def timed(melody: Melody) -> list[tuple[int, float]]:
    lengths = gaps(melody.notes)
    ratios = [round(y / x, 4) for x, y in pairwise(lengths)]
    return list(zip(melody.intervals, ratios, strict=True))


def rhythm(melody: Melody) -> list[int]:
    lengths = gaps(melody.notes)
    usual = Counter(lengths).most_common(1)[0][0]
    return [int(x) for x in np.digitize(np.array(lengths) / usual, [0.45, 0.9, 1.8, 3.3])]


def grams(melody: Melody, n: int) -> Counter[tuple[int, ...]]:
    steps = melody.intervals
    return Counter(steps[i : i + n] for i in range(len(steps) - n + 1))


def ukkonen(n: int) -> Callable[[Melody, Melody], float]:
    def of(a: Melody, b: Melody) -> float:
        x, y = grams(a, n), grams(b, n)
        total = x.total() + y.total()
        return sum(abs(x[g] - y[g]) for g in x.keys() | y.keys()) / total if total else 1.0

    return of


def cosine(n: int) -> Callable[[Melody, Melody], float]:
    def of(a: Melody, b: Melody) -> float:
        x, y = grams(a, n), grams(b, n)
        norm = sum(v * v for v in x.values()) * sum(v * v for v in y.values())
        return 1 - sum(v * y[g] for g, v in x.items()) / norm**0.5 if norm else 1.0

    return of


DISTANCES: dict[str, Callable[[Melody, Melody], float]] = {
    "**trigrams**": distance,
    "runs of 2": ukkonen(2),
    "runs of 4": ukkonen(4),
    "runs of 5": ukkonen(5),
    "cosine of 3": cosine(3),
    "cosine of 4": cosine(4),
    "edit, intervals": lambda a, b: edit(a.intervals, b.intervals),
    "edit, with ratios of lengths": lambda a, b: edit(timed(a), timed(b)),
    "opti3 without harmony": lambda a, b: (
        0.505 * distance(a, b) + 0.417 * edit(rhythm(a), rhythm(b))
    ),
}


def main() -> None:
    """Print a table for each length."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    sets = [judged_pairs(), drawn_pairs(Corpus.open(arguments.corpus), arguments.seed)]
    for bars in (4, 8, 16, 0):
        print(f"\n{f'First {bars} bars' if bars else 'Whole tunes'}\n")
        print("| | judged, AUC | drawn, AUC | near, 90 % below | drawn far, 0.2, 1, 5 % below |")
        print("|---|---|---|---|---|")
        for name, of in DISTANCES.items():
            cells, near, far = [], [], np.zeros(0)
            for pairs, is_near in sets:
                short = [(cut(a, bars), cut(b, bars)) if bars else (a, b) for a, b in pairs]
                found = np.array([of(a, b) for a, b in short])
                cells.append(f"{roc_auc_score(~is_near, found):.4f}")
                near.append(f"{np.percentile(found[is_near], 90):.2f}")
                far = found[~is_near]
                if name == "**trigrams**":
                    share = (found < APART)[is_near].mean(), (found < APART)[~is_near].mean()
                    print(f"<!-- below {APART}: near {share[0]:.4f}, far {share[1]:.4f} -->")
            low = ", ".join(f"{p:.2f}" for p in np.percentile(far, [0.2, 1, 5]))
            print(f"| {name} | {' | '.join(cells)} | {', '.join(near)} | {low} |", flush=True)


if __name__ == "__main__":
    main()
