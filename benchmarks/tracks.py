"""How well the melody is found among tracks without names, and played notes on the beat.

    python benchmarks/tracks.py lieder --data FOLDER [--songs 200]
    python benchmarks/tracks.py fit --data FOLDER
    python benchmarks/tracks.py played --data FOLDER [--every 5]

`lieder`: songs of the OpenScore Lieder Corpus with one sung part are written as MIDI
files, each staff a track, names and programmes left out, order shuffled; the same as one
track with channels, and with the piano's staves in one track. Which part is sung is known by
its lyrics. `fit` fits the weights of `tunesmith.formats.tracks` on other songs.
`played`: tunes with jitter, drift and a wrong tempo; the share of onsets and lengths that
come back exactly.
"""

from __future__ import annotations

import argparse
import collections
import math
import os
import random
import re
import xml.etree.ElementTree as ET
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from tunesmith import formats
from tunesmith.errors import InputError
from tunesmith.formats import midi, tracks
from tunesmith.formats.musicxml_open import open_score
from tunesmith.melody import Melody

Sounds = list[tuple[int, int, int]]
Staff = tuple[str, bool, Sounds]
STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
RESOLUTION = 480
SEED = 3
FIT_FROM = 430
"""Files before this place in the order are never fitted on; songs after the 200th of them
served to choose the threshold."""
DECAY = 5e-4


def staves_of(path: Path) -> list[Staff]:
    """(part, whether it is sung, notes) of each staff of a score; repeats are not played out."""
    score = open_score(path.read_bytes(), collections.Counter())
    found = []
    for part in score.findall("part"):
        lyrics = len(part.findall("measure/note/lyric"))
        for sounds in _staves(part):
            found.append((part.get("id", ""), lyrics, sounds))
    most = max((lyrics for _, lyrics, _ in found), default=0)
    return [(i, 2 * lyrics >= most > 0, sounds) for i, lyrics, sounds in found]


def _staves(part: ET.Element) -> list[Sounds]:
    staves: dict[str, Sounds] = collections.defaultdict(list)
    tied: dict[tuple[str, int], int] = {}
    divisions, bar, shift = Fraction(1), Fraction(0), 0
    for measure in part.findall("measure"):
        at = onset = end = Fraction(0)
        for e in measure:
            divisions = Fraction(e.findtext("divisions", str(divisions)))
            if e.find("transpose/chromatic") is not None:
                shift = int(e.findtext("transpose/chromatic", "0"))
                shift += 12 * int(e.findtext("transpose/octave-change", "0"))
            length = Fraction(e.findtext("duration", "0")) / divisions
            if e.tag in ("backup", "forward"):
                at += length if e.tag == "forward" else -length
            if e.tag == "note" and e.find("grace") is None:
                if e.find("chord") is None:
                    onset, at = at, at + length
                if e.find("pitch") is not None and e.find("cue") is None and length:
                    pitch = STEPS[e.findtext("pitch/step", "C")] + 12 + shift
                    pitch += 12 * int(e.findtext("pitch/octave", "4"))
                    pitch += round(float(e.findtext("pitch/alter", "0")))
                    staff = e.findtext("staff", "1")
                    a, b = (round((bar + t) * RESOLUTION) for t in (onset, onset + length))
                    kinds = {t.get("type") for t in e.findall("tie")}
                    before = tied.pop((staff, pitch), None) if "stop" in kinds else None
                    if before is None:
                        before = len(staves[staff])
                        staves[staff].append((a, b, pitch))
                    staves[staff][before] = (staves[staff][before][0], b, pitch)
                    if "start" in kinds:
                        tied[staff, pitch] = before
            end = max(end, at, onset + length if e.tag == "note" else at)
        bar += end
    return [sorted(s) for s in staves.values() if s]


def midi_bytes(parts: list[Sounds], kind: int = 1, tempo: float | None = None) -> bytes:
    """Parts as the tracks of a MIDI file, or for kind 0 as the channels of its only one."""
    if kind == 0:
        channels = [c for c in range(16) if c != 9]
        bodies = [[(t, m, c) for c, p in zip(channels, parts, strict=False) for t, m in _events(p)]]
    else:
        bodies = [[(t, m, 0) for t, m in _events(p)] for p in parts]
    data = b"MThd" + (6).to_bytes(4, "big") + bytes((0, kind, 0, len(bodies)))
    data += RESOLUTION.to_bytes(2, "big")
    for events in bodies:
        body, now = bytearray(), 0
        if tempo:
            body += b"\0\xff\x51\x03" + round(60_000_000 / tempo).to_bytes(3, "big")
        for tick, (order, pitch), channel in sorted(events):
            body += _number(tick - now) + bytes((0x80 + 0x10 * order + channel, pitch, 80 * order))
            now = tick
        body += b"\0\xff\x2f\0"
        data += b"MTrk" + len(body).to_bytes(4, "big") + bytes(body)
    return data


def _events(sounds: Sounds) -> list[tuple[int, tuple[int, int]]]:
    return [(t, (on, p)) for a, b, p in sounds for t, on in ((a, 1), (b, 0))]


def _number(value: int) -> bytes:
    digits = [value & 0x7F]
    while value := value >> 7:
        digits.append(value & 0x7F | 0x80)
    return bytes(reversed(digits))


def songs(data: Path, wanted: int, skip: int, counts: collections.Counter[str]):
    """(name, staves) of songs with one sung staff and others, in a fixed random order."""
    files = sorted((data / "openscore-lieder").rglob("*.mxl"))
    random.Random(SEED).shuffle(files)
    for path in files[skip:]:
        if wanted == 0:
            return
        try:
            staves = staves_of(path)
        except InputError:
            counts["not opened"] += 1
            continue
        sung = sum(s[1] for s in staves)
        if sung != 1 or len(staves) < 2:
            counts["without just one sung staff and others"] += 1
            continue
        wanted -= 1
        yield path.stem, staves


def arrangements(staves: list[Staff]) -> dict[str, tuple[list[Sounds], int]]:
    """The tracks and the place of the sung one, by how the song is laid out in a file."""
    sung = [is_sung for _, is_sung, _ in staves].index(True)
    parts: dict[str, Sounds] = collections.defaultdict(list)
    for part, _, sounds in staves:
        parts[part] += sounds
    thin = [s if i == sung else _top(s) for i, (_, _, s) in enumerate(staves)]
    return {
        "a track a staff": ([s for _, _, s in staves], sung),
        "a track a part": ([sorted(s) for s in parts.values()], list(parts).index(staves[sung][0])),
        "all monophonic": (thin, sung),
    }


def _top(sounds: Sounds) -> Sounds:
    """The highest note at each onset, cut at the next: a hand that is monophonic."""
    line = tracks.top_line(sounds)
    ends = [*(b[0] for b in line[1:]), line[-1][1]]
    return [(a, min(b, end), p) for (a, b, p), end in zip(line, ends, strict=True)]


def lieder(args: argparse.Namespace) -> None:
    counts: collections.Counter[str] = collections.Counter()
    picks: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    rng = random.Random(SEED)
    for name, staves in songs(args.data, args.songs, 0, counts):
        for how, (parts, sung) in arrangements(staves).items():
            order = list(range(len(parts)))
            rng.shuffle(order)
            shuffled = [parts[i] for i in order]
            verdict = judged(midi_bytes(shuffled), parts[sung], order.index(sung) + 1)
            picks[how][verdict] += 1
            if how == "a track a staff":
                one = judged(midi_bytes(shuffled, kind=0), parts[sung], order.index(sung) + 1)
                picks["a channel a staff"][one] += 1
            if args.verbose and verdict != "right":
                print(f"{how}: {verdict}: {name}")
    print(f"{args.songs} songs; passed over: {dict(counts)}")
    for how, verdicts in picks.items():
        print(f"{how:20}", {v: verdicts[v] for v in ("right", "wrong", "refused")})


def judged(data: bytes, truth: Sounds, number: int) -> str:
    """'right' if auto took that track and the pitches read are its own, else how not."""
    (reading,) = midi.scan(data, "song.mid")
    if reading.melody is None:
        return "refused"
    (detail,) = reading.details
    if not re.match(rf"of \d+ tracks taken: {number} ", detail):
        return "wrong"
    assert set(reading.melody.pitches) <= {p for _, _, p in truth}
    return "right"


def fit(args: argparse.Namespace) -> None:
    import numpy as np

    rows, truths = [], []
    for _, staves in songs(args.data, 10_000, FIT_FROM, collections.Counter()):
        for sounds, sung in arrangements(staves).values():
            parts = [tracks.Part(i, "", s, RESOLUTION) for i, s in enumerate(sounds, 1)]
            rows.append(np.array(tracks.features(parts)))
            truths.append(sung)
    print(len(rows), "arrangements of songs")
    weights = np.zeros(len(tracks.FEATURES))
    for _ in range(4000):
        slope = -DECAY * weights
        for x, true in zip(rows, truths, strict=True):
            p = np.exp(x @ weights - (x @ weights).max())
            slope += (x[true] - p / p.sum() @ x) / len(rows)
        weights += 2.0 * slope
    for name, weight in zip(tracks.FEATURES, weights, strict=True):
        print(f"{name:16}{weight:8.2f}")
    print("WEIGHTS =", tuple(float(round(w, 1)) for w in weights))
    right = [int((x @ weights).argmax()) == t for x, t in zip(rows, truths, strict=True)]
    print(f"likeliest right {sum(right)} of {len(right)}")


CASES = {  # jitter in seconds (normal), drift (a sine over 16 beats), bpm played, bpm of the file
    "click, 5 ms": (0.005, 0.0, None, None),
    "click, 15 ms": (0.015, 0.0, None, None),
    "click, 30 ms": (0.03, 0.0, None, None),
    "97 in a file of 120, 5 ms": (0.005, 0.0, 97.0, 120.0),
    "97 in a file of 120, 15 ms": (0.015, 0.0, 97.0, 120.0),
    "97 in a file of 120, 30 ms": (0.03, 0.0, 97.0, 120.0),
    "the same, drift 2 %, 10 ms": (0.01, 0.02, 97.0, 120.0),
    "the same, drift 5 %, 10 ms": (0.01, 0.05, 97.0, 120.0),
}


def played(args: argparse.Namespace) -> None:
    files = sorted((args.data / "bimmuda").rglob("*.mid"))[:: args.every]
    tunes = [r.melody for f in files for r in formats.scan(f) if r.melody]
    print(f"{len(tunes)} tunes of bimmuda; means over those not refused")
    print(f"{'':28}{'onsets':>8}{'steps':>8}{'lengths':>8}{'halved':>8}{'estim.':>8}{'refused':>8}")
    for name, case in CASES.items():
        rng = random.Random(SEED)
        sums = [0.0, 0.0, 0.0]
        counts: collections.Counter[str] = collections.Counter()
        for tune in tunes:
            (reading,) = midi.scan(_recorded(tune, *case, rng), "played.mid")
            if reading.melody is None or len(reading.melody.notes) != len(tune.notes):
                counts["refused" if reading.melody is None else "notes lost"] += 1
                continue
            counts["estimated"] += "tempo and beats estimated" in reading.remarks
            shares, factor = _graded(tune, reading.melody)
            counts["halved"] += factor != 1
            sums = [x + y for x, y in zip(sums, shares, strict=True)]
        read = len(tunes) - counts["refused"] - counts["notes lost"]
        means = "".join(f"{x / max(1, read):8.3f}" for x in sums)
        print(f"{name:28}{means}{counts['halved']:8}{counts['estimated']:8}{counts['refused']:8}"
              f"{'  notes lost in ' + str(counts['notes lost']) if counts['notes lost'] else ''}",
              flush=True)  # fmt: skip


def _recorded(
    tune: Melody, jitter: float, drift: float, bpm: float | None, file_bpm: float | None,
    rng: random.Random,
) -> bytes:  # fmt: skip
    bpm = bpm or tune.tempo or 120.0
    file_bpm = file_bpm or bpm

    def seconds(tick: int) -> float:
        x = tick / RESOLUTION
        sway = drift * 16 / (2 * math.pi) * (1 - math.cos(2 * math.pi * x / 16))
        return 60 / bpm * (x + sway) + rng.gauss(0, jitter)

    unit = RESOLUTION * file_bpm / 60
    sounds = []
    for n in tune.notes:
        a = max(0, round(seconds(n.onset) * unit))
        b = round((seconds(n.end) - rng.uniform(0, 0.03)) * unit)
        sounds.append((a, max(b, a + 30), n.pitch))
    return midi_bytes([sorted(sounds)], tempo=file_bpm)


def _graded(truth: Melody, found: Melody) -> tuple[list[float], float]:
    """Shares of onsets (up to one shift of all), steps between them and lengths that are exact.

    Beats of half or double length are graded at their own rate, which is the second value.
    """
    onsets, got = ([n.onset for n in m.notes] for m in (truth, found))

    def at_rate(rate: float) -> list[float]:
        shifts = collections.Counter(g * rate - o for g, o in zip(got, onsets, strict=True))
        steps = [
            (b - a) * rate == d - c
            for (a, b), (c, d) in zip(pairwise(got), pairwise(onsets), strict=True)
        ]
        lengths = [
            g.duration * rate == n.duration for g, n in zip(found.notes, truth.notes, strict=True)
        ]
        exact = shifts.most_common(1)[0][1]
        return [exact / len(onsets), sum(steps) / len(steps), sum(lengths) / len(lengths)]

    return max(((at_rate(r), r) for r in (1.0, 2.0, 0.5)), key=lambda x: x[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("lieder", "fit", "played"))
    parser.add_argument("--data", type=Path, default=os.environ.get("TUNESMITH_DATA"))
    parser.add_argument("--songs", type=int, default=200)
    parser.add_argument("--every", type=int, default=5, help="of the tunes to play")
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    if not args.data:
        parser.error("give --data FOLDER or set TUNESMITH_DATA")
    {"lieder": lieder, "fit": fit, "played": played}[args.what](args)


if __name__ == "__main__":
    main()
