"""The verbs on real tunes: what vary keeps, what infill gains, how long a cold start takes.

    python benchmarks/verbs.py vary CORPUS... --log LOG [--tunes 200] [--model RUN]
    python benchmarks/verbs.py infill CORPUS [--model RUN] [--tunes 400] [--beside RUN]
    python benchmarks/verbs.py times [--model RUN] [--repeat 5]

**vary** takes test tunes of each corpus in turn, varies each once for each of `--keep rhythm`,
`pitches` and `contour` at `--amount 0.3`, and compares lists of (onset, length, pitch) without any
code of the decoder. The log has a line a tune, so that a stopped run goes on.

**infill** scores the true middle of held-out tunes: four bars (fewer in tunes of fewer than eight)
after at least one, and before at least one, at borders that no note crosses. Every id of the middle
is charged, its barlines too, and the `end` that closes it. Beside it the same ids by the same model
from their left side alone, and by another model if one is given (a run that never learnt to fill
gaps); the barlines there say how many bars remain, so all know that. The
other attributes are unknown to both, but for key and metre.

**times** starts the command anew: a first melody under five constraints, and the best 8 of 64.
Processor seconds, user and system, of the process.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.api.composing import Model, load_model
from tunesmith.api.varying import vary
from tunesmith.corpus import Corpus
from tunesmith.errors import InputError, TunesmithError
from tunesmith.melody import Melody
from tunesmith.tokens.notes import fold_at
from tunesmith.tokens.table import END, PITCH_LOWEST, TIE, is_bar, is_meter

KEEPS = ("rhythm", "pitches", "contour")
AMOUNT, LOW, HIGH = 0.3, 0.15, 0.45
GAP = 4
RESAMPLES = 2000


def events(melody: Melody) -> list[tuple[int, int, int]]:
    return [(n.onset, n.duration, n.pitch) for n in melody.notes]


def signs(melody: Melody) -> list[int]:
    pitches = [n.pitch for n in melody.notes]
    return [(b > a) - (b < a) for a, b in itertools.pairwise(pitches)]


def compared(before: Melody, after: Melody, keep: str) -> dict[str, Any]:
    """Whether what was to be kept is identical, and how much changed."""
    a, b = events(before), events(after)
    kept = {
        "rhythm": [e[:2] for e in a] == [e[:2] for e in b],
        "pitches": [e[2] for e in a] == [e[2] for e in b],
        "contour": signs(before) == signs(after),
    }[keep]
    gone = sum((Counter(a) - Counter(b)).values())
    return {"kept": kept, "share": gone / len(a), "notes": len(a), "equal": a == b}


def in_turn(corpora: list[Path]) -> Iterator[tuple[str, Melody]]:
    sides = [[(p.name, m) for m in Corpus.open(p).melodies("test")] for p in corpora]
    for row in itertools.zip_longest(*sides):
        yield from (one for one in row if one)


def run_vary(corpora: list[Path], model: Model, log: Path, tunes: int) -> None:
    done = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    with log.open("a") as out:
        for number, (name, melody) in enumerate(in_turn(corpora)):
            if number < len(done):
                continue
            if sum("refused" not in d for d in done) >= tunes:
                break
            row: dict[str, Any] = {"corpus": name, "origin": melody.origin}
            for keep in KEEPS:
                begin = resource.getrusage(resource.RUSAGE_SELF).ru_utime
                try:
                    (tune,) = vary(model, melody, keep, amount=AMOUNT, seed=number)
                except TunesmithError as e:
                    row["refused"] = str(e)
                    break
                row[keep] = compared(melody, tune.melody, keep)
                spent = resource.getrusage(resource.RUSAGE_SELF).ru_utime - begin
                row[keep]["seconds"] = round(spent, 2)
            done.append(row)
            out.write(json.dumps(row) + "\n")
            out.flush()
    report_vary(done)


def report_vary(done: list[dict[str, Any]]) -> None:
    tried = [d for d in done if "refused" not in d]
    said = Counter(d["refused"].split(": ")[-1] for d in done if "refused" in d)
    print(f"{len(tried)} tunes; refused: {dict(said)}")
    for keep in KEEPS:
        rows = [d[keep] for d in tried]
        shares = [r["share"] for r in rows]
        # Of very few notes no whole number lies between 15 and 45 %.
        possible = [r for r in rows if int(HIGH * r["notes"]) >= max(1, LOW * r["notes"])]
        inside = sum(LOW <= r["share"] <= HIGH for r in possible)
        print(
            f"{keep}: kept in {sum(r['kept'] for r in rows)}, "
            f"equal to its input {sum(r['equal'] for r in rows)}, "
            f"15 to 45 % changed in {inside} of {len(possible)} (mean {np.mean(shares):.3f}), "
            f"median {np.median([r['seconds'] for r in rows]):.2f} s"
        )


def run_infill(corpus: Path, model: Model, tunes: int, beside: Model | None) -> None:
    vocabulary, network = model.vocabulary, model.network
    rng = np.random.default_rng(1)
    both, left, notes = [], [], []
    elsewhere: list[float] = []
    for melody in Corpus.open(corpus).melodies("test"):
        if len(notes) >= tunes:
            break
        try:
            ids = vocabulary.unconditional(vocabulary.encode(melody).ids)
        except InputError as e:
            print(f"left out: {e}")
            continue
        starts = np.flatnonzero(is_bar(ids))
        clean = [ids[s + 2 + is_meter(ids[s + 1])] != TIE for s in starts]
        size = min(GAP, max(1, len(starts) // 2))
        places = [a for a in range(1, len(starts) - size) if clean[a] and clean[a + size]]
        if not places or len(ids) > network.config.max_position_embeddings - 2:
            continue
        first = int(rng.choice(places))
        known, middle, _ = fold_at(ids, first, first + size)
        folded = np.concatenate([known, middle, [END]])
        one, other = network.log_probabilities([folded, ids])
        both.append(-one[len(known) - 1 :].sum() / np.log(2))
        begin = starts[first]
        span = slice(begin - 1, begin - 1 + len(middle))
        left.append(-other[span].sum() / np.log(2))
        if beside:
            (third,) = beside.network.log_probabilities([ids])
            elsewhere.append(-third[span].sum() / np.log(2))
        notes.append(int((middle >= PITCH_LOWEST).sum()))
    a = np.array(both)
    print(f"{len(notes)} tunes, {sum(notes)} notes in the middles; both sides "
          f"{a.sum() / sum(notes):.3f} bits a note")  # fmt: skip
    for name, bits in (("left side alone", left), ("the model beside it", elsewhere)):
        if bits:
            compare(name, a, np.array(bits), sum(notes))


def compare(name: str, a: NDArray[np.float64], b: NDArray[np.float64], notes: int) -> None:
    """Print how many bits fewer both sides take, with a 95 % interval over tunes."""
    rng = np.random.default_rng(1)
    draws = rng.integers(len(a), size=(RESAMPLES, len(a)))
    ratio = a[draws].sum(1) / b[draws].sum(1)
    low, high = np.percentile(ratio, [2.5, 97.5])
    print(f"{name} {b.sum() / notes:.3f}: {1 - a.sum() / b.sum():.1%} less "
          f"[{1 - high:.1%}, {1 - low:.1%}]")  # fmt: skip


FIVE = [
    "--key", "D", "--mode", "dorian", "--range", "D4:D6", "--meter", "6/8", "--bars", "8",
    "--cadence", "authentic",
]  # fmt: skip


def run_times(model: str | None, repeat: int) -> None:
    chosen = [] if model is None else ["--model", model]
    for name, flags in (
        ("one melody, five constraints and its bars", FIVE),
        ("--count 8 --from 64", [*FIVE, "--count", "8", "--from", "64"]),
    ):
        spent = []
        for seed in range(repeat):
            with tempfile.TemporaryDirectory() as folder:
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                subprocess.run(
                    [sys.executable, "-m", "tunesmith", "generate", *flags, *chosen,
                     "--seed", str(seed), "--out", folder],
                    check=True, capture_output=True,
                )  # fmt: skip
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        print(f"{name}: median {np.median(spent):.2f} s, longest {max(spent):.2f} s of processor")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("vary", "infill", "times"))
    parser.add_argument("corpora", nargs="*", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--beside", type=Path)
    parser.add_argument("--log", type=Path, default=Path("vary.jsonl"))
    parser.add_argument("--tunes", type=int, default=200)
    parser.add_argument("--repeat", type=int, default=5)
    asked = parser.parse_args()
    if asked.what == "times":
        run_times(asked.model, asked.repeat)
    elif asked.what == "vary":
        run_vary(asked.corpora, load_model(asked.model), asked.log, asked.tunes)
    else:
        beside = load_model(asked.beside) if asked.beside else None
        run_infill(asked.corpora[0], load_model(asked.model), asked.tunes, beside)


if __name__ == "__main__":
    main()
