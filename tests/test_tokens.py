"""Tokens: melodies as ids and back, the grammar, and what training does to ids."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.errors import InputError, UsageError
from tunesmith.melody import MODES, TICKS_PER_QUARTER, Key, Melody, Meter, Note
from tunesmith.theory import SCALES, scale_of
from tunesmith.tokens import make_vocabulary, vocabulary_from_dict
from tunesmith.tokens.notes import (
    LENGTHS,
    TICKS_PER_STEP,
    UNKNOWN,
    fold_infill,
    token_counts,
    unfold_infill,
)
from tunesmith.tokens.table import (
    CLOSE_SLOT,
    DENSITY0,
    FIRST_EVENT,
    KEY_SLOT,
    LAST_SLOT,
    PERIOD_SLOT,
    PITCH0,
    REPEATS_SLOT,
    TURNED0,
    tonic_offset,
)

NOTES = make_vocabulary("notes", ("folk", "lieder"))
LETTERS = make_vocabulary("letters")
PITCHES = make_vocabulary("pitches")


@st.composite
def melodies(draw, step=TICKS_PER_STEP):
    """Melodies on the grid (or on `step` ticks), with pickups and metre changes."""
    choices = [(4, 4), (3, 4), (6, 8), (2, 4), (5, 8), (12, 8), (3, 2)]
    first = draw(st.sampled_from(choices))
    bar = Meter(0, *first).bar_ticks
    pickup = draw(st.sampled_from([0, 0, 240, 480])) % bar
    meters, barline, now = [Meter(0, *first)], pickup, first
    for _ in range(draw(st.integers(0, 3))):
        barline += draw(st.integers(1, 3)) * Meter(0, *now).bar_ticks
        now = draw(st.sampled_from([m for m in choices if m != now]))
        meters.append(Meter(barline, *now))
    notes, at = [], draw(st.integers(0, 3)) * step
    for _ in range(draw(st.integers(1, 30))):
        length = draw(st.integers(1, 2400 // step)) * step
        notes.append(Note(at, length, draw(st.integers(26, 102))))
        at += length + draw(st.sampled_from([0, 0, 0, 1, 4, 90])) * step
    meters = [m for m in meters if m.tick < notes[-1].end]
    if notes[-1].end <= pickup:
        notes.append(Note(notes[-1].end, 1920, 60))
    key = draw(st.sampled_from([None, Key("D", "dorian"), Key("Eb", "major")]))
    return Melody(tuple(notes), tuple(meters), pickup=min(pickup, bar - 1), key=key)


@given(melodies())
def test_round_trip_on_the_grid(melody):
    encoded = NOTES.encode(melody, "folk")
    back = NOTES.decode(encoded.ids)
    assert encoded.moved == 0
    assert back.notes == melody.notes
    assert back.key == melody.key
    assert [(b.start, b.end) for b in back.bars] == [(b.start, b.end) for b in melody.bars]
    assert NOTES.note_count(encoded.ids) == len(melody.notes)
    words = NOTES.words(encoded.ids)
    assert words[1] == "style:0"
    assert words[7] == [w for w in words if w.startswith("pitch")][-1]


@given(melodies(step=7))
def test_off_the_grid_the_number_of_notes_and_the_pitches_stay(melody):
    try:
        encoded = NOTES.encode(melody)
    except InputError as e:
        assert "too short for the grid" in str(e)
        return
    back = NOTES.decode(encoded.ids)
    assert back.pitches == melody.pitches
    moved = sum(
        a.onset != b.onset or a.duration != b.duration
        for a, b in zip(back.notes, melody.notes, strict=True)
    )
    if not melody.pickup:  # a pickup off the grid moves all that follows, together
        assert moved == encoded.moved == token_counts(melody).get("notes moved by the grid", 0)


def test_a_tune_in_words():
    # Pickup of a quarter; a half note tied over the barline; a last bar short by the pickup.
    melody = Melody(
        (Note(0, 480, 62), Note(480, 960, 67), Note(1440, 960, 69), Note(2400, 480, 71)),
        (Meter(0, 3, 4),),
        pickup=480,
        key=Key("G"),
    )
    words = NOTES.words(NOTES.encode(melody).ids)
    assert " ".join(words) == (
        "bos ? mode:major key:G density:1 pitch:67 pitch:76 pitch:76 len:24 "  # as if in C, up 5
        "rest density:0 meter:3/4 "  # no bar comes again
        "pickup len:24 pitch:67 bar:2 len:48 pitch:72 len:24 pitch:74 "
        "bar:1 len:24 tie len:24 pitch:76 end"
    )


def test_an_odd_length_is_a_sum_of_tied_ones():
    melody = Melody((Note(0, 5 * TICKS_PER_STEP, 60), Note(100, 1820, 62)))
    words = NOTES.words(NOTES.encode(melody).ids)
    assert words[13:17] == ["len:4", "pitch:60", "len:1", "tie"]


def _quarters(pitches):
    notes = [Note(i * TICKS_PER_QUARTER, TICKS_PER_QUARTER, p) for i, p in enumerate(pitches)]
    return Melody(tuple(notes), (Meter(0, 2, 4),))


@pytest.mark.parametrize(
    ("pitches", "period"),
    [
        # Bars A B A C A: the first returns twice, two bars later.
        ([60, 62, 64, 65, 60, 62, 67, 69, 60, 62], "bar:2"),
        # A B C A B C B C: what counts is how long ago each was heard last, three and two bars.
        ([60, 62, 64, 65, 67, 69, 60, 62, 64, 65, 67, 69, 64, 65, 67, 69], "bar:3"),
        # A A B B C D C D: as often after one as after two, and the smaller counts.
        ([60, 62, 60, 62, 64, 65, 64, 65, 67, 69, 71, 72, 67, 69, 71, 72], "bar:1"),
        ([60, 62, 64, 65], "rest"),
    ],
)
def test_the_header_tells_after_how_many_bars_most_come_again(pitches, period):
    assert NOTES.names[NOTES.encode(_quarters(pitches)).ids[PERIOD_SLOT]] == period


def test_silent_bars_do_not_come_again():
    notes = [Note(4 * i * TICKS_PER_QUARTER, TICKS_PER_QUARTER, 60 + i) for i in range(3)]
    words = NOTES.words(NOTES.encode(Melody(tuple(notes), (Meter(0, 2, 4),))).ids)
    assert words[PERIOD_SLOT] == "rest" and words.count("bar:2") == 1


def test_the_period_goes_as_far_as_bars_are_counted():
    def after(bars):
        # Bars that are all different, and after so many the first one again.
        others = [p for i in range(bars - 1) for p in (60 + i % 24, 61 + i // 24)]
        return NOTES.names[NOTES.encode(_quarters([40, 42, *others, 40, 42])).ids[PERIOD_SLOT]]

    assert (after(64), after(65), after(66)) == ("bar:64", "bar:more", "bar:more")


def test_the_header_tells_how_much_of_a_tune_is_said_again():
    # 22 intervals, 13 windows of ten; the twelfth and the thirteenth are those of the first half.
    line = [60, 62, 63, 67, 64, 69, 65, 70, 72, 71, 66]
    tune = _quarters([*line, 61, *line])
    assert NOTES.encode(tune).ids[REPEATS_SLOT] - DENSITY0 == 1  # 1 of 13 is 0.077: below 0.08
    tune = _quarters([*line, 61, *line, 61])
    assert NOTES.encode(tune).ids[REPEATS_SLOT] - DENSITY0 == 2  # 2 of 14


def _header(period, repeats):
    """The words of a header in C major that tells so much of the form."""
    told = "bos style:0 mode:major key:C density:2 pitch:60 pitch:72 pitch:60 len:24"
    return f"{told} {period} density:{repeats} meter:2/4".split()


def _after(grammar, words):
    state = grammar.start()
    for word in words:
        state = grammar.advance(state, NOTES.names.index(word))
    return state


def _numbers(plan):
    return [n for i, n in enumerate(NOTES.names) if plan.ids[i] and n.startswith("bar:")]


def test_there_are_bars_enough_for_the_period_and_for_what_is_to_come_again():
    grammar = NOTES.grammar({})
    # 56 % and more come again after sixteen bars: of 37 at least 21 do.
    plan = grammar.planned(_after(grammar, _header("bar:16", 7)))
    assert _numbers(plan)[0] == "bar:37" and _numbers(plan)[-1] == "bar:more"
    plan = grammar.planned(_after(grammar, _header("bar:16", 0)))
    assert _numbers(plan)[0] == "bar:17"
    # In a pickup all else may come as before.
    state = _after(grammar, [*_header("bar:16", 0), "pickup", "len:6", "pitch:60"])
    plan = grammar.planned(state)
    assert _numbers(plan)[0] == "bar:17" and plan.ids[NOTES.names.index("len:12")]
    assert grammar.planned(_after(grammar, _header("rest", 0))) is None
    assert _numbers(grammar.planned(_after(grammar, _header("bar:more", 0)))) == ["bar:more"]
    assert grammar.planned(_after(grammar, [*_header("bar:16", 0), "bar:17"])) is None


def test_no_more_comes_again_than_the_bars_that_are_asked_allow():
    grammar = NOTES.grammar({"bars": 32})
    words = _header("bar:16", 0)[:10]
    told = grammar.planned(_after(grammar, words)).ids
    classes = [n for i, n in enumerate(NOTES.names) if told[i]]
    assert classes == [f"density:{n}" for n in range(7)]  # 0.44 of 32 bars, but not 0.56
    some = NOTES.grammar({"bars": 16})
    periods = np.flatnonzero(some.allowed(_after(some, words[:9])))
    assert {NOTES.names[i] for i in periods} == {"rest", *(f"bar:{n}" for n in range(1, 16))}
    # Of eight bars or fewer no form is planned.
    short = NOTES.grammar({"bars": 8})
    (told,) = np.flatnonzero(short.allowed(_after(short, words[:9])))
    assert NOTES.names[told] == "?"


@given(melodies(), st.integers(0, 999))
def test_what_training_sees_of_a_header(melody, seed):
    ids = NOTES.encode(melody, "folk").ids
    rng = np.random.default_rng(seed)
    headers = np.array([NOTES.augment(ids, rng)[1:FIRST_EVENT] for _ in range(300)])
    known = [i for i, t in enumerate(ids[1:FIRST_EVENT]) if t != UNKNOWN and i + 1 != KEY_SLOT]
    seen = (headers[:, known] != UNKNOWN).sum(axis=1)
    # Three tenths whole and four tenths hidden; of the others each attribute by itself.
    assert 0.2 < (seen == len(known)).mean() < 0.42 and 0.3 < (seen == 0).mean() < 0.52


@given(st.integers(1, 2000))
def test_every_length_can_be_said(steps):
    total, left = 0, steps
    while left:
        piece = max(n for n in LENGTHS if n <= left)
        total, left = total + piece, left - piece
    assert total == steps


def _walk(grammar, size, seed, limit=20_000):
    """A random tune: any allowed token, drawn evenly."""
    rng, state, ids = np.random.default_rng(seed), grammar.start(), []
    while not grammar.ended(state):
        allowed = np.flatnonzero(grammar.allowed(state))
        assert len(allowed), (state, "a dead end")
        ids.append(int(rng.choice(allowed)))
        state = grammar.advance(state, ids[-1])
        assert len(ids) < limit
    assert not grammar.allowed(state).any()
    assert max(ids) < size
    return ids


@pytest.mark.parametrize("seed", range(12))
def test_random_walks_never_dead_end_and_keep_their_wishes(seed):
    wishes = {"bars": 1 + 3 * seed, "meter": Meter(0, 6, 8), "key": "D", "mode": "dorian"}
    melody = NOTES.decode(_walk(NOTES.grammar(wishes), NOTES.size, seed))
    counted = [b for b in melody.bars if not b.is_pickup]
    assert len(counted) == wishes["bars"]
    assert {str(b.meter) for b in melody.bars} == {"6/8"}
    assert melody.key == Key("D", "dorian")
    assert melody.duration in (melody.bars[-1].end, melody.bars[-1].end - melody.pickup)


@pytest.mark.parametrize("seed", range(40))
def test_there_is_one_way_to_say_a_melody(seed):
    ids = _walk(NOTES.grammar({"bars": 4}), NOTES.size, seed)
    assert NOTES.encode(NOTES.decode(ids)).ids[FIRST_EVENT:].tolist() == ids[FIRST_EVENT:]


@pytest.mark.parametrize("seed", range(6))
def test_generating_without_wishes_leaves_nothing_unknown_but_maybe_the_key(seed):
    ids = _walk(NOTES.grammar({}), NOTES.size, seed)
    assert UNKNOWN not in [*ids[:3], *ids[4:]]
    key = NOTES.decode(ids).key
    assert key is None or abs(key.sharps) <= 4


def test_long_tunes_count_down_exactly():
    ids = _walk(NOTES.grammar({"bars": 70, "meter": Meter(0, 2, 4)}), NOTES.size, 3)
    assert NOTES.words(ids).count("bar:more") == 6
    assert sum(w.startswith("bar:") for w in NOTES.words(ids)[FIRST_EVENT:]) == 70


def test_a_one_bar_tune_is_never_silent():
    for seed in range(30):
        NOTES.decode(_walk(NOTES.grammar({"bars": 1}), NOTES.size, seed))  # a Melody has notes


@pytest.mark.parametrize(
    ("wishes", "says"),
    [
        ({"style": "jazz"}, "no style 'jazz'; it has: folk, lieder"),
        ({"bars": 0}, "0 bars"),
        ({"low": 70, "high": 60}, "lowest pitch is above"),
        ({"meter": Meter(0, 5, 64)}, "no token says a metre of 5/64"),
        ({"low": 3}, "no token says low 3"),
        ({"low": 60, "last": 59}, "the last pitch is below the lowest"),
        ({"last": 80, "high": 79}, "the last pitch is below the lowest or above the highest"),
    ],
)
def test_wishes_that_no_token_says(wishes, says):
    with pytest.raises(UsageError, match=says):
        NOTES.grammar(wishes)


@given(melodies(), st.integers(0, 2**31))
def test_infilling_unfolds_to_the_same_tune(melody, seed):
    ids = NOTES.encode(melody).ids
    folded = fold_infill(ids, np.random.default_rng(seed))
    if len(folded) != len(ids) or (folded != ids).any():
        again = NOTES.decode(unfold_infill([int(i) for i in folded]))
        assert again == NOTES.decode(ids)


def test_infilling_does_happen():
    melody = Melody(tuple(Note(480 * i, 480, 60 + i % 5) for i in range(64)))
    ids = NOTES.encode(melody).ids
    words = NOTES.words(fold_infill(ids, np.random.default_rng(1)))
    assert "gap" in words and "fill" in words and words.count("end") == 2


@given(melodies(), st.integers(0, 2**31))
def test_augmenting_keeps_the_tune_up_to_transposition(melody, seed):
    ids = NOTES.encode(melody, "folk").ids
    before = ids.copy()
    back = NOTES.decode(NOTES.augment(ids, np.random.default_rng(seed)))
    assert (ids == before).all()  # the corpus is never changed
    assert melody.same_tune(back)
    if melody.key and back.key:
        shift = back.notes[0].pitch - melody.notes[0].pitch
        assert (back.key.pitch_class - melody.key.pitch_class - shift) % 12 == 0


def test_after_the_planned_onset_a_tie_is_taken_rather_than_none():
    grammar = NOTES.grammar({"bars": 1, "meter": Meter(0, 4, 4), "key": "C", "mode": "major"})
    state = grammar.start()
    head = (
        "bos style:0 mode:major key:C density:2 pitch:60 pitch:72 pitch:60 len:48 "
        "? ? meter:4/4 bar:1"
    )
    for word in (head + " len:48 pitch:64 len:24 pitch:60 len:12").split():
        state = grammar.advance(state, NOTES.names.index(word))
    plan = grammar.planned(state)
    assert plan.default == NOTES.names.index("tie")
    assert {NOTES.names[i] for i in np.flatnonzero(plan.ids)} == {"tie", "rest"}


def test_silence_at_the_beginning_comes_last_backwards():
    tune = Melody((Note(3840, 480, 60), Note(4320, 1440, 62)), key=Key("C", "major"))
    ids = NOTES.encode(tune).ids
    seed = next(s for s in range(99) if np.random.default_rng(s).integers(3) == 1)
    back = NOTES.decode(NOTES.turned(ids, np.random.default_rng(seed)))
    assert back.notes == (Note(0, 1440, 62), Note(1440, 480, 60)) and back.duration == 5760


@given(melodies(), st.integers(0, 99))
def test_a_tune_turned_about_is_a_tune_and_marked(melody, seed):
    ids = NOTES.encode(melody, "folk").ids
    forth = NOTES.decode(ids)
    turned = NOTES.turned(ids, np.random.default_rng(seed))
    made = NOTES.decode(turned)
    if (turned == ids).all():
        return
    assert made.duration == forth.duration and made.key == forth.key
    way = turned[1] - TURNED0
    pitches, lengths = made.pitches, [n.duration for n in made.notes]
    if way in (1, 2):  # backwards: its first and last notes, and the header's
        pitches, lengths = pitches[::-1], lengths[::-1]
    assert lengths == [n.duration for n in forth.notes]
    sums = {p + q for p, q in zip(pitches, forth.pitches, strict=True)}
    if way == 1:
        assert pitches == forth.pitches
    else:
        assert len(sums) == 1
    assert turned[LAST_SLOT] - PITCH0 == made.pitches[-1] - tonic_offset(int(turned[KEY_SLOT]))
    hidden = NOTES.augment(turned, np.random.default_rng(seed))
    assert hidden[1] == turned[1] and not NOTES.charged(hidden)[1]


@pytest.mark.parametrize("mode", MODES)
def test_upside_down_keeps_the_scale(mode):
    key = Key("D", mode)
    pitches = [62 + d for d in (*sorted(SCALES[mode]), 12)]
    melody = Melody(tuple(Note(480 * i, 480, p) for i, p in enumerate(pitches)), key=key)
    seed = next(s for s in range(99) if np.random.default_rng(s).integers(3) == 0)
    made = NOTES.decode(NOTES.turned(NOTES.encode(melody).ids, np.random.default_rng(seed)))
    assert {(p - 62) % 12 for p in made.pitches} == set(SCALES[mode])
    assert list(made.pitches) == sorted(made.pitches, reverse=True)
    assert abs(made.pitches[0] - 74) <= 6


@given(melodies())
def test_unconditional_hides_every_attribute_and_charges_all_else(melody):
    ids = NOTES.encode(melody, "folk").ids
    hidden = NOTES.unconditional(ids)
    others = [1, 2, 4, 5, 6, 7, 8, 9, 10]  # all but the key, which says what the pitches mean
    assert (hidden[others] == UNKNOWN).all() and hidden[3] == ids[3]
    assert (hidden[11:] == ids[11:]).all()
    charged = [False] * 3 + [True] + [False] * 7 + [True] * (len(ids) - 11)
    assert NOTES.charged(hidden).tolist() == charged
    assert (NOTES.unconditional(NOTES.encode(melody, "lieder").ids) == hidden).all()


@given(melodies(), st.integers(20, 200))
def test_cutting_stops_at_a_bar(melody, length):
    ids = NOTES.encode(melody).ids
    cut = NOTES.cut(ids, length)
    assert len(cut) <= max(length, 0) and (cut == ids[: len(cut)]).all()


def test_what_breaks_the_grammar_is_refused():
    ids = NOTES.encode(Melody((Note(0, 1920, 60),))).ids
    with pytest.raises(InputError, match="breaks off"):
        NOTES.decode(ids[:-1])
    with pytest.raises(InputError, match="may not follow"):
        NOTES.decode([*ids[:-1], ids[-2], ids[-1]])


def test_pitches_outside_the_piano_are_refused():
    with pytest.raises(InputError, match="leave the range of the tokens"):
        NOTES.encode(Melody((Note(0, 480, 12),)))


@given(st.text("CcDdEFfGgAaBR", min_size=1).filter(lambda t: set(t) != {"R"}))
def test_letters_round_trip(text):
    ids = [13, *("CcDdEFfGgAaBR".index(c) for c in text), 13]
    melody = LETTERS.decode(ids)
    assert LETTERS.encode(melody).ids.tolist() == ids
    assert LETTERS.note_count(np.array(ids)) == len(text) - text.count("R")


def test_letters_of_a_wished_length():
    for seed in range(5):
        ids = _walk(LETTERS.grammar({"bars": 2}), 14, seed)
        assert len(ids) == 10
    with pytest.raises(UsageError, match="knows nothing of key"):
        LETTERS.grammar({"key": "D"})


def test_pitches_by_hand():
    # A rest, a length and a metre are not told; a note over a barline is one.
    melody = Melody((Note(0, 480, 60), Note(960, 2400, 0), Note(3360, 7, 127)), (Meter(0, 3, 4),))
    ids = PITCHES.encode(melody).ids
    assert PITCHES.words(ids) == ["bos", "pitch:60", "pitch:0", "pitch:127", "end"]
    assert PITCHES.note_count(ids) == 3
    assert PITCHES.charged(ids).tolist() == [False, True, True, True, True]
    back = PITCHES.decode(ids)
    assert back.notes == (Note(0, 480, 60), Note(480, 480, 0), Note(960, 480, 127))


@given(st.lists(st.integers(0, 127), min_size=1), st.integers(0, 2**31))
def test_pitches_round_trip_and_stay_inside_when_moved(pitches, seed):
    ids = PITCHES.encode(Melody(tuple(Note(i, 1, p) for i, p in enumerate(pitches)))).ids
    before = ids.copy()
    back = PITCHES.decode(ids)
    assert list(back.pitches) == pitches and (PITCHES.encode(back).ids == ids).all()
    moved = PITCHES.decode(PITCHES.augment(ids, np.random.default_rng(seed))).pitches
    assert (ids == before).all()
    shifts = {b - a for a, b in zip(pitches, moved, strict=True)}
    assert len(shifts) == 1 and -5 <= min(shifts) <= 6


def test_pitches_are_moved_by_all_shifts_that_fit():
    rng = np.random.default_rng(1)

    def shifts(*pitches):
        ids = np.array([128, *pitches, 129], np.uint16)
        return {int(PITCHES.augment(ids, rng)[1]) - pitches[0] for _ in range(300)}

    assert shifts(60, 64) == set(range(-5, 7))
    assert shifts(2, 60) == set(range(-2, 7))
    assert shifts(60, 125) == set(range(-5, 3))
    assert shifts(0, 127) == {0}


def test_pitches_of_a_wished_length_and_what_breaks_the_grammar():
    for seed in range(5):
        assert len(_walk(PITCHES.grammar({"bars": 2}), PITCHES.size, seed)) == 10
    with pytest.raises(UsageError, match="knows nothing of key"):
        PITCHES.grammar({"key": "D"})
    for ids in ([128, 129], [60, 129], [128, 60, 128, 129], [128, 60, 129, 60], [128, 130]):
        with pytest.raises(InputError, match="breaks the grammar"):
            PITCHES.decode(ids)
    with pytest.raises(InputError, match="breaks off after 1 pitches"):
        PITCHES.decode([128, 60])


@pytest.mark.parametrize("vocabulary", [NOTES, LETTERS, PITCHES])
def test_vocabulary_as_data(vocabulary):
    again = vocabulary_from_dict(vocabulary.to_dict())
    assert again.names == vocabulary.names and again.styles == vocabulary.styles
    changed = vocabulary.to_dict() | {"tokens": list(reversed(vocabulary.names))}
    with pytest.raises(InputError, match="not those of this version"):
        vocabulary_from_dict(changed)
    older = vocabulary.to_dict()
    older["attributes"] = older["attributes"][:-1] or ["mode"]
    with pytest.raises(InputError, match="not those of this version"):
        vocabulary_from_dict(older)


def test_no_two_tokens_have_one_name():
    for vocabulary in (NOTES, LETTERS, PITCHES):
        assert len(set(vocabulary.names)) == vocabulary.size


def test_a_tune_is_the_same_tokens_in_every_key_but_for_one():
    melody = Melody(
        tuple(Note(480 * i, 480, 60 + p) for i, p in enumerate((0, 2, 4, 5, 7, 9, 11, 12))),
        key=Key("C"),
    )
    here = NOTES.encode(melody).ids
    for shift in range(-5, 7):
        there = NOTES.encode(melody.transpose(shift)).ids
        assert np.flatnonzero(here != there).tolist() == ([3] if shift else [])
        assert NOTES.decode(there).notes == melody.transpose(shift).notes


@pytest.mark.parametrize("key", ["C", "Ab", "F#"])
def test_a_wished_range_is_said_in_the_key(key):
    grammar = NOTES.grammar({"low": 60, "high": 79, "key": key, "bars": 1})
    words = NOTES.words(_walk(grammar, NOTES.size, 1))
    offset = {"C": 0, "Ab": -4, "F#": 6}[key]
    assert words[5:7] == [f"pitch:{60 - offset}", f"pitch:{79 - offset}"]


@pytest.mark.parametrize(
    "wishes",
    [
        {"key": "Ab", "mode": "dorian"},
        {"key": "F#", "mode": "major", "last": 66},
        {"low": 61, "mode": "minor", "key": "E"},
        {"high": 70, "last": 62, "key": "Bb"},
    ],
)
def test_the_last_pitch_lies_between_the_lowest_and_the_highest(wishes):
    for seed in range(30):
        ids = _walk(NOTES.grammar({**wishes, "bars": 1}), NOTES.size, seed)
        low, high, last = ids[5:8]
        assert low <= last <= high
        first = NOTES.names.index("pitch:60")
        if "mode" in wishes and "last" not in wishes and high - low >= 3:
            assert (last - first) % 12 in scale_of(wishes["mode"])
        if "last" in wishes:
            offset = {"F#": 6, "Bb": -2}[wishes["key"]]
            assert last - first + 60 + offset == wishes["last"]


def test_a_last_pitch_outside_the_header_s_range_breaks_the_grammar():
    ids = NOTES.encode(Melody((Note(0, 960, 60), Note(960, 960, 64)))).ids
    assert NOTES.words(ids)[5:8] == ["pitch:60", "pitch:64", "pitch:64"]
    for step in (-5, 1):
        wrong = ids.astype(int)
        wrong[7] += step
        with pytest.raises(InputError, match="may not follow"):
            NOTES.decode(wrong)
        wrong[5:7] = UNKNOWN
        assert NOTES.decode(wrong).pitches == (60, 64)  # nothing to contradict


def test_of_a_range_without_a_note_of_the_scale_any_may_be_the_last():
    grammar = NOTES.grammar({"key": "C", "mode": "major", "low": 61, "high": 61, "bars": 1})
    assert NOTES.words(_walk(grammar, NOTES.size, 1))[5:8] == ["pitch:61"] * 3


def test_the_end_that_the_header_tells_is_planned():
    # Two bars of 2/4 after a pickup of an eighth; the last note, G, leaves the pickup's length.
    eighth = 240
    lengths, onset, notes = [1, 2, 2, 2, 1], 0, []
    for n, pitch in zip(lengths, [67, 60, 64, 62, 67], strict=True):
        notes.append(Note(onset, n * eighth, pitch))
        onset += n * eighth
    tune = Melody(tuple(notes), (Meter(0, 2, 4),), pickup=eighth, key=Key("C", "major"))
    grammar = NOTES.grammar()
    state, planned = grammar.start(), []
    for token in NOTES.encode(tune).ids:
        if plan := grammar.planned(state):
            ids = {NOTES.names[i] for i in np.flatnonzero(plan.ids)}
            planned.append((NOTES.names[token], ids))
        state = grammar.advance(state, int(token))
    octaves = {f"pitch:{p}" for p in range(31, 109, 12)}
    up_to = {n: {f"len:{m}" for m in LENGTHS if m <= n} for n in (12, 24, 48, 72)}
    meters = {n for n in NOTES.names if n.startswith("meter:")}
    to_onset = [up_to[72], up_to[48], up_to[24], up_to[24]]  # before each length, and the barline
    assert [said for _, said in planned] == [
        *(lengths | meters for lengths in to_onset),
        up_to[12],  # the last note itself, an eighth
        octaves | {"rest", "tie"},  # without a note there the last bar is full
        {"end"},
    ]
    untimed = NOTES.encode(tune).ids
    untimed[CLOSE_SLOT] = UNKNOWN
    state, planned = grammar.start(), []
    for token in untimed:
        if grammar.planned(state) is not None:
            planned.append(NOTES.names[token])
        state = grammar.advance(state, int(token))
    assert planned == ["pitch:67"]
    hidden = NOTES.unconditional(NOTES.encode(tune).ids)
    state = grammar.start()
    for token in hidden:
        assert grammar.planned(state) is None
        state = grammar.advance(state, int(token))


def test_a_silent_last_bar_as_long_as_the_pickup_and_a_pickup_of_nearly_a_bar():
    four, one = Meter(0, 4, 4), Meter(2400, 1, 4)
    silent = Melody((Note(0, 480, 60), Note(480, 1920, 62)), (four, one), 480, 2880)
    again = NOTES.decode(NOTES.encode(silent).ids)
    assert again.duration == 2880 and again.notes == silent.notes
    long = Melody((Note(0, 1435, 60), Note(1435, 1440, 62)), (Meter(0, 3, 4),), 1435, 2875)
    assert NOTES.decode(NOTES.encode(long).ids).pickup == 71 * 20
