"""Precision and recall of the near-duplicate rule on 200 pairs judged by reading.

    python benchmarks/duplicates.py

The pairs are in `duplicate_pairs.tsv`: tunes of O'Neill, Aird, Ryan and Essen as the
music21 package holds them, by file and place in the file. They were drawn from 893,638
pairs that share a title, 3 runs of 5 intervals or 2 runs of 5 beats, stratified over
a score that is none of the rules here (alignment of whole tunes over the shorter one's
length) and over the two collections, with pairs of equal title and low score apart.

Labels were given in one pass, by one reader, from both tunes side by side in one key,
without score or verdict: `same`, `variant` (another setting, also in another metre or
mode), `strain` (one whole strain in common, about half the tune), `related` (less than
that), `different`. The first three count as near-duplicates: a model that has seen
one would have seen about half or more of the shorter tune. `doubtful` marks labels
that another reader might give otherwise.

Odd pairs chose the thresholds (with the clusters of the whole collections: none may be
a chain), even pairs report; that runs are followed by an alignment, rather than
another kind of rule, was decided with figures of both halves seen.

Strata were drawn unequally, so the figures say how the rule does on hard pairs;
`by weight` gives each pair the number of pairs that it stands for, where the strata
of low score, with few draws, weigh most.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from math import sqrt
from pathlib import Path

import numpy as np

from tunesmith import formats
from tunesmith.corpus.duplicates import Groups, Sketch, Sketches, are_near, content_key, sketch
from tunesmith.melody import Melody

PAIRS = Path(__file__).parent / "duplicate_pairs.tsv"
NEAR = ("same", "variant", "strain")
FOLDERS = ("oneills1850", "airdsAirs", "ryansMammoth", "essenFolksong")

Row = dict[str, str]


def wilson(hits: int, total: int) -> str:
    """A share with its 95 % interval (Wilson, JASA 1927)."""
    if not total:
        return "–"
    z, p = 1.96, hits / total
    middle = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z * sqrt(p * (1 - p) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return f"{p:.3f} [{middle - half:.3f}, {middle + half:.3f}] ({hits}/{total})"


def runs_only(a: Melody, b: Melody) -> bool:
    """The rule before alignment: 6 + S / 4 runs of 8 intervals shared."""
    line = np.zeros(1, dtype=np.uint8)  # of one note: no alignment reaches its threshold
    first, second = (Sketch(s.hashes, s.runs, line) for s in (sketch(a), sketch(b)))
    return are_near(first, second)


def by_beats(a: Melody, b: Melody) -> bool:
    """On-beat skeleton: 4 + 0.04 S runs of 5 intervals between pitches on the beat."""
    first, second = _beat_runs(a), _beat_runs(b)
    return len(first & second) >= 4 + 0.04 * min(len(first), len(second))


def _beat_runs(melody: Melody) -> set[tuple[int, ...]]:
    starts = [n.onset for n in melody.notes]
    pitches = []
    for bar in melody.bars:
        for tick in range(bar.start, bar.end, bar.meter.beat_ticks):
            place = int(np.searchsorted(starts, tick, "right")) - 1
            if place >= 0:
                pitches.append(melody.notes[place].pitch)
    steps = [int(s) for s in np.mod(np.diff(pitches), 12)]
    runs = (tuple(steps[i : i + 5]) for i in range(len(steps) - 4))
    return {r for r in runs if len(set(r)) > 1}


def rule(a: Melody, b: Melody) -> bool:
    """The rule as `prepare` uses it."""
    return are_near(sketch(a), sketch(b))


RULES: dict[str, Callable[[Melody, Melody], bool]] = {
    "runs only": runs_only,
    "on-beat skeleton": by_beats,
    "runs, then alignment": rule,
}


def report(rows: Sequence[Row], tunes: dict[tuple[str, int], Melody]) -> None:
    """Print the figures of each rule, on both halves."""
    drawn = Counter(r["stratum"] for r in rows)
    print(Counter(r["label"] for r in rows), sum(r["doubtful"] == "yes" for r in rows), "doubtful")
    for name, decide in RULES.items():
        said = {r["pair"]: decide(*_both(r, tunes)) for r in rows}
        for half, remainder in (("chosen on", 1), ("reported", 0)):
            part = [r for r in rows if int(r["pair"]) % 2 == remainder]
            near = [r for r in part if r["label"] in NEAR]
            found = [r for r in part if said[r["pair"]]]
            right = [r for r in near if said[r["pair"]]]
            print(f"{name}, {half}:")
            print(f"  precision {wilson(len(right), len(found))}")
            print(f"  recall    {wilson(len(right), len(near))}")

            def weight(part: Sequence[Row]) -> float:
                return sum(int(r["in_stratum"]) / drawn[r["stratum"]] for r in part)

            print(
                f"  by weight: precision {weight(right) / weight(found):.3f}, "
                f"recall {weight(right) / weight(near):.3f}"
            )
        wrong = [r["pair"] for r in rows if said[r["pair"]] != (r["label"] in NEAR)]
        print("  wrong in both halves:", ", ".join(wrong))


def _both(row: Row, tunes: dict[tuple[str, int], Melody]) -> tuple[Melody, Melody]:
    return tunes[row["file_a"], int(row["tune_a"])], tunes[row["file_b"], int(row["tune_b"])]


def clusters(tunes: dict[tuple[str, int], Melody], shown: int) -> None:
    """Print the largest clusters of all tunes, to see whether the rule chains."""
    different = {content_key(m): m for m in tunes.values()}
    melodies = list(different.values())
    sketches, groups = Sketches(), Groups(len(melodies))
    for melody in melodies:
        sketches.add(sketch(melody))
    edges = 0
    for a, b in sketches.neighbours():
        groups.join(a, b)
        edges += 1
    members: dict[int, list[str]] = defaultdict(list)
    for i, melody in enumerate(melodies):
        members[groups.find(i)].append(melody.title)
    largest = sorted(members.values(), key=len, reverse=True)
    print(f"{len(melodies)} tunes, {edges} pairs, {len(largest)} clusters; the largest:")
    for titles in largest[:shown]:
        print(f"  {len(titles)}: {'; '.join(titles[:8])}")


def main() -> None:
    """Read the collections, print the figures and the largest clusters."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clusters", type=int, default=10, help="how many to show")
    arguments = parser.parse_args()
    spec = importlib.util.find_spec("music21")
    if spec is None or spec.origin is None:
        parser.error("the music21 package, which holds the tunes, is not installed")
    root = Path(spec.origin).parent / "corpus"
    tunes: dict[tuple[str, int], Melody] = {}
    for folder in FOLDERS:
        for path in sorted((root / folder).glob("*.abc")):
            for number, reading in enumerate(formats.scan(str(path)), 1):
                if reading.melody is not None:
                    tunes[f"{folder}/{path.name}", number] = reading.melody
    with PAIRS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    report(rows, tunes)
    clusters(tunes, arguments.clusters)


if __name__ == "__main__":
    main()
