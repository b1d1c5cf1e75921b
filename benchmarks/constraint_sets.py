"""Random sets of constraints, half of them taken from a real tune that satisfies them.

Every even set is derived: a tune of a corpus, or some bars of one, is measured, and the flags are
what it satisfies (the checker says so). The odd ones are drawn: three in five with a value drawn
for each flag, the others derived sets of which one or two values are changed. Set i depends on the
seed, i and the corpora alone. A set is a dict: `id`, `kind`, `asked`, and perhaps `primer` (a
melody as data); one with a primer always has a scale, since `continue` would add the primer's.

    python benchmarks/constraint_sets.py CORPUS... --count 10000 --seed 6 --out sets.jsonl
"""

from __future__ import annotations

import argparse
import json
import random
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import constraint_flags as flags
from constraint_checker import always, broken, contour_of
from constraint_drawn import CHORD_KINDS, NAMES, drawn
from constraint_heard import WHOLE, Heard

from tunesmith.corpus import Corpus

LONGEST_BARS = 32
PER_CORPUS = 1500
Random = random.Random


def pool(folders: list[str]) -> list[Heard]:
    """Tunes of the corpora that have what every generated melody has, of up to 32 bars."""
    found = []
    for folder in folders:
        some = []
        for tune in Corpus.open(folder).tunes():
            m = tune.melody
            if len(m.bars) > LONGEST_BARS:
                continue
            heard = Heard(
                tuple((n.onset, n.duration, n.pitch) for n in m.notes),
                tuple((x.tick, x.numerator, x.denominator) for x in m.meters),
                m.pickup, m.duration,
            )  # fmt: skip
            if all(holds for _, holds in always(heard, {})):
                some.append(heard)
        random.Random(1).shuffle(some)
        found += some[:PER_CORPUS]
    return found


def excerpt(heard: Heard, rng: Random, longest: int) -> Heard | None:
    """Some whole bars of a tune, without what sounds into them or out of them."""
    count = rng.randint(1, min(longest, len(heard.bars)))
    first = rng.randint(0, len(heard.bars) - count)
    start, end = heard.bars[first].start, heard.bars[first + count - 1].end
    notes = tuple((o - start, n, p) for o, n, p in heard.notes if start <= o and o + n <= end)
    part = Heard(notes, heard.meters[:1], 0, end - start)
    return part if all(holds for _, holds in always(part, {})) else None


def spelled(pitch: int, rng: Random) -> str:
    return rng.choice(NAMES[pitch % 12])


def spelled_pitch(pitch: int, rng: Random) -> str:
    name = spelled(pitch, rng)
    octave = (pitch - flags.LETTERS[name[0]] - name.count("#") + name.count("b", 1)) // 12 - 1
    return f"{name}{octave}"


def length(ticks: int) -> str:
    share = Fraction(ticks, WHOLE)
    return f"{share.numerator}/{share.denominator}"


def _keys(heard: Heard, rng: Random) -> dict[str, str]:
    """Key, mode, scale and chromatic tones that hold; in one of the combinations there are."""
    used = {p % 12 for p in heard.pitches}
    way = rng.choice(["both", "key", "mode", "scale", "allow", "scale and key"])
    fits = [(t, m) for t in range(12) for m in flags.MODES
            if used <= {(t + s) % 12 for s in flags.MODES[m]}]  # fmt: skip
    if way in ("both", "key", "mode") and fits:
        tonic, mode = rng.choice(fits)
        asked = {"key": spelled(tonic, rng), "mode": mode}
        return asked if way == "both" else {way: asked[way]}
    more = rng.sample(range(12), rng.randint(0, 2))
    tones = sorted(used | set(more))
    rng.shuffle(tones)
    extra = tones[: rng.randint(0, len(tones) - 1)] if way == "allow" else []
    asked = {"scale": " ".join(spelled(t, rng) for t in tones if t not in extra)}
    if extra:
        asked["allow_chromatic"] = " ".join(spelled(t, rng) for t in extra)
    if way == "scale and key":
        asked["key"] = spelled(rng.randrange(12), rng)
    return asked


def _shape(heard: Heard, rng: Random) -> dict[str, str]:
    first = heard.bars[0]
    wanted = {
        "meter": f"{first.numerator}/{first.denominator}",
        "bars": str(len(heard.bars)),
        "pickup": rng.choice(["yes", length(heard.pickup)]) if heard.pickup else "no",
    }
    some = rng.choice([["meter"], ["bars"], ["pickup"], ["meter", "bars"], [*wanted]])
    return {name: wanted[name] for name in some}


def _limits(heard: Heard, rng: Random) -> dict[str, str]:
    pitches = heard.pitches
    counts = [sum(b.start <= n[0] < b.end for n in heard.notes) for b in heard.bars]
    silent = Fraction(sum(b - a for a, b in heard.rests()), heard.duration)
    low = silent - Fraction(rng.randint(0, 10), 100)
    high = silent + Fraction(rng.randint(0, 10), 100)
    if rng.random() < 0.5:  # as percents, rounded outwards
        share = f"{max(0, int(low * 100))}%:{min(100, int(high * 100) + 1)}%"
    else:
        share = f"{max(0, int(low * 1000)) / 1000}:{min(1000, int(high * 1000) + 1) / 1000}"
    leap = max((abs(b - a) for a, b in pairwise(pitches)), default=0)
    lowest, highest = min(pitches) - rng.randint(0, 2), max(pitches) + rng.randint(0, 2)
    wanted = {
        "range": f"{spelled_pitch(lowest, rng)}:{spelled_pitch(highest, rng)}",
        "max_leap": str(leap + rng.randint(0, 2)),
        "max_repeat": str(flags.longest_run(pitches) + rng.randint(0, 1)),
        "notes_per_bar": f"{max(0, min(counts) - rng.randint(0, 1))}:"
        f"{max(counts) + rng.randint(0, 2)}",
        "rest_share": share,
    }
    return {n: wanted[n] for n in rng.sample(sorted(wanted), rng.choice([1, 1, 2, 3]))}


def _values(heard: Heard, rng: Random) -> dict[str, str]:
    values = {n for _, n, _ in heard.notes}
    for start, end in heard.rests_cut():
        if "note_values" in broken(heard, {"note_values": ",".join(map(length, values))}):
            values.add(end - start)
    if rng.random() < 0.3:
        values.add(rng.choice([120, 240, 480, 960]))
    text = [length(v) for v in values]
    rng.shuffle(text)
    return {"note_values": ",".join(text)}


def _ends(heard: Heard, rng: Random, asked: dict) -> dict[str, str]:
    """Start and end, as a degree if there are degrees, a class or a pitch."""
    found = {}
    some = flags.degrees(asked)
    for name, pitch in (("start", heard.pitches[0]), ("end", heard.pitches[-1])):
        numbers = [str(d) for d, tones in some.items() if pitch % 12 in tones and d <= 7]
        ways = [spelled(pitch, rng), spelled_pitch(pitch, rng), *numbers]
        found[name] = rng.choice(numbers or ways) if rng.random() < 0.6 else rng.choice(ways)
    return found if rng.random() < 0.5 else dict([rng.choice(list(found.items()))])


def _cadence(heard: Heard, rng: Random, asked: dict) -> dict[str, str]:
    """A cadence; where there are no degrees, with a key on which it can be spoken of."""
    more = dict(asked)
    if not flags.degrees(asked):
        more["key"] = spelled(heard.pitches[-1], rng)
        if "key" in broken(heard, more):
            return {}
    kinds = [k for k in ("authentic", "half", "open") if "cadence" not in
             broken(heard, more | {"cadence": k})]  # fmt: skip
    return {n: v for n, v in more.items() if n not in asked} | (
        {"cadence": rng.choice(kinds)} if kinds else {}
    )


def _chords(heard: Heard, rng: Random) -> dict[str, str]:
    entries = []
    for bar in heard.bars:
        middle = (bar.start + bar.end) // 2
        split = rng.random() < 0.3
        spans = [(bar.start, middle), (middle, bar.end)] if split else [(bar.start, bar.end)]
        words = []
        for first, last in spans:
            tones = {p % 12 for o, _, p in heard.notes if first <= o < last and heard.strong(o)}
            fits = [spelled(root, rng) + kind for kind in CHORD_KINDS for root in range(12)
                    if tones <= {(root + t) % 12 for t in flags.chord("C" + kind)}]  # fmt: skip
            words.append(rng.choice(fits) if fits and rng.random() < 0.95 else "N.C.")
        entries.append(" ".join(words))
    return {"chords": " | ".join(entries)}


def _rhythm(heard: Heard, rng: Random) -> dict:
    if rng.random() < 0.6:
        return {"rhythm_from": heard.as_data()}
    events = [(o, length(n)) for o, n, _ in heard.notes if o >= heard.pickup]
    events += [(max(a, heard.pickup), "r" + length(b - max(a, heard.pickup)))
               for a, b in heard.rests() if b > heard.pickup]  # fmt: skip
    words = [word for _, word in sorted(events)]
    for size in range(1, len(words) + 1):
        row = {"rhythm": " ".join(words[:size])}
        if any(w[0] != "r" for w in words[:size]) and not broken(heard, row):
            return row
    return {}


def _contour(heard: Heard, rng: Random) -> dict:
    firsts = [[p for o, _, p in heard.notes if b.start <= o < b.end][:1] for b in heard.bars]
    line = [p for some in firsts for p in some]
    kinds = [kind for kind in ("up", "down", "arch") if contour_of(line, kind)]
    if kinds and rng.random() < 0.7:
        return {"contour": rng.choice(kinds)}
    return {"contour": heard.as_data()}


def _form(heard: Heard, rng: Random) -> dict[str, str]:
    """A form of two to four sections: first the likely ones, letters as the tune has them."""
    texts = ["AABA", "AA'BA", "ABAB", "ABAB'", "AABB", "AABC", "ABAC", "AA'", "AB", "AA", "ABA",
             "ABCB", "ABCD", "AAB", "ABB", "ABC", "AA'A", "AABA'",
             "ABA'C", "AA'BB'", "A"]  # fmt: skip
    fits = [text for text in texts if not broken(heard, {"form": text})]
    return {"form": rng.choice(fits[:2])} if fits else {}


def _kept(heard: Heard, rng: Random) -> dict:
    numbers = list(range(0 if heard.pickup else 1, len(heard.bars) + 1))
    some = sorted(rng.sample(numbers, rng.randint(1, max(1, len(numbers) - 1))))
    return {"kept": {"melody": heard.as_data(), "bars": some}}


def derived(tunes: list[Heard], rng: Random) -> dict:
    """A set that a real tune satisfies, the tune beside it."""
    while True:
        tune = rng.choice(tunes)
        if rng.random() < 0.4:
            tune = excerpt(tune, rng, 8)
        if tune is None:
            continue
        primer, new, cut = None, tune, 0
        if rng.random() < 0.12 and len(tune.bars) > 2:
            cut = rng.choice(tune.bars[1:-1]).start
            primer, new = until(tune, cut), tune.from_tick(cut)
            if (
                not new.notes
                or not primer.notes
                or new.duration % (new.bars[0].end - new.bars[0].start)
            ):
                continue
        asked = _derive(new, rng, whole=primer is None)
        if primer:
            asked |= {"bars": str(len(new.bars))}
        if asked and not broken(tune, asked, cut):
            found = {"kind": "derived", "asked": asked, "witness": tune.as_data()}
            return found | ({"primer": primer.as_data()} if primer else {})


def until(heard: Heard, cut: int) -> Heard:
    """The bars before a barline; a note over it is cut."""
    notes = tuple((o, min(n, cut - o), p) for o, n, p in heard.notes if o < cut)
    meters = tuple(m for m in heard.meters if m[0] < cut)
    return Heard(notes, meters, heard.pickup, cut)


def _derive(heard: Heard, rng: Random, whole: bool) -> dict:
    makers = ["keys", "shape", "limits", "values", "ends", "cadence", "chords", "rhythm",
              "contour", "form", "kept", "pitches"]  # fmt: skip
    if not whole:  # what takes a whole file speaks of its pickup and bars
        makers = [m for m in makers if m not in ("kept", "rhythm", "pitches")]
    size = rng.choice([1, 1, 1, 2, 2, 3, 3, 4, 5, 6])
    chosen = sorted(rng.sample(makers, min(size, len(makers))), key=makers.index)
    if "kept" in chosen and "rhythm" in chosen and rng.random() < 0.5:
        chosen.remove("kept")
    asked: dict = {}
    plain = {"keys": _keys, "shape": _shape, "limits": _limits, "values": _values,
             "chords": _chords, "rhythm": _rhythm, "contour": _contour, "form": _form,
             "kept": _kept}  # fmt: skip
    for name in chosen:
        if name == "ends":
            asked |= _ends(heard, rng, asked)
        elif name == "cadence":
            asked |= _cadence(heard, rng, asked)
        elif name == "pitches":
            asked |= {"pitches_from": heard.as_data()}
        else:
            asked |= plain[name](heard, rng)
    if not whole:
        asked.pop("pickup", None)
        asked.pop("pitches_from", None)
        if not {"key", "mode", "scale"} & set(asked):
            asked |= _keys(heard, rng)
    return asked


def make(tunes: list[Heard], seed: int, number: int) -> dict:
    """Set `number` of the run with this seed."""
    rng = random.Random(seed * 1_000_003 + number)
    found = derived(tunes, rng) if number % 2 == 0 else drawn(tunes, rng, derived, excerpt)
    return {"id": number} | found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus", nargs="+")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    tunes = pool(asked.corpus)
    print(f"{len(tunes)} tunes")
    with asked.out.open("w") as file:
        for number in range(asked.count):
            file.write(json.dumps(make(tunes, asked.seed, number)) + "\n")


if __name__ == "__main__":
    main()
