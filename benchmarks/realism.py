"""Tables C and D: is what a model composes like real tunes, and is it its own?

    python benchmarks/realism.py RUN CORPUS --style STYLE [--count 1000] [--side validation]
        [--out FOLDER] [--seed 1] [--rivals markov2 ppm copies] [--temperature T] [--top-p P]
        [--min-p P] [--repetition R]

Samples COUNT tunes as the command `generate` makes them, the style given and nothing else (the
number of bars too is drawn by the model; silence, circles and copies are drawn again, and how many
were is told); and as many from a Markov model of order 2 and one of
order 5 (long-term PPM with contexts of so many), trained on the same training side; and as
copies as many tunes of that side as they stand, the most that learning from it can reach in C.
They are kept in OUT as JSON lines, so that an interrupted run goes on where it stopped:
tune i depends on the seed and i alone. Then it prints, for each set and each half of the
held-out tunes, every feature's overlap beside the ceiling (`tunesmith.evaluation.realism`
has the protocol), the Fréchet distance and the first write-up's three figures, as table D
the longest runs shared with training, and the classifier two-sample test.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tunesmith.api.composing import TEMPERATURE, TOP_P, generate, load_model
from tunesmith.api.unwanted import MOST_SILENCE
from tunesmith.corpus import Corpus
from tunesmith.errors import UsageError
from tunesmith.evaluation.melody_models import MelodyPPM
from tunesmith.evaluation.originality import figures, judge
from tunesmith.evaluation.originality_index import TuneIndex
from tunesmith.evaluation.ppm import Kind
from tunesmith.evaluation.realism import Realism, clusters, halves, realism
from tunesmith.evaluation.two_sample import two_sample
from tunesmith.keyfinding import with_estimates
from tunesmith.melody import Melody

CHUNK = 64
"""Tunes that are made between two writings."""

RIVALS: dict[str, tuple[Kind, int]] = {"markov2": ("ltm", 2), "ppm": ("both", 5)}
"""What the model stands beside, and how many symbols the contexts of that PPM hold."""

COPIES = "copies"
Maker = Callable[[int, int], list[Melody]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--style", required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--side", default="validation", help="test is for the final figure only")
    parser.add_argument("--out", type=Path, default=Path("realism"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--temperature", type=float, default=TEMPERATURE)
    parser.add_argument("--top-p", type=float, default=TOP_P)
    parser.add_argument("--min-p", type=float, default=0.0)
    parser.add_argument("--repetition", type=float, default=0.0)
    parser.add_argument("--rivals", nargs="*", choices=[*RIVALS, COPIES], default=[*RIVALS, COPIES])
    args = parser.parse_args()
    model, corpus = load_model(args.run), Corpus.open(args.corpus)
    training = [t.melody for t in corpus.tunes("train") if t.source == args.style]
    held = [t.melody for t in corpus.tunes(args.side) if t.source == args.style]
    if not held:
        raise SystemExit(f"no tune of the source '{args.style}' on the side '{args.side}'")
    digest = model.checkpoint.sha256[:12]
    print(f"{args.side} of {args.style}: {len(held)} tunes; trained on {len(training)}", flush=True)
    print(json.dumps({"split": corpus.manifest["split"]["sha256"], "model": digest,
                      "seed": args.seed, "commit": commit()}))  # fmt: skip

    def composed(start: int, size: int) -> list[Melody]:
        tunes = generate(
            model, count=size, seed=args.seed * 1_000_003 + start, style=args.style,
            temperature=args.temperature, top_p=args.top_p, min_p=args.min_p,
            repetition=args.repetition, most_silence=MOST_SILENCE,
        )  # fmt: skip
        print("drawn again:", tunes[0].receipt.get("redrawn", {}), flush=True)
        return [t.melody for t in tunes]

    how = f"t{args.temperature:g}-p{args.top_p:g}" + (f"-m{args.min_p:g}" if args.min_p else "")
    how += f"-r{args.repetition:g}" if args.repetition else ""
    path = args.out / f"{args.style}-model-{digest}-{how}-{args.seed}.jsonl"
    sets = {"model": sampled(path, args.count, composed)}
    for name in (r for r in args.rivals if r != COPIES):
        path = args.out / f"{args.style}-{name}-{corpus.fingerprint[:12]}-{args.seed}.jsonl"
        sets[name] = sampled(path, args.count, ppm_maker(training, *RIVALS[name], args.seed))
    if COPIES in args.rivals:
        order = np.random.default_rng(args.seed).permutation(len(training))
        sets[COPIES] = [training[i] for i in order[: args.count]]
    found = {}
    for name, melodies in sets.items():
        found[name] = realism(melodies, held)
        print(f"{name}: {len(melodies)} tunes measured", flush=True)
    print_features(found)
    print_distances(found)
    print_originality(sets, training, held)
    print_told_apart(sets, held)


def commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=Path(__file__).parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return found.stdout.strip() or "unknown"


def sampled(path: Path, count: int, make: Maker) -> list[Melody]:
    """The first `count` tunes of a file of JSON lines, made where they are not there yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():  # a line that was cut off is made again
        whole = path.read_bytes()
        path.write_bytes(whole[: whole.rfind(b"\n") + 1])
    else:
        path.touch()
    done = len(path.read_bytes().splitlines())
    while done < count:
        start = done - done % CHUNK
        made = make(start, CHUNK)[done - start :]
        with path.open("a", encoding="utf-8") as file:
            for melody in made:
                file.write(json.dumps(melody.to_dict(), separators=(",", ":")) + "\n")
        done += len(made)
        print(f"{path.name}: {done} of {count}", flush=True)
    lines = path.read_text("utf-8").splitlines()[:count]
    return [Melody.from_dict(json.loads(line)) for line in lines]


def ppm_maker(training: Sequence[Melody], kind: Kind, order: int, seed: int) -> Maker:
    """Draws from a PPM; what is no melody (a note shorter than a step) is drawn again, and told."""
    fitted: list[MelodyPPM] = []

    def one(i: int) -> Melody:
        for again in range(20):
            try:
                return fitted[0].sample(np.random.default_rng([seed, order, i, again]))
            except UsageError as e:
                print(f"  tune {i} of order {order} drawn again: {e}", flush=True)
        raise SystemExit(f"PPM of order {order} gives no melody")

    def make(start: int, size: int) -> list[Melody]:
        if not fitted:
            known = [with_estimates(m) for m in training]
            fitted.append(MelodyPPM(kind, order, from_tonic=True).fit(known))
        return [one(i) for i in range(start, start + size)]

    return make


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print("\n| " + " | ".join(heading) + " |")
    print("|---" * len(heading) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


def print_features(found: dict[str, Realism]) -> None:
    first = next(iter(found.values()))
    print(f"\nTable C, samples of {first.size} tunes, {first.draws} draws:")
    rows = []
    for name, row in first.rows.items():
        mine = [r.rows[name] for r in found.values()]
        real = "" if math.isnan(row.reference) else f"{row.reference:.3f} ± {row.reference_sd:.3f}"
        value = "" if math.isnan(row.set) else f"{row.set:.3f} ± {row.set_sd:.3f}"
        share = f"{row.share:.3f} [{row.low:.3f}, {row.high:.3f}]"
        rows.append([name, real, value, f"{row.ceiling:.3f}", *(f"{m.overlap:.3f}" for m in mine),
                     share])  # fmt: skip
    names = list(found)
    table(["feature", "real", names[0], "ceiling", *(f"overlap {n}" for n in names),
           f"{names[0]} / ceiling"], rows)  # fmt: skip
    for name, r in found.items():
        good = sum(x.share >= 0.95 for x in r.rows.values())
        print(f"{name}: at 95 % of the ceiling or more on {good} of {len(r.rows)} features")


def print_distances(found: dict[str, Realism]) -> None:
    first = next(iter(found.values()))
    kl, error, grams = first.halves
    rows = [["two halves of the real", f"{first.frechet_floor:.3f}", f"{kl:.4f}", f"{error:.4f}",
             f"{grams:.3f}"]]  # fmt: skip
    rows += [
        [n, f"{r.frechet:.3f}", f"{r.pitch_kl:.4f}", f"{r.transition_error:.4f}",
         f"{r.four_gram_overlap:.3f}"]
        for n, r in found.items()
    ]  # fmt: skip
    table(["set", "Fréchet distance", "KL of pitch classes, bits", "transition error",
           "4-gram overlap"], rows)  # fmt: skip


def print_told_apart(sets: dict[str, list[Melody]], held: Sequence[Melody]) -> None:
    first, second = halves(clusters(held), len(held) // 2, np.random.default_rng(0))
    pairs: list[tuple[str, Sequence[Melody], Sequence[Melody]]] = [
        ("real against real", [held[i] for i in first], [held[i] for i in second])
    ]
    pairs += [(f"{name} against real", held, melodies) for name, melodies in sets.items()]
    rows = []
    for name, a, b in pairs:
        t = two_sample(a, b)
        rows.append([name, str(t.tunes[0]), str(t), f"{t.logistic:.3f}", f"{t.boosting:.3f}"])
        print(f"{name}: {t}", flush=True)
    table(["told apart", "tunes of each", "AUC", "logistic regression", "gradient boosting"], rows)


def print_originality(
    sets: dict[str, list[Melody]], training: Sequence[Melody], held: Sequence[Melody]
) -> None:
    """Table D: the longest runs shared with training, and the 12-grams seen there."""
    index = TuneIndex.build(((str(i), "training", m) for i, m in enumerate(training)), {})
    judged = {name: [judge(index, m) for m in tunes] for name, tunes in sets.items()}
    human = [judge(index, m) for m in held]
    apart = [o for o in human if not o.is_variant]
    rows = []
    for name, found in {
        "held-out tunes": human, "the same without variants of training tunes": apart, **judged,
    }.items():  # fmt: skip
        f = figures(found)
        rows.append(
            [name, str(f["tunes"]), f"{f['median_notes']:g}", f"{f['median']:g}", f"{f['p95']:g}",
             f"{f['median_with_lengths']:g}", f"{f['p95_with_lengths']:g}",
             f"{100 * f['share_of_12_grams_seen']:.1f} %"]
        )  # fmt: skip
    print("\nTable D, longest run of notes shared with a training tune (not length-matched):")
    table(["set", "tunes", "median notes", "median run", "95th percentile",
           "with lengths, median", "95th percentile", "12-grams seen"], rows)  # fmt: skip


if __name__ == "__main__":
    main()
