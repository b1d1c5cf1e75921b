"""How often are the estimated metre and pickup right, and is the confidence what it says?

    python benchmarks/meters.py [--fit]

On the traditional tunes (`folk`) and the Essen songs (`essen`) inside the music21
package, metre hidden: the tables of `tunesmith.meterfinding` are fitted on half of them
(`--fit` prints them) and measured on the other; halves are those of `keys.py`. Of every
half 1,200 tunes are drawn. Tunes that change metre or have one that is not among
`METERS` are left out and counted. 2/4, 4/4 and 2/2 are largely a choice of notation,
so that their confusions are counted apart. Intervals are 95 %, by bootstrap.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
from collections import Counter
from pathlib import Path

import numpy as np
from keys import deciles, is_test, share

from tunesmith.formats import scan
from tunesmith.melody import Melody
from tunesmith.meterfinding import (
    METERS,
    estimate_meter,
    meter_features,
    pickups,
    value_shares,
)

CORPORA = {"folk": ("oneills1850", "airdsAirs", "ryansMammoth"), "essen": ("essenFolksong",)}
DRAWN = 1200
RIDGE = 0.3
DUPLE = {"2/4", "4/4", "2/2"}


def tunes(name: str, test: bool) -> tuple[list[Melody], int]:
    """Tunes drawn of one half, and how many of the corpus were left out."""
    spec = importlib.util.find_spec("music21")
    if spec is None or spec.origin is None:
        raise SystemExit("music21 is not installed, whose corpus this measures on")
    root = Path(spec.origin).parent / "corpus"
    paths = [p for folder in CORPORA[name] for p in sorted((root / folder).rglob("*.abc"))]
    melodies = [r.melody for p in paths for r in scan(p) if r.melody]
    fit = [m for m in melodies if len(m.meters) == 1 and m.meters[0] in METERS]
    random.Random(0).shuffle(fit)
    return [m for m in fit if is_test(m) == test][:DRAWN], len(melodies) - len(fit)


def design(melodies: list[Melody]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of every candidate of every tune (rows), where tunes start, and the true rows."""
    rows: list[list[float]] = []
    starts, truth = [], []
    for melody in melodies:
        starts.append(len(rows))
        values = [1.0, *value_shares(melody.notes)]
        for i, meter in enumerate(METERS):
            habits = [0.0] * (len(METERS) * len(values))
            habits[i * len(values) : (i + 1) * len(values)] = values
            for pickup in pickups(melody.notes, meter):
                if (meter, pickup) == (melody.meters[0], melody.pickup):
                    truth.append(len(rows))
                rows.append(meter_features(melody.notes, meter, pickup) + habits)
        if len(truth) < len(starts):  # no note on the first downbeat: not to be learned from
            del rows[starts.pop() :]
    return np.array(rows, np.float32), np.array(starts), np.array(truth)


def fit(x: np.ndarray, starts: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The weights of a conditional logit, by Newton's method with halved steps."""
    tune = np.repeat(np.arange(len(starts)), np.diff([*starts, len(x)]))
    w = np.zeros(x.shape[1])

    def chances(w: np.ndarray) -> np.ndarray:
        z = x @ w
        p = np.exp(z - np.maximum.reduceat(z, starts)[tune])
        return p / np.add.reduceat(p, starts)[tune]

    def loss(w: np.ndarray) -> float:
        return float(-np.log(chances(w)[truth] + 1e-30).sum() + RIDGE / 2 * w @ w)

    now = loss(w)
    while True:
        p = chances(w)[:, None].astype(np.float32)
        mean = np.add.reduceat(x * p, starts)
        gradient = (mean - x[truth]).sum(0) + RIDGE * w
        spread = x * np.sqrt(p)
        hessian = (spread.T @ spread).astype(float) - mean.T @ mean + RIDGE * np.eye(len(w))
        step = np.linalg.solve(hessian, gradient)
        while loss(w - step) > now and np.abs(step).max() > 1e-6:
            step /= 2
        w = w - step
        before, now = now, loss(w)
        if before - now < 1e-2:
            return w


def print_tables(melodies: list[Melody]) -> None:
    w = fit(*design(melodies))
    habits = len(METERS) * (len(value_shares(melodies[0].notes)) + 1)

    def row(values: np.ndarray) -> str:
        return "(" + ", ".join(f"{v + 0.0:.1f}" for v in values) + ")"

    print(f"FIT = {row(w[:-habits])}\nHABITS = {{")
    for meter, values in zip(METERS, w[-habits:].reshape(len(METERS), -1), strict=True):
        print(f'    "{meter}": {row(values)},')
    print("}")


def report(name: str) -> None:
    melodies, left_out = tunes(name, test=True)
    truth = [str(m.meters[0]) for m in melodies]
    estimates = [estimate_meter(m.notes) for m in melodies]
    found = [str(e.meter) for e in estimates]
    pairs = list(zip(truth, found, strict=True))
    print(f"\n{name}: {len(melodies)} tunes of the half not fitted on; {left_out} left out")
    common = Counter(truth).most_common(1)[0][0]
    print(f"  always {common:31}{share(t == common for t in truth)}")
    print(f"  {'metre':38}{share(t == f for t, f in pairs)}")
    duple = {*DUPLE}
    right = [t == f or {t, f} <= duple for t, f in pairs]
    print(f"  {'metre, but 2/4, 4/4, 2/2 as one':38}{share(right)}")
    both = [
        t == f and m.pickup == e.pickup
        for (t, f), m, e in zip(pairs, melodies, estimates, strict=True)
    ]
    print(f"  {'metre and pickup':38}{share(both)}")
    one = [b for b, (t, f) in zip(both, pairs, strict=True) if t == f]
    print(f"  {'pickup, where the metre is right':38}{share(one)}")
    wrong = Counter(p for p in pairs if p[0] != p[1])
    among = sum(n for p, n in wrong.items() if set(p) <= duple)
    print(f"  errors: {sum(wrong.values())}, {among} of them among 2/4, 4/4 and 2/2")
    print("   ", ", ".join(f"{t} as {f}: {n}" for (t, f), n in wrong.most_common(12)))
    deciles("metre", [e.confidence for e in estimates], [t == f for t, f in pairs])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--fit", action="store_true", help="fit the tables anew and print them")
    if parser.parse_args().fit:
        melodies = [m for name in CORPORA for m in tunes(name, test=False)[0]]
        print(f"fitted on {len(melodies)} tunes")
        print_tables(melodies)
        return
    for name in CORPORA:
        report(name)


if __name__ == "__main__":
    main()
