"""The words of docs/constraints.md as numbers: lengths, pitches, scales, degrees, chords.

Written from that page alone, without any of Tunesmith's code.
"""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import groupby

LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
MODES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "locrian": (0, 1, 3, 5, 6, 8, 10),
}
KEY_DEGREES = {1: {0}, 2: {2}, 3: {3, 4}, 4: {5}, 5: {7}, 6: {8, 9}, 7: {10, 11}}
NATURAL = {1: 0, 2: 2, 3: 4, 4: 5, 5: 7, 6: 9, 7: 11}
CHORDS = {
    "": "0 4 7", "maj": "0 4 7", "M": "0 4 7", "m": "0 3 7", "min": "0 3 7", "-": "0 3 7",
    "+": "0 4 8", "aug": "0 4 8", "dim": "0 3 6", "o": "0 3 6", "°": "0 3 6",
    "7": "0 4 7 10", "dom7": "0 4 7 10",
    "maj7": "0 4 7 11", "M7": "0 4 7 11", "Δ": "0 4 7 11", "Δ7": "0 4 7 11", "ma7": "0 4 7 11",
    "m7": "0 3 7 10", "min7": "0 3 7 10", "-7": "0 3 7 10",
    "dim7": "0 3 6 9", "o7": "0 3 6 9", "°7": "0 3 6 9",
    "+7": "0 4 8 10", "aug7": "0 4 8 10", "7+": "0 4 8 10",
    "m7b5": "0 3 6 10", "ø": "0 3 6 10", "ø7": "0 3 6 10",
    "m(maj7)": "0 3 7 11", "mM7": "0 3 7 11", "m(M7)": "0 3 7 11", "mmaj7": "0 3 7 11",
    "6": "0 4 7 9", "maj6": "0 4 7 9", "m6": "0 3 7 9", "min6": "0 3 7 9",
    "9": "0 4 7 10 2", "maj9": "0 4 7 11 2", "M9": "0 4 7 11 2",
    "m9": "0 3 7 10 2", "min9": "0 3 7 10 2",
    "11": "0 4 7 10 2 5", "maj11": "0 4 7 11 2 5", "m11": "0 3 7 10 2 5",
    "13": "0 4 7 10 2 5 9", "maj13": "0 4 7 11 2 5 9", "m13": "0 3 7 10 2 5 9",
    "sus2": "0 2 7", "sus4": "0 5 7", "sus": "0 5 7", "5": "0 7",
}  # fmt: skip
_ALTERATION = re.compile(r"\(?(b|#|add|no)(\d+)\)?")


def pitch_class(text: str) -> int:
    return (LETTERS[text[0]] + text.count("#", 1) - text.count("b", 1)) % 12


def pitch(text: str) -> int:
    name, octave = re.fullmatch(r"([A-G][#b]*)(-?\d+)", text).groups()
    return LETTERS[name[0]] + name.count("#") - name.count("b", 1) + 12 * (int(octave) + 1)


def classes(text: str) -> list[int]:
    """Pitch classes as written, repetitions left out."""
    return list(dict.fromkeys(pitch_class(word) for word in text.split()))


def ticks(text: str) -> int:
    value = Fraction(text) * 1920
    if value.denominator != 1 or value % 20:
        raise ValueError(f"{text} is off the grid")
    return int(value)


def meter(text: str) -> tuple[int, int]:
    """Numerator and denominator; an even number of 32nds is half as many 16ths."""
    n, d = map(int, text.split("/"))
    while d >= 32 and n % 2 == 0:
        n, d = n // 2, d // 2
    return n, d


def share(text: str) -> Fraction:
    return Fraction(text[:-1]) / 100 if text.endswith("%") else Fraction(text)


def rhythm(text: str) -> list[tuple[int, bool]]:
    """The row as (ticks, whether it sounds)."""
    return [(ticks(word.lstrip("r")), not word.startswith("r")) for word in text.split()]


def form(text: str) -> list[tuple[str, bool]]:
    """The sections as (letter, whether varied)."""
    return [(letter, bool(marks)) for letter, marks in re.findall(r"([A-Za-z])('*)", text)]


def degrees(asked: dict) -> dict[int, set[int]]:
    """The pitch classes of each degree; empty where there are none."""
    if "key" in asked:
        tonic = pitch_class(asked["key"])
        if "mode" in asked:
            steps = {d: {s} for d, s in enumerate(MODES[asked["mode"]], 1)}
        else:
            steps = KEY_DEGREES
        return {d: {(tonic + s) % 12 for s in some} for d, some in steps.items()}
    if "scale" in asked:
        return {d: {c} for d, c in enumerate(classes(asked["scale"]), 1)}
    return {}


def scales(asked: dict) -> list[set[int]] | None:
    """The sets of which one must hold all pitch classes; None if anything may sound."""
    more = set(classes(asked.get("allow_chromatic", "")))
    if "scale" in asked:
        return [set(classes(asked["scale"])) | more]
    if "key" not in asked and "mode" not in asked:
        return None
    tonics = [pitch_class(asked["key"])] if "key" in asked else range(12)
    modes = [asked["mode"]] if "mode" in asked else list(MODES)
    return [{(t + s) % 12 for s in MODES[m]} | more for t in tonics for m in modes]


def of_scale(asked: dict, names: set[str]) -> dict:
    """What says which pitch classes may sound, where only some of the flags hold."""
    wanted = names & {"key", "mode", "scale"} | {"allow_chromatic"}
    return {n: v for n, v in asked.items() if n in wanted}


def target(text: str, asked: dict) -> tuple[str, set[int]]:
    """What --start or --end asks: ('class', pitch classes) or ('pitch', pitches)."""
    if text.isdigit():
        return "class", degrees(asked)[int(text)]
    if text[-1].isdigit():
        return "pitch", {pitch(text)}
    return "class", {pitch_class(text)}


def cadence(kind: str, asked: dict) -> tuple[set[int], set[int]]:
    """The classes that the last note may have, and those of the one before it."""
    some = degrees(asked)
    tonic = some[1]
    leading = {(t + 11) % 12 for t in tonic}

    def of(*numbers: int) -> set[int]:
        return set().union(*(some.get(n, set()) for n in numbers))

    everything = set(range(12))
    if kind == "authentic":
        return tonic, of(2, 5, 7) | leading
    if kind == "half":
        return of(5, 2, 7) | leading, everything
    return everything - tonic, everything


def chord(symbol: str) -> set[int]:
    """The pitch classes of a chord symbol."""
    if symbol == "N.C.":
        return set(range(12))
    root, rest, bass = re.fullmatch(r"([A-G][#b]*)(.*?)(?:/([A-G][#b]*))?", symbol).groups()
    for kind in sorted(CHORDS, key=len, reverse=True):
        tail = rest[len(kind) :]
        marks = list(_ALTERATION.finditer(tail))
        if rest.startswith(kind) and "".join(m[0] for m in marks) == tail:
            tones = {int(t) for t in CHORDS[kind].split()}
            for mark in marks:
                tones = _altered(tones, mark[1], int(mark[2]))
            found = {(pitch_class(root) + t) % 12 for t in tones}
            return found | ({pitch_class(bass)} if bass else set())
    raise ValueError(f"no chord: {symbol}")


def _altered(tones: set[int], sign: str, degree: int) -> set[int]:
    natural = NATURAL[(degree - 1) % 7 + 1]
    if sign == "no":
        return tones - {3: {3, 4}, 5: {6, 7, 8}, 7: {9, 10, 11}}.get(degree, {natural})
    if sign in "b#" and degree <= 7:
        tones = tones - {natural} - {3: {3}, 7: {10}}.get(degree, set())
    return tones | {(natural + {"b": -1, "#": 1, "add": 0}[sign]) % 12}


def chord_list(text: str) -> list[list[set[int]]]:
    """One entry a bar, each a list of chords."""
    return [[chord(word) for word in entry.split()] for entry in text.split("|")]


def longest_run(values: list[int]) -> int:
    return max((sum(1 for _ in group) for _, group in groupby(values)), default=0)
