"""Fit the weights of the rules' combined score, and measure it on corpora not fitted on.

Each real tune has five fakes: its pitches shuffled, its lengths and rests shuffled, and pitches
drawn from a Markov chain of order 0, of order 2, and of order 2 seen from the tonic, on its own
rhythm; chains are trained on the other tunes of the same corpus that are used here. Keys are
estimated for real and fake alike. AUC: the chance that a real tune scores above a fake one.

    python benchmarks/rules.py fit FOLDER...       weights, and each corpus from the others' fit
    python benchmarks/rules.py measure FOLDER...   the stored weights on other corpora
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tunesmith.corpus import Corpus
from tunesmith.evaluation.rules import RULES, judge, without_key
from tunesmith.keyfinding import with_estimates
from tunesmith.melody import Melody, Note

FAKES = ("shuffled", "lengths", "order 0", "order 2", "order 2 from tonic")
FITTED_ON = ("shuffled", "lengths", "order 0", "order 2 from tonic")
Floats = NDArray[np.float64]


def repitched(melody: Melody, pitches: Sequence[int]) -> Melody:
    notes = (Note(n.onset, n.duration, p) for n, p in zip(melody.notes, pitches, strict=True))
    return replace(melody, notes=tuple(notes))


def lengths_shuffled(melody: Melody, rng: random.Random) -> Melody:
    """Notes and rests in another order, the pitches in the old one."""
    events = sorted([(n.onset, n.duration, 1) for n in melody.notes]
                    + [(onset, length, 0) for onset, length in melody.rests])  # fmt: skip
    rng.shuffle(events)
    notes, tick, pitches = [], 0, iter(melody.pitches)
    for _, length, sounds in events:
        if sounds:
            notes.append(Note(tick, length, next(pitches)))
        tick += length
    return replace(melody, notes=tuple(notes))


class Chain:
    """Pitches in contexts of `order` earlier ones; unseen contexts fall back to shorter ones."""

    def __init__(self, order: int, lines: list[Sequence[int]]) -> None:
        self.order = order
        self.after: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for line in lines:
            for i, pitch in enumerate(line):
                for k in range(min(i, order) + 1):
                    self.after[tuple(line[i - k : i])].append(pitch)
                if i == 0 and order:
                    self.after[(-1,)].append(pitch)

    def draw(self, length: int, rng: random.Random) -> list[int]:
        line: list[int] = [rng.choice(self.after[(-1,) if self.order else ()])]
        while len(line) < length:
            for k in range(min(self.order, len(line)), -1, -1):
                if choices := self.after.get(tuple(line[len(line) - k :])):
                    line.append(rng.choice(choices))
                    break
        return line


def scores_of(melody: Melody) -> list[float]:
    found = judge(without_key(melody))
    return [np.nan if r.score is None else r.score for r in found.values()]


def table(folder: Path, most: int, side: str | None) -> dict[str, Floats]:
    """The rule scores of the real tunes and of each kind of fake, (tunes, rules)."""
    rng = random.Random(1)
    tunes = [replace(m, chords=()) for m in Corpus.open(folder).melodies(side)]
    tunes = [m for m in tunes if 16 <= len(m.notes) <= 600]
    rng.shuffle(tunes)
    tunes = tunes[:most]
    tonics = [(k.pitch_class + 6) % 12 - 6 if (k := with_estimates(m, 0).key) else 0
              for m in tunes]  # fmt: skip
    lines: list[Sequence[int]] = [m.pitches for m in tunes]
    seen: list[Sequence[int]] = [
        [p - t for p in line] for line, t in zip(lines, tonics, strict=True)
    ]
    zero, two, tonic = Chain(0, lines), Chain(2, lines), Chain(2, seen)
    rows: dict[str, list[list[float]]] = defaultdict(list)
    for m, shift in zip(tunes, tonics, strict=True):
        n = len(m.notes)
        rows["real"].append(scores_of(m))
        rows["shuffled"].append(scores_of(repitched(m, rng.sample(m.pitches, n))))
        rows["lengths"].append(scores_of(lengths_shuffled(m, rng)))
        rows["order 0"].append(scores_of(repitched(m, zero.draw(n, rng))))
        rows["order 2"].append(scores_of(repitched(m, two.draw(n, rng))))
        drawn = [p + shift for p in tonic.draw(n, rng)]
        rows["order 2 from tonic"].append(scores_of(repitched(m, drawn)))
    return {kind: np.array(r) for kind, r in rows.items()}


def fit(tables: list[dict[str, Floats]], penalty: float = 2.0) -> tuple[Floats, Floats, float]:
    """Weights (none below 0), typical scores and the constant of the logistic; corpora weigh
    the same, and real tunes as much as all fakes."""
    xs, ys, ws = [], [], []
    typical = np.mean([np.nanmean(t["real"], axis=0) for t in tables], axis=0)
    for t in tables:
        for kind in ("real", *FITTED_ON):
            x = np.nan_to_num(np.where(np.isnan(t[kind]), 0, t[kind] - typical))
            xs.append(x)
            ys.append(np.full(len(x), float(kind == "real")))
            ws.append(np.full(len(x), (1 if kind == "real" else 1 / len(FITTED_ON)) / len(x)))
    x, y, w = np.vstack(xs), np.concatenate(ys), np.concatenate(ws)
    w /= w.sum()
    scale = x.std(axis=0) + 1e-9
    x = x / scale
    beta, bias, rate = np.zeros(x.shape[1]), 0.0, 0.5
    for _ in range(1500):
        error = w * (1 / (1 + np.exp(-(x @ beta + bias))) - y)
        beta = np.maximum(0, beta - rate * (x.T @ error + penalty / len(y) * beta))
        bias -= rate * error.sum()
    return beta / scale, typical, float(bias)


def combine(x: Floats, weights: Floats, typical: Floats) -> Floats:
    combined: Floats = np.where(np.isnan(x), 0, x - typical) @ weights
    return combined


def auc(real: Floats, fake: Floats) -> float:
    values = np.concatenate((real, fake))
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    n, m = len(real), len(fake)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def interval(real: Floats, fake: Floats) -> tuple[float, float]:
    """95 %, from 400 resamplings of tunes; a tune and its fake stay together."""
    rng = np.random.default_rng(1)
    picks = rng.integers(0, len(real), (400, len(real)))
    low, high = np.quantile([auc(real[i], fake[i]) for i in picks], [0.025, 0.975])
    return float(low), float(high)


def show(name: str, t: dict[str, Floats], weights: Floats, typical: Floats) -> None:
    bare = weights * [n not in ("in_scale", "bars_filled") for n in RULES]
    for label, these in ((name, weights), (f"{name}, no bar and scale rules", bare)):
        cells = []
        for kind in FAKES:
            a, b = (combine(t[k], these, typical) for k in ("real", kind))
            low, high = interval(a, b)
            cells.append(f"{auc(a, b):.3f} [{low:.3f}, {high:.3f}]")
        print(f"| {label} | {len(t['real'])} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("fit", "measure"))
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--most", type=int, default=500, help="tunes of each corpus")
    args = parser.parse_args()
    side = "train" if args.what == "fit" else None
    tables = {f.name: table(f, args.most, side) for f in args.folders}
    print(f"| corpus | tunes | {' | '.join(FAKES)} |\n|{'---|' * (2 + len(FAKES))}")
    if args.what == "measure":
        from tunesmith.evaluation.rules_score import TYPICAL, WEIGHTS

        for name, t in tables.items():
            show(name, t, np.array([WEIGHTS[r] for r in RULES]),
                 np.array([TYPICAL[r] for r in RULES]))  # fmt: skip
        return
    for name, t in tables.items():
        weights, typical, _ = fit([u for other, u in tables.items() if other != name] or [t])
        show(f"{name} from the others", t, weights, typical)
    weights, typical, bias = fit(list(tables.values()))
    print("\nAUC of each rule alone, mean of the corpora:")
    for i, rule in enumerate(RULES):
        cells = []
        for kind in FAKES:
            each = [auc(*(np.where(np.isnan(t[k][:, i]), typical[i], t[k][:, i])
                          for k in ("real", kind))) for t in tables.values()]  # fmt: skip
            cells.append(f"{np.mean(each):.3f}")
        print(f"  {rule:22} {'  '.join(cells)}")
    print(f"\nCONSTANT = {bias:.2f}\nWEIGHTS = {{")
    for rule, weight in zip(RULES, weights, strict=True):
        print(f'    "{rule}": {weight:.2f},')
    print("}\nTYPICAL = {")
    for rule, mean in zip(RULES, typical, strict=True):
        print(f'    "{rule}": {mean:.3f},')
    print("}")


if __name__ == "__main__":
    main()
