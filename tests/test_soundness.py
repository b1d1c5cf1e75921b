"""What melodies made at random keep is never refused."""

from __future__ import annotations

import random
import re
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from test_constraints import drawn
from tunesmith.decoding.constraints import Constraints, KeptBars, Primed, check, explain
from tunesmith.decoding.constraints.inside import Following
from tunesmith.decoding.constraints.search import Node, OutOfBudget, Search
from tunesmith.decoding.constraints.steering import Spot, Steered
from tunesmith.errors import TunesmithError
from tunesmith.keyfinding import with_estimates
from tunesmith.melody import Melody, Meter, Note
from tunesmith.tokens import make_vocabulary
from tunesmith.tokens.notes import primer_ids
from tunesmith.tokens.table import ANY_MORE, FIRST_EVENT, KEY_SLOT, METERS, TICKS_PER_STEP

VOCABULARY = make_vocabulary("notes")
VALUES = {
    3: "1/32", 4: "1/24", 6: "1/16", 8: "1/12", 9: "3/32", 12: "1/8", 16: "1/6", 18: "3/16",
    24: "1/4", 36: "3/8", 48: "1/2", 72: "3/4", 96: "1/1",
}  # fmt: skip
CLASSES = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"]
Some = list[tuple[int, int, int]]  # (onset, steps, pitch)


def made(chance: random.Random) -> tuple[Melody, str | None] | None:
    """A melody of some bars or sections, and its form if it has one; None if it is silent."""
    count, beat = chance.choice([(4, 4), (3, 4), (6, 8), (2, 4), (2, 2), (5, 4), (3, 8), (9, 8)])
    bar = 96 * count // beat
    lengths = chance.sample(sorted(VALUES), chance.randint(1, 4))
    pitches = chance.sample(range(55, 80), chance.choice([1, 2, 4, 7]))
    silence = chance.choice([0, 0.1, 0.3, 0.6])

    def filled(steps: int) -> Some:
        at, found = 0, []
        while at < steps:
            length = min(chance.choice(lengths), steps - at)
            if chance.random() >= silence:
                found.append((at, length, chance.choice(pitches)))
            at += length
        return found

    pickup = chance.choice([0, 0, 0, *(n for n in (5, 6, 12, 24, 36) if n < bar)])
    form = chance.choice([None, None, "AA", "AB", "AABA", "AA'B", "ABA", "ABAC", "AABA'"])
    if form is None:
        whole = pickup + chance.randint(1, 6) * bar
        notes = filled(whole - pickup * chance.randint(0, 1))
    else:
        notes, size = filled(pickup), bar * chance.randint(1, 2)
        models: dict[str, Some] = {}
        sections = re.findall("[A-Z]'*", form)
        for number, section in enumerate(sections):
            inside = models.setdefault(section[0], filled(size)).copy()
            if len(section) > 1 and inside:
                onset, length, pitch = inside[-1]
                inside[-1] = (onset, length, pitch + 1)
            notes += [(pickup + number * size + a, n, p) for a, n, p in inside]
        whole = pickup + len(sections) * size
    end = max([whole - pickup, *(a + n for a, n, _ in notes)])
    sounding = tuple(Note(a * TICKS_PER_STEP, n * TICKS_PER_STEP, p) for a, n, p in notes)
    if not sounding:
        return None
    duration = whole if end > whole - pickup or chance.random() < 0.5 else whole - pickup
    return Melody(
        sounding, (Meter(0, count, beat),), pickup=pickup * TICKS_PER_STEP,
        duration=duration * TICKS_PER_STEP,
    ), form  # fmt: skip


def derived(chance: random.Random, melody: Melody, form: str | None) -> dict[str, Any]:
    """Constraints that the melody keeps, some of all that it might."""
    asked: dict[str, Any] = {}
    bars = [b for b in melody.bars if not b.is_pickup]
    counts = [sum(b.start <= n.onset < b.end for n in melody.notes) for b in bars]
    lengths = {n.duration // TICKS_PER_STEP for n in melody.notes}
    silent = 1 - sum(n.duration for n in melody.notes) / melody.duration
    spare, numbers = chance.choice([0.0005, 0.01, 0.05]), range(not melody.pickup, len(melody.bars))
    wishes: list[tuple[float, dict[str, Any]]] = [
        (0.5, {"meter": f"{melody.meters[0].numerator}/{melody.meters[0].denominator}"}),
        (0.5, {"bars": len(bars)}),
        (0.3, {"pickup": "yes" if melody.pickup else "no"}),
        (0.3, {"key": chance.choice("CDFGA")}),
        (0.2, {"mode": chance.choice(["major", "minor", "dorian"])}),
        (0.5, {"note_values": ",".join(VALUES.get(n, "7/8") for n in sorted(lengths))}),
        (0.5, {"notes_per_bar": f"{min(counts)}:{max(counts) + chance.randint(0, 1)}"}),
        (0.5, {"rest_share": f"{max(0, silent - spare):.6f}:{min(1, silent + spare):.6f}"}),
        *((0.5, {"cadence": name}) for name in ("authentic", "half", "open")),
        *((0.3, {"chords": name}) for name in ("C | G7", "Dm7", "Em7b5 | A7 | N.C.")),
        *((0.3, {"contour": shape}) for shape in ("up", "down", "arch")),
        (0.15, {"contour": melody}),
        (0.1, {"pitches_from": melody}),
        (0.1, {"rhythm_from": melody}),
        (0.3, {"max_leap": chance.choice([0, 2, 5, 9])}),
        (0.3, {"max_repeat": chance.choice([1, 2, 4])}),
        (0.9, {"form": form} if form else {}),
        (0.15, {"kept": KeptBars(melody, frozenset(n for n in numbers if chance.random() < 0.4))}),
        (0.2, {"start": CLASSES[melody.notes[0].pitch % 12]}),
        (0.2, {"end": CLASSES[melody.notes[-1].pitch % 12]}),
    ]
    for likely, wish in wishes:
        if chance.random() < likely and not set(wish) & set(asked):
            try:
                held = check(melody, Constraints(**asked, **wish))
            except TunesmithError:  # not these together
                continue
            if all(one.held for one in held):
                asked |= wish
    return asked


def on_the_way(grammar: Steered, melody: Melody) -> list[Node]:
    """The states of the search along the ids of a melody, where no sound is told in pieces."""
    spot, found = grammar.start(), []
    for place, token in enumerate(VOCABULARY.encode(with_estimates(melody)).ids.tolist()):
        assert isinstance(spot, Spot)
        allowed = grammar.allowed(spot)
        if place < FIRST_EVENT and place != KEY_SLOT and not allowed[token]:
            token = int(allowed.argmax())  # of its header the key alone matters
        after = grammar._advance(spot, token)
        assert after, (place, token)
        spot = after
        if spot.node and not spot.tune.pending and spot.node.place.more == ANY_MORE:
            found.append(spot.node)
    return found


def is_dead(search: Search, node: Node) -> bool:
    try:
        return not search.alive(node)
    except OutOfBudget:
        return False


@pytest.mark.parametrize("first", range(0, 60, 10))
def test_what_a_melody_keeps_is_never_refused_nor_called_hopeless(first: int) -> None:
    for seed in range(first, first + 10):
        chance = random.Random(seed)
        melody, form = made(chance) or (None, None)
        if melody is None:
            continue
        asked = Constraints(**derived(chance, melody, form))
        assert all(one.held for one in check(melody, asked))
        grammar = Steered(VOCABULARY.grammar(asked.wishes()), asked, budget=5_000)
        with suppress(OutOfBudget):
            assert grammar.satisfiable(5_000), (seed, asked)
        said = VOCABULARY.decode(VOCABULARY.encode(with_estimates(melody)).ids)
        if asked.key or asked.mode or said.duration != melody.duration:
            continue  # its ids are of another key, or end with a full bar
        grammar = Steered(grammar._grammar, asked, budget=5_000)
        dead = [n for n in on_the_way(grammar, melody) if is_dead(grammar.search, n)]
        assert not dead, (seed, asked, dead[0])


def test_lengths_beside_kept_bars_and_a_share_of_rests_are_all_tried() -> None:
    # The free bars need notes of 16 steps, which no strong beat and no barline suggests.
    step = TICKS_PER_STEP
    melody = Melody(
        (Note(0, 12 * step, 62), Note(60 * step, 16 * step, 62), Note(132 * step, 16 * step, 62)),
        (Meter(0, 6, 8),), pickup=12 * step, duration=156 * step,
    )  # fmt: skip
    asked = Constraints(
        kept=KeptBars(melody, frozenset({0})), notes_per_bar="1:1", rest_share="0.717:0.719"
    )
    grammar = Steered(VOCABULARY.grammar(asked.wishes()), asked)
    search = grammar.search
    assert not [n for n in on_the_way(grammar, melody) if is_dead(search, n)]
    assert search.times.exact
    exactly = replace(asked, form="AB")
    assert not Steered(grammar._grammar, exactly).search.times.exact


LONG = Melody(
    tuple(Note(i * 480, 480, 60 + i % 5) for i in range(256)), (Meter(0, 4, 4),), duration=64 * 1920
)


@pytest.mark.parametrize(
    "asked",
    [
        # A pickup of any length before one bar, or as many as a tune has that is given.
        {"notes_per_bar": "1:1", "note_values": "1/4", "rest_share": "0:0", "pickup": "yes"},
        {"pitches_from": LONG, "meter": "4/4", "pickup": "yes", "note_values": "1/4"},
        # The chord of the first bar has no note on which the tune may end, that of the last has.
        {"key": "C", "chords": "G | C", "cadence": "authentic", "bars": 64, "meter": "4/4",
         "notes_per_bar": "8:8"},
        # The fewest bars of a contour, and the most notes before a last one on the third beat.
        {"contour": "up", "bars": 2, "meter": "4/4", "notes_per_bar": "1:1"},
        {"contour": "arch", "bars": 3, "meter": "4/4", "notes_per_bar": "1:1"},
        {"cadence": "authentic", "key": "C", "bars": 2, "meter": "4/4", "notes_per_bar": "5:5",
         "note_values": "1/8,1/4", "pickup": "no"},
        # A rest as long as the longest token goes on in a longer bar.
        {"note_values": "5/4", "rest_share": "50%:50%", "meter": "5/4", "bars": 2, "pickup": "no"},
        {"note_values": "1/1,5/4", "rest_share": "50%:50%", "meter": "5/4", "bars": 2,
         "pickup": "no"},
    ],
)  # fmt: skip
def test_what_was_refused_wrongly_or_led_nowhere_is_composed(asked: dict[str, Any]) -> None:
    constraints = Constraints(**asked)
    assert explain(constraints) is None
    for melody in drawn(constraints, count=1):
        assert all(one.held for one in check(melody, constraints))


def test_fewer_new_bars_than_sections_are_refused_also_after_a_primer() -> None:
    bar = Melody(tuple(Note(i * 480, 480, 60) for i in range(4)), (Meter(0, 4, 4),), duration=1920)
    ids = [int(i) for i in primer_ids(VOCABULARY.encode(bar).ids, 2)]
    asked = Following(form="AABA", notes_per_bar="1:4", layout=(METERS.index("4/4"),) * 3)
    primed = Primed(VOCABULARY.grammar(), ids)
    conflict = explain(asked, primed, unseen=len(ids), unseen_bars=1)
    assert conflict and conflict.names == ("form",)
