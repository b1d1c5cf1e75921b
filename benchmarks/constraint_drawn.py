"""Sets of constraints with values drawn by chance, which may contradict each other."""

from __future__ import annotations

import random
from collections.abc import Callable

import constraint_flags as flags
from constraint_heard import Heard

NAMES = [["C", "B#"], ["C#", "Db"], ["D"], ["D#", "Eb"], ["E", "Fb"], ["F", "E#"], ["F#", "Gb"],
         ["G"], ["G#", "Ab"], ["A"], ["A#", "Bb"], ["B", "Cb"]]  # fmt: skip
CHORD_KINDS = [k for k in flags.CHORDS if not k.startswith(("+", "°", "Δ"))] + [
    "7b9", "7#9", "7#11", "m(add9)", "add9", "7b5", "7#5", "no3", "maj7#11", "7(b9)", "13b9",
    "+", "+7", "Δ7", "°7",
]  # fmt: skip
_METERS = ["4/4", "4/4", "3/4", "3/4", "6/8", "6/8", "2/4", "2/2", "9/8", "12/8", "5/4", "7/8",
           "3/8", "5/8", "2/16", "4/32", "3/2", "1/4"]  # fmt: skip
_VALUES = ["1/16", "1/8", "1/8", "1/4", "1/4", "3/8", "1/2", "3/4", "1/1", "1/12", "1/6", "3/16",
           "1/24", "1/32", "3/32", "5/8"]  # fmt: skip
_FORMS = ["AABA", "ABAB", "AA'", "AB", "AA", "ABA", "AAB", "ABAC", "AABB", "AA'BA", "ABA'C", "A",
          "AAA", "ABCD", "AAAA'", "ABC"]  # fmt: skip
Random = random.Random


def name(rng: Random) -> str:
    return rng.choice(NAMES[rng.randrange(12)])


def _octave(rng: Random) -> str:
    return f"{rng.choice('CDEFGAB')}{rng.choice(['', '', '#', 'b'])}{rng.choice([3, 4, 4, 5])}"


def _range(rng: Random) -> str:
    low = rng.randint(48, 72)
    text = flags_pitch(low, rng)
    return f"{text}:{flags_pitch(low + rng.choice([0, 1, 2, 4, 5, 7, 9, 12, 16]), rng)}"


def flags_pitch(pitch: int, rng: Random) -> str:
    return f"{NAMES[pitch % 12][-1 if pitch % 12 in (1, 3, 6, 8, 10) else 0]}{pitch // 12 - 1}"


def _share(rng: Random) -> str:
    low = rng.choice([0, 0, 0, 5, 10, 25, 50])
    high = min(100, low + rng.choice([0, 5, 10, 20, 50]))
    return f"{low}%:{high}%" if rng.random() < 0.5 else f"{low / 100}:{high / 100}"


def _counts(rng: Random) -> str:
    low = rng.choice([0, 0, 1, 1, 2, 3, 4, 6, 9])
    return f"{low}:{low + rng.choice([0, 0, 1, 2, 4, 8])}"


def _rhythm(rng: Random) -> str:
    words = [rng.choice(_VALUES) for _ in range(rng.randint(1, 6))]
    rests = [w if i == 0 or rng.random() < 0.8 else "r" + w for i, w in enumerate(words)]
    rng.shuffle(rests)
    return " ".join(rests)


def _chords(rng: Random) -> str:
    def word() -> str:
        if rng.random() < 0.08:
            return "N.C."
        bass = "/" + name(rng) if rng.random() < 0.1 else ""
        return name(rng) + rng.choice(CHORD_KINDS) + bass

    bars = [" ".join(word() for _ in range(rng.choice([1, 1, 1, 2, 3])))
            for _ in range(rng.randint(1, 4))]  # fmt: skip
    return " | ".join(bars)


def _end(rng: Random) -> str:
    way = rng.random()
    return str(rng.randint(1, 7)) if way < 0.5 else name(rng) if way < 0.75 else _octave(rng)


def _scale(rng: Random) -> str:
    tones = rng.sample(range(12), rng.randint(1, 7))
    return " ".join(rng.choice(NAMES[t]) for t in tones)


def _pickup(rng: Random) -> str:
    return rng.choice(["yes", "no", "no", "1/8", "1/4", "1/16", "3/8", "1/2"])


def _values(rng: Random) -> str:
    return ",".join(sorted(set(rng.sample(_VALUES, rng.randint(1, 4)))))


PLAIN: dict[str, Callable[[Random], str]] = {
    "key": name, "mode": lambda rng: rng.choice(list(flags.MODES)), "scale": _scale,
    "allow_chromatic": lambda rng: " ".join(name(rng) for _ in range(rng.randint(1, 2))),
    "range": _range, "meter": lambda rng: rng.choice(_METERS),
    "bars": lambda rng: str(rng.choice([1, 2, 2, 3, 4, 4, 4])), "pickup": _pickup,
    "note_values": _values, "max_leap": lambda rng: str(rng.choice([0, 1, 1, 2, 3, 4, 5, 7, 12])),
    "max_repeat": lambda rng: str(rng.choice([1, 1, 2, 3, 4])), "start": _end, "end": _end,
    "cadence": lambda rng: rng.choice(["authentic", "half", "open"]), "notes_per_bar": _counts,
    "rest_share": _share, "chords": _chords, "rhythm": _rhythm,
    "contour": lambda rng: rng.choice(["up", "down", "arch"]),
    "form": lambda rng: rng.choice(_FORMS),
}  # fmt: skip
FILES = ("rhythm_from", "pitches_from", "contour", "kept")


def tidy(asked: dict, rng: Random) -> dict:
    """The set without what is wrong usage: a degree where there is none, and so on."""
    if "allow_chromatic" in asked and not {"key", "mode", "scale"} & set(asked):
        del asked["allow_chromatic"]
    some = flags.degrees(asked)
    for flag in ("start", "end"):
        if asked.get(flag, "").isdigit() and int(asked[flag]) not in some:
            asked[flag] = name(rng)
    if "cadence" in asked and not some:
        asked["key"] = name(rng)
    if "rhythm" in asked and not any(sounds for _, sounds in flags.rhythm(asked["rhythm"])):
        del asked["rhythm"]
    if "contour" in asked and "pitches_from" in asked and rng.random() < 0.5:
        del asked["pitches_from"]
    return asked


def drawn(tunes: list[Heard], rng: Random, derived: Callable, excerpt: Callable) -> dict:
    """A set of values drawn by chance, or a derived one with one or two of them drawn anew."""
    while True:
        found = (
            _changed(tunes, rng, derived, excerpt)
            if rng.random() < 0.4
            else _fresh(tunes, rng, excerpt)
        )
        if found["asked"]:
            return found


def _changed(tunes: list[Heard], rng: Random, derived: Callable, excerpt: Callable) -> dict:
    some = rng.sample(tunes, 60)
    if small := rng.random() < 0.5:
        some = [part for tune in some if (part := excerpt(tune, rng, 4))]
    found = derived([t for t in some if len(t.bars) <= 16] or tunes, rng)
    asked = found["asked"]
    if small and not {"bars", "kept", "rhythm_from"} & set(asked):
        asked["bars"] = PLAIN["bars"](rng)
    for _ in range(rng.randint(1, 2)):
        old = [n for n in asked if n in PLAIN and n != "bars"]
        flag = rng.choice(old) if old and rng.random() < 0.5 else rng.choice(list(PLAIN))
        if "primer" not in found or flag not in ("bars", "meter", "pickup"):
            asked[flag] = PLAIN[flag](rng)
    if "witness" in found:
        del found["witness"]
    return found | {"kind": "changed", "asked": tidy(asked, rng)}


def _fresh(tunes: list[Heard], rng: Random, excerpt: Callable) -> dict:
    chosen = rng.sample(list(PLAIN), rng.choice([1, 1, 2, 3, 4, 5, 6, 7]))
    asked: dict = {flag: PLAIN[flag](rng) for flag in PLAIN if flag in chosen}
    if rng.random() < 0.95:
        asked["bars"] = PLAIN["bars"](rng)
    if rng.random() < 0.6:
        asked["meter"] = PLAIN["meter"](rng)
    found: dict = {"kind": "drawn"}
    if rng.random() < 0.25:
        part = None
        while part is None:
            part = excerpt(rng.choice(tunes), rng, 4)
        flag = rng.choice([*FILES, "primer"])
        if flag == "primer":
            found["primer"] = part.as_data()
        elif flag == "kept":
            count = len(part.bars)
            some = sorted(rng.sample(range(1, count + 1), rng.randint(1, count)))
            asked["kept"] = {"melody": part.as_data(), "bars": some}
        else:
            asked[flag] = part.as_data()
    if "primer" in found:
        asked.pop("meter", None)
        asked.pop("pickup", None)
        asked.setdefault("bars", PLAIN["bars"](rng))
        if not {"key", "mode", "scale"} & set(asked):
            asked["scale"] = "C C# D Eb E F F# G Ab A Bb B"
    return found | {"asked": tidy(asked, rng)}
