"""Constraints: what is drawn keeps them, what is refused cannot be kept; no model is needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate, pairwise, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.api.composing import steered
from tunesmith.decoding import Sampling, generate_ids
from tunesmith.decoding.constraints import (
    Constraints,
    Filling,
    KeptBars,
    Own,
    Primed,
    Steered,
    check,
    explain,
    register,
)
from tunesmith.decoding.constraints.checking import events
from tunesmith.decoding.constraints.events import (
    BAR,
    COMPASS,
    NOTE,
    REST,
    TIE,
    Constraint,
    Event,
    Place,
)
from tunesmith.decoding.constraints.explaining import Conflict, _smallest
from tunesmith.decoding.constraints.form import Form, parse_form
from tunesmith.decoding.constraints.inside import Inside
from tunesmith.decoding.constraints.pitches import Chords, ContourOf, Heard, SomeKey
from tunesmith.decoding.constraints.reaching import Found, distinct
from tunesmith.decoding.constraints.search import Allowance, OutOfBudget, Search
from tunesmith.decoding.constraints.times import NotesPerBar, NoteValues
from tunesmith.decoding.constraints.tunegraph import TuneGraph
from tunesmith.decoding.generating import TRIES
from tunesmith.errors import UsageError
from tunesmith.melody import MODES, Melody, Meter, Note
from tunesmith.tokens import make_vocabulary
from tunesmith.tokens.grammar import NotesGrammar
from tunesmith.tokens.table import (
    BOS,
    DENSITIES,
    DENSITY0,
    FILL,
    FIRST_EVENT,
    GAP,
    KEY0,
    KEY_SLOT,
    LAST_SLOT,
    METER_STEPS,
    METERS,
    MODE0,
    NAMES,
    PITCH0,
    UNKNOWN,
    tonic_offset,
)

VOCABULARY = make_vocabulary("notes")
FOUR_FOUR = METERS.index("4/4")
TWINKLE = Melody(
    tuple(
        Note(i * 480, 960 if i == 6 else 480, p) for i, p in enumerate((60, 60, 67, 67, 69, 69, 67))
    )
)
UPBEAT = Melody(
    (Note(0, 480, 67), Note(480, 960, 72), Note(1440, 480, 71), Note(1920, 480, 69)),
    (Meter(0, 3, 4),),
    pickup=480,
    duration=480 + 2 * 1440,
)


class Uniform:
    """A network to which all ids are equally likely."""

    class config:
        max_position_embeddings = 10**9
        vocab_size = VOCABULARY.size

    class Cache:
        length = 0
        recall = None

        def select(self, rows: list[int]) -> Any:
            return self

    def new_cache(self, rows: int, context: int) -> Any:
        return self.Cache()

    def prefill(self, ids: Any, cache: Any, seen: Any = None) -> Any:
        return np.zeros((*ids.shape, VOCABULARY.size), np.float32)

    def step(self, ids: Any, cache: Any) -> Any:
        return np.zeros((len(ids), VOCABULARY.size), np.float32)


def drawn(constraints: Constraints, seed: int = 1, count: int = 2) -> list[Melody]:
    """Tunes drawn uniformly from all ids that are allowed and lead to an end."""
    grammar = Steered(VOCABULARY.grammar(constraints.wishes()), constraints)
    chance = [np.random.default_rng([seed, i]) for i in range(count)]
    made = generate_ids(Uniform(), [grammar] * count, chance, Sampling())  # type: ignore[arg-type]
    return [VOCABULARY.decode(one.ids) for one in made]


def broken(melody: Melody, constraints: Constraints) -> list[Any]:
    return [one for one in check(melody, constraints) if not one.held]


def test_a_tune_that_keeps_all_by_chance_is_drawn_as_if_nothing_was_asked() -> None:
    free, found, early = Constraints(bars=2, meter="4/4"), 0, 0
    asked = replace(free, max_leap=70)
    assert asked.by_chance
    inner = VOCABULARY.grammar({**asked.wishes(), "key": "C", "mode": "major"})
    grammar = Steered(inner, asked)
    for seed in range(100):
        plain, kept = (
            generate_ids(Uniform(), [g], [np.random.default_rng(seed)], Sampling())[0]  # type: ignore[arg-type]
            for g in (inner, grammar)
        )
        melody = VOCABULARY.decode(plain.ids)
        keeps = not broken(melody, asked) and all(n.pitch in COMPASS for n in melody.notes)
        assert keeps == (kept.begun_anew == 0)
        assert not keeps or kept.ids == plain.ids
        assert not broken(VOCABULARY.decode(kept.ids), asked)
        early += 0 < kept.begun_anew < TRIES and bool(kept.struck)
        found += keeps
    assert 5 < found < 95
    # Lost in the first bar of two, which is more than an eighth, says nothing yet.
    assert not early


def test_where_chance_will_hardly_do_for_the_beginnings_tunes_go_on_with_masks() -> None:
    asked = Constraints(bars=16, meter="4/4", max_leap=2, notes_per_bar="8:16")
    grammar = Steered(VOCABULARY.grammar(asked.wishes()), asked)
    for count in (20, 1):
        chance = [np.random.default_rng([5, i]) for i in range(count)]
        made = generate_ids(Uniform(), [grammar] * count, chance, Sampling())  # type: ignore[arg-type]
        assert all(not broken(VOCABULARY.decode(one.ids), asked) for one in made)
        assert not any(one.begun_anew for one in made)
        assert all(one.struck for one in made)
    # Of what is lost at the end beginnings tell nothing: that is tried as often as ever.
    asked = Constraints(bars=4, meter="1/8", end="C")
    grammar = Steered(VOCABULARY.grammar(asked.wishes()), asked)
    chance = [np.random.default_rng([5, i]) for i in range(20)]
    made = generate_ids(Uniform(), [grammar] * 20, chance, Sampling())  # type: ignore[arg-type]
    assert any(one.begun_anew == TRIES for one in made)


def test_what_no_tune_keeps_by_chance_is_not_waited_for() -> None:
    asked = Constraints(bars=4, meter="4/4", form="AABA")
    assert not asked.by_chance
    assert not Inside(max_leap=5).by_chance
    grammar = Steered(VOCABULARY.grammar(asked.wishes()), asked)
    (one,) = generate_ids(Uniform(), [grammar], [np.random.default_rng(1)], Sampling())  # type: ignore[arg-type]
    assert not one.begun_anew


FLAGS: dict[str, Any] = {
    "key": {"key": "D"},
    "mode": {"key": "D", "mode": "dorian"},
    "scale": {"scale": "C D Eb G A", "allow_chromatic": "F#"},
    "range": {"range": "D4:B5"},
    "meter": {"meter": "6/8"},
    "bars": {"bars": 2},
    "pickup": {"pickup": "1/8"},
    "note_values": {"note_values": "1/8,1/4,3/8"},
    "max_leap": {"max_leap": 4},
    "max_repeat": {"max_repeat": 1},
    "start": {"start": "D4"},
    "end": {"end": "A"},
    "cadence": {"key": "D", "cadence": "authentic"},
    "notes_per_bar": {"notes_per_bar": "2:5"},
    "rest_share": {"rest_share": "10%:20%"},
    "chords": {"chords": "Dm7 | G7 C"},
    "rhythm": {"rhythm": "1/4 1/8 r1/8"},
    "rhythm_from": {"rhythm_from": UPBEAT},
    "pitches_from": {"pitches_from": TWINKLE},
    "contour": {"contour": "arch"},
    "contour_of": {"contour": TWINKLE},
    "form": {"form": "AA'B"},
    "kept": {"kept": KeptBars(UPBEAT, frozenset({0, 2}))},
}


@pytest.mark.parametrize("name", FLAGS)
def test_each_flag_is_held(name: str) -> None:
    constraints = Constraints(**FLAGS[name] | ({} if name in SHAPED else {"bars": 6}))
    assert explain(constraints) is None
    for melody in drawn(constraints):
        assert broken(melody, constraints) == []


@pytest.mark.parametrize("name", FLAGS)
def test_the_shortcuts_of_a_constraint_say_what_its_steps_say(name: str) -> None:
    asked = Constraints(**FLAGS[name] | ({} if name in SHAPED else {"bars": 6}))
    grammar = Steered(VOCABULARY.grammar(asked.wishes()), asked)
    search, chance = grammar.search, [np.random.default_rng(3)]
    (one,) = generate_ids(Uniform(), [grammar], chance, Sampling())  # type: ignore[arg-type]
    state, notes = grammar.start(), [(p, Event(NOTE, 0, p, 0, 0, 0, False, 0)) for p in COMPASS]
    for token in one.ids:
        node, state = state.node, grammar.advance(state, token)  # type: ignore[attr-defined]
        if node is None:
            continue
        for member, now in zip(search.tune, node.tune, strict=True):
            assert member.after_notes(now, notes) == Constraint.after_notes(member, now, notes)
        room = search.times.room(node.place)
        for group, states in ((search.time, node.time), (search.both, node.both)):
            for member, now in zip(group, states, strict=True):
                for kind in member.hears & {NOTE, REST, TIE}:
                    if member.welcomes(now, kind) and (kind != TIE or node.place.held == 2):
                        for length, pitch in product(range(1, room + 1, 7), COMPASS[::5]):
                            event = search.times.event(node.place, kind, length, pitch)
                            assert member.step(now, event) is not None, (member.name, event)


def test_what_is_not_settled_among_many_is_asked_again_among_few() -> None:
    class Judge:
        most, unsettled = 100_000, 0

        def satisfiable(self, names: list[str], most: int) -> bool | None:
            return None if {*names} == {"end", "bars"} else not {"key", "end"} <= {*names}

    assert _smallest(Judge(), ("key", "bars", "end")) == (("key", "end"), True)  # type: ignore[arg-type]


def test_a_conflict_of_two_is_found_among_many_that_hide_it() -> None:
    many = Constraints(
        mode="lydian", pickup="1/4", note_values="1/16,1/2", chords="G#7", rhythm="3/4", bars=4,
        meter="12/8",
    )  # fmt: skip
    conflict = explain(many)
    assert conflict and conflict.minimal and set(conflict.names) == {"note_values", "rhythm"}
    assert explain(replace(many, note_values=None)) is None
    assert explain(replace(many, rhythm="1/2")) is None


def test_what_is_known_of_lengths_settles_the_share_of_rests() -> None:
    # A twentieth of 72 steps, or with the pickup of 84, is no whole number of them.
    odd = Constraints(pickup="1/8", bars=2, meter="3/8", rest_share="5%:5%")
    conflict = explain(odd)
    assert conflict and set(conflict.names) == {"pickup", "bars", "meter", "rest_share"}
    assert explain(replace(odd, rest_share="6.25%:6.25%")) is not None  # 4.5, and 5.25
    assert explain(replace(odd, bars=4, pickup="no", rest_share="6.25%:6.25%")) is None  # 9 of 144
    # Halves and sixteenths: six steps are the least rest, and no share of 96 under a sixteenth.
    grid = Constraints(note_values="1/16,1/2", bars=1, meter="4/4", pickup="no")
    assert explain(replace(grid, rest_share="1%:6%")) is not None
    assert explain(replace(grid, rest_share="1%:7%")) is None
    # Half of the row is rest, so of four bars with less than one before them a third at least.
    row = Constraints(rhythm="r1/2 1/2", bars=4, meter="4/4", rest_share="0:20%")
    grammar = NotesGrammar((), {})
    assert not Steered(grammar, row).satisfiable(2_000)
    assert Steered(grammar, replace(row, rest_share="40%:50%")).satisfiable(2_000)


SHAPED = {"rhythm_from", "kept", "bars"}


@given(st.lists(st.sampled_from(sorted(FLAGS)), min_size=2, max_size=4, unique=True), st.data())
@settings(max_examples=12, deadline=None, derandomize=True)
def test_several_flags_are_held_or_refused(names: list[str], data: Any) -> None:
    asked: dict[str, Any] = {}
    for name in names:
        asked |= FLAGS[name]
    asked.setdefault("bars", data.draw(st.sampled_from([1, 2, 3])))
    constraints = Constraints(**asked)
    conflict = explain(constraints)
    if conflict is None:
        for melody in drawn(constraints):
            assert broken(melody, constraints) == []
        return
    assert set(conflict.names) <= set(constraints.members)
    if conflict.settled and conflict.minimal:
        grammar = NotesGrammar((), {})
        assert not Steered(grammar, constraints, names=conflict.names).satisfiable(100_000)
        for one in conflict.names:
            fewer = set(conflict.names) - {one}
            assert Steered(grammar, constraints, names=fewer).satisfiable(100_000)


# -- against all melodies of a small space ---------------------------------------------


def _small_space(bars: int) -> list[Melody]:
    """All melodies in 2/8 of eighths and quarters, C4, D4 and E4, and rests."""
    found = []
    for row in product((None, 0, 60, 62, 64), repeat=2 * bars):  # None: what was sounds on
        notes: list[tuple[int, int, int]] = []
        sounds = False
        for at, what in enumerate(row):
            if what is None and not sounds:
                break
            if what is None:
                notes[-1] = (notes[-1][0], notes[-1][1] + 240, notes[-1][2])
            elif what:
                notes.append((at * 240, 240, what))
            sounds = what is None or what > 0
        else:
            if notes and all(n <= 480 for _, n, _ in notes):
                made = tuple(Note(*n) for n in notes)
                found.append(Melody(made, (Meter(0, 2, 8),), duration=480 * bars))
    return found


SPACE = _small_space(2)
FENCE = {"bars": 2, "meter": "2/8", "pickup": "no", "note_values": "1/8,1/4", "range": "C4:E4",
         "scale": "C D E"}  # fmt: skip
FENCED = [m for m in SPACE if not broken(m, Constraints(**FENCE))]
SMALL: dict[str, list[Any]] = {
    "max_leap": [0, 1, 2],
    "max_repeat": [1, 2],
    "start": ["C4", "E", "2"],
    "end": ["C4", "3", "D"],
    "cadence": ["open", "half", "authentic"],
    "notes_per_bar": ["0:1", "1:1", "2:2", "1:2"],
    "rest_share": ["0:0", "25%:25%", "0.3:0.5", "0.8:1"],
    "chords": ["C", "D5 | E5", "C D | N.C."],
    "rhythm": ["1/8", "1/4 r1/8 1/8", "r1/8 1/4"],
    "contour": ["up", "down", "arch"],
    "form": ["A", "AA", "AB", "AA'"],
}


@pytest.mark.parametrize("seed", range(4))
def test_refusals_and_look_ahead_are_exact_on_a_small_space(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(3):
        names = rng.choice(sorted(SMALL), rng.integers(1, 4), replace=False)
        asked = {str(n): SMALL[n][rng.integers(len(SMALL[n]))] for n in names}
        constraints = Constraints(**FENCE, **asked)
        good = {m.notes for m in FENCED if not broken(m, constraints)}
        conflict = explain(constraints)
        assert (conflict is None) == bool(good), (asked, len(good))
        if conflict is None:
            _walk(constraints, good)


def _walk(constraints: Constraints, good: set[Any]) -> None:
    """Walks of the grammar end in exactly the good ones; viable ids are those that lead there."""
    grammar = Steered(VOCABULARY.grammar(constraints.wishes()), constraints)
    state = grammar.start()
    ids: list[int] = []
    while not (ids and VOCABULARY.words(ids[-1:])[0].startswith("bar:")):
        mask = grammar.allowed(state)
        token = next(int(t) for t in np.flatnonzero(mask) if grammar.viable(state, int(t)))
        ids.append(token)
        state = grammar.advance(state, token)
    found: set[Any] = set()
    waiting = [(state, tuple(ids))]
    while waiting:
        state, so_far = waiting.pop()
        if grammar.ended(state):
            found.add(VOCABULARY.decode(so_far).notes)
            continue
        # Pieces smaller than an eighth give the same notes again: they are passed over.
        words = {
            int(t): VOCABULARY.words([int(t)])[0] for t in np.flatnonzero(grammar.allowed(state))
        }
        usual = [
            t for t, w in words.items() if not w.startswith("len:") or w in ("len:12", "len:24")
        ]
        some = [t for t in usual if grammar.viable(state, t)]
        assert some, "a dead end"
        waiting += [(grammar.advance(state, t), (*so_far, t)) for t in some]
    assert found == good


def test_refusals_name_a_smallest_set_and_a_change() -> None:
    conflict = explain(
        Constraints(key="C", mode="major", range="F#4:F#4", bars=4, meter="4/4", max_leap=5)
    )
    assert conflict is not None and conflict.settled and conflict.minimal
    assert set(conflict.names) == {"key", "mode", "range"}
    assert "--range F#4:G4 would do" in str(conflict.error())
    conflict = explain(Constraints(bars=6, form="AABA", meter="3/4"))
    assert conflict is not None and set(conflict.names) == {"bars", "form"}
    assert "--bars 8 would do" in conflict.change or "--bars 4 would do" in conflict.change
    conflict = explain(Constraints(contour="arch", bars=2, key="D"))
    assert conflict is not None and set(conflict.names) == {"contour", "bars"}


def test_two_conflicts_are_both_resolved_by_the_change() -> None:
    asked = Constraints(
        bars=1, contour="up", start="C4", end="D4", max_leap=12, note_values="1/4", rhythm="1/8",
        meter="4/4",
    )  # fmt: skip
    conflict = explain(asked)
    assert conflict is not None
    assert "leave out" in conflict.change and " and " in conflict.change


@pytest.mark.parametrize(
    "asked",
    [
        {"key": "H"}, {"mode": "blue"}, {"range": "B5:D4"}, {"meter": "4"}, {"bars": 0},
        {"note_values": "1/7"}, {"max_leap": -1}, {"start": "3"}, {"cadence": "half"},
        {"notes_per_bar": "8:2"}, {"rest_share": "2:3"}, {"chords": "H7"}, {"rhythm": "r1/4"},
        {"contour": "zigzag"}, {"form": "A'A"}, {"allow_chromatic": "F"}, {"own": ("nobody",)},
    ],
)  # fmt: skip
def test_values_without_sense_are_usage_errors(asked: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        explain(Constraints(**asked))


# -- answers by hand --------------------------------------------------------------------


def test_check_by_hand() -> None:
    asked = Constraints(
        key="C", mode="major", range="C4:A4", bars=2, max_leap=6, max_repeat=2, start="1",
        end="5", notes_per_bar="3:4", rest_share="0:0", note_values="1/4,1/2", contour="up",
        chords="C | F C", cadence="half", pickup="no",
    )  # fmt: skip
    said = {one.name: one for one in check(TWINKLE, asked)}
    assert {n for n, one in said.items() if not one.held} == {"max_leap"}
    assert said["max_leap"].measured == "7"
    assert said["range"].measured == "C4:A4"
    assert said["notes_per_bar"].measured == "3:4"
    assert said["cadence"].measured == "A to G on a strong beat"
    other = {one.name: one for one in check(UPBEAT, Constraints(
        rest_share="0:0.4", form="AA", meter="3/4", pickup="1/4", end="C"))}  # fmt: skip
    assert not other["form"].held and not other["end"].held
    assert other["pickup"].held and other["meter"].held
    rests = Fraction(3360 - 2400, 3360)
    assert other["rest_share"] == ("rest_share", True, f"{float(rests):.4g}")


# -- one's own, primers, gaps -----------------------------------------------------------


def _two_steps_down(state: Any, event: Any) -> Any:
    """No note more than two semitones under the one before."""
    if event.kind != "note":
        return state
    return None if state and event.pitch < state - 2 else event.pitch


def test_an_own_constraint_is_looked_ahead_for() -> None:
    register("gentle", lambda: Own("gentle", _two_steps_down))
    asked = Constraints(own=("gentle",), bars=2, meter="3/4", start="C6", end="C5", range="C5:C6")
    for melody in drawn(asked):
        assert broken(melody, asked) == []
        assert all(b >= a - 2 for a, b in pairwise(melody.pitches))
    two = Constraints(
        own=("gentle",), bars=1, start="C6", end="C5", rhythm="1/2 1/2", meter="4/4", pickup="no"
    )
    conflict = explain(two)
    assert conflict is not None and conflict.settled and "gentle" in conflict.names
    assert explain(replace(two, pickup=None)) is None  # down in steps, in the pickup


def test_events_of_a_melody_are_cut_at_barlines() -> None:
    melody = Melody((Note(480, 2400, 60),), duration=3840)
    kinds = [(e.kind, e.length, e.bar, e.at) for e in events(melody)]
    assert kinds[1:] == [
        ("bar", 96, 0, 0), ("rest", 24, 0, 0), ("note", 72, 0, 24),
        ("bar", 96, 1, 0), ("tie", 48, 1, 0), ("rest", 48, 1, 48),
    ]  # fmt: skip


WALK = Melody(
    tuple(Note(i * 480, 480, 60 + i % 5) for i in range(16)), (Meter(0, 4, 4),), duration=7680
)


def _parts(melody: Melody, *bars: int) -> list[list[int]]:
    """The ids before, between and after the starts of some bars, 0-based."""
    ids = [int(i) for i in VOCABULARY.encode(melody).ids]
    places = [i for i, w in enumerate(VOCABULARY.words(ids)) if w.startswith("bar:")]
    cuts = [0, *(places[b] for b in bars), len(ids)]
    return [ids[a:b] for a, b in pairwise(cuts)]


def test_a_primer_is_gone_on_from() -> None:
    primer, _ = _parts(WALK, 2)
    asked = Constraints(max_leap=2, range="C5:C6", start="C6")
    inner = Primed(VOCABULARY.grammar(), primer)
    assert explain(asked, inner, unseen=len(primer), unseen_bars=2) is None
    refused = explain(
        Constraints(start="C5", range="D5:C6"), inner, unseen=len(primer), unseen_bars=2
    )
    assert refused is not None and set(refused.names) == {"start", "range"}
    grammar = Steered(inner, asked, unseen=len(primer), unseen_bars=2)
    state = grammar.start()
    for token in primer:
        assert grammar.hardly_begun(state)  # of what is new nothing is there
        state = grammar.advance(state, int(token))
    made = generate_ids(Uniform(), [grammar], [np.random.default_rng(2)], Sampling())  # type: ignore[arg-type]
    whole = VOCABULARY.decode(made[0].ids)
    assert whole.notes[:8] == WALK.notes[:8] and len(whole.bars) == 4
    new = tuple(Note(n.onset - 3840, n.duration, n.pitch) for n in whole.notes[8:])
    assert broken(Melody(new, duration=3840), asked) == []


def test_a_gap_is_filled_and_the_rest_is_kept() -> None:
    head, _, tail = _parts(WALK, 1, 2)
    given_ids = [*head, GAP, *tail, FILL]
    inner = VOCABULARY.grammar()
    kept = KeptBars(WALK, frozenset({1, 3, 4}))
    conflict = explain(Constraints(kept=kept, max_leap=1), Filling(inner, given_ids, len(head), 2))
    assert conflict is not None and set(conflict.names) == {"kept", "max_leap"}
    asked = Constraints(kept=kept, max_leap=4)
    grammar = Steered(Filling(inner, given_ids, len(head), 2), asked)
    made = generate_ids(Uniform(), [grammar], [np.random.default_rng(3)], Sampling())  # type: ignore[arg-type]
    filled = [*head, *made[0].ids[len(given_ids) : -1], *tail]
    assert broken(VOCABULARY.decode(filled), asked) == []


def test_look_ahead_can_fail() -> None:
    """The search does not call everything alive: a state without a way to its end is dead."""
    facts, automata = Constraints(bars=1, meter="2/4", end="C4", max_leap=2).assemble()
    search = Search(facts, automata)
    groups = search.start()
    assert groups is not None and facts.meter is not None
    node = search.begin(facts.meter, 1, groups)
    assert node is not None and search.alive(node)
    far = search.play(node, "note", 46, 90)
    assert far is not None and not search.alive(far)
    near = search.play(node, "note", 46, 62)
    assert near is not None and search.alive(near)


def test_numbers_of_bars_that_a_form_cannot_have_are_struck_out() -> None:
    asked = Constraints(form="ABC", meter="1/4", note_values="1/4")
    for melody in drawn(asked, count=4):
        assert broken(melody, asked) == []


def test_a_refusal_says_where_it_is_not_proved_to_be_smallest():
    proved = Conflict(("start", "end"), "leave out --end")
    assert str(proved.error()) == "no melody keeps --start and --end together; leave out --end"
    assert "could not be settled" in str(replace(proved, minimal=False).error())


# -- lines that are told --------------------------------------------------------------------


def _line(pitches: list[int]) -> Melody:
    """Quavers in 4/4."""
    notes = tuple(Note(i * 240, 240, p) for i, p in enumerate(pitches))
    return Melody(notes, (Meter(0, 4, 4),), duration=-(-len(pitches) // 8) * 1920)


def test_conflicts_of_few_members_are_named_smallest() -> None:
    still = explain(Constraints(range="D3:D3", contour="down", meter="2/16", bars=3))
    assert still is not None and still.minimal and set(still.names) == {"range", "contour"}
    line = _line([60 + i % 5 for i in range(31)])
    few = Constraints(bars=4, meter="6/8", pickup="no", notes_per_bar="9:9", pitches_from=line)
    conflict = explain(few)
    assert conflict is not None and conflict.minimal and "notes_per_bar" in conflict.names
    assert {"pitches_from", "bars"} <= set(conflict.names)


def test_a_last_bar_short_by_the_pickup_that_has_no_room_for_its_notes() -> None:
    # A pickup of 7 1/2 eighths leaves one of 1/16 to the last bar, or half an eighth too much.
    asked = Constraints(pickup="15/16", note_values="1/8,1/4,1/2", notes_per_bar="2:8", bars=8,
                        meter="4/4", rest_share="0:0.2")  # fmt: skip
    grammar = NotesGrammar((), {})
    assert not Steered(grammar, asked).satisfiable(2_000)
    # One of 3/16 has room for a note, but not for two.
    shorter = replace(asked, pickup="13/16", notes_per_bar="1:8")
    assert Steered(grammar, shorter).satisfiable(20_000)
    assert not Steered(grammar, replace(shorter, notes_per_bar="2:8")).satisfiable(2_000)


def test_a_part_may_have_as_many_bars_as_the_whole() -> None:
    line = _line([60 + i % 2 for i in range(70)])
    asked = Constraints(pitches_from=line, notes_per_bar="1:1", bars=70, meter="2/4", pickup="no")
    part = ("pitches_from", "notes_per_bar", "meter", "pickup")
    grammar = NotesGrammar((), {})
    assert Steered(grammar, asked, names=part).satisfiable(20_000)
    # By itself it has too few: without --bars there are at most 64.
    alone = Steered(grammar, replace(asked, bars=None))
    assert not alone.satisfiable(20_000)


@pytest.mark.parametrize("also", [{"contour": True}, {"pitches_from": True}])
def test_kept_bars_find_their_place_in_a_told_line(also: dict[str, bool]) -> None:
    pitches = [60, 62, 64, 62, 65, 67, 64, 60] * 16
    given = _line(pitches)
    told = dict.fromkeys(also, given)
    asked = Constraints(kept=KeptBars(given, frozenset({3, 9})), notes_per_bar="4:12",
                        key="C", **told)  # type: ignore[arg-type]  # fmt: skip
    assert explain(asked) is None
    other = _line([60 + i % 2 for i in range(len(pitches))])
    wrong = explain(replace(asked, **dict.fromkeys(also, other)))
    assert wrong is not None and wrong.settled and "kept" in wrong.names


def test_a_line_repeats_itself_with_the_form() -> None:
    again = _line([60, 62, 64, 65, 60, 62, 64, 65, 67, 69, 67, 69])
    asked = Constraints(form="AABB", pitches_from=again, pickup="no", bars=4, meter="4/4")
    assert explain(asked) is None
    conflict = explain(replace(asked, pitches_from=_line(list(range(60, 72)))))
    assert conflict is not None and conflict.minimal
    assert {"form", "pitches_from"} <= set(conflict.names)
    silent = replace(asked, form="AAB", bars=3, pitches_from=_line(list(range(60, 72))))
    assert explain(silent) is None  # A has no notes


@pytest.mark.parametrize(
    ("form", "kept", "same", "fits"),
    [
        ("AABA", {3, 8}, True, True),  # of the second A and of the third
        ("AABA", {1, 3}, True, True),  # the first bar of both, which is the same
        ("AABA", {2, 4}, True, False),  # the second, which is another in each
        ("ABAB", {2, 4}, True, True),
        ("AA'BC", {2, 4}, True, True),  # the same rhythm
        ("AA'BC", {2, 4}, False, False),
    ],
)
def test_bars_that_are_kept_are_kept_in_all_sections_that_are_alike(form, kept, same, fits):
    pitches = [60, 62, 64, 65, 67, 69, 60, 62, 64, 71, 72, 74, *range(72, 60, -1)]
    notes = [Note(i * 480, 480, p) for i, p in enumerate(pitches)]
    if not same:
        notes[9:11] = [Note(9 * 480, 960, 71)]  # other lengths in the fourth bar
    given = Melody(tuple(notes), (Meter(0, 3, 4),), duration=8 * 1440)
    asked = Constraints(form=form, kept=KeptBars(given, frozenset(kept)))
    conflict = explain(asked)
    if fits:
        assert conflict is None
        assert all(broken(melody, asked) == [] for melody in drawn(asked))
    else:
        assert conflict is not None and conflict.minimal
        assert set(conflict.names) == {"form", "kept"}


@pytest.mark.parametrize(
    ("form", "asked"),
    [
        ("AABA'", {"range": "C4:D4", "notes_per_bar": "1:2", "note_values": "1/4,1/8"}),
        ("ABAC", {"range": "C4:E4", "key": "C", "notes_per_bar": "0:2", "pickup": "1/8"}),
        ("ABA'B", {"range": "C4:D4", "notes_per_bar": "0:3", "start": "C4"}),
        ("AB", {"note_values": "1/1,1/8", "range": "C4:D4", "mode": "dorian"}),
    ],
)
def test_what_sections_apart_say_of_an_end_is_so(form: str, asked: dict[str, Any]) -> None:
    bars = len(form.replace("'", ""))
    constraints = Constraints(form=form, meter="2/4", bars=bars, **asked)
    grammar = Steered(VOCABULARY.grammar(constraints.wishes()), constraints)
    apart = grammar.search._apart
    assert apart is not None
    exact = Search(*constraints.assemble())
    exact._apart = None
    rng, sure = np.random.default_rng(4), 0
    for _ in range(3):
        state = grammar.start()
        while not grammar.ended(state):
            node, length = state.node, state.tune.pending
            if node is not None and apart.surely_alive(node, length):
                sure += 1
                assert exact.alive_after_length(node, length) if length else exact.alive(node)
            tokens = rng.permutation(np.flatnonzero(grammar.allowed(state)))
            token = next(int(t) for t in tokens if grammar.viable(state, int(t)))
            state = grammar.advance(state, token)
    assert sure > 20


@pytest.mark.parametrize(("highest", "fits"), [("D4", True), ("C#4", False)])
def test_sections_of_one_note_need_as_many_pitches_as_letters(highest: str, fits: bool) -> None:
    asked = Constraints(form="ABC", bars=3, meter="2/4", pickup="no", note_values="1/2",
                        notes_per_bar="1:1", range=f"C4:{highest}")  # fmt: skip
    assert (explain(asked) is None) == fits


class _Pieces(Constraint):
    """Every piece of a note or rest fills its bar: it sees how they are cut."""

    name = "pieces"

    def step(self, state: int, event: Event) -> int | None:
        return None if event.kind in (NOTE, REST, TIE) and event.length < event.bar_length else 0


class _Quiet(NotesPerBar):
    """The last bar has one note at most."""

    def step(self, state: int, event: Event) -> Any:
        full = state == 1 and event.kind == NOTE and event.left == 1
        return None if full else super().step(state, event)


@pytest.mark.parametrize(("own", "values"), [(_Pieces(), "1/1,1/2"), (_Quiet(0, 2), "1/4,1/8")])
def test_a_form_beside_a_constraint_of_ones_own_leads_to_no_dead_end(own, values) -> None:
    asked = Constraints(form="AA", meter="2/4", bars=4, pickup="no", note_values=values,
                        range="C4:D4", own=(own,))  # fmt: skip
    grammar = Steered(VOCABULARY.grammar(asked.wishes()), asked)
    assert grammar.satisfiable()
    for seed in range(8):
        made = generate_ids(Uniform(), [grammar], [np.random.default_rng(seed)], Sampling())  # type: ignore[arg-type]
        melody = VOCABULARY.decode(made[0].ids)
        assert broken(melody, replace(asked, own=())) == []


def test_a_rhythm_may_end_before_a_note_that_may_not_be() -> None:
    # Two notes in the pickup, and a last bar that is the rest with which the rhythm begins.
    asked = Constraints(meter="2/4", note_values="1/12,1/2,1/8,5/8", rhythm="r1/8 3/32 1/1")
    short = Melody((Note(160, 160, 60), Note(480, 240, 60)), (Meter(0, 2, 4),), pickup=720,
                   duration=960)  # fmt: skip
    assert all(one.held for one in check(short, asked))
    grammar = Steered(VOCABULARY.grammar(asked.wishes()), asked)
    assert grammar.satisfiable(30_000)


def test_silence_that_is_copied_is_no_melody() -> None:
    asked = Constraints(form="AA", meter="1/4", bars=2, pickup="no")
    grammar = Steered(VOCABULARY.grammar(asked.wishes()), asked)
    groups = grammar.search.start()
    assert groups is not None
    node = grammar.search.begin(METERS.index("1/4"), 2, groups)
    rest = node and grammar.search.play(node, REST, 24)
    copy = rest and grammar.search.barline(rest)
    assert copy is not None and not grammar.search.alive(copy)


def test_a_copy_is_written_in_the_pieces_of_its_sounds() -> None:
    asked = Constraints(form="AA", bars=4, meter="4/4", pickup="no", key="C")
    grammar = Steered(VOCABULARY.grammar(asked.wishes()), asked)
    made = generate_ids(Uniform(), [grammar], [np.random.default_rng(2)], Sampling())[0]  # type: ignore[arg-type]
    copied = made.free[-(len(made.free) // 4) :]
    # Where all notes came, a rest may be cut; nothing else is left to choose.
    assert not any(copied[:-4])


@pytest.mark.parametrize(
    ("form", "shape", "fits"),
    [("AA", "up", False), ("ABAB", "down", False), ("AA", "arch", False), ("AAB", "up", True),
     ("AA'", "up", True), ("ABA", "arch", True), ("AA'A", "up", False),
     ("ABAB", "arch", False), ("ABACA", "arch", True), ("ABBA", "arch", True)],
)  # fmt: skip
def test_a_contour_that_a_form_cannot_have_is_refused_as_both(
    form: str, shape: str, fits: bool
) -> None:
    conflict = explain(Constraints(form=form, contour=shape))
    if fits:
        assert conflict is None
    else:
        assert conflict is not None and conflict.minimal
        assert set(conflict.names) == {"form", "contour"}


@pytest.mark.parametrize(
    ("asked", "classes"),
    [
        # Bounds in notes a quarter: 0.5, 0.75, 1, 1.34, 1.67, 2, 3.
        ({"meter": "4/4", "notes_per_bar": "1:8"}, [0, 1, 2, 3, 4, 5]),
        ({"meter": "4/4", "notes_per_bar": "4:6"}, [3, 4]),
        ({"meter": "6/8", "notes_per_bar": "6:6"}, [6]),
        ({"notes_per_bar": "1:8"}, [0, 1, 2, 3, 4, 5, 6, 7]),  # of some metre or other
    ],
)
def test_the_density_that_the_model_chooses_agrees_with_the_notes_a_bar(asked, classes):
    constraints = Constraints(**asked)
    grammar = Steered(make_vocabulary("notes", ()).grammar(constraints.wishes()), constraints)
    state = grammar.start()
    for token in (BOS, UNKNOWN, MODE0, KEY0):
        state = grammar.advance(state, token)
    allowed = grammar.allowed(state)[DENSITY0 : DENSITY0 + len(DENSITIES) + 1]
    assert np.flatnonzero(allowed).tolist() == classes


@pytest.mark.parametrize(
    ("asked", "pitches"),
    [
        ({"end": "A4", "key": "G"}, {69}),
        ({"end": "1", "key": "D", "range": "C4:E5"}, {62, 74}),
        ({"cadence": "authentic", "key": "F", "range": "C4:E5"}, {65}),
        ({"cadence": "half", "key": "F", "mode": "major", "range": "C4:E5"}, {60, 64, 67, 72, 76}),
        ({"end": "G", "range": "C4:B4"}, {67}),
        ({"key": "Eb", "mode": "major", "range": "C4:G4"}, {60, 62, 63, 65, 67}),
        ({"pitches_from": TWINKLE}, {67}),
    ],
)
def test_the_last_pitch_that_the_model_chooses_agrees_with_the_ending(asked, pitches):
    constraints = Constraints(**asked)
    grammar = Steered(make_vocabulary("notes", ()).grammar(constraints.wishes()), constraints)
    rng, found = np.random.default_rng(1), set()
    for _ in range(60):
        state, ids = grammar.start(), []
        while len(ids) < FIRST_EVENT:
            alive = [t for t in np.flatnonzero(grammar.allowed(state)) if grammar.viable(state, t)]
            ids.append(int(rng.choice(alive)))
            state = grammar.advance(state, ids[-1])
        low, high, last = ids[LAST_SLOT - 2 : LAST_SLOT + 1]
        assert low <= last <= high
        found.add(last - PITCH0 + tonic_offset(ids[KEY_SLOT]))
    assert found <= pitches and (found == pitches or len(pitches) > 2)


def test_a_pickup_shortens_the_last_bar_also_where_notes_are_counted() -> None:
    # Two bars have eight notes of this rhythm, and seven with a pickup of a quarter.
    line = _line([60, 62, 64, 65, 67, 69, 71])
    asked = Constraints(meter="4/4", bars=2, rhythm="1/2 1/4 1/8 1/8", pitches_from=line)
    (tune,) = drawn(asked, count=1)
    assert tune.pickup and len(tune.notes) == 7 and not broken(tune, asked)


def test_a_melody_that_is_given_may_show_that_all_can_be_kept(monkeypatch) -> None:
    asked = Constraints(contour=TWINKLE, form="AB")
    grammar = Steered(VOCABULARY.grammar(asked.wishes()), asked)

    def unsettled(*_: Any) -> bool:
        raise OutOfBudget

    monkeypatch.setattr(grammar.search, "_alive", unsettled)
    with pytest.raises(OutOfBudget):
        grammar.satisfiable()
    assert not grammar.learn(VOCABULARY.encode(_line([60, 60, 60])).ids.tolist())
    ids = VOCABULARY.encode(TWINKLE).ids.tolist()
    assert grammar.learn(ids) and grammar.satisfiable()
    state = grammar.start()
    for token in ids:
        allowed = grammar.allowed(state)
        token = token if allowed[token] else int(allowed.argmax())  # what the header says is free
        assert grammar.viable(state, token)
        state = grammar.advance(state, token)
    assert grammar.ended(state)


def test_a_melody_that_does_not_keep_all_shows_nothing() -> None:
    asked = Constraints(rhythm_from=_line([60] * 8), contour="arch")  # its only bar has no peak
    with pytest.raises(UsageError, match="no melody keeps"):
        steered(VOCABULARY.grammar(asked.wishes()), asked)


def test_all_melodies_of_a_rhythm_at_once_tell_one_that_keeps_everything():
    # The third note must be C: from E a step there is all that leads to it, though E is the goal.
    asked = Constraints(
        meter="4/4", bars=2, pickup="no", notes_per_bar="4:4", note_values="1/4",
        chords="C Fm | C", range="C4:E4", start="E4", end="E4", max_leap=2,
    )  # fmt: skip
    facts, automata = asked.assemble()
    search = Search(facts, automata)
    groups = search.start(-1, -1)
    assert groups is not None
    (root,) = search._beginnings.roots(facts.meters()[0], groups)
    way = search._crowds.settle(root, Allowance(1000))
    assert way is not None and way[0] == root and search.may_end(way[-1])
    for before, after in pairwise(way):
        assert after in search._children(before)
    far = replace(asked, max_leap=1).assemble()
    search = Search(*far)
    groups = search.start(-1, -1)
    assert groups is not None
    assert all(
        search._crowds.settle(root, Allowance(1000)) is None
        for root in search._beginnings.roots(facts.meters()[0], groups)
    )


def test_a_long_contour_in_any_mode_of_a_key_is_worked_out():
    signs = [1, 1, -1, 0, 1, -1, -1] * 8
    members = [Heard(), SomeKey([7], MODES, ()), ContourOf(signs)]
    graph = TuneGraph(members)
    start = tuple(m.start() for m in members)
    assert graph.notes_needed(start) == len(signs) + 1
    for pitch, after in graph.next(start):
        assert graph.notes_needed(after) == len(signs)
        assert graph.next(after) and graph.step(start, pitch) == after


def test_a_grid_that_note_values_cannot_leave_is_seen_at_once():
    values = NoteValues([12, 24])
    last_bar = Place(0, 1, 0, METERS.index("4/4"), 6, 2, 96)
    assert values.possible((NOTE, 6), last_bar)  # it may end short by the pickup
    assert not values.possible((NOTE, 6), last_bar._replace(pickup=0))
    assert values.possible((NOTE, 12), last_bar._replace(pickup=0))


@pytest.mark.parametrize(
    "asked",
    [
        {"form": "ABA'", "bars": 3, "meter": "3/16", "key": "C", "range": "C4:D4"},
        {"form": "ABA", "bars": 3, "meter": "2/16", "scale": "C", "range": "C4:C5"},
        {"form": "AA'B", "bars": 3, "meter": "2/8", "scale": "C D F", "chords": "C | Dm",
         "range": "C4:F4", "end": "C", "notes_per_bar": "1:3"},
        {"form": "ABCB", "bars": 4, "meter": "1/16", "note_values": "1/16", "notes_per_bar": "1:1",
         "scale": "C", "range": "C4:C6"},
        {"form": "ABA'", "bars": 6, "meter": "1/16", "note_values": "1/16", "notes_per_bar": "1:1",
         "scale": "C", "range": "C4:C5"},
        {"form": "AB", "bars": 2, "meter": "4/16", "key": "C", "mode": "major", "range": "C4:D4",
         "start": "1", "cadence": "authentic"},
    ],
)  # fmt: skip
def test_one_pitch_stands_for_all_that_nothing_tells_apart(asked: dict[str, Any]) -> None:
    """Where a search takes states for one another, it says of each id what it says else.

    One pitch is written for all that nothing tells apart, a section that is told from the others
    and never comes again is forgotten, and what may sound on may as well end.
    """
    each = [Constraints(**asked) for _ in "ab"]  # of one both would share its forms
    likened, exact = (Steered(VOCABULARY.grammar(one.wishes()), one) for one in each)
    assert likened.search._likens
    exact.search._likens = False
    exact.search._is_known = exact.search._live.__contains__
    for form in (c for c in (*exact.search.both, *exact.search.time) if isinstance(c, Form)):
        form._differs_by_now = lambda *_: False
    chance, said = np.random.default_rng(4), set()
    for _ in range(6):
        states = [g.start() for g in (likened, exact)]
        while not likened.ended(states[0]):
            tokens = np.flatnonzero(likened.allowed(states[0]))
            chance.shuffle(tokens)
            answers = [[g.viable(s, int(t)) for t in tokens[:12]]
                       for g, s in zip((likened, exact), states, strict=True)]  # fmt: skip
            assert answers[0] == answers[1]
            said |= set(answers[0]) if states[0].node else set()
            token = next(int(t) for t in tokens if likened.viable(states[0], int(t)))
            states = [g.advance(s, token) for g, s in zip((likened, exact), states, strict=True)]
    assert not likened.unsettled and not exact.unsettled
    assert said == {True, False}


def test_different_things_are_found_by_every_reader_also_after_one_broke_off() -> None:
    breaks = [True]

    def things() -> Iterator[int]:
        yield from (3, 1, 3)
        if breaks.pop():
            raise KeyboardInterrupt
        yield from (1, 2)
        breaks.append(False)

    different = Found(lambda: distinct(things()))
    first = iter(different)
    assert next(first) == 3
    with pytest.raises(KeyboardInterrupt):
        list(different)
    breaks.append(False)
    assert list(different) == [3, 1, 2] == [3, *first] == list(different)


def test_a_note_that_may_sound_on_may_as_well_end_and_not_the_other_way_round() -> None:
    facts, automata = Constraints(bars=2, meter="4/4").assemble()
    search = Search(facts, automata)
    groups = search.start(-1, -1)
    assert groups is not None
    begun = search.begin(METERS.index("4/4"), 2, groups)
    assert begun is not None
    silent, ended, sounding = (
        begun._replace(place=begun.place._replace(held=held)) for held in range(3)
    )
    search._live.add(ended)
    assert search._is_known(ended) and search._is_known(sounding)
    assert not search._is_known(silent)
    search = Search(facts, automata)
    search._live.add(sounding)
    assert search._is_known(sounding) and not search._is_known(ended)


@pytest.mark.parametrize(
    "asked",
    [
        {"kept": KeptBars(UPBEAT, frozenset({0, 2}))},
        {"kept": KeptBars(TWINKLE, frozenset({1}))},
        {"chords": "Dm7 | G7 C", "form": "AA'B"},
        {"chords": "C F | G7 | Am", "bars": 3},
        {"contour": "arch", "bars": 2},
    ],
)
def test_the_pitches_that_fit_are_those_after_which_there_is_a_state(asked: dict[str, Any]) -> None:
    """Also where a constraint has a quicker way; and what it sees of a note decides that."""
    search = Search(*Constraints(**asked).assemble())
    chance, told, some = np.random.default_rng(8), dict[Any, Any](), 0
    for number, member in enumerate(search.both):
        for _ in range(30):
            state = member.start()
            for bar in range(3):
                event = Event(BAR, 96, -1, bar, 0, 96, True, 3 - bar)
                state = member.step(state, event) if BAR in member.hears else state
                for at in range(0, 96, 24):
                    if state is None:
                        break
                    strong, left = at % 48 == 0, 3 - bar
                    event = Event(NOTE, 24, 60, bar, at, 96, strong, left)
                    steps = (member.step(state, event._replace(pitch=p)) for p in COMPASS)
                    fits = [p for p, after in zip(COMPASS, steps, strict=True) if after is not None]
                    assert list(member.fitting(state, event, COMPASS)) == fits
                    assert told.setdefault((number, state, member.sees(event)), fits) == fits
                    some += 0 < len(fits) < len(COMPASS)
                    pitch = int(chance.choice(fits)) if fits else 60
                    state = member.step(state, event._replace(pitch=pitch))
    assert some


def test_a_bar_that_comes_again_over_another_chord_has_tones_of_both() -> None:
    search = Search(*Constraints(chords="C | G", form="AA", bars=2).assemble())
    (chords,) = (c for c in search.both if isinstance(c, Chords))
    beats = [Event(NOTE, 24, 60, bar, 0, 96, True, 2 - bar) for bar in (0, 1)]
    common, later = ({p % 12 for p in chords.fitting(0, beat, COMPASS)} for beat in beats)
    assert common == {7} and later == {7, 11, 2}


def test_a_section_is_forgotten_once_it_differs_from_all_others() -> None:
    form = Form(parse_form("AB"))

    def after(state: Any, *heard: tuple[str, int, int]) -> Any:
        bar = state.section + 1
        state = form.step(state, Event(BAR, 96, -1, bar, 0, 96, True, 2 - bar))
        for kind, length, pitch in heard:
            strong = state.at == 0
            event = Event(kind, length, pitch, bar, state.at, 96, strong, 2 - bar)
            state = form.step(state, event)
        return state

    first = after(form.start(), (NOTE, 48, 60), (NOTE, 48, 60))
    assert first.notes > 0  # B is to be compared with it
    begun = after(first, (NOTE, 24, 60))
    assert begun.notes > 0  # it may still be prolonged to what A has
    same = after(first, (NOTE, 24, 60), (TIE, 24, -1), (NOTE, 48, 60))
    assert same.notes == first.notes and not form.accept(same)
    others = [after(first, (NOTE, 24, 61)), after(first, (NOTE, 72, 60))]
    others.append(after(first, (NOTE, 24, 60), (REST, 24, -1), (NOTE, 48, 60)))
    assert len({(s.notes, form.accept(s)) for s in others}) == 1
    assert others[0].notes < 0 and form.accept(others[0])


def test_a_section_with_a_copy_at_the_end_ends_as_the_tune_must() -> None:
    """Melodies are found that were sought in vain: four notes a bar, the last in the middle."""
    asked = Constraints(
        start="G", cadence="open", notes_per_bar="4:4", chords="Dm", form="AA'BA", bars=4,
        meter="12/8", key="Db",
    )  # fmt: skip
    assert Steered(VOCABULARY.grammar(asked.wishes()), asked).satisfiable(2_000)
    (melody,) = drawn(asked, count=1)
    assert not broken(melody, asked)


def test_rests_of_bars_that_are_kept_count_before_they_come() -> None:
    notes = [Note(bar * 1440 + i * 480, 480, 60 + bar + i) for bar in range(8) for i in range(3)]
    given = Melody(tuple(notes[:-2]), (Meter(0, 3, 4),), duration=8 * 1440)
    asked = Constraints(
        rest_share="0.09:0.1", form="AB", kept=KeptBars(given, frozenset({1, 3, 4, 5, 6, 8}))
    )
    search = Steered(VOCABULARY.grammar(asked.wishes()), asked).search
    (share,) = (c for c in search.time if c.name == "rest-share")
    place = Place(6, 2, 72, 18, 0, 1, 72)  # before the last bar, of which two thirds are silent
    whole = 8 * 72
    for rests in range(20):
        low, high = 0.09 * whole, 0.1 * whole
        assert share.possible((rests, whole - 72), place) == (low <= rests + 48 <= high)
    (melody,) = drawn(asked, count=1)
    assert not broken(melody, asked)


def test_before_a_last_note_on_a_strong_beat_there_is_less_room_for_notes() -> None:
    asked = Constraints(
        key="D", cadence="authentic", note_values="1/16,1/4", meter="4/4", bars=2, pickup="no"
    )
    search = Steered(VOCABULARY.grammar(asked.wishes()), asked).search
    place = Place(0, 2, 0, FOUR_FOUR, 0, 0, 192)
    (state,) = {search.time.starts()}
    # Sixteenths up to the third beat of the last bar, and one note there.
    assert search.time.most_notes(state, place) == 16 + 8 + 1
    last = Place(1, 1, 49, FOUR_FOUR, 0, 2, 47)
    assert search.time.most_notes(state, last) == 0
    steps = [0, 1, -1] * 16
    line = list(accumulate(steps, initial=62))
    for count, found in ((25, True), (26, False)):
        notes = tuple(Note(i * 480, 480, p) for i, p in enumerate(line[:count]))
        asked = replace(asked, contour=Melody(notes), cadence="open")
        steered = Steered(VOCABULARY.grammar(asked.wishes()), asked)
        assert steered.satisfiable(2_000) == found


def test_the_shape_of_a_melody_whose_line_is_followed_is_tried_first() -> None:
    notes = tuple(Note(i * 480, 480, 60 + i % 5) for i in range(35))
    asked = Constraints(contour=Melody(notes, (Meter(0, 5, 4),)), note_values="1/4,1/2")
    facts = asked.assemble()[0]
    assert METERS[facts.meters()[0]] == "5/4" and facts.bar_counts()[0] == 7
    assert len(set(facts.meters())) == len(METERS) and len(set(facts.bar_counts())) == 64
    told = replace(asked, meter="3/4", bars=9).assemble()[0]
    assert [METERS[m] for m in told.meters()] == ["3/4"] and told.bar_counts() == (9,)
    assert not replace(asked, pitches_from=Melody(notes[:6])).assemble()[0].contradiction


def test_a_key_that_cannot_be_settled_hides_no_other(monkeypatch: Any) -> None:
    asked = Constraints(mode="phrygian", bars=2, meter="4/4")
    real, unsure = Search.any_alive, [True]

    def any_alive(self: Search, groups: Any, *how: Any) -> bool:
        if unsure:
            unsure.pop()
            raise OutOfBudget
        return real(self, groups, *how)

    monkeypatch.setattr(Search, "any_alive", any_alive)
    melody = drawn(asked, count=1)[0]
    assert not unsure and not broken(melody, asked)


def test_a_rest_may_be_as_long_as_the_longest_bar() -> None:
    asked = Constraints(meter="12/2", bars=1, pickup="no", rhythm="1/4 r23/4", note_values="1/4")
    assert explain(asked) is None


def test_bars_of_a_copy_need_not_be_those_of_its_model() -> None:
    meters = (Meter(0, 3, 4), Meter(1440, 4, 4), Meter(5280, 3, 4))
    onsets = (1440, 1920, 3360 + 1440, 3360 + 1920)
    notes = [Note(t, 480 if i % 2 == 0 else 1440, 60 + 2 * (i % 2)) for i, t in enumerate(onsets)]
    tune = Melody(tuple(notes), meters, duration=6720)
    asked = Constraints(rhythm_from=tune, form="AA", contour="up")
    assert not broken(tune, asked)
    assert explain(asked) is None


def test_a_pickup_of_one_step_is_exact() -> None:
    tune = Melody((Note(0, 480, 60), Note(480, 1920, 62)), (Meter(0, 4, 4),), pickup=480)
    conflict = explain(Constraints(pickup="1/96", rhythm_from=tune))
    assert conflict and set(conflict.names) == {"pickup", "rhythm_from"}


def test_what_is_not_found_where_not_all_lengths_are_tried_is_not_proved() -> None:
    asked = {
        "meter": "1/16", "bars": 2, "pickup": "no", "form": "AA", "end": "C4", "cadence": "half",
        "key": "C", "mode": "major", "notes_per_bar": "1:1", "rest_share": "30%:35%",
    }  # fmt: skip
    notes = tuple(Note(120 * bar, 80, 67) for bar in range(2))  # four steps, and two of rest
    keeps = Melody(notes, (Meter(0, 1, 16),), duration=240)
    without = Constraints(**{k: v for k, v in asked.items() if k != "end"})
    assert not broken(keeps, without)
    conflict = explain(without)
    assert conflict and not conflict.settled
    conflict = explain(Constraints(**asked))  # this needs neither form nor rests to be told
    assert conflict and conflict.settled and set(conflict.names) >= {"end", "cadence"}


# -- pieces ------------------------------------------------------------------------------------


def test_a_note_that_fills_the_pickup_s_end_cannot_go_on_in_it() -> None:
    asked = Constraints(meter="4/4", bars=2, rhythm="1/2 1/4 1/8 1/8", pitches_from=_line([60] * 7))
    grammar = Steered(VOCABULARY.grammar(asked.wishes()), asked)
    search = grammar.search
    groups = search.start()
    assert groups is not None
    node = search.begin_pickup(FOUR_FOUR, groups)
    for kind, length in ((NOTE, 28), (NOTE, 12), (TIE, 1), (NOTE, 54)):
        node = search.play(node, kind, length, 60)
        assert node is not None
    # 95 steps, and 55 are no token: but there is no room for a step more.
    assert node.place.more == 1 and not search.alive(node)
    assert all(part.place.at < 96 for part in search._pieces(node))


def test_a_note_is_tied_over_the_barline_of_a_pickup_beside_ones_own_constraint() -> None:
    asked = Constraints(meter="4/4", bars=60, pickup="1/8", note_values="1/4", range="C4:D4",
                        own=(Own("free", lambda state, event: 0),))  # fmt: skip
    assert Steered(VOCABULARY.grammar(asked.wishes()), asked).satisfiable()


def test_a_receipt_sees_the_pieces_that_were_drawn() -> None:
    five = Melody((Note(0, 100, 60),), (Meter(0, 5, 32),), duration=300)
    told = [(e.kind, e.length) for e in events(five) if e.kind in (NOTE, REST, TIE)]
    assert told[:3] == [(NOTE, 4), (TIE, 1), (REST, 10)]
    short = Own("short", lambda _, e: None if e.kind in (NOTE, REST, TIE) and e.length > 4 else 0)
    asked = Constraints(meter="5/32", bars=2, pickup="no", range="C4:D4", own=(short,))
    for seed in range(4):
        for melody in drawn(asked, seed):
            assert all(one.held for one in check(melody, asked))


def test_a_tune_may_end_short_in_a_silence_that_cannot_go_on() -> None:
    asked = Constraints(meter="3/32", bars=2, pickup="1/96", range="C4:C4", max_repeat=1)
    grammar = Steered(VOCABULARY.grammar(asked.wishes()), asked)
    state = grammar.start()
    while state.tune.last != "meter":
        state = grammar.advance(state, int(grammar.allowed(state).argmax()))
    pitch = NAMES[PITCH0 + 60 - tonic_offset(state.tune.key)]
    for word in ("pickup", "len:1", pitch, "bar:2", "len:9", "rest", "bar:1", "len:8", "rest"):
        token = NAMES.index(word)
        assert grammar.allowed(state)[token] and grammar.viable(state, token), word
        state = grammar.advance(state, token)
    assert grammar.allowed(state)[NAMES.index("end")]


def test_pickups_that_a_rhythm_may_follow_are_those_that_are_found() -> None:
    for asked in (
        Constraints(bars=2, meter="3/16", rhythm="1/8 1/16 1/8", notes_per_bar="1:2"),
        Constraints(bars=2, meter="5/32", rhythm="3/32 r1/16 1/32", note_values="3/32,1/32"),
        Constraints(bars=3, meter="2/16", rhythm="1/8 1/16", form="ABC"),
        Constraints(bars=1, meter="6/16", rhythm="1/4 1/16", cadence="open", key="C"),
    ):
        facts, automata = asked.assemble()
        search = Search(facts, automata)
        assert facts.meter is not None
        told = search.times.pickups(facts.meter)
        assert told is not None
        for steps in range(1, METER_STEPS[facts.meter]):
            exact = replace(asked, pickup=f"{steps}/96")
            found = Steered(VOCABULARY.grammar(exact.wishes()), exact)
            found.search.times._pickups[facts.meter] = None  # told nothing
            assert steps in told or not found.satisfiable(100_000), (asked, steps)
