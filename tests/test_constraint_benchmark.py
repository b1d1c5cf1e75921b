"""The checker and the solver of the constraints benchmark, on melodies told by hand."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import constraint_flags as flags
from constraint_checker import broken
from constraint_drawn import PLAIN, tidy
from constraint_heard import Heard, read_midi

from tunesmith.formats.midi_writer import dumps
from tunesmith.melody import Melody, Meter, Note

# 4/4, four bars: C4 D4 E4 F4 | G4 (half) rest (half) | C4 D4 E4 F4 | G4 C4 (halves)
FOUR = Heard(
    (
        (0, 480, 60), (480, 480, 62), (960, 480, 64), (1440, 480, 65), (1920, 960, 67),
        (3840, 480, 60), (4320, 480, 62), (4800, 480, 64), (5280, 480, 65),
        (5760, 960, 67), (6720, 960, 60),
    ),
    ((0, 4, 4),), 0, 7680,
)  # fmt: skip
HOLDS = {
    "key": "C", "mode": "major", "scale": "C D E F G", "range": "C4:G4", "meter": "4/4",
    "bars": "4", "pickup": "no", "note_values": "1/4,1/2", "max_leap": "7", "max_repeat": "1",
    "start": "1", "end": "C4", "cadence": "authentic", "notes_per_bar": "1:4",
    "rest_share": "0.125:12.5%", "chords": "C Dm7/E | G7 | Am Em | N.C.",
    "rhythm": "1/4 1/4 1/4 1/4 1/2 r1/2 1/4 1/4 1/4 1/4 1/2 1/2",
    "rhythm_from": FOUR.as_data(), "pitches_from": FOUR.as_data(), "contour": FOUR.as_data(),
    "form": "AB", "kept": {"melody": FOUR.as_data(), "bars": [2]},
}  # fmt: skip
BREAKS = [
    {"key": "Eb"}, {"mode": "locrian", "key": "C"}, {"scale": "C D E G"}, {"range": "C4:F#4"},
    {"meter": "2/2"}, {"bars": "5"}, {"pickup": "yes"}, {"pickup": "1/4"}, {"note_values": "1/4"},
    {"max_leap": "6"}, {"start": "D"}, {"key": "C", "end": "5"}, {"end": "C5"},
    {"key": "C", "cadence": "half"}, {"key": "C", "cadence": "open"}, {"notes_per_bar": "2:4"},
    {"notes_per_bar": "1:3"}, {"rest_share": "0:12%"}, {"chords": "Dm"}, {"contour": "up"},
    {"contour": "down"}, {"contour": "arch"}, {"form": "AA"}, {"form": "ABC"}, {"form": "AA'"},
    {"rhythm": "1/4"},
]  # fmt: skip


def test_what_holds_and_what_does_not() -> None:
    assert broken(FOUR, HOLDS) == []
    for flag, value in HOLDS.items():
        asked = {"key": "C"} if flag in ("start", "cadence") else {}
        assert broken(FOUR, asked | {flag: value}) == []
    for asked in BREAKS:
        assert broken(FOUR, asked) == [list(asked)[-1]] or list(asked)[-1] in broken(FOUR, asked)


def test_shapes_of_the_first_pitches_and_varied_sections() -> None:
    one = Heard(((0, 480, 60), (1920, 480, 64), (3840, 480, 60)), ((0, 4, 4),), 0, 5760)
    assert broken(one, {"contour": "arch"}) == []
    assert broken(one, {"form": "ABA"}) == []
    two = Heard(((0, 480, 60), (960, 480, 62), (1920, 480, 60), (2880, 480, 64)),
                ((0, 4, 4),), 0, 3840)  # fmt: skip
    assert broken(two, {"form": "AA'"}) == []
    assert broken(two, {"form": "AA"}) == ["form"]
    assert broken(two, {"form": "AB"}) == []


def test_what_always_holds() -> None:
    assert broken(Heard(((0, 30, 60),), ((0, 4, 4),), 0, 1920), {}) == ["grid"]
    assert broken(Heard(((0, 480, 26),), ((0, 4, 4),), 0, 1920), {}) == ["compass"]
    assert broken(Heard(((0, 480, 60),), ((0, 4, 4),), 480, 1920 + 240), {}) == ["pickup"]
    assert broken(Heard(((0, 480, 60),), ((0, 4, 4),), 480, 1920), {}) == []


def test_midi_tells_pickup_metre_and_silence_at_the_end() -> None:
    melody = Melody((Note(240, 240, 62), Note(480, 720, 64)), (Meter(0, 3, 4),), 480, 1440 * 2)
    heard = read_midi(dumps([melody]))
    assert heard == Heard(((240, 240, 62), (480, 720, 64)), ((0, 3, 4),), 480, 2880)
    assert heard.rests() == [(0, 240), (1200, 2880)]
    assert heard.rests_cut() == [(0, 240), (1200, 1920), (1920, 2880)]
    odd = Melody((Note(0, 100, 62),), (Meter(0, 4, 4),), 100, 2020)
    assert read_midi(dumps([odd])).pickup == 100


@pytest.mark.parametrize(
    ("symbol", "tones"),
    [("C7b9", {0, 1, 4, 7, 10}), ("Dm7b5", {2, 5, 8, 0}), ("F#m(maj7)/B", {6, 9, 1, 5, 11}),
     ("Bbsus", {10, 3, 5}), ("Gadd9", {7, 11, 2, 9}), ("Eb7#5", {3, 7, 11, 1}),
     ("Cno3", {0, 7}), ("Am7(no5)", {9, 0, 7}), ("Cmb3", {0, 3, 7})],
)  # fmt: skip
def test_chords(symbol: str, tones: set[int]) -> None:
    assert flags.chord(symbol) == tones


def test_the_solver_and_the_checker_agree() -> None:
    pytest.importorskip("ortools")
    from constraint_confirm import confirm, solve

    rng = random.Random(5)
    answers = []
    for _ in range(25):
        chosen = rng.sample(list(PLAIN), 3)
        asked = {n: make(rng) for n, make in PLAIN.items() if n in chosen}
        asked = tidy(asked | {"meter": "2/4", "bars": "2", "pickup": "no"}, rng)
        # `solve` raises if its melody breaks anything.
        answers.append(solve(asked, set(asked) - {"allow_chromatic"}, 20).holds)
    assert {True, False} <= set(answers)
    small = {n: v for n, v in HOLDS.items() if n not in ("rhythm", "kept", "rhythm_from")}
    assert solve(small, set(small), 60).holds
    one = {"asked": {"range": "C4:E4", "end": "G", "max_leap": "3", "bars": "2"}}
    found = confirm(one, ["range", "end"], 20)
    assert found["confirmed"] and found["together"] is False
    assert confirm(one, ["range", "end", "max_leap"], 20)["wrong"]  # not a smallest one
    assert confirm(one, ["range", "max_leap"], 20)["wrong"]  # no conflict
