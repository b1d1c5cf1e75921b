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
from realism import CHUNK, commit, print_distances, table

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
    rows = []
    for name, values in SETS.items():
        asked = Constraints(**values)
        path = args.out / f"{args.style}-{digest}-{args.seed}-{list(SETS).index(name)}"
        kept = drawn(model, asked, args, path.with_suffix(".kept.jsonl"))
        plain = Constraints(**{n: values[n] for n in ("key", "mode", "bars", "meter")})
        # The mode is told to both; which notes it allows is a constraint of the first alone.
        pool = drawn(model, None, args, path.with_suffix(".pool.jsonl"), asked, plain)
        taken = [m for m in pool if all(c.held for c in check(m, asked))]
        thrown = [m for m in pool if not all(c.held for c in check(m, asked))]
        accepted = len(taken) / len(pool)
        print(f"{name}: {accepted:.1%} of {len(pool)} accepted", flush=True)
        bits = [str(bits_of(model, s)) for s in (kept, taken, thrown)]
        told = str(two_sample(kept, taken[: len(kept)])) if len(taken) > 50 else "too few accepted"
        rows.append(
            [name, f"{accepted:.1%}", f"{len(kept)}, {len(taken[: len(kept)])}", told, *bits]
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


def drawn(
    model: Model,
    asked: Constraints | None,
    args: argparse.Namespace,
    path: Path,
    accept: Constraints | None = None,
    told: Constraints | None = None,
) -> list[Melody]:
    """Tunes of a file, made where they are not there yet: COUNT, or until COUNT keep `accept`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.read_bytes() if path.exists() else b""
    lines = whole[: whole.rfind(b"\n") + 1].splitlines()
    made = [Melody.from_dict(json.loads(line)) for line in lines]

    def missing() -> int:
        if accept is None:
            return args.count - len(made)
        good = sum(all(c.held for c in check(m, accept)) for m in made)
        return (args.count - good) * (len(made) < MOST * args.count)

    while missing() > 0:
        seed = args.seed * 1_000_003 + len(made)
        if asked:
            tunes = [t.melody for t in generate(
                model, asked, count=CHUNK, seed=seed, style=args.style)]  # fmt: skip
        else:
            assert told is not None
            tunes = conditioned(model, told, CHUNK, seed, args.style)
        made += tunes
        text = "".join(json.dumps(m.to_dict(), separators=(",", ":")) + "\n" for m in made)
        path.write_text(text, encoding="utf-8")
        print(f"{path.name}: {len(made)}", flush=True)
    return made if accept else made[: args.count]


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
