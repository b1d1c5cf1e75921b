"""Which predicates of docs/constraints.md a melody breaks.

Written from that page alone; shares nothing with the decoder. `asked` is a dict of flags with
underscores (`{"range": "D4:B5", "max_leap": "7"}`), values as typed on the command line, but for
`rhythm_from`, `pitches_from`, `contour` of a file (a melody as data, see `Heard.as_data`) and
`kept` ({"melody": data, "bars": [1, 3]}). `sees_primer` says that the predicates are of the whole.
"""

from __future__ import annotations

from itertools import pairwise

import constraint_flags as flags
from constraint_heard import GRID, WHOLE, Heard

MOST = {1: 4, 2: 12, 4: 16, 8: 24, 16: 32}


def broken(heard: Heard, asked: dict, new_from: int = 0) -> list[str]:
    """The names of the predicates that do not hold.

    Args:
        heard: the whole melody.
        asked: the flags.
        new_from: the barline at which new bars begin after a primer; 0 if there is none.
    """
    found = [name for name, holds in always(heard, asked) if not holds]
    new = heard.from_tick(new_from) if new_from and not asked.get("sees_primer") else heard
    if new_from and not [n for n in heard.notes if n[0] >= new_from]:
        found.append("sound")
    for name in asked:
        if name in CHECKS and not CHECKS[name](new, asked):
            found.append(name)
    return found


def always(heard: Heard, asked: dict) -> list[tuple[str, bool]]:
    """What holds for every melody."""
    follows = "rhythm_from" in asked or "kept" in asked
    times = [heard.pickup, heard.duration]
    times += [t for onset, length, _ in heard.notes for t in (onset, onset + length)]
    first = heard.meters[0]
    meters = follows or (
        len({(b.numerator, b.denominator) for b in heard.bars}) == 1
        and (first[1] <= MOST.get(first[2], 0) or (first[2] == 32 and first[1] in range(1, 32, 2)))
    )
    ends = [heard.bars[-1].end, heard.bars[-1].end - heard.pickup] if heard.bars else []
    longest = 64 if "bars" not in asked and not follows else 512
    return [
        ("grid", all(t % GRID == 0 for t in times)),
        ("compass", all(27 <= p <= 103 for p in heard.pitches)),
        ("meter", meters),
        ("bars", 1 <= len(heard.bars) <= longest),
        ("pickup", 0 <= heard.pickup < WHOLE * first[1] // first[2]),
        ("pickup", heard.duration in ends),
        ("sound", bool(heard.notes) and all(n[1] > 0 for n in heard.notes)),
        ("sound", all(a[0] + a[1] <= b[0] for a, b in pairwise(heard.notes))),
        ("sound", bool(heard.notes) and sum(heard.notes[-1][:2]) <= heard.duration),
    ]


def scale(heard: Heard, asked: dict) -> bool:
    used = {p % 12 for p in heard.pitches}
    return any(used <= some for some in flags.scales(asked) or [])


def within(heard: Heard, asked: dict) -> bool:
    low, high = map(flags.pitch, asked["range"].split(":"))
    return all(low <= p <= high for p in heard.pitches)


def meter(heard: Heard, asked: dict) -> bool:
    wanted = flags.meter(asked["meter"])
    return all(flags.meter(f"{b.numerator}/{b.denominator}") == wanted for b in heard.bars)


def bars(heard: Heard, asked: dict) -> bool:
    return len(heard.bars) == int(asked["bars"])


def pickup(heard: Heard, asked: dict) -> bool:
    wanted = asked["pickup"]
    if wanted in ("yes", "no"):
        return (heard.pickup > 0) == (wanted == "yes")
    return heard.pickup == flags.ticks(wanted)


def note_values(heard: Heard, asked: dict) -> bool:
    values = {flags.ticks(word) for word in asked["note_values"].split(",")}
    sums = {0}
    for total in range(GRID, heard.duration + 1, GRID):
        if any(total - v in sums for v in values):
            sums.add(total)
    rests = all(end - start in sums for start, end in heard.rests_cut())
    return rests and all(length in values for _, length, _ in heard.notes)


def max_leap(heard: Heard, asked: dict) -> bool:
    return all(abs(b - a) <= int(asked["max_leap"]) for a, b in pairwise(heard.pitches))


def max_repeat(heard: Heard, asked: dict) -> bool:
    return flags.longest_run(heard.pitches) <= int(asked["max_repeat"])


def _is(pitch: int, text: str, asked: dict) -> bool:
    kind, wanted = flags.target(text, asked)
    return (pitch if kind == "pitch" else pitch % 12) in wanted


def start(heard: Heard, asked: dict) -> bool:
    return _is(heard.pitches[0], asked["start"], asked)


def end(heard: Heard, asked: dict) -> bool:
    return _is(heard.pitches[-1], asked["end"], asked)


def cadence(heard: Heard, asked: dict) -> bool:
    last, before = flags.cadence(asked["cadence"], asked)
    return (
        len(heard.notes) >= 2
        and heard.strong(heard.notes[-1][0])
        and heard.pitches[-1] % 12 in last
        and heard.pitches[-2] % 12 in before
    )


def notes_per_bar(heard: Heard, asked: dict) -> bool:
    low, high = map(int, asked["notes_per_bar"].split(":"))
    return all(low <= sum(b.start <= n[0] < b.end for n in heard.notes) <= high for b in heard.bars)


def rest_share(heard: Heard, asked: dict) -> bool:
    low, high = map(flags.share, asked["rest_share"].split(":"))
    silent = sum(end - start for start, end in heard.rests())
    return low * heard.duration <= silent <= high * heard.duration


def chords(heard: Heard, asked: dict) -> bool:
    entries = flags.chord_list(asked["chords"])
    for onset, _, pitch in heard.notes:
        if not heard.strong(onset):
            continue
        i = next(i for i, b in enumerate(heard.bars) if b.start <= onset < b.end)
        entry, bar = entries[i % len(entries)], heard.bars[i]
        which = (onset - bar.start) * len(entry) // (bar.end - bar.start)
        if pitch % 12 not in entry[which]:
            return False
    return True


def rhythm(heard: Heard, asked: dict) -> bool:
    row = flags.rhythm(asked["rhythm"])
    now, wanted, i = heard.pickup, [], 0
    while now < heard.duration:
        length, sounds = row[i % len(row)]
        if sounds:
            wanted.append((now, length))
        now += length
        i += 1
    first = heard.pickup
    crossing = any(onset < first < onset + length for onset, length, _ in heard.notes)
    got = [n[:2] for n in heard.notes if n[0] >= first]
    return now == heard.duration and not crossing and got == wanted


def _same_bars(heard: Heard, other: Heard) -> bool:
    return (heard.pickup, heard.duration, heard.bars) == (other.pickup, other.duration, other.bars)


def rhythm_from(heard: Heard, asked: dict) -> bool:
    other = Heard.from_data(asked["rhythm_from"])
    return _same_bars(heard, other) and [n[:2] for n in heard.notes] == [n[:2] for n in other.notes]


def pitches_from(heard: Heard, asked: dict) -> bool:
    return heard.pitches == Heard.from_data(asked["pitches_from"]).pitches


def signs(pitches: list[int]) -> list[int]:
    return [(b > a) - (b < a) for a, b in pairwise(pitches)]


def contour(heard: Heard, asked: dict) -> bool:
    wanted = asked["contour"]
    if isinstance(wanted, dict):
        other = Heard.from_data(wanted)
        same = signs(heard.pitches) == signs(other.pitches)
        return same and len(heard.notes) == len(other.notes)
    firsts = [[p for o, _, p in heard.notes if b.start <= o < b.end][:1] for b in heard.bars]
    line = [p for some in firsts for p in some]
    return contour_of(line, wanted)


def contour_of(line: list[int], wanted: str) -> bool:
    """Whether the first pitches of the bars go up, down or in an arch."""
    if len(line) < 2:
        return False
    if wanted == "up":
        return line == sorted(line) and line[-1] > line[0]
    if wanted == "down":
        return line == sorted(line, reverse=True) and line[-1] < line[0]
    return any(
        line[: k + 1] == sorted(line[: k + 1])
        and line[k:] == sorted(line[k:], reverse=True)
        and top > line[0]
        and top > line[-1]
        for k, top in enumerate(line)
    )


def form(heard: Heard, asked: dict) -> bool:
    sections = flags.form(asked["form"])
    if len(heard.bars) % len(sections):
        return False
    size = len(heard.bars) // len(sections)
    models: dict[str, list[tuple[int, int, int]]] = {}
    for i, (letter, varied) in enumerate(sections):
        first, last = heard.bars[i * size], heard.bars[(i + 1) * size - 1]
        if any(onset < first.start < onset + length for onset, length, _ in heard.notes):
            return False
        notes = [(o - first.start, n, p) for o, n, p in heard.notes if first.start <= o < last.end]
        if letter not in models:
            if varied or notes in models.values():
                return False
            models[letter] = notes
        elif not varied:
            if notes != models[letter]:
                return False
        else:
            model = models[letter]
            if [n[:2] for n in notes] != [n[:2] for n in model]:
                return False
            equal = sum(a == b for a, b in zip(notes, model, strict=True))
            if equal == len(notes) or 2 * equal < len(notes):
                return False
    return True


def sounding(heard: Heard, tick: int) -> int | None:
    return next((p for o, n, p in heard.notes if o <= tick < o + n), None)


def kept(heard: Heard, asked: dict) -> bool:
    given = Heard.from_data(asked["kept"]["melody"])
    if not _same_bars(heard, given):
        return False
    for number in asked["kept"]["bars"]:
        bar = given.bars[number - 1] if number else None
        first, last = (bar.start, min(bar.end, given.duration)) if bar else (0, given.pickup)
        if [n for n in heard.notes if first <= n[0] < last] != [
            n for n in given.notes if first <= n[0] < last
        ]:
            return False
        if any(sounding(heard, t) != sounding(given, t) for t in range(first, last, GRID)):
            return False
    return True


CHECKS = {
    "key": scale, "mode": scale, "scale": scale, "range": within, "meter": meter, "bars": bars,
    "pickup": pickup, "note_values": note_values, "max_leap": max_leap, "max_repeat": max_repeat,
    "start": start, "end": end, "cadence": cadence, "notes_per_bar": notes_per_bar,
    "rest_share": rest_share, "chords": chords, "rhythm": rhythm, "rhythm_from": rhythm_from,
    "pitches_from": pitches_from, "contour": contour, "form": form, "kept": kept,
}  # fmt: skip
