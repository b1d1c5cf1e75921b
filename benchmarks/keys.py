"""How often is the estimated key right, and is its confidence what it says?

    python benchmarks/keys.py [--data FOLDER] [--fit]

On the traditional tunes inside the music21 package (`folk`), key fields hidden: the
tables of `tunesmith.keyfinding` are fitted on one half (`--fit` prints them) and
measured on the other; halves are by a hash of the intervals, so that a tune and its
transposition are on one side. On the lead sheets of FOLDER/openewld, nearly all
marked major whatever they are, the signature only. Beside them stand the profiles of
the literature and, for signatures, always the commonest. Intervals are 95 %, by
bootstrap over the tunes. Signatures are compared as pitch classes: Gb is F#.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from tunesmith.formats import scan
from tunesmith.keyfinding import KEY_MODES, estimate_key, key_evidence
from tunesmith.melody import Key, Melody

FOLK = ("oneills1850", "airdsAirs", "ryansMammoth")
CUTS = (8,)  # the tables are also fitted on so many first bars, to serve short tunes
RIDGE = 0.2  # a tune's weight: for each tune with its cuts, this much of |w|²/2 in all

# Major and minor profiles, from the tonic up.
PROFILES = {
    "Krumhansl-Kessler (1982)": (
        (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
        (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
    ),
    "Temperley (2001)": (
        (5.0, 2.0, 3.5, 2.0, 4.5, 4.0, 2.0, 4.5, 2.0, 3.5, 1.5, 4.0),
        (5.0, 2.0, 3.5, 4.5, 2.0, 4.0, 2.0, 4.5, 3.5, 2.0, 1.5, 4.0),
    ),
    "Aarden-Essen (2003)": (
        (17.7661, 0.145624, 14.9265, 0.160186, 19.8049, 11.3587,
         0.291248, 22.062, 0.145624, 8.15494, 0.232998, 4.95122),
        (18.2648, 0.737619, 14.0499, 16.8599, 0.702494, 14.4362,
         0.702494, 18.6161, 4.56621, 1.93186, 7.37619, 1.75623),
    ),
}  # fmt: skip

MINOR_THIRD = {m: Key("C", m).sharps < -1 for m in KEY_MODES}


def major_tonic(tonic: int, mode: str) -> int:
    """The tonic, 0 to 11, of the major key with that key's signature."""
    return (tonic + Key("C", mode).sharps * 7) % 12


def folk() -> list[Melody]:
    spec = importlib.util.find_spec("music21")
    if spec is None or spec.origin is None:
        raise SystemExit("music21 is not installed, whose corpus this measures on")
    root = Path(spec.origin).parent / "corpus"
    paths = [p for name in FOLK for p in sorted((root / name).rglob("*.abc"))]
    return keyed(paths)


def keyed(paths: Iterable[Path]) -> list[Melody]:
    melodies = [r.melody for p in paths for r in scan(p)]
    return [m for m in melodies if m and m.key and m.key.mode in KEY_MODES]


def is_test(melody: Melody) -> bool:
    return bool(hashlib.sha256(repr(melody.intervals).encode()).digest()[0] & 1)


def first_bars(melody: Melody, count: int) -> Melody:
    bars = min(count + melody.bars[0].is_pickup, len(melody.bars))
    return melody.slice_bars(0, bars - 1)


# -- fitting -------------------------------------------------------------------


def design(melodies: list[Melody]) -> np.ndarray:
    """What each table entry is multiplied with, (tune, 12 tonics × 6 modes, 78 entries)."""
    evidence = [key_evidence(m) for m in melodies]
    shares = np.array([e.shares for e in evidence])
    ends = np.eye(12)[[[e.last, e.first, e.downbeat] for e in evidence]]  # (N, 3, 12)
    x = np.zeros((len(melodies), 72, 78), np.float32)
    for tonic in range(12):
        for i, mode in enumerate(KEY_MODES):
            row = x[:, tonic * 6 + i]
            row[:, :12] = np.roll(shares, -major_tonic(tonic, mode), 1)
            family = 12 + 12 * MINOR_THIRD[mode]
            row[:, family : family + 12] = np.roll(shares, -tonic, 1)
            row[:, 36:72] = np.roll(ends, -tonic, 2).reshape(-1, 36)
            row[:, 72 + i] = 1
    return x


def fit(x: np.ndarray, y: np.ndarray, ridge: float) -> np.ndarray:
    """The weights of a conditional logit, by Newton's method with halved steps."""
    rows, w = np.arange(len(y)), np.zeros(x.shape[2])

    def loss(w: np.ndarray) -> float:
        z = x @ w
        z -= z.max(1, keepdims=True)
        return float((np.log(np.exp(z).sum(1)) - z[rows, y]).sum() + ridge / 2 * w @ w)

    now = loss(w)
    while True:
        z = x @ w
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        mean = np.einsum("nc,ncp->np", p, x, optimize=True)
        gradient = (mean - x[rows, y]).sum(0) + ridge * w
        spread = (x * np.sqrt(p)[:, :, None].astype(np.float32)).reshape(-1, x.shape[2])
        hessian = (spread.T @ spread).astype(float) - mean.T @ mean + ridge * np.eye(len(w))
        step = np.linalg.solve(hessian, gradient)
        while loss(w - step) > now and np.abs(step).max() > 1e-6:
            step /= 2
        w = w - step
        before, now = now, loss(w)
        if before - now < 1e-3:
            return w


def print_tables(training: list[Melody]) -> None:
    cut = [m for count in (10**6, *CUTS) for m in (first_bars(m, count) for m in training)]
    y = [m.key.pitch_class * 6 + KEY_MODES.index(m.key.mode) for m in training if m.key]
    w = fit(design(cut), np.array(y * (1 + len(CUTS))), RIDGE * (1 + len(CUTS)))

    def row(values: np.ndarray, centred: bool = True) -> str:
        values = values - values.mean() if centred else values
        return "(" + ", ".join(f"{v + 0.0:.1f}" for v in values) + ")"

    print(f"SIGNATURE_SHARES = {row(w[:12], False)}")
    print(f'TONIC_SHARES = {{\n    "major": {row(w[12:24], False)},')
    print(f'    "minor": {row(w[24:36], False)},\n}}')
    for i, name in enumerate(("LAST", "FIRST", "DOWNBEAT")):
        print(f"{name} = {row(w[36 + 12 * i : 48 + 12 * i])}")
    modes = w[72:] - w[72]
    print(
        "MODE = {"
        + ", ".join(f'"{m}": {v:.1f}' for m, v in zip(KEY_MODES, modes, strict=True))
        + "}"
    )


# -- measuring -----------------------------------------------------------------


def by_profile(melody: Melody, profiles: tuple[tuple[float, ...], ...]) -> tuple[int, str]:
    """The key whose profile correlates best with the durations (Krumhansl, 1990, ch. 4)."""
    ticks = np.zeros(12)
    for note in melody.notes:
        ticks[note.pitch % 12] += note.duration
    if np.ptp(ticks) == 0:
        return 0, "major"
    scores = {
        (tonic, mode): np.corrcoef(np.roll(ticks, -tonic), profile)[0, 1]
        for mode, profile in zip(("major", "minor"), profiles, strict=True)
        for tonic in range(12)
    }
    return max(scores, key=scores.__getitem__)


def share(hits: Iterable[bool]) -> str:
    """A share of the tunes in percent with its interval."""
    hit = np.array(list(hits), float)
    draws = np.random.default_rng(1).integers(0, len(hit), (1000, len(hit)))
    low, high = np.percentile(hit[draws].mean(1), [2.5, 97.5])
    return f"{hit.mean():6.1%} [{low:.1%}, {high:.1%}]"


def confusion(truth: tuple[int, str], guess: tuple[int, str]) -> str:
    """What kind of error a key is."""
    if truth == guess:
        return "right"
    if truth[0] == guess[0]:
        other = MINOR_THIRD[truth[1]] != MINOR_THIRD[guess[1]]
        return "parallel (same tonic, other third)" if other else "same tonic and third, other mode"
    if major_tonic(*truth) == major_tonic(*guess):
        pair = {truth[1], guess[1]} == {"major", "minor"}
        return "relative major or minor" if pair else "same signature, other modes"
    return "other tonic and signature"


def report_folk(name: str, melodies: list[Melody]) -> None:
    truth = [(m.key.pitch_class, m.key.mode) for m in melodies if m.key]
    signatures = [major_tonic(*t) for t in truth]
    print(f"\n{name}: {len(melodies)} tunes, {dict(Counter(m for _, m in truth))}")
    print(f"{'':28}{'signature':24}{'tonic and mode':24}")
    for title, profiles in PROFILES.items():
        keys = [by_profile(m, profiles) for m in melodies]
        line(title, signatures, [major_tonic(*k) for k in keys], truth, keys)
    estimates = [estimate_key(m) for m in melodies]
    keys = [(e.key.pitch_class, e.key.mode) for e in estimates]
    found = [e.sharps * 7 % 12 for e in estimates]
    line("tunesmith", signatures, found, truth, keys)
    kinds = Counter(confusion(t, k) for t, k in zip(truth, keys, strict=True))
    for kind, count in kinds.most_common():
        print(f"    {kind:40}{count:5} {count / len(truth):6.1%}")
    for mode in KEY_MODES:
        mine = [t == k for t, k in zip(truth, keys, strict=True) if t[1] == mode]
        if mine:
            print(f"    {mode:12}{len(mine):5} tunes, tonic and mode right in {share(mine)}")
    print("  confidence by deciles (mean confidence, share right):")
    right = [t == k for t, k in zip(truth, keys, strict=True)]
    deciles("tonic and mode", [e.confidence for e in estimates], right)
    signed = [a == b for a, b in zip(signatures, found, strict=True)]
    deciles("signature", [e.signature_confidence for e in estimates], signed)
    believed = [r for r, e in zip(right, estimates, strict=True) if e.confidence >= 0.5]
    print(f"  with confidence 0.5 or more: {len(believed)}, of them right {share(believed)}")


def line(
    title: str, signatures: list[int], found: list[int],
    truth: list[tuple[int, str]], keys: list[tuple[int, str]],
) -> None:  # fmt: skip
    a = share(x == y for x, y in zip(signatures, found, strict=True))
    b = share(x == y for x, y in zip(truth, keys, strict=True))
    print(f"  {title:26}{a:24}{b:24}", flush=True)


def deciles(title: str, confidence: list[float], right: list[bool]) -> None:
    order = np.argsort(confidence)
    c, r = np.array(confidence)[order], np.array(right, float)[order]
    groups = list(zip(np.array_split(c, 10), np.array_split(r, 10), strict=True))
    print(f"    {title:16}" + "  ".join(f"{a.mean():.2f} {b.mean():.2f}" for a, b in groups))
    error = sum(abs(a.mean() - b.mean()) * len(a) for a, b in groups) / len(c)
    print(f"    {'':16}mean gap between the two (expected calibration error): {error:.3f}")


def report_openewld(folder: Path) -> None:
    melodies = keyed(sorted(folder.rglob("*.mxl")))
    truth = [major_tonic(m.key.pitch_class, m.key.mode) for m in melodies if m.key]
    marked = sum(m.key.mode == "major" for m in melodies if m.key)
    print(f"\nopenewld: {len(melodies)} songs, {marked} marked major; signature only")
    estimates = [estimate_key(m) for m in melodies]
    guesses: dict[str, Callable[[int], int]] = {
        "always C": lambda i: 0,
        "last note, always major": lambda i: melodies[i].notes[-1].pitch % 12,
    }
    for title, profiles in PROFILES.items():
        keys = [by_profile(m, profiles) for m in melodies]
        guesses[title] = lambda i, keys=keys: major_tonic(*keys[i])
        majors = [by_profile(m, (profiles[0], profiles[0])) for m in melodies]
        guesses[title + ", always major"] = lambda i, keys=majors: keys[i][0]
    guesses["tunesmith"] = lambda i: estimates[i].sharps * 7 % 12
    for title, guess in guesses.items():
        print(f"  {title:42}{share(guess(i) == t for i, t in enumerate(truth))}")
    right = [e.sharps * 7 % 12 == t for e, t in zip(estimates, truth, strict=True)]
    deciles("signature", [e.signature_confidence for e in estimates], right)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("TUNESMITH_DATA"))
    parser.add_argument("--fit", action="store_true", help="fit the tables anew and print them")
    args = parser.parse_args()
    melodies = folk()
    training = [m for m in melodies if not is_test(m)]
    test = [m for m in melodies if is_test(m)]
    if args.fit:
        print(f"fitted on {len(training)} tunes")
        print_tables(training)
        return
    report_folk("folk, the half not fitted on", test)
    report_folk("the same, first 8 bars only", [first_bars(m, 8) for m in test])
    if args.data:
        report_openewld(Path(args.data) / "openewld")
    else:
        print("openewld: not measured, for want of --data")


if __name__ == "__main__":
    main()
