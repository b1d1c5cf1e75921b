"""What the guarantee does to the music: constrained tunes beside rejection-sampled ones.

    python benchmarks/constraint_music.py CORPUS --style STYLE [--count 300] [--model RUN]
        [--out FOLDER] [--seed 1]

For each of a few sets of typical constraints COUNT tunes are drawn under it; and as many by plain
rejection: tunes drawn with the same conditions (key, mode, metre and bars told to the model)
and thrown away until one keeps the set, as the check of finished melodies says. Printed are the
share that rejection accepts, how well both are told apart (AUC with its 95 % interval), the
bits a note of both and of the thrown away under the model with nothing told but the key, and
table C of both against the corpus's held-out tunes. Tune i depends on the seed and i alone; what
was drawn is kept in OUT.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from realism import CHUNK, Maker, commit, print_distances, sampled, table

from tunesmith.api.composing import generate, load_model
from tunesmith.api.drawing import Drawing, sample
from tunesmith.api.model import Model
from tunesmith.corpus import Corpus
from tunesmith.decoding.constraints import Constraints, check
from tunesmith.evaluation.likelihood import bits_per_note, tune_bits
from tunesmith.evaluation.realism import realism
from tunesmith.evaluation.two_sample import two_sample
from tunesmith.melody import Melody

MOST = 20
"""Rejection is given up where fewer than one in so many is accepted."""
TOLD: dict[str, Any] = {"key": "G", "mode": "major", "bars": 16}
SETS: dict[str, dict[str, Any]] = {
    "key, metre, range": {**TOLD, "meter": "6/8", "range": "D4:B5"},
    "and leaps, notes a bar, end": {
        **TOLD, "meter": "4/4", "range": "C4:C6", "max_leap": 12, "notes_per_bar": "1:8",
        "end": "1",
    },
}  # fmt: skip


def main() -> None:
    """Draw what is not there yet, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--style", required=True)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--model", type=Path, help="a run; the package's model if not given")
    parser.add_argument("--out", type=Path, default=Path("constrained"))
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    model, corpus = load_model(args.model), Corpus.open(args.corpus)
    held = [t.melody for t in corpus.tunes("validation") if t.source == args.style]
    digest = model.checkpoint.sha256[:12]
    print(json.dumps({"model": digest, "seed": args.seed, "commit": commit()}))
    rows, seed = [], args.seed * 1_000_003
    for name, values in SETS.items():
        asked = Constraints(**values)
        path = args.out / f"{args.style}-{digest}-{args.seed}-{list(SETS).index(name)}"
        plain = Constraints(**{n: values[n] for n in ("key", "mode", "bars", "meter")})

        def constrained(start: int, size: int, asked: Constraints = asked) -> list[Melody]:
            tunes = generate(model, asked, count=size, seed=seed + start, style=args.style)
            return [t.melody for t in tunes]

        def told(start: int, size: int, plain: Constraints = plain) -> list[Melody]:
            # The mode is told to both; which notes it allows binds only the constrained.
            return conditioned(model, plain, size, seed + start, args.style)

        kept = sampled(path.with_suffix(".kept.jsonl"), args.count, constrained)
        pool = pooled(path.with_suffix(".pool.jsonl"), told, asked, args.count)
        taken = [m for m in pool if keeps(m, asked)]
        thrown = [m for m in pool if not keeps(m, asked)]
        accepted = len(taken) / len(pool)
        print(f"{name}: {accepted:.1%} of {len(pool)} accepted", flush=True)
        bits = [str(bits_of(model, s)) for s in (kept, taken, thrown)]
        enough = len(taken) > 50
        apart = str(two_sample(kept, taken[: len(kept)])) if enough else "too few accepted"
        rows.append(
            [name, f"{accepted:.1%}", f"{len(kept)}, {len(taken[: len(kept)])}", apart, *bits]
        )
        sets = {"constrained": kept, "rejection": taken}
        found = {n: realism(s, held) for n, s in sets.items()}
        print_distances(found)
        features = [
            [f, *(f"{r.rows[f].share:.3f}" for r in found.values())]
            for f in next(iter(found.values())).rows
        ]
        table([f"{name}: share of the ceiling", *found], features)
    table(["set", "rejection accepts", "tunes", "told apart, AUC", "bits a note, constrained",
           "accepted", "thrown away"], rows)  # fmt: skip


def pooled(path: Path, make: Maker, asked: Constraints, count: int) -> list[Melody]:
    """Tunes that were told the conditions, as many as it takes until COUNT of them keep `asked`."""
    size = 0
    while size < MOST * count:
        size += CHUNK
        made = sampled(path, size, make)
        if sum(keeps(m, asked) for m in made) >= count:
            break
    return made


def keeps(melody: Melody, asked: Constraints) -> bool:
    """Whether a finished melody keeps what was asked."""
    return all(c.held for c in check(melody, asked))


def conditioned(model: Model, told: Constraints, count: int, seed: int, style: str) -> list[Melody]:
    """Tunes with these conditions told to the model, and nothing kept but metre and bars."""
    grammar = model.vocabulary.grammar({**told.wishes(), "style": style})
    generators = [np.random.default_rng([seed, i]) for i in range(count)]
    found = sample(model, [grammar] * count, generators, Drawing().sampling, None)
    return [model.vocabulary.decode(one.ids) for one in found]


def bits_of(model: Model, melodies: Sequence[Melody]) -> str:
    """Unconditional bits a note with their 95 % interval; the key is charged."""
    if not melodies:
        return ""
    ids = [model.vocabulary.encode(m).ids for m in melodies]
    found = tune_bits(model.network, model.vocabulary, ids)
    figure = bits_per_note(found, [len(m.notes) for m in melodies])
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


if __name__ == "__main__":
    main()
