"""Originality: is the index right, how quick is it, and what is usual for tunes by people?

    python benchmarks/originality.py right CORPUS [CORPUS …] [--count 500]
    python benchmarks/originality.py quick CORPUS [CORPUS …] [--sizes 4000 100000]
    python benchmarks/originality.py human CORPUS [CORPUS …]

`right` plants copies of 8 to 32 notes of random training tunes of the first corpus, transposed,
half of them in another rhythm, into held-out tunes and between random notes; and takes
held-out tunes of all as they are. The longest run and all its sources, by intervals and with
lengths, are compared with a search that shares nothing with the index: each tune is a text of
one character a step, and runs are looked for with `in`.

`quick` times whole judgements, processor seconds, of 100 held-out tunes against so many
training tunes: those of the corpora, and then alterations of them (transposed, 30 to 60 % of
the notes moved by a step or two). Memory is what the process holds more than before it opened
the index.

`human` prints the figures of held-out tunes against their own training side, and those of a
split by lot, tune by tune, in which near-duplicates stand on both sides.
"""

from __future__ import annotations

import argparse
import random
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tunesmith.corpus import Corpus
from tunesmith.evaluation.originality import VARIANT, figures, judge
from tunesmith.evaluation.originality_index import TuneIndex
from tunesmith.melody import TICKS_PER_QUARTER, Melody, Note

QUERIES = 100


class Plain:
    """The slow way: texts, and `in`."""

    def __init__(self, tunes: Sequence[Melody], *, with_lengths: bool) -> None:
        self.with_lengths = with_lengths
        self.texts = [self.text(m) for m in tunes]
        self.all = "\0".join(self.texts)

    def text(self, melody: Melody) -> str:
        letters = []
        for a, b in zip(melody.notes, melody.notes[1:], strict=False):
            code = 200 + b.pitch - a.pitch
            if self.with_lengths:
                steps = min(255, int((b.onset - a.onset) * 24 / TICKS_PER_QUARTER + 0.5))
                code = 1000 + 256 * code + steps
                code += 0x2000 * (code >= 0xD800)  # no halves of characters
            letters.append(chr(code))
        return "".join(letters)

    def longest(self, melody: Melody) -> tuple[int, set[int]]:
        """The longest run in notes, and the tunes that have one so long."""
        text, best, runs = self.text(melody), 0, set[str]()
        for i in range(len(text)):
            while i + best < len(text) and text[i : i + best + 1] in self.all:
                best, runs = best + 1, set()
            if best and i + best <= len(text) and text[i : i + best] in self.all:
                runs.add(text[i : i + best])
        return best + 1, {k for k, t in enumerate(self.texts) if any(run in t for run in runs)}


def melody_of(pitches: Sequence[int], gaps: Sequence[int]) -> Melody:
    """Notes one after another; the last gap is the last note's length."""
    onsets = np.cumsum([0, *gaps])
    return Melody(
        tuple(Note(int(o), int(g), p) for p, o, g in zip(pitches, onsets, gaps, strict=False))
    )


def parts(melody: Melody) -> tuple[list[int], list[int]]:
    """Pitches, and the distances from onset to onset with the last length after them."""
    onsets = [n.onset for n in melody.notes]
    return list(melody.pitches), [*np.diff(onsets).tolist(), melody.notes[-1].duration]


def planted(
    chance: random.Random, training: Sequence[Melody], held: Sequence[Melody]
) -> tuple[Melody, int, int, bool]:
    """A melody with a copy in it; the source, the notes copied, whether its rhythm was kept."""
    length = chance.randint(8, 32)
    number = chance.choice([i for i, m in enumerate(training) if len(m.notes) > length])
    pitches, gaps = parts(training[number])
    at = chance.randrange(len(pitches) - length)
    pitches, gaps = pitches[at : at + length], gaps[at : at + length]
    kept = chance.random() < 0.5
    if not kept:
        gaps = [chance.choice((120, 160, 240, 480, 720)) for _ in gaps]
    if chance.random() < 0.5:
        around, times = parts(chance.choice(held))
    else:
        around = [chance.randint(55, 84) for _ in range(40)]
        times = [chance.choice((120, 240, 480)) for _ in around]
    cut = chance.randrange(len(around))
    shift = chance.randint(max(-12, -min(pitches)), min(12, 127 - max(pitches)))
    whole = [*around[:cut], *(p + shift for p in pitches), *around[cut:]]
    return melody_of(whole, [*times[:cut], *gaps, *times[cut:]]), number, length, kept


def right(corpora: Sequence[Corpus], count: int) -> None:
    chance = random.Random(0)
    for corpus in corpora:
        training = list(corpus.melodies("train"))
        held = [m for side in ("validation", "test") for m in corpus.melodies(side)]
        index = TuneIndex.build(((str(i), "", m) for i, m in enumerate(training)), {"licences": {}})
        plain = [Plain(training, with_lengths=lengths) for lengths in (False, True)]
        first = corpus is corpora[0]
        cases: list[tuple[Melody, int, int, bool]] = []
        if first:
            cases = [planted(chance, training, held) for _ in range(count)]
        chosen = chance.sample(held, min(count, len(held)))
        for name, queries in (("planted copies", cases), ("held-out tunes", chosen)):
            equal = equal_timed = at_least = named = attained = 0
            for query in queries:
                melody = query if isinstance(query, Melody) else query[0]
                found = judge(index, melody)
                mine = [
                    (run.notes, {s.number for s in run.sources})
                    for run in (found.longest_run, found.longest_run_with_lengths)
                ]
                theirs = [p.longest(melody) for p in plain]
                equal += mine[0] == theirs[0]
                equal_timed += mine[1] == theirs[1]
                if not isinstance(query, Melody):
                    _, source, length, kept = query
                    at_least += mine[0][0] >= length and (not kept or mine[1][0] >= length)
                    if mine[0][0] == length:
                        attained += 1
                        named += source in mine[0][1]
            if queries:
                print(
                    f"{corpus.folder.name}, {len(queries)} {name} against {len(training)} tunes: "
                    f"equal in {equal}, with lengths in {equal_timed}"
                    + (f"; as long as planted in {at_least}; the planted source is among the "
                       f"answers in {named} of {attained} in which the run is no longer than it"
                       if first and name.startswith("planted") else ""),
                    flush=True,
                )  # fmt: skip


def altered(tunes: Sequence[Melody], count: int) -> Iterator[tuple[str, str, Melody]]:
    """The tunes, then alterations of them, up to `count`."""
    chance = random.Random(1)
    for i in range(count):
        melody = tunes[i % len(tunes)]
        if i >= len(tunes):
            pitches, gaps = parts(melody)
            share, shift = chance.uniform(0.3, 0.6), chance.randint(-5, 5)
            pitches = [
                min(110, max(15, p + shift + (chance.random() < share) * chance.randint(-2, 2)))
                for p in pitches
            ]
            melody = melody_of(pitches, gaps)
        yield str(i), "altered", melody


def held_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return next(int(x.split()[1]) for x in status.splitlines() if x.startswith("VmRSS")) / 1024


def quick(corpora: Sequence[Corpus], sizes: Sequence[int]) -> None:
    training = [m for c in corpora for m in c.melodies("train")]
    held = [m for c in corpora for m in c.melodies("test")]
    random.Random(0).shuffle(training)
    queries = random.Random(0).sample(held, QUERIES)
    print(
        "| tunes | notes | MB | built in s | query ms, median | 95th percentile | most | MB held |"
    )
    print("|--:|--:|--:|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            path = Path(folder) / "index"
            start = time.process_time()
            index = TuneIndex.build(altered(training, size), {"licences": {}})
            index.save(path)
            built, notes = time.process_time() - start, sum(index.header["notes"])
            del index
            before = held_mb()
            index = TuneIndex.open(path)
            spent = []
            for query in queries:
                start = time.process_time()
                judge(index, query)
                spent.append(1000 * (time.process_time() - start))
            median, high = np.percentile(spent, [50, 95])
            print(
                f"| {len(index):,} | {notes:,} | {path.stat().st_size / 1e6:.1f} | {built:.1f} "
                f"| {median:.1f} | {high:.1f} | {max(spent):.1f} | {held_mb() - before:.0f} |",
                flush=True,
            )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"the process, building among it, held at most {peak:.0f} MB")


def human(corpora: Sequence[Corpus]) -> None:
    print("| corpus | split | tunes | notes, median | run, median | 95th percentile "
          "| with lengths | 95th | 12-grams seen | variants |")  # fmt: skip
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for corpus in corpora:
        tunes = [(t.side, t.melody) for t in corpus.tunes()]
        by_lot = random.Random(0).sample(range(len(tunes)), len(tunes) // 10)
        lot = set(by_lot)
        for name, held in (
            ("by cluster", {i for i, (side, _) in enumerate(tunes) if side != "train"}),
            ("by lot", lot),
        ):
            training = [(str(i), "", m) for i, (_, m) in enumerate(tunes) if i not in held]
            index = TuneIndex.build(training, {"licences": {}})
            chosen = random.Random(0).sample(sorted(held), min(500, len(held)))
            judged = [judge(index, tunes[i][1]) for i in chosen]
            own = [o for o in judged if not o.nearest_share >= VARIANT]
            for kind, found in (("", judged), (" without variants", own)):
                f = figures(found)
                print(
                    f"| {corpus.folder.name} | {name}{kind} | {f['tunes']} "
                    f"| {f['median_notes']:.0f} "
                    f"| {f['median']:.0f} | {f['p95']:.0f} | {f['median_with_lengths']:.0f} "
                    f"| {f['p95_with_lengths']:.0f} | {100 * f['share_of_12_grams_seen']:.1f} % "
                    f"| {len(judged) - len(own)} |",
                    flush=True,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("right", "quick", "human"))
    parser.add_argument("corpora", type=Path, nargs="+")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--sizes", type=int, nargs="+", default=[4000, 100_000])
    chosen = parser.parse_args()
    corpora = [Corpus.open(folder) for folder in chosen.corpora]
    if chosen.what == "right":
        right(corpora, chosen.count)
    elif chosen.what == "quick":
        quick(corpora, chosen.sizes)
    else:
        human(corpora)


if __name__ == "__main__":
    main()
