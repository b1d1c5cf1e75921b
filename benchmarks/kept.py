"""What is kept of many beside what is drawn plainly: tables C and D for `--count 8 --from 64`.

    python benchmarks/kept.py CORPUS --style STYLE [--count 1000] [--from 64] [--keep 8]
        [--rank real] [--max-copy N] [--side validation] [--model RUN] [--out FOLDER] [--seed 1]

Draws --from tunes, keeps the best --keep that differ (as `generate --count --from` does), and
goes on with other seeds until COUNT are kept; chunk k depends on the seed and k alone, and is
appended to a file in OUT when it is done, so that an interrupted run goes on where it stopped,
and another --rank or --max-copy is tried on the same draws. Of these draws the first --keep of
each chunk, chosen by nobody, are the plain sample: equally many, and what is kept differs from
it by the choice alone.

Then it prints, by the functions of `realism.py`, table C (each feature's overlap with the
held-out tunes for both, and the difference of the shares of the ceiling in points), table D,
the Fréchet distance, the mean rule score of both with a 95 % bootstrap interval over chunks, and
how many were too near to one kept before or refused.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from realism import commit, print_distances, print_originality, print_told_apart, table

from tunesmith.api.composing import generate, load_model
from tunesmith.api.model import Model
from tunesmith.api.unwanted import comes_last
from tunesmith.corpus import Corpus
from tunesmith.evaluation import ranking
from tunesmith.evaluation.originality import usual_run
from tunesmith.evaluation.realism import FEWEST, Realism, realism
from tunesmith.evaluation.rules_score import rule_figures
from tunesmith.evaluation.variety import APART, Distances
from tunesmith.melody import Melody

LOST = 3.0
"""Points that no feature of table C may lose."""


def main() -> None:
    """Draw what is not there yet, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--style", required=True)
    parser.add_argument("--model", type=Path, help="a run; the package's model if not given")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--from", dest="drawn", type=int, default=64)
    parser.add_argument("--keep", type=int, default=8)
    parser.add_argument("--rank", choices=ranking.RANKS, default=ranking.RANKS[0])
    parser.add_argument("--max-copy", type=int)
    parser.add_argument("--side", default="validation", help="test is for the final figure only")
    parser.add_argument("--out", type=Path, default=Path("kept"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--told-apart", action="store_true", help="the classifier too; slow")
    args = parser.parse_args()
    model, corpus = load_model(args.model), Corpus.open(args.corpus)
    training = [t.melody for t in corpus.tunes("train") if t.source == args.style]
    held = [t.melody for t in corpus.tunes(args.side) if t.source == args.style]
    if not held:
        raise SystemExit(f"no tune of the source '{args.style}' on the side '{args.side}'")
    digest = model.checkpoint.sha256[:12]
    about = {"split": corpus.manifest["split"]["sha256"], "model": digest, "seed": args.seed}
    print(json.dumps({**about, "held out": len(held), "commit": commit()}))
    path = args.out / f"{args.style}-{digest}-{args.drawn}-{args.seed}.jsonl"
    chunks = drawn(model, path, -(-args.count // args.keep), args.drawn, args.style, args.seed)
    kept: list[list[Melody]] = []
    plain: list[list[Melody]] = []
    for chunk in chunks:
        kept.append(choose(model, chunk, args.keep, args.rank, args.max_copy, args.style))
        plain.append([Melody.from_dict(t["melody"]) for t in chunk[: args.keep]])
    sets = {name: [m for c in s for m in c][: args.count] for name, s in
            (("kept", kept), ("plain", plain))}  # fmt: skip
    print_scores(kept, plain)
    if min(map(len, sets.values())) < FEWEST:
        raise SystemExit(f"tables C and D need {FEWEST} tunes")
    found = {name: realism(melodies, held) for name, melodies in sets.items()}
    print_lost(found["kept"], found["plain"])
    print_distances(found)
    print_originality(sets, training, held)
    if args.told_apart:
        print_told_apart(sets, held)


def drawn(
    model: Model, path: Path, count: int, size: int, style: str, seed: int
) -> list[list[dict[str, Any]]]:
    """The first chunks of a file, a line each, made where they are not there yet.

    Each tune of a chunk is its melody, rules, bits a note and longest shared run.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.read_bytes() if path.exists() else b""
    path.write_bytes(whole[: whole.rfind(b"\n") + 1])  # a line that was cut off is made again
    done = len(path.read_bytes().splitlines())
    for k in range(done, count):
        tunes = generate(model, count=size, seed=seed * 1_000_003 + k, style=style)
        chunk = [
            {
                "melody": t.melody.to_dict(),
                "rules": t.receipt["rules"],
                "bits_per_note": t.receipt["bits_per_note"],
                "longest_run": (t.receipt["originality"] or {}).get("longest_run"),
            }
            for t in tunes
        ]
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(chunk, separators=(",", ":")) + "\n")
        print(f"{path.name}: {k + 1} of {count} chunks", flush=True)
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line, _ in zip(file, range(count), strict=False)]


def choose(
    model: Model,
    chunk: Sequence[dict[str, Any]],
    keep: int,
    rank: str,
    max_copy: int | None,
    style: str,
) -> list[Melody]:
    """What `generate --count KEEP --from …` keeps of a chunk."""
    melodies = [Melody.from_dict(t["melody"]) for t in chunk]
    candidates = [
        ranking.Candidate(t["rules"], t["bits_per_note"], t["longest_run"],
                          sparse=comes_last(m))
        for t, m in zip(chunk, melodies, strict=True)
    ]  # fmt: skip
    choice = ranking.choose_best(
        candidates, keep, rank=rank, most_copied=max_copy,
        typical_bits=(model.checkpoint.provenance.get("scores") or {}).get("bits_per_note"),
        usual_run=usual_run(model.index, style) if model.index else None,
        distances=Distances(melodies).to, apart=APART,
    )  # fmt: skip
    if choice.shortfall or choice.too_near or choice.refused:
        print(f"  too near {choice.too_near}, refused {dict(choice.refused)} {choice.shortfall}")
    return [melodies[i] for i in choice.kept]


def print_scores(kept: Sequence[Sequence[Melody]], plain: Sequence[Sequence[Melody]]) -> None:
    """The mean combined rule score of both."""
    rows = []
    for name, chunks in (("kept", kept), ("plain", plain)):
        means = np.array(
            [np.mean([rule_figures(m)["combined"] or 0.0 for m in chunk]) for chunk in chunks]
        )
        chance = np.random.default_rng(0).integers(0, len(means), (2000, len(means)))
        low, high = np.percentile(means[chance].mean(axis=1), [2.5, 97.5])
        size = sum(map(len, chunks))
        rows.append([name, str(size), f"{means.mean():.3f} [{low:.3f}, {high:.3f}]"])
    table(["set", "tunes", "mean rule score"], rows)


def print_lost(kept: Realism, plain: Realism) -> None:
    """Table C: the shares of the ceiling that both reach."""
    print(f"\nTable C, samples of {kept.size} tunes, {kept.draws} draws, % of the ceiling:")
    rows, lost = [], []
    for name, mine in kept.rows.items():
        other = plain.rows[name]
        points = 100 * (mine.share - other.share)
        if points < -LOST:
            lost.append(name)
        means = ["", "", ""]
        if not np.isnan(mine.reference):
            means = [f"{x:.3f}" for x in (mine.reference, other.set, mine.set)]
        shares = [
            f"{100 * r.share:.1f} [{100 * r.low:.1f}, {100 * r.high:.1f}]" for r in (other, mine)
        ]
        rows.append([name, *means, *shares, f"{points:+.1f}"])
    table(["feature", "real", "plain", "kept", "plain, %", "kept, %", "points"], rows)
    print(f"lose more than {LOST:g} points: {', '.join(lost) or 'none'}")


if __name__ == "__main__":
    main()
